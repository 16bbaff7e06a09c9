//! From what the operator asks to what the LogPool is asked; the same here and in the controller.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use dscript_logpool::{
    Condition, FieldKind, FieldValue, Fields, LogPoolError, Name, Order, Pattern, PoolInfo, Query, Reader,
    Record, RunId, Shape, Stats, StatsRow,
};
use dscript_protocol::RunPrefix;
use dscript_protocol::message::{KeyInfo, LogQuery, LogStats, Skipped};

/// Why a question has no answer.
#[derive(Clone, Debug)]
pub enum Failed {
    /// It is none.
    Question(String),
    LogPool(LogPoolError),
    /// Nobody could be asked.
    Trouble(String),
}

impl From<LogPoolError> for Failed {
    fn from(why: LogPoolError) -> Failed {
        Failed::LogPool(why)
    }
}

/// As the commands say it.
impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Question(why) | Failed::Trouble(why) => f.write_str(why),
            Failed::LogPool(why @ LogPoolError::Corrupt { .. }) => {
                let hint = "--skip-damaged leaves that out, `dsctl log verify` lists all that is damaged";
                write!(f, "{why}; {hint}")
            }
            Failed::LogPool(why) => why.fmt(f),
        }
    }
}

impl Found {
    /// Whether nothing was found: no record, or groups of none.
    pub fn is_nothing(&self, stats: bool) -> bool {
        let none = |record: &Record| {
            record.fields.iter().all(|(_, value)| matches!(value, FieldValue::Null | FieldValue::Int(0)))
        };
        self.records.is_empty() || stats && self.records.iter().all(none)
    }
}

impl From<Failed> for String {
    fn from(why: Failed) -> String {
        why.to_string()
    }
}

/// Records, and what they were found without.
#[derive(Debug, Default)]
pub struct Found {
    pub records: Vec<Record>,
    pub skipped: Vec<Skipped>,
}

/// A reader that takes damage as the question wants it.
pub fn reader(folder: &Path, skip_damaged: bool) -> Reader {
    let reader = Reader::open(folder);
    if skip_damaged { reader.skip_damaged() } else { reader }
}

/// As the LogPool has it, but for the limit.
pub fn query(asked: &LogQuery) -> Result<Query, String> {
    let pattern = |text: &Option<String>| text.as_deref().map_or(Pattern::Any, Pattern::parse);
    let run = match &asked.run {
        Some(text) => Some(text.parse::<RunPrefix>().map_err(|why| format!("--run `{text}`: {why}"))?),
        None => None,
    };
    let condition = match &asked.condition {
        Some(text) => Some(Condition::parse(text).map_err(|why| format!("--where: {why}"))?),
        None => None,
    };
    Ok(Query {
        condition,
        pool: pattern(&asked.pool),
        key: pattern(&asked.key),
        node: pattern(&asked.node),
        task: pattern(&asked.task),
        run,
        since: asked.since,
        until: asked.until,
        fields: asked.fields.clone(),
        ..Query::default()
    })
}

/// What its answers were made without.
pub fn skipped(reader: &Reader) -> Vec<Skipped> {
    reader.skipped().into_iter().map(Skipped::from).collect()
}

/// The records that fit, in time order; with a limit, the newest so many of them.
pub fn newest(folder: &Path, asked: &LogQuery) -> Result<Found, Failed> {
    let reader = reader(folder, asked.skip_damaged);
    let records = in_time_order(&reader, &limited(asked).map_err(Failed::Question)?)?;
    Ok(Found { records, skipped: skipped(&reader) })
}

/// As the LogPool has it, with the limit: the newest so many.
pub fn limited(asked: &LogQuery) -> Result<Query, String> {
    let mut query = query(asked)?;
    if let Some(limit) = asked.limit {
        query.limit = Some(usize::try_from(limit).unwrap_or(usize::MAX));
        query.order = Order::NewestFirst;
    }
    Ok(query)
}

pub fn in_time_order(reader: &Reader, query: &Query) -> Result<Vec<Record>, Failed> {
    let mut records = reader.query(query)?;
    if query.order == Order::NewestFirst {
        records.reverse();
    }
    Ok(records)
}

/// A record for each group: the beginning of its window as the time, and as fields what it has in common and the
/// aggregates.
pub fn stats(folder: &Path, asked: &LogQuery, wanted: &LogStats) -> Result<Found, Failed> {
    let query = query(asked).map_err(Failed::Question)?;
    let stats = parse_stats(wanted).map_err(Failed::Question)?;
    let reader = reader(folder, asked.skip_damaged);
    let rows = reader.stats(&query, &stats)?;
    Ok(Found { records: groups(&stats, rows), skipped: skipped(&reader) })
}

