//! `dsctl ship`: sends a D-Task to nodes, and with `--wait` tells how each run ends.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use dscript_bytecode::image::Image;
use dscript_bytecode::param;
use dscript_protocol::ids::short;
use dscript_protocol::limits::IMAGE_BYTES_MAX;
use dscript_protocol::message::{Ending, FromOperator, Order, RunInfo, ToOperator};
use dscript_protocol::selector::Selector;
use dscript_protocol::units::{setting, spoken};

use super::runs::run_table;
use crate::client::{Client, Target};
use crate::out;

#[derive(Args)]
#[command(
    after_help = "A run takes the place of a running one of the same name on its node; --as gives it a name of \
    its own.\nExit status with --wait: 0 every run answered true; 1 some did not; 2 it could not be shipped.\n\n\
    Examples:\n  \
    dsctl ship disk.dsb --on all --wait\n  \
    dsctl ship disk.dsb --on site=nrt,name=web-* --task Check --set limit=90\n  \
    dsctl ship disk.dsb --on name=web-1 --set path=/var --as disk-var"
)]
pub struct ShipArgs {
    /// The program, as `dsc compile` made it
    file: PathBuf,
    /// The nodes: `all`, or KEY=VALUE of labels and `name`, joined by commas, with * for any text
    #[arg(long, value_name = "SELECTOR")]
    on: String,
    /// The D-Task to run; else the script, else the only task
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// A parameter of the task
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// What it is called on the nodes; else the task's name
    #[arg(long = "as", value_name = "NAME")]
    label: Option<String>,
    /// Stay until every result stands
    #[arg(long)]
    wait: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub fn ship(args: ShipArgs) -> Result<i32, String> {
    Selector::parse(&args.on).map_err(|why| format!("--on: {why}"))?;
    let (image, task) = read_image(&args.file, args.task.as_deref(), &args.set)?;
    let label = args.label.unwrap_or_else(|| task.clone());
    let order =
        Order { image, selector: args.on, task: Some(task), params: args.set, label, wait: args.wait };
    let mut client = Client::ask(&args.target, &FromOperator::Ship(order))?;
    let Some(ToOperator::Runs(runs)) = client.answer()? else { return Err(super::strange()) };
    for run in &runs {
        eprintln!("dsctl: run {} of {} goes to {}", short(run.run), run.label, run.node);
    }
    let mut known: BTreeMap<_, _> = runs.iter().map(|run| (run.run, run.clone())).collect();
    if args.wait {
        wait(&mut client, &mut known)?;
    }
    let runs: Vec<RunInfo> = runs.iter().filter_map(|run| known.get(&run.run).cloned()).collect();
    if args.json {
        out::print_json(&runs.iter().map(out::run_json).collect())?;
    } else {
        out::print_table(&run_table(&runs, |run| run.word().to_owned()))?;
    }
    let good = |run: &RunInfo| run.outcome.as_ref().is_some_and(|outcome| outcome.ending == Ending::True);
    Ok(if !args.wait || runs.iter().all(good) { 0 } else { 1 })
}

fn wait(client: &mut Client, known: &mut BTreeMap<dscript_protocol::RunId, RunInfo>) -> Result<(), String> {
    while let Some(answer) = client.answer()? {
        let ToOperator::Run(run) = answer else { continue };
        // That a run has ended altogether comes after its result, which is known by then.
        let told = known.get(&run.run).is_some_and(|old| old.outcome.is_some() && old.word() == run.word());
        if told {
            known.insert(run.run, run);
            continue;
        }
        let took = run.duration().map(|nanos| format!(" after {}", spoken(nanos))).unwrap_or_default();
        let why = run.outcome.as_ref().map(|outcome| format!(": {}", outcome.reason)).unwrap_or_default();
        eprintln!("dsctl: run {} on {}: {}{took}{why}", short(run.run), run.node, run.word());
        known.insert(run.run, run);
    }
    Ok(())
}

/// The image's bytes and the name of its task; mistakes are found here rather than on every node.
fn read_image(
    file: &std::path::Path,
    task: Option<&str>,
    set: &[(String, String)],
) -> Result<(Vec<u8>, String), String> {
    let name = file.display();
    let bytes =
        dscript_bytecode::file::read_file(file).map_err(|why| format!("cannot read {name}: {why}"))?;
    if bytes.len() > IMAGE_BYTES_MAX {
        return Err(format!(
            "{name} has {} bytes, {IMAGE_BYTES_MAX} is the most that can be shipped",
            bytes.len()
        ));
    }
    let image = Image::from_bytes(&bytes).map_err(|why| format!("{name}: {why}"))?;
    let index = image.manifest.choose_task(task).map_err(|why| format!("{name}: {why}"))?;
    let task = &image.manifest.tasks[index];
    param::fit(&image, task, set).map_err(|why| format!("{name}: {why}"))?;
    let task = task.name.clone();
    Ok((bytes, task))
}
