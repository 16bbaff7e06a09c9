//! The command line of dsvm.

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "dsvm",
    version,
    about = "Runs D-Tasks on this machine",
    after_help = "Examples:\n  dsvm exec disk.dsb --set path=/var --for 10s\n  \
                  dsvm node --controller 127.0.0.1:7700 --token TOKEN --label site=nrt"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one D-Task of a program here
    Exec(dsvm::exec::ExecArgs),
    /// Be a node: run what a controller ships
    Node(dsvm::node::NodeArgs),
}

fn main() {
    // The process that starts programs for D-Tasks is this executable once more.
    dscript_host::spawner::maybe_run();
    dscript_files::refuse_what_is_too_large();
    let code = match dsvm::exec::embedded() {
        Err(why) => dsvm::exec::embedded_damaged(&why),
        Ok(Some(image)) => dsvm::exec::exec_embedded(dsvm::exec::EmbeddedArgs::parse(), &image),
        Ok(None) => match Cli::try_parse().map(|cli| cli.command) {
            Ok(Command::Exec(args)) => dsvm::exec::exec(args),
            Ok(Command::Node(args)) => dsvm::node::node(args),
            Err(refused) => dsvm::exec::no_program().map_or_else(|| refused.exit(), dsvm::exec::cannot_run),
        },
    };
    // Not by returning: nothing that is still waiting may hold the process up.
    std::process::exit(code);
}