/// The same of rows that are there.
pub fn groups(stats: &Stats, rows: Vec<StatsRow>) -> Vec<Record> {
    let shape = Shape::new(stats.by().chain(stats.aggregates.iter().map(|aggregate| &aggregate.name[..])));
    let none = Name::default();
    let record = |row: StatsRow| Record {
        pool: none.clone(),
        key: none.clone(),
        node: none.clone(),
        task: none.clone(),
        run: RunId(0),
        seq: 0,
        time: row.window.unwrap_or(0),
        fields: Fields::new(shape.clone(), row.by.into_iter().chain(row.values).collect()),
    };
    rows.into_iter().map(record).collect()
}

pub fn parse_stats(wanted: &LogStats) -> Result<Stats, String> {
    Stats::parse(&wanted.aggregates, &wanted.by, wanted.every)
        .map_err(|why| format!("--stats and --by: {why}"))
}

/// Fields that are named when one is missed.
const NAMED_MAX: usize = 24;

/// Why nothing fits, as far as a pool, key or node is asked for that is not there, or the condition names fields that no record
/// has that is asked for, or that are never true.
pub fn doubts(folder: &Path, asked: &LogQuery) -> Result<Vec<String>, Failed> {
    let mut query = query(asked).map_err(Failed::Question)?;
    if let Some(doubt) = doubt_of_names(reader(folder, asked.skip_damaged).pools()?, &query) {
        return Ok(vec![doubt]);
    }
    let Some(condition) = query.condition.take() else { return Ok(Vec::new()) };
    let there = reader(folder, asked.skip_damaged).fields(&query)?;
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let mut doubts = Vec::new();
    for (name, boolean) in condition.fields() {
        match there.iter().find(|field| field.name == name) {
            None => {
                let mut names: Vec<&str> =
                    there.iter().take(NAMED_MAX).map(|field| &field.name[..]).collect();
                names.extend((there.len() > NAMED_MAX).then_some("..."));
                let names = names.join(", ");
                doubts.push(format!("no record asked for has a field `{name}`; there are {names}"));
            }
            Some(field) if boolean && !field.kinds.contains(&FieldKind::Bool) => {
                doubts.push(format!(
                    "`{name}` is true or false in no record asked for: compare it with something"
                ));
            }
            Some(_) => {}
        }
    }
    Ok(doubts)
}

/// What is asked for by a name that is not there.
fn doubt_of_names(pools: Vec<PoolInfo>, query: &Query) -> Option<String> {
    let names: BTreeSet<&str> = pools.iter().map(|pool| &pool.pool[..]).collect();
    let no_pool = unknown("there is no pool", &query.pool, &names);
    let keys = || pools.iter().filter(|pool| query.pool.matches(&pool.pool)).flat_map(|pool| &pool.keys);
    let no_key =
        || unknown("no pool asked for has a key", &query.key, &keys().map(|key| &key.key[..]).collect());
    let no_node = || {
        let asked = keys().filter(|key| query.key.matches(&key.key)).flat_map(|key| &key.nodes);
        unknown("nothing asked for is of a node", &query.node, &asked.map(|node| &node[..]).collect())
    };
    no_pool.or_else(no_key).or_else(no_node)
}

fn unknown(what: &str, wanted: &Pattern, names: &BTreeSet<&str>) -> Option<String> {
    let (Pattern::Exact(text) | Pattern::Glob(text)) = wanted else { return None };
    if names.is_empty() || names.iter().any(|name| wanted.matches(name)) {
        return None;
    }
    let hint = match near(text, names) {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            let mut some: Vec<&str> = names.iter().take(NAMED_MAX).copied().collect();
            some.extend((names.len() > NAMED_MAX).then_some("..."));
            format!("there are {}", some.join(", "))
        }
    };
    Some(format!("{what} `{text}`; {hint}"))
}

/// The name that a text is most likely a slip of, or the beginning.
fn near<'n>(text: &str, names: &BTreeSet<&'n str>) -> Option<&'n str> {
    let letters = text.chars().count();
    let far = |name: &&'n str| match name.starts_with(text) || name.eq_ignore_ascii_case(text) {
        true => 0,
        false => strsim::osa_distance(text, name),
    };
    let fits = |&(far, _): &(usize, &str)| far <= (letters / 3).max(1) && far < letters;
    names.iter().map(|name| (far(name), *name)).filter(fits).min().map(|(_, name)| name)
}

pub fn keys(pools: Vec<PoolInfo>) -> Vec<KeyInfo> {
    let mut keys = Vec::new();
    for pool in pools {
        for key in pool.keys {
            keys.push(KeyInfo {
                pool: pool.pool.clone(),
                key: key.key,
                nodes: key.nodes,
                records: key.records,
                first: key.first,
                last: key.last,
            });
        }
    }
    keys
}
