//! `dsctl nodes`: who is there.

use clap::Args;
use dscript_protocol::message::{FromOperator, NodeInfo, ToOperator};
use dscript_protocol::units::spoken;

use crate::client::{Target, ask_once};
use crate::out;

#[derive(Args)]
#[command(after_help = "Examples:\n  dsctl nodes\n  dsctl nodes --json\n  \
    dsctl nodes --forget web-3     it will not come back; its runs are lost")]
pub struct NodesArgs {
    /// Drop a node that will not come back
    #[arg(long, value_name = "NAME")]
    forget: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub fn nodes(args: NodesArgs) -> Result<i32, String> {
    let request = match args.forget {
        Some(name) => FromOperator::ForgetNode { name },
        None => FromOperator::ListNodes,
    };
    let ToOperator::Nodes(nodes) = ask_once(&args.target, &request)? else { return Err(super::strange()) };
    if args.json {
        out::print_json(&nodes.iter().map(node_json).collect())?;
        return Ok(0);
    }
    if nodes.is_empty() {
        eprintln!("dsctl: no node has joined yet: `dsctl token` makes a token for `dsvm node`");
        return Ok(0);
    }
    let now = jiff::Timestamp::now().as_nanosecond() as i64;
    let mut table = out::table(&["NAME", "STATE", "RUNS", "HEARD", "LABELS", "VERSION"]);
    for node in nodes {
        let labels: Vec<String> = node.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        out::add_row(
            &mut table,
            [
                node.name,
                if node.connected { "connected" } else { "away" }.to_owned(),
                node.runs.to_string(),
                node.heard.map_or("-".into(), |heard| format!("{} ago", spoken(now.saturating_sub(heard)))),
                labels.join(","),
                node.software,
            ],
        );
    }
    out::print_table(&table)?;
    Ok(0)
}

fn node_json(node: &NodeInfo) -> serde_json::Value {
    let labels: serde_json::Map<String, serde_json::Value> =
        node.labels.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    serde_json::json!({
        "name": node.name,
        "node": node.node.to_string(),
        "connected": node.connected,
        "heard": node.heard.map(out::time),
        "runs": node.runs,
        "labels": labels,
        "version": node.software,
    })
}
