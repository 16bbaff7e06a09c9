//! `dsc`: the author's command. Reads files, calls the compiler, shows what it says.
//!
//! Exit status: 0 good, 1 there are errors in the source, 2 it could not be done.

mod check;
mod compile;
mod doc;
mod explain;
mod files;
mod fmt;
mod graph;
mod inspect;
mod lsp;
mod new;
mod report;
mod scenario;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A compilation makes millions of small objects, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    name = "dsc",
    version,
    about = "Compiles and checks D-Script programs",
    after_help = "Examples:\n  dsc compile watch.ds          write watch.dsb\n  dsc check src/                look for mistakes in every module below src/\n  dsc fmt src/                  write them in the one style\n  dsc inspect watch.dsb         show what a program does and needs\n  dsc test src/                 run the tests\n  dsc doc src/ -o manual        a manual from the doc comments\n  dsc explain E0301             what a code means\n  dsc new probe                 a folder to start from\n  dsc lsp                       what editors start"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Compile(compile::Args),
    Check(check::Args),
    Fmt(fmt::Args),
    Inspect(inspect::Args),
    Test(test::Args),
    Doc(doc::Args),
    Explain(explain::Args),
    New(new::Args),
    Lsp(lsp::Args),
}

/// `mi_option_purge_delay` of `mimalloc.h`, which the crate gives no name: after how many milliseconds memory that is
/// free goes back to the system; -1: never.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> ExitCode {
    dscript_files::refuse_what_is_too_large();
    let cli = Cli::parse();
    // A compilation writes most pages once: to clear them two mebibytes at a time costs more than it saves, above all
    // in a virtual machine whose host has to find them first. A kernel that cannot do it leaves them on.
    let _ = nix::sys::prctl::set_thp_disable(true);
    if !matches!(cli.command, Command::Lsp(_)) {
        // What one pass gives up the next one takes: the system would only clear the same pages again and again.
        // SAFETY: an option of the allocator may be set at any time.
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) };
    }
    // Trees nest as deep as the text does: the parser limits that, and this stack holds it.
    let worker = std::thread::Builder::new().stack_size(64 << 20).spawn(move || match cli.command {
        Command::Compile(args) => compile::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Doc(args) => doc::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::New(args) => new::run(&args),
        Command::Lsp(args) => lsp::run(&args),
    });
    let result = match worker {
        Ok(worker) => worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        Err(error) => Err(format!("cannot start a thread: {error}")),
    };
    match result {
        Ok(code) => code,
        Err(message) => {
            eprintln!("dsc: {message}");
            ExitCode::from(2)
        }
    }
}
