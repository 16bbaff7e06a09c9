//! `dsc doc` as a user calls it. What its pages hold is tested beside the generator.

use dscript_tests::{json_lines, run, text};
use std::fs;
use std::path::Path;

fn write(folder: &Path, name: &str, content: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a file stands in a folder")).expect("folders can be made");
    fs::write(path, content).expect("a file can be written");
}

fn pages(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_library_gets_its_manual() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let folder = scratch.path();
    write(folder, "lib/care/checks.ds", "/** One. */\nint one() { return 1; }\nint two() { return 2; }\n");
    write(folder, "lib/probe.ds", "import care.checks.*;\nprint(one());\n");
    let made = run("dsc", folder, &["doc", "lib", "-o", "manual", "--json"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let said = &json_lines(&made.stdout)[0];
    assert_eq!(said["title"], "lib");
    assert_eq!(said["modules"], serde_json::json!(["care.checks", "probe"]));
    assert_eq!(said["undocumented"], serde_json::json!(["care.checks.two"]));
    assert_eq!(said["declarations"], 3);
    let all =
        [".dsc-doc", "care.checks.html", "index.html", "manual.js", "probe.html", "search.js", "style.css"];
    assert_eq!(pages(&folder.join("manual")), all);

    // The same again, from another folder; pages of modules that are gone go too, and nothing else.
    let index = fs::read(folder.join("manual/index.html")).expect("it was written");
    let again = run("dsc", &folder.join("lib"), &["doc", "../lib", "-o", "../manual"]);
    assert!(text(&again.stderr).contains("2 modules, 3 declarations, 1 without a doc comment"));
    assert_eq!(fs::read(folder.join("manual/index.html")).expect("it was written"), index);
    write(folder, "manual/notes.html", "mine");
    fs::remove_file(folder.join("lib/probe.ds")).expect("it can be removed");
    run("dsc", folder, &["doc", "lib", "-o", "manual"]);
    let left =
        [".dsc-doc", "care.checks.html", "index.html", "manual.js", "notes.html", "search.js", "style.css"];
    assert_eq!(pages(&folder.join("manual")), left);
}

#[test]
fn the_library_itself_has_a_manual() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let made = run("dsc", scratch.path(), &["doc", "std", "-o", "std"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let page = fs::read_to_string(scratch.path().join("std/std.list.html")).expect("it was written");
    assert!(page.contains("id=\"List.add\""));
}

#[test]
fn what_cannot_be_done_is_said() {
    let scratch = tempfile::tempdir().expect("a scratch folder can be made");
    let folder = scratch.path();
    write(folder, "bad/a.ds", "int one( { return 1; }\n");
    write(folder, "bad/b.ds", "int two() { return 2; }\n");
    write(folder, "empty/readme.txt", "");
    let check = |args: &[&str], status: i32, said: &str| {
        let ran = run("dsc", folder, &[&["doc"], args, &["-o", "manual"]].concat());
        let stderr = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(status), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
        assert!(!folder.join("manual").exists(), "{args:?} writes nothing");
    };
    let taken = run("dsc", folder, &["doc", "bad/b.ds", "-o", "empty"]);
    assert_eq!(taken.status.code(), Some(2));
    assert_eq!(
        text(&taken.stderr),
        "dsc: empty: has other files in it; name an empty folder, or one that `dsc doc` wrote\n"
    );
    assert_eq!(pages(&folder.join("empty")), ["readme.txt"]);
    check(&["bad"], 1, "bad/a.ds:1:");
    check(&["empty"], 2, "no `.ds` files there");
    check(&["nowhere"], 2, "nowhere: there is no such file or folder");
    check(&["empty/readme.txt"], 2, "ends in `.ds`");
}
