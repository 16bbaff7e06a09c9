//! `dsc fmt`: writes source files in the one style.

use crate::files::{self, SOURCE_BYTES_MAX};
use crate::report::print_line;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::format::format;
use dscript_grammar::{SourceMap, render};
use std::fs;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write source files in the one style of D-Script
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  dsc fmt src/                   rewrite every module below src/\n  \
    dsc fmt --check src/           list the files that would change\n  \
    dsc fmt --check --json src/    the same for programs, one JSON object a file\n  \
    dsc fmt - < a.ds               standard input to standard output, for editors\n\n\
    Prints the name of each file that changed. Files with syntax errors are left alone.\n\
    Exit status: 0 good, 1 syntax errors, or with --check a file would change, 2 a file could not be read or written")]
pub struct Args {
    /// Source files, or folders with source files; `-` is standard input
    #[arg(required_unless_present = "stdin")]
    paths: Vec<PathBuf>,
    /// Change nothing; list the files that would change, and exit with 1 if there are any
    #[arg(long)]
    check: bool,
    /// Format standard input to standard output
    #[arg(long, conflicts_with = "paths")]
    stdin: bool,
    /// One JSON object for each file that was not in the one style: its name, and whether it `changed`, `differs`
    /// or has an `error`
    #[arg(long, conflicts_with = "stdin")]
    json: bool,
}

/// How it went, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Good,
    /// It was not in the one style, and is now.
    Changed,
    /// Found by `--check`.
    Differs,
    /// Syntax errors.
    Bad,
    Failed,
}

impl Outcome {
    /// The exit status.
    fn status(self) -> u8 {
        match self {
            Outcome::Good | Outcome::Changed => 0,
            Outcome::Differs | Outcome::Bad => 1,
            Outcome::Failed => 2,
        }
    }
}

/// Names a file that was not in the one style.
fn say(path: &Path, outcome: Outcome, args: &Args) -> Result<(), String> {
    let shown = path.display().to_string();
    let word = match outcome {
        Outcome::Good => return Ok(()),
        Outcome::Changed => "changed",
        Outcome::Differs => "differs",
        Outcome::Bad | Outcome::Failed => "error",
    };
    match args.json {
        true => print_line(&serde_json::json!({"file": shown, "outcome": word}).to_string()),
        false if word == "error" => Ok(()),
        false => print_line(&shown),
    }
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let outcome = if args.stdin || args.paths == [Path::new("-")] {
        stdin(args.check)?
    } else {
        let paths = files::all(&args.paths)?;
        if paths.is_empty() {
            return Err("no `.ds` files there".into());
        }
        let mut worst = Outcome::Good;
        for path in &paths {
            let outcome = guarded(path, || file(path, args.check)).unwrap_or_else(|message| {
                eprintln!("dsc: {message}");
                Outcome::Failed
            });
            say(path, outcome, args)?;
            worst = worst.max(outcome);
        }
        worst
    };
    Ok(ExitCode::from(outcome.status()))
}

/// A bug that one file meets costs that file: it is left as it is, and the others get their turn.
fn guarded(path: &Path, write: impl FnOnce() -> Result<Outcome, String>) -> Result<Outcome, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(write)).unwrap_or_else(|_| {
        Err(format!("{}: a bug in `dsc fmt` kept it from being written; it is as it was", path.display()))
    })
}

fn file(path: &Path, check: bool) -> Result<Outcome, String> {
    let shown = path.display().to_string();
    if path.extension().is_none_or(|e| e != "ds") {
        return Err(format!("{shown}: a D-Script source file's name ends in `.ds`"));
    }
    let file = fs::File::open(path).map_err(|e| format!("{shown}: {e}"))?;
    let bytes = read(file, &shown)?;
    let Some(text) = formatted(&shown, &bytes) else { return Ok(Outcome::Bad) };
    if text.as_bytes() == bytes {
        return Ok(Outcome::Good);
    }
    if check {
        return Ok(Outcome::Differs);
    }
    rewrite(path, text.as_bytes()).map_err(|e| format!("{shown}: {e}"))?;
    Ok(Outcome::Changed)
}

fn stdin(check: bool) -> Result<Outcome, String> {
    let shown = "<stdin>";
    let bytes = read(std::io::stdin().lock(), shown)?;
    let Some(text) = formatted(shown, &bytes) else { return Ok(Outcome::Bad) };
    if check {
        let same = text.as_bytes() == bytes;
        if !same {
            print_line(shown)?;
        }
        return Ok(if same { Outcome::Good } else { Outcome::Differs });
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| format!("standard output: {e}"))?;
    Ok(Outcome::Good)
}

fn read(from: impl Read, shown: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    from.take(SOURCE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| format!("{shown}: {e}"))?;
    if bytes.len() as u64 > SOURCE_BYTES_MAX {
        return Err(format!("{shown}: larger than the limit of {} MiB", SOURCE_BYTES_MAX >> 20));
    }
    Ok(bytes)
}

/// The text in the one style; none after showing what is wrong with it.
fn formatted(shown: &str, bytes: &[u8]) -> Option<String> {
    let mut sources = SourceMap::default();
    let diagnostics = match sources.add_bytes(shown, bytes) {
        Ok(file) => match format(file, sources.get(file).text()) {
            Ok(text) => return Some(text),
            Err(diagnostics) => diagnostics,
        },
        Err(diagnostic) => vec![diagnostic],
    };
    show(&diagnostics, &sources);
    None
}

fn show(diagnostics: &[Diagnostic], sources: &SourceMap) {
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    for diagnostic in diagnostics {
        eprintln!("{}\n", render::text(diagnostic, sources, color).trim_end());
    }
}

fn rewrite(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if fs::metadata(path)?.permissions().readonly() {
        return Err(std::io::ErrorKind::PermissionDenied.into());
    }
    dscript_files::write_whole(path, 0o666, |file| {
        file.write_all(bytes)?;
        file.sync_all()
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_rewritten_file_keeps_its_mode_and_its_links() {
        let folder = std::env::temp_dir().join(format!("dsc-fmt-{}", std::process::id()));
        fs::create_dir(&folder).expect("a new folder");
        let (path, link) = (folder.join("a.ds"), folder.join("b.ds"));
        fs::write(&path, "p.kill ();").expect("it is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("the mode is set");
        symlink(&path, &link).expect("a link");

        assert_eq!(file(&link, true), Ok(Outcome::Differs));
        assert_eq!(fs::read_to_string(&path).expect("it is read"), "p.kill ();");
        assert_eq!(file(&link, false), Ok(Outcome::Changed));
        assert_eq!(fs::read_to_string(&path).expect("it is read"), "p.kill();\n");
        assert!(file(&link, true).expect("it is read") == Outcome::Good);

        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 2);
        fs::write(&path, "p.kill (").expect("it is written");
        assert!(file(&path, false).expect("it is read") == Outcome::Bad);
        assert_eq!(fs::read_to_string(&path).expect("it is read"), "p.kill (");
        fs::remove_dir_all(&folder).expect("it is removed");
    }

    #[test]
    fn a_bug_costs_one_file() {
        let path = Path::new("a.ds");
        assert_eq!(guarded(path, || Ok(Outcome::Changed)), Ok(Outcome::Changed));
        let failed = guarded(path, || panic!("a bug"));
        assert!(failed.is_err_and(|message| message.starts_with("a.ds: a bug")));
        assert_eq!(Outcome::Changed.max(Outcome::Failed).status(), 2);
    }
}
