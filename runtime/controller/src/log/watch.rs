//! `dsctl log watch`: a standing query, and a line for each time it turns.

use std::collections::HashSet;
use std::time::Duration;

use clap::Args;
use dscript_logpool::{FieldValue, Query, Record, RunId, Standing, Turn, value_json, value_text};
use dscript_protocol::message::{FromOperator, LogQuery, ToOperator};
use dscript_protocol::units;
use serde_json::{Map, Value};

use super::filter::Failed;
use super::query::{TAIL_EVERY, Which, followed_folder};
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
    dsctl log watch vmstat --when 'max(wa) > 50' --over 10s --once && echo 'the disk is slow'"
)]
pub struct WatchArgs {
    #[command(flatten)]
    which: Which,
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
    let over = i64::try_from(args.over.as_nanos()).ok().filter(|over| *over > 0);
    let over = over.ok_or("--over is a time above 0, such as 5m")?;
    let asked = args.which.asked(None)?;
    let by = args.by.as_deref().unwrap_or_default();
    let standing = Standing::parse(filter::query(&asked)?, &args.when, by, over)
        .map_err(|why| format!("--when and --by: {why}"))?;
    let mut watch = Watch { standing, json: args.which.json, once: args.once, known: HashSet::new() };
    let target = &args.which.target;
    if target.controller.is_some() {
        let mut client = Client::ask(target, &FromOperator::TailLog(asked.clone()))?;
        let before = LogQuery { since: Some(now()?.saturating_sub(over)), ..asked };
        let mut history = Client::ask(target, &FromOperator::QueryLog(before))?;
        let mut records = Vec::new();
        while let Some(answer) = history.answer()? {
            match answer {
                ToOperator::Records(some) => records.extend(some),
                ToOperator::Skipped(some) => show::name_skipped(&some),
                _ => {}
            }
        }
        if watch.begin(records)? {
            return Ok(0);
        }
        while let Some(answer) = client.answer()? {
            let records = match answer {
                ToOperator::Records(records) => records,
                ToOperator::Skipped(some) => {
                    show::name_skipped(&some);
                    continue;
                }
                _ => continue,
            };
            if watch.go_on(records)? {
                return Ok(0);
            }
        }
        return Ok(0);
    }
    let reader = filter::reader(&followed_folder(target)?, asked.skip_damaged);
    let query = filter::query(&asked)?;
    // From here on nothing is missed; what is met twice is known.
    let mut cursor = reader.end().map_err(Failed::from)?;
    let mut told = 0;
    let before = Query { since: Some(now()?.saturating_sub(over)), ..query.clone() };
    let before = reader.query(&before).map_err(Failed::from)?;
    show::name_newly_skipped(&reader, &mut told);
    if watch.begin(before)? {
        return Ok(0);
    }
    loop {
        let tailed = reader.tail(&query, &mut cursor).map_err(Failed::from)?;
        show::name_newly_skipped(&reader, &mut told);
        if watch.go_on(tailed.records)? {
            return Ok(0);
        }
        if !tailed.more {
            std::thread::sleep(TAIL_EVERY);
        }
    }
}

struct Watch {
    standing: Standing,
    json: bool,
    once: bool,
    /// Records that were taken before, and may come again.
    known: HashSet<(RunId, u64)>,
}

impl Watch {
    /// Takes what is there already: what is true now is said, and not what was in between. True if that is enough.
    fn begin(&mut self, records: Vec<Record>) -> Result<bool, String> {
        let mut now_true: Vec<Turn> = Vec::new();
        let mut turned = |turn: Turn| {
            now_true.retain(|known| known.by != turn.by);
            now_true.extend(turn.holds.then_some(turn));
        };
        for record in records {
            self.known.insert((record.run, record.seq));
            self.standing.add(&record).map_err(|why| why.to_string())?.into_iter().for_each(&mut turned);
        }
        self.standing.advance(now()?).map_err(|why| why.to_string())?.into_iter().for_each(turned);
        self.say(&now_true)
    }

    fn go_on(&mut self, records: Vec<Record>) -> Result<bool, String> {
        let mut turns = Vec::new();
        for record in records {
            if !self.known.remove(&(record.run, record.seq)) {
                turns.extend(self.standing.add(&record).map_err(|why| why.to_string())?);
            }
        }
        turns.extend(self.standing.advance(now()?).map_err(|why| why.to_string())?);
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
        let aggregate = self.standing.aggregate().to_owned();
        if self.json {
            let mut json = Map::new();
            json.insert("time".into(), out::time(turn.time).into());
            json.insert("holds".into(), turn.holds.into());
            let by = self.standing.by().map(str::to_owned).zip(&turn.by);
            let values = by.chain([(aggregate, &turn.value)]);
            json.extend(values.map(|(name, value)| (name, value_json(value))));
            return format!("{}\n", Value::Object(json));
        }
        let by: Vec<String> = turn.by.iter().map(value_text).collect();
        let value = match &turn.value {
            FieldValue::Null => "no records".into(),
            value => format!("{aggregate} is {}", show::cell(value)),
        };
        let mut words =
            vec![out::short_time(turn.time, 3), if turn.holds { "true " } else { "false" }.into()];
        words.extend(by);
        words.push(value);
        format!("{}\n", words.join(" "))
    }
}
