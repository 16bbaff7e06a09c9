//! `dsctl log`: reads the LogPool, from a data folder on this machine, through a controller, or where a URL says.

mod at;
pub mod filter;
mod html;
#[cfg(feature = "parquet")]
mod parquet;
mod plot;
mod pools;
pub(crate) mod query;
pub(crate) mod show;
mod source;
mod transfer;
mod verify;
pub mod watch;

use clap::{Args, Subcommand};
use jiff::Timestamp;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    dsctl log query 'key -name' --since 10m\n  \
    dsctl log query 'key -name' --pool memcached --at memcached://127.0.0.1:11211\n  \
    dsctl log tail --pool task\n  \
    dsctl log pools\n  \
    dsctl log export --pool memcached --since 1d -o samples.jsonl")]
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
    /// Say when a condition over a window of records turns true and false
    Watch(watch::WatchArgs),
    /// List pools and keys
    Pools(pools::PoolsArgs),
    /// Write log records to a file, all that fit
    Export(transfer::ExportArgs),
    /// Store the log records of an exported file
    Import(transfer::ImportArgs),
    /// Look for damage in a data folder
    Verify(verify::VerifyArgs),
}

pub fn log(args: LogArgs) -> Result<i32, String> {
    match args.command {
        LogCommand::Query(args) => query::query(args),
        LogCommand::Tail(args) => query::tail(args),
        LogCommand::Watch(args) => watch::watch(args),
        LogCommand::Pools(args) => pools::pools(args),
        LogCommand::Export(args) => transfer::export(args),
        LogCommand::Import(args) => transfer::import(args),
        LogCommand::Verify(args) => verify::verify(args),
    }
}

/// Nanoseconds since 1970 UTC.
pub(crate) fn now() -> Result<i64, String> {
    i64::try_from(Timestamp::now().as_nanosecond()).map_err(|_| "the clock is far off".to_owned())
}
