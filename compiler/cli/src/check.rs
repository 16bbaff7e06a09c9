//! `dsc check`: errors only.

use crate::files;
use crate::report::{MessageFormat, Reporter};
use dscript_compiler::{Goal, Library};
use std::path::PathBuf;
use std::process::ExitCode;

/// Look for mistakes without writing anything
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  dsc check watch.ds\n  dsc check src/ --message-format json\n\n\
    Exit status: 0 no errors, 1 errors, 2 a file could not be read")]
pub struct Args {
    /// Source files, or folders with source files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    message_format: MessageFormat,
    /// Exit with 1 on warnings too
    #[arg(long)]
    deny_warnings: bool,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let mut reporter = Reporter::new(args.message_format, args.deny_warnings);
    let files = files::all(&args.paths)?;
    if files.is_empty() {
        return Err("no `.ds` files there".into());
    }
    let library = Library::default();
    for path in &files {
        let root = files::open(path)?;
        let result = library.compile(&root.module, &root.shown, &root.bytes, &root, Goal::Check);
        reporter.show(&result)?;
    }
    reporter.summary(&if files.len() == 1 {
        files[0].display().to_string()
    } else {
        files::counted(files.len())
    });
    Ok(ExitCode::from(u8::from(reporter.failed())))
}
