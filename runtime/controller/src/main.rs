//! The command line of dsctl.

use clap::{Parser, Subcommand};
use dsctl::{commands, demo, ends, log, serve};

/// Log records are many small texts that come and go: taking them in costs a fifth less with it (`tools/bench logpool`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of `mimalloc.h`, which the crate gives no name: after how many milliseconds memory that is
/// free goes back to the system.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// Longer than from one move of log records to the next: the system would only clear the same pages again and again.
const PURGE_DELAY_MS: std::ffi::c_long = 3_000;

#[derive(Parser)]
#[command(
    name = "dsctl",
    version,
    about = "Controls nodes: ships D-Tasks to them and reads what they log",
    after_help = "Examples:\n  \
        dsctl demo                                  see all of it on this machine\n  \
        dsctl serve                                 be the controller\n  \
        dsctl token                                 let a node join\n  \
        dsctl ship task.dsb --on all --wait         run a task everywhere\n  \
        dsctl log query --since 10m                 what was logged\n\n\
        Exit status: 0 good; 1 a task did not answer true; 2 it could not be done; 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The main job on this machine: controller, node, Listing 1, live samples
    Demo(demo::DemoArgs),
    /// Be the controller
    Serve(serve::ServeArgs),
    /// Make a token with which one node can join
    Token(commands::token::TokenArgs),
    /// List the nodes
    Nodes(commands::nodes::NodesArgs),
    /// Ship a D-Task to nodes
    Ship(commands::ship::ShipArgs),
    /// List runs, or show one
    Runs(commands::runs::RunsArgs),
    /// Stop a run and everything it started
    Stop(commands::runs::StopArgs),
    /// Read the LogPool
    Log(Box<log::LogArgs>),
}

fn main() {
    dscript_files::refuse_what_is_too_large();
    // Pages are cleared one by one as they are needed: two mebibytes at a time take longer than they save, above all in a
    // virtual machine whose host has to find them first. A kernel that cannot do it leaves them on.
    let _ = nix::sys::prctl::set_thp_disable(true);
    // SAFETY: an option of the allocator may be set at any time.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
    let command = Cli::parse().command;
    // Those two have an end of their own.
    if !matches!(command, Command::Demo(_) | Command::Serve(_)) {
        ends::watch();
    }
    let code = match command {
        Command::Demo(args) => demo::demo(args),
        Command::Serve(args) => serve::serve(args),
        Command::Token(args) => commands::done(commands::token::token(args)),
        Command::Nodes(args) => commands::done(commands::nodes::nodes(args)),
        Command::Ship(args) => commands::done(commands::ship::ship(args)),
        Command::Runs(args) => commands::done(commands::runs::runs(args)),
        Command::Stop(args) => commands::done(commands::runs::stop(args)),
        Command::Log(args) => commands::done(log::log(*args)),
    };
    std::process::exit(code);
}
