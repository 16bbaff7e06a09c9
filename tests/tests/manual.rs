//! The manual in docs/: every block of D-Script in it is compiled, those with an output and tests are run.

use dscript_tests::{ending, good, json_lines, root, run, text};
use std::fs;
use std::path::Path;

struct Block {
    place: String,
    /// What stands after the opening quotes: `d-script`, `d-script,error`, `d-script,run`, or another language.
    kind: String,
    text: String,
}

fn blocks(file: &Path) -> Vec<Block> {
    let name = file.file_name().expect("a file has a name").to_string_lossy().into_owned();
    let source = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut all: Vec<Block> = Vec::new();
    let mut inside = false;
    for (number, line) in source.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(kind) if !inside => {
                inside = true;
                let place = format!("{name}:{}", number + 1);
                all.push(Block { place, kind: kind.to_owned(), text: String::new() });
            }
            Some(_) => inside = false,
            None if inside => {
                let block = all.last_mut().expect("a block was opened");
                block.text += line;
                block.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!inside, "{name}: the last block is closed");
    all
}

/// Writes a block: the last of its files, each after a line `// file: NAME`, or the whole; gives its name.
fn write(folder: &Path, block: &str) -> String {
    let mut name = "main.ds".to_owned();
    let mut lines = Vec::new();
    let end = |name: &str, lines: &mut Vec<&str>| {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().expect("a file stands in a folder")).expect("folders can be made");
        fs::write(file, lines.join("\n") + "\n").expect("a file can be written");
        lines.clear();
    };
    for line in block.lines() {
        if let Some(next) = line.strip_prefix("// file: ") {
            if !lines.is_empty() {
                end(&name, &mut lines);
            }
            name = next.to_owned();
        } else {
            lines.push(line);
        }
    }
    end(&name, &mut lines);
    name
}

/// What is wrong with a block, if anything.
fn mistake(block: &Block, output: Option<&str>) -> Option<String> {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let folder = scratch.path();
    let file = write(folder, &block.text);
    let checked = run("dsc", folder, &["check", file.as_str(), "--message-format", "json"]);
    let said = json_lines(&checked.stdout);
    let (code, problems) = (checked.status.code(), text(&checked.stdout));
    match block.kind.as_str() {
        "d-script,error" => (code != Some(1) || said.len() != 1)
            .then(|| format!("one error is expected, this was said:\n{problems}")),
        "d-script" => {
            // What an example controls is often its parameter: the capability is wide then.
            if code != Some(0) || said.iter().any(|d| d["code"] != "W0002") {
                return Some(format!("it does not compile:\n{problems}"));
            }
            if !block.text.lines().any(|line| line.starts_with("test \"")) {
                return None;
            }
            let tested = run("dsc", folder, &["test", file.as_str()]);
            let (report, warnings) = (text(&tested.stdout), text(&tested.stderr));
            (!tested.status.success() || !warnings.is_empty())
                .then(|| format!("its tests fail:\n{report}{warnings}"))
        }
        "d-script,run" => {
            let Some(output) = output else { return Some("a block ```text with its output follows".into()) };
            let compiled = run("dsc", folder, &["compile", file.as_str(), "-o", "it.dsb"]);
            if !compiled.status.success() {
                return Some(format!("it does not compile:\n{}", text(&compiled.stderr)));
            }
            let ran = run("dsvm", folder, &["exec", "it.dsb"]);
            let (code, said) = ending(&ran);
            let printed = text(&ran.stdout);
            (code != Some(0) || printed != output)
                .then(|| format!("it prints\n{printed}{said}with status {code:?}, and not\n{output}"))
        }
        other => Some(format!("there is no kind of block `{other}`")),
    }
}

