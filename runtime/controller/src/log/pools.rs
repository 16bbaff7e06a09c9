//! `dsctl log pools`: what there is to ask for.

use clap::Args;
use dscript_logpool::Reader;
use dscript_protocol::folder::existing_data_folder;
use dscript_protocol::message::{FromOperator, ToOperator};

use super::filter;
use crate::client::{Target, ask_once};
use crate::out;

#[derive(Args)]
#[command(after_help = "Examples:\n  dsctl log pools\n  dsctl log pools --data ./data --json")]
pub struct PoolsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub fn pools(args: PoolsArgs) -> Result<i32, String> {
    let keys = if args.target.controller.is_some() {
        match ask_once(&args.target, &FromOperator::ListPools)? {
            ToOperator::Keys(keys) => keys,
            _ => return Err("the controller gave an answer that does not fit the question".into()),
        }
    } else {
        filter::keys(&Reader::open(&existing_data_folder(args.target.data.as_deref())?))?
    };
    if args.json {
        let rows = keys.iter().map(|key| {
            serde_json::json!({
                "pool": key.pool,
                "key": key.key,
                "nodes": key.nodes,
                "records": key.records,
                "first": out::time(key.first),
                "last": out::time(key.last),
            })
        });
        out::print_json(&rows.collect())?;
        return Ok(0);
    }
    if keys.is_empty() {
        eprintln!("dsctl: there are no log records yet");
        return Ok(0);
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
    Ok(0)
}
