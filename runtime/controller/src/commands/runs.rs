//! `dsctl runs` and `dsctl stop`: where runs stand, and their end.

use clap::Args;
use comfy_table::Table;
use dscript_protocol::ids::short;
use dscript_protocol::message::{FromOperator, RunInfo, Standing, ToOperator};
use dscript_protocol::units::spoken;

use crate::client::{Target, ask_once};
use crate::out;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    dsctl runs                 the newest runs\n  \
    dsctl runs 3f9a            everything about one; any beginning of its id that is its own will do\n  \
    dsctl runs --json | jq")]
pub struct RunsArgs {
    /// The run to show, by the beginning of its id
    run: Option<String>,
    /// List so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  dsctl stop 3f9a")]
pub struct StopArgs {
    /// The run, by the beginning of its id
    run: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub fn runs(args: RunsArgs) -> Result<i32, String> {
    let one = args.run.is_some();
    let request = match args.run {
        Some(begins) => FromOperator::ShowRun { begins },
        None => FromOperator::ListRuns { limit: args.limit },
    };
    let ToOperator::Runs(runs) = ask_once(&args.target, &request)? else { return Err(super::strange()) };
    match (&runs[..], one) {
        ([run], true) if args.json => out::print_json(&out::run_json(run))?,
        ([run], true) => out::print(&details(run))?,
        (runs, _) if args.json => out::print_json(&runs.iter().map(out::run_json).collect())?,
        ([], _) => eprintln!("dsctl: nothing was shipped yet: `dsctl ship FILE.dsb --on all`"),
        (runs, _) => out::print_table(&run_table(runs, state))?,
    }
    Ok(0)
}

pub fn stop(args: StopArgs) -> Result<i32, String> {
    let request = FromOperator::StopRun { begins: args.run };
    let ToOperator::Runs(runs) = ask_once(&args.target, &request)? else { return Err(super::strange()) };
    if args.json {
        out::print_json(&runs.iter().map(out::run_json).collect())?;
    }
    for run in &runs {
        let (id, node) = (short(run.run), &run.node);
        match (run.standing, &run.outcome) {
            (Standing::Over, Some(outcome)) => {
                eprintln!("dsctl: run {id} on {node} is over: {}", outcome.reason)
            }
            _ => eprintln!("dsctl: run {id} on {node} is told to stop"),
        }
    }
    Ok(0)
}

pub fn run_table(runs: &[RunInfo], state: impl Fn(&RunInfo) -> String) -> Table {
    let mut table = out::table(&["RUN", "NODE", "TASK", "STATE", "TOOK", "CREATED", "REASON"]);
    for run in runs {
        let reason = run.outcome.as_ref().map_or("", |outcome| outcome.reason.lines().next().unwrap_or(""));
        out::add_row(
            &mut table,
            [
                short(run.run),
                run.node.clone(),
                run.label.clone(),
                state(run),
                run.duration().map_or("-".into(), spoken),
                out::short_time(run.created, 0),
                reason.to_owned(),
            ],
        );
    }
    table
}

/// The state in words; a result that stands while the task lives on says so.
fn state(run: &RunInfo) -> String {
    match run.standing {
        Standing::LivesOn => format!("{}, lives on", run.word()),
        Standing::Running if run.stop_asked => "stopping".into(),
        _ => run.word().to_owned(),
    }
}

fn details(run: &RunInfo) -> String {
    let outcome = run.outcome.as_ref();
    let rows = [
        ("run", run.run.to_string()),
        ("node", run.node.clone()),
        ("label", run.label.clone()),
        ("task", run.task.clone().unwrap_or_else(|| "(the script)".into())),
        ("image", run.hash.to_string()),
        ("state", state(run)),
        ("created", out::time(run.created)),
        ("started", run.started.map_or("-".into(), out::time)),
        ("ended", outcome.map_or("-".into(), |outcome| out::time(outcome.at))),
        ("took", run.duration().map_or("-".into(), spoken)),
        ("gone", run.gone.map_or("-".into(), out::time)),
        ("reason", outcome.map_or("-".into(), |outcome| outcome.reason.replace('\n', "\n         "))),
    ];
    rows.iter().map(|(name, value)| format!("{name:<8} {value}\n")).collect()
}
