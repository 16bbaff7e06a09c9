//! `dsctl log`: reads the LogPool, from a data folder on this machine or through a controller.

pub mod filter;
mod plot;
mod pools;
mod query;
pub(crate) mod show;

use clap::{Args, Subcommand};

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    dsctl log query 'key -name' --since 10m\n  \
    dsctl log tail --pool task\n  \
    dsctl log pools")]
pub struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Subcommand)]
enum LogCommand {
    /// Print the log records that fit
    Query(query::QueryArgs),
    /// Print log records as they come
    Tail(query::TailArgs),
    /// List pools and keys
    Pools(pools::PoolsArgs),
}

pub fn log(args: LogArgs) -> Result<i32, String> {
    match args.command {
        LogCommand::Query(args) => query::query(args),
        LogCommand::Tail(args) => query::tail(args),
        LogCommand::Pools(args) => pools::pools(args),
    }
}
