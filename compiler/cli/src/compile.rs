//! `dsc compile`: a source file to an image.

use crate::files;
use crate::report::{MessageFormat, Reporter};
use dscript_compiler::{Goal, compile};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compile a source file and what it imports to a program image
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  dsc compile watch.ds                 write watch.dsb beside it\n  \
    dsc compile watch.ds -o /tmp/w.dsb\n\nThe same source gives the same bytes.\n\
    Exit status: 0 written, 1 errors in the source, 2 a file could not be read or written")]
pub struct Args {
    /// The source file
    file: PathBuf,
    /// Where to write the image [default: the same name with .dsb]
    #[arg(short, long, value_name = "OUT.dsb")]
    output: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    message_format: MessageFormat,
    /// Write nothing when there are warnings
    #[arg(long)]
    deny_warnings: bool,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let root = files::open(&args.file)?;
    let result = compile(&root.module, &root.shown, &root.bytes, &root, Goal::Image);
    let mut reporter = Reporter::new(args.message_format, args.deny_warnings);
    reporter.show(&result)?;
    reporter.summary(&root.shown);
    let image = match result.image {
        Some(image) if !reporter.failed() => image,
        _ => return Ok(ExitCode::from(1)),
    };
    let output = args.output.clone().unwrap_or_else(|| args.file.with_extension("dsb"));
    write_whole(&output, &image.to_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes beside and renames, so that nobody ever sees half a file.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let shown = path.display();
    if path.exists() && !path.is_file() {
        // A device or a pipe is written as it is.
        return fs::write(path, bytes).map_err(|e| format!("{shown}: {e}"));
    }
    let mut name = path.file_name().ok_or(format!("{shown}: is not the name of a file"))?.to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = fs::File::create(&part)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        // The half-written file is of no use; that it may not go away changes nothing.
        let _ = fs::remove_file(&part);
        format!("{shown}: {error}")
    })
}
