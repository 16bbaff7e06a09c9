//! `dsc compile`: a source file to an image, with machine code beside the bytecode or a VM around it where asked.

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
    dsc compile watch.ds -o /tmp/w.dsb\n  dsc compile watch.ds --native           with machine code for this architecture\n  \
    dsc compile watch.ds --standalone       write watch, which runs by itself\n\nThe same source gives the same bytes.\n\
    Exit status: 0 written, 1 errors in the source, 2 a file could not be read or written")]
pub struct Args {
    /// The source file
    file: PathBuf,
    /// Where to write the image; `-` is standard output [default: the same name with .dsb]
    #[arg(short, long, value_name = "OUT.dsb")]
    output: Option<PathBuf>,
    /// Add machine code for an architecture, x86_64 or aarch64 [default: this machine's]; a VM uses it when the
    /// file belongs to who runs it
    #[arg(long, value_name = "TARGET", num_args = 0..=1, require_equals = true,
        default_missing_value = std::env::consts::ARCH)]
    native: Vec<String>,
    /// Write one executable file for this architecture: the VM with the image in it, machine code included [default OUT: the
    /// name alone]
    #[arg(long)]
    standalone: bool,
    #[arg(long, value_enum, default_value = "text")]
    message_format: MessageFormat,
    /// Write nothing when there are warnings
    #[arg(long)]
    deny_warnings: bool,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    args.output.as_deref().map_or(Ok(()), files::spare_sources)?;
    if args.standalone {
        let own = std::env::consts::ARCH;
        if let Some(other) = args.native.iter().find(|target| *target != own) {
            return Err(format!(
                "--standalone makes an executable of the dsvm beside this dsc, which is for {own}: machine code for {other} is \
                 of no use in it. Leave out --native={other}, or compile on a machine of that architecture"
            ));
        }
    }
    let root = files::open(&args.file)?;
    let result = compile(&root.module, &root.shown, &root.bytes, &root, Goal::Image);
    let mut reporter = Reporter::new(args.message_format, args.deny_warnings);
    reporter.show(&result)?;
    reporter.summary(&root.shown);
    let image = match &result.image {
        Some(image) if !reporter.failed() => image,
        _ => return Ok(ExitCode::from(1)),
    };
    let mut targets: Vec<&str> = args.native.iter().map(String::as_str).collect();
    if args.standalone && targets.is_empty() {
        targets.push(std::env::consts::ARCH);
    }
    targets.dedup();
    let native: Vec<Vec<u8>> = targets
        .iter()
        .map(|target| dscript_native::compile_ahead(image, target))
        .collect::<Result<_, _>>()
        .map_err(|why| format!("--native: {why}"))?;
    let bytes = image.to_bytes_with(&native);
    if args.standalone {
        let output = args.output.clone().unwrap_or_else(|| args.file.with_extension(""));
        return standalone(&output, &bytes);
    }
    let output = args.output.clone().unwrap_or_else(|| args.file.with_extension("dsb"));
    // Machine code is run only where nobody else may write to it.
    write_whole(&output, &bytes, 0o644)?;
    // The process ends: its memory goes with it, faster than tree by tree.
    std::mem::forget(result);
    Ok(ExitCode::SUCCESS)
}

/// Writes a copy of the VM, which lies beside this program, with the image behind it.
fn standalone(output: &Path, image: &[u8]) -> Result<ExitCode, String> {
    let own = std::env::current_exe().map_err(|why| format!("cannot find dsvm: {why}"))?;
    let vm = own.with_file_name("dsvm");
    let mut bytes = fs::read(&vm).map_err(|why| format!("--standalone needs {}: {why}", vm.display()))?;
    dscript_bytecode::file::append_image(&mut bytes, image)
        .map_err(|why| format!("--standalone cannot use {}: {why}", vm.display()))?;
    write_whole(output, &bytes, 0o755)?;
    Ok(ExitCode::SUCCESS)
}

fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), String> {
    dscript_files::write_whole(path, mode, |file| file.write_all(bytes))
        .map_err(|why| format!("{}: {why}", dscript_files::shown(path)))
}
