//! `dsctl log watch`: a standing query, and a line for each time it turns.

use std::time::Duration;

use clap::Args;
use dscript_logpool::{FieldValue, Record, Standing, Turn, value_text};
use dscript_protocol::message::{FromOperator, LogQuery, ToOperator};
use dscript_protocol::units;

use super::at::{self, At};
use super::filter::Failed;
use super::query::{Elsewhere, TAIL_EVERY, Which, followed_folder};
use super::{filter, now, show};
use crate::client::Client;
use crate::out;

#[derive(Args)]
#[command(
    after_help = "The window ends at the newest record of a group, and moves on with the clock when none comes; without records \
    nothing is true.\n\n\
    Examples:\n  \
    dsctl log watch vmstat --when 'avg(us) > 90' --over 5m --by node\n  \
    dsctl log watch --pool task --when 'count() >= 3' --over 1m --json\n  \
    dsctl log watch vmstat --at http://127.0.0.1:7780 --when 'p99(wa) > 50' --over 1m\n  \
    dsctl log watch vmstat --when 'max(wa) > 50' --over 10s --once && echo 'the disk is slow'"
)]
pub struct WatchArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// An aggregate, a comparison and a value, such as `p99(wa) >= 20`; aggregates are those of `dsctl log query`
    #[arg(long, value_name = "CONDITION")]
    when: String,
    /// The length of the window
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    over: Duration,
    /// What groups have in common that are watched each on their own, such as `node`
    #[arg(long, value_name = "LIST")]
    by: Option<String>,
    /// End with status 0 as soon as it is true of a group
    #[arg(long)]
    once: bool,
}

pub fn watch(args: WatchArgs) -> Result<i32, String> {
    let over = over("--over", args.over)?;
    let asked = args.which.asked(None)?;
    let by = args.by.as_deref().unwrap_or_default();
    let query = filter::query(&asked)?;
    let standing = Standing::parse(query.clone(), &args.when, by, over)
        .map_err(|why| format!("--when and --by: {why}"))?;
    let mut watch = Watch { standing, json: args.which.json, once: args.once };
    let target = &args.which.target;
    let now = now()?;
    let before = watch.standing.before(now);
    let folder = match args.elsewhere.open(&asked, target)? {
        Some(At::Server(server)) => {
            let (_, mut cursor) = at::tail(&server, query.clone(), None)?;
            let mut done = watch.begin(at::records(&server, before)?, now)?;
            while !done {
                std::thread::sleep(TAIL_EVERY);
                let (records, behind) = at::tail(&server, query.clone(), Some(cursor))?;
                cursor = behind;
                done = watch.go_on(records)?;
            }
            return Ok(0);
        }
        Some(At::Folder(folder)) => folder,
        None if target.controller.is_some() => {
            let mut client = Client::ask(target, &FromOperator::TailLog(asked.clone()))?;
            let before = LogQuery { since: before.since, ..asked };
            let mut history = Client::ask(target, &FromOperator::QueryLog(before))?;
            let mut records = Vec::new();
            while let Some(answer) = history.answer()? {
                match answer {
                    ToOperator::Records(some) => records.extend(some),
                    ToOperator::Skipped(some) => show::name_skipped(&some),
                    _ => {}
                }
            }
            let mut done = watch.begin(records, now)?;
            while !done && let Some(answer) = client.answer()? {
                match answer {
                    ToOperator::Records(records) => done = watch.go_on(records)?,
                    ToOperator::Skipped(some) => show::name_skipped(&some),
                    _ => {}
                }
            }
            return Ok(0);
        }
        None => followed_folder(target)?,
    };
    let reader = filter::reader(&folder, asked.skip_damaged);
    // From here on nothing is missed; what is met twice is known.
    let mut cursor = reader.end().map_err(Failed::from)?;
    let mut told = 0;
    let before = reader.query(&before).map_err(Failed::from)?;
    show::name_newly_skipped(&reader, &mut told);
    let mut done = watch.begin(before, now)?;
    while !done {
        let tailed = reader.tail(&query, &mut cursor).map_err(Failed::from)?;
        show::name_newly_skipped(&reader, &mut told);
        done = watch.go_on(tailed.records)?;
        if !done && !tailed.more {
            std::thread::sleep(TAIL_EVERY);
        }
    }
    Ok(0)
}

/// The length of a window in nanoseconds.
pub fn over(option: &str, length: Duration) -> Result<i64, String> {
    let over = i64::try_from(length.as_nanos()).ok().filter(|over| *over > 0);
    over.ok_or_else(|| format!("{option} is a time above 0, such as 5m"))
}

/// Says what turns, and whether that is enough.
struct Watch {
    standing: Standing,
    json: bool,
    once: bool,
}

impl Watch {
    fn begin(&mut self, records: Vec<Record>, now: i64) -> Result<bool, String> {
        let turns = self.standing.begin(records, now).map_err(|why| why.to_string())?;
        self.say(&turns)
    }

    fn go_on(&mut self, records: Vec<Record>) -> Result<bool, String> {
        let turns = self.standing.go_on(records, now()?).map_err(|why| why.to_string())?;
        self.say(&turns)
    }

    fn say(&self, turns: &[Turn]) -> Result<bool, String> {
        let lines: String = turns.iter().map(|turn| self.line(turn)).collect();
        if !lines.is_empty() {
            out::print(&lines)?;
        }
        Ok(self.once && turns.iter().any(|turn| turn.holds))
    }

    fn line(&self, turn: &Turn) -> String {
        if self.json {
            return format!("{}\n", show::turn_json(&self.standing, turn));
        }
        let by: Vec<String> = turn.by.iter().map(value_text).collect();
        let value = match &turn.value {
            FieldValue::Null => "no records".into(),
            value => format!("{} is {}", self.standing.aggregate(), show::cell(value)),
        };
        let mut words =
            vec![out::short_time(turn.time, 3), if turn.holds { "true " } else { "false" }.into()];
        words.extend(by);
        words.push(value);
        format!("{}\n", words.join(" "))
    }
}
