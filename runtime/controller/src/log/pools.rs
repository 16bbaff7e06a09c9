//! `dsctl log pools`: what there is to ask for.

use clap::Args;
use dscript_protocol::folder::existing_data_folder;
use dscript_protocol::message::{FromOperator, KeyInfo, LogQuery, Skipped, ToOperator};

use super::at::{self, At};
use super::query::Elsewhere;
use super::{filter, show};
use crate::client::{Client, Target};
use crate::out;

#[derive(Args)]
#[command(after_help = "Examples:\n  dsctl log pools\n  dsctl log pools --data ./data --json\n  \
    dsctl log pools --at http://127.0.0.1:7780")]
pub struct PoolsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// List what can be read without what is damaged, and say what that is; the exit status is 1 then
    #[arg(long)]
    skip_damaged: bool,
    #[command(flatten)]
    elsewhere: Elsewhere,
    #[command(flatten)]
    target: Target,
}

pub fn pools(args: PoolsArgs) -> Result<i32, String> {
    let (keys, skipped) = list(&args)?;
    let code = show::skipped(&skipped);
    if args.json {
        out::print_json(&keys.iter().map(show::key_json).collect())?;
        return Ok(code);
    }
    if keys.is_empty() {
        eprintln!("dsctl: there are no log records yet");
        return Ok(code);
    }
    let mut table = out::table(&["POOL", "KEY", "NODES", "RECORDS", "FIRST", "LAST"]);
    for key in keys {
        out::add_row(
            &mut table,
            [
                key.pool,
                key.key,
                key.nodes.join(","),
                key.records.to_string(),
                out::short_time(key.first, 0),
                out::short_time(key.last, 0),
            ],
        );
    }
    out::print_table(&table)?;
    Ok(code)
}

fn list(args: &PoolsArgs) -> Result<(Vec<KeyInfo>, Vec<Skipped>), String> {
    let skip_damaged = args.skip_damaged;
    let folder = match args.elsewhere.open(&LogQuery { skip_damaged, ..LogQuery::default() }, &args.target)? {
        Some(At::Folder(folder)) => folder,
        Some(At::Server(server)) => return Ok((filter::keys(at::pools(&server)?), Vec::new())),
        None if args.target.controller.is_some() => {
            let mut client = Client::ask(&args.target, &FromOperator::ListPools { skip_damaged })?;
            let (mut keys, mut skipped) = (Vec::new(), Vec::new());
            while let Some(answer) = client.answer()? {
                match answer {
                    ToOperator::Keys(some) => keys.extend(some),
                    ToOperator::Skipped(some) => skipped.extend(some),
                    _ => {}
                }
            }
            return Ok((keys, skipped));
        }
        None => existing_data_folder(args.target.data.as_deref())?,
    };
    let reader = filter::reader(&folder, skip_damaged);
    let pools = reader.pools().map_err(filter::Failed::from)?;
    Ok((filter::keys(pools), filter::skipped(&reader)))
}