#[test]
fn every_block_is_true() {
    let summary = fs::read_to_string(root().join("docs/src/SUMMARY.md")).expect("the manual has a summary");
    let mut count = 0;
    let mut failures = Vec::new();
    for entry in fs::read_dir(root().join("docs/src")).expect("the manual is there") {
        let file = entry.expect("an entry").path();
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        if name != "SUMMARY.md" {
            assert!(summary.contains(&format!("({name})")), "{name} is not in the summary");
        }
        let blocks = blocks(&file);
        for (index, block) in blocks.iter().enumerate() {
            if !block.kind.starts_with("d-script") {
                continue;
            }
            count += 1;
            let next = blocks.get(index + 1).filter(|next| next.kind == "text");
            if let Some(what) = mistake(block, next.map(|next| next.text.as_str())) {
                failures.push(format!("{}: {what}", block.place));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count > 30, "the manual has examples");
}

/// As mdBook makes them of headings.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The addresses of all links of Markdown, code left out.
fn links(markdown: &str) -> Vec<&str> {
    let mut all = Vec::new();
    for text in markdown.split("```").step_by(2).flat_map(|text| text.split('`').step_by(2)) {
        let after = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        all.extend(after.map(|(address, _)| address));
    }
    all
}

#[test]
fn every_link_leads_somewhere() {
    let folder = root().join("docs/src");
    let mut files: Vec<std::path::PathBuf> =
        fs::read_dir(&folder).expect("the manual is there").map(|e| e.expect("an entry").path()).collect();
    files.extend(["README.md", "ARCHITECTURE.md"].map(|name| root().join(name)));
    let mut count = 0;
    for file in &files {
        let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        for address in links(&text).into_iter().filter(|a| !a.contains("://")) {
            count += 1;
            let (path, id) = address.split_once('#').unwrap_or((address, ""));
            let target = match path {
                "" => file.clone(),
                path => file.parent().expect("a file stands in a folder").join(path),
            };
            let place = format!("{} links to {address}", file.display());
            assert!(target.exists(), "{place}");
            if !id.is_empty() {
                let text = fs::read_to_string(&target).unwrap_or_else(|e| panic!("{place}: {e}"));
                let headings = text.lines().filter(|line| line.starts_with('#'));
                let found = headings.map(|h| anchor(h.trim_start_matches('#'))).any(|anchor| anchor == id);
                assert!(found, "{place}");
            }
        }
    }
    assert!(count > 30, "{count} links");
}

#[test]
fn every_code_stands_in_the_manual() {
    let manual = fs::read_to_string(root().join("docs/src/diagnostics.md")).expect("the page is there");
    let rows: Vec<&str> = manual.lines().filter(|l| l.starts_with("| E0") || l.starts_with("| W0")).collect();
    let listed = good("dsc", &root(), &["explain"]);
    let wanted: Vec<String> = listed.lines().map(|l| format!("| {} |", l.replacen("  ", " | ", 1))).collect();
    assert_eq!(rows, wanted, "docs/src/diagnostics.md lists the codes with their titles");
}

/// The long options in the help of a command, and the names of its commands.
fn helped(name: &str, path: &[&str]) -> (Vec<String>, Vec<String>) {
    let help = good(name, &root(), &[path, &["--help"]].concat());
    let options = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let long = line.strip_prefix("-").and_then(|rest| rest.split_once(", --")).map(|(_, long)| long);
        let word = long.or_else(|| line.strip_prefix("--"))?;
        Some(format!("--{}", word.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next()?))
    });
    let commands =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let commands = commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    (options.collect(), commands.map(str::to_owned).collect())
}

#[test]
fn every_option_stands_in_the_manual() {
    let manual = ["commands", "editors", "tests", "limits"]
        .map(|page| {
            fs::read_to_string(root().join(format!("docs/src/{page}.md"))).expect("the page is there")
        })
        .concat();
    let stands = |option: &str| {
        manual.match_indices(option).any(|(at, _)| {
            !manual[at + option.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
        })
    };
    let mut missing = Vec::new();
    let mut count = 0;
    for name in ["dsc", "dsvm", "dsctl"] {
        let mut paths: Vec<Vec<String>> = vec![Vec::new()];
        while let Some(path) = paths.pop() {
            let (options, commands) = helped(name, &path.iter().map(String::as_str).collect::<Vec<_>>());
            for option in options.iter().filter(|option| !["--help", "--version"].contains(&&option[..])) {
                count += 1;
                if !stands(option) {
                    missing.push(format!("{name} {} {option}", path.join(" ")));
                }
            }
            paths.extend(commands.into_iter().map(|command| [&path[..], &[command]].concat()));
        }
    }
    assert!(count > 100, "{count} options");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
