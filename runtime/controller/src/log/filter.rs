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

impl From<Failed> for String {
    fn from(why: Failed) -> String {
        why.to_string()
    }
}

/// Records, what they were found without, and what may be wrong with the question.
#[derive(Debug, Default)]
pub struct Found {
    pub records: Vec<Record>,
    pub skipped: Vec<Skipped>,
    pub doubts: Vec<String>,
}

/// A reader that takes damage as the question wants it.
pub fn reader(folder: &Path, skip_damaged: bool) -> Reader {
    let reader = Reader::open(folder);
    if skip_damaged { reader.skip_damaged() } else { reader }
}

/// As the LogPool has it, but for the limit and the order.
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

/// The records that fit, in the order asked for.
pub fn records(folder: &Path, asked: &LogQuery) -> Result<Found, Failed> {
    let reader = reader(folder, asked.skip_damaged);
    let query = limited(asked).map_err(Failed::Question)?;
    let records = reader.query(&query)?;
    let mut names = Vec::new();
    if records.is_empty() {
        names.extend(query.condition.iter().flat_map(Condition::fields));
    } else {
        let ordered = query.order.iter().flat_map(Order::fields);
        let given = query.fields.iter().map(|name| &name[..]);
        let missed = |name: &&str| !records.iter().any(|record| record.field(name).is_some());
        names.extend(ordered.chain(given).filter(missed).map(|name| (name, false)));
    }
    let doubts = doubts(&reader, &query, records.is_empty(), names)?;
    Ok(Found { records, skipped: skipped(&reader), doubts })
}

/// As the LogPool has it, with the limit and the order of records.
pub fn limited(asked: &LogQuery) -> Result<Query, String> {
    let order = asked.order.as_deref().map(Order::parse).transpose();
    Ok(Query { limit: limit(asked), order: order.map_err(|why| format!("--order: {why}"))?, ..query(asked)? })
}

fn limit(asked: &LogQuery) -> Option<usize> {
    asked.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// A record for each group: the beginning of its window as the time, and as fields what it has in common and the
/// aggregates.
pub fn stats(folder: &Path, asked: &LogQuery, wanted: &LogStats) -> Result<Found, Failed> {
    let query = query(asked).map_err(Failed::Question)?;
    let stats = parse_stats(asked, wanted).map_err(Failed::Question)?;
    let reader = reader(folder, asked.skip_damaged);
    let records = groups(&stats, reader.stats(&query, &stats)?);
    // A column in which nothing is.
    let is_empty = |at: usize| {
        let values = records.iter().filter_map(|record| record.fields.iter().nth(at));
        values.into_iter().all(|(_, value)| matches!(value, FieldValue::Null | FieldValue::Int(0)))
    };
    let columns = 0..records.first().map_or(0, |record| record.fields.len());
    let mut names = Vec::new();
    if records.is_empty() || columns.clone().any(is_empty) {
        names.extend(query.condition.iter().flat_map(Condition::fields));
        names.extend(stats.fields().map(|name| (name, false)));
    }
    let nothing = columns.into_iter().all(is_empty);
    let doubts = doubts(&reader, &query, nothing, names)?;
    Ok(Found { records, skipped: skipped(&reader), doubts })
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

/// As the LogPool has them, with the limit and the order of groups.
pub fn parse_stats(asked: &LogQuery, wanted: &LogStats) -> Result<Stats, String> {
    let stats = Stats::parse(&wanted.aggregates, &wanted.by, wanted.every)
        .map_err(|why| format!("--stats and --by: {why}"))?;
    stats.ordered(asked.order.as_deref(), limit(asked)).map_err(|why| format!("--order: {why}"))
}

/// Fields that are named when one is missed.
const NAMED_MAX: usize = 24;

/// What may be wrong with a question that no record fits.
pub fn why_nothing(folder: &Path, asked: &LogQuery) -> Result<Vec<String>, Failed> {
    let query = query(asked).map_err(Failed::Question)?;
    let names = query.condition.iter().flat_map(Condition::fields).collect();
    doubts(&reader(folder, asked.skip_damaged), &query, true, names)
}

/// Why nothing fits, as far as a pool, key or node is asked for that is not there; and what of these fields no record has that is
/// asked for, but for the condition, and which of those that must be true or false never are.
fn doubts(
    reader: &Reader,
    query: &Query,
    nothing: bool,
    names: Vec<(&str, bool)>,
) -> Result<Vec<String>, Failed> {
    if nothing && let Some(doubt) = doubt_of_names(reader.pools()?, query) {
        return Ok(vec![doubt]);
    }
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let there = reader.fields(&Query { condition: None, fields: Vec::new(), ..query.clone() })?;
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let mut doubts = Vec::new();
    for (name, boolean) in names {
        let doubt = match there.iter().find(|field| field.name == name) {
            None => {
                let mut known: Vec<&str> =
                    there.iter().take(NAMED_MAX).map(|field| &field.name[..]).collect();
                known.extend((there.len() > NAMED_MAX).then_some("..."));
                format!("no record asked for has a field `{name}`; there are {}", known.join(", "))
            }
            Some(field) if boolean && !field.kinds.contains(&FieldKind::Bool) => {
                format!("`{name}` is true or false in no record asked for: compare it with something")
            }
            Some(_) => continue,
        };
        if !doubts.contains(&doubt) {
            doubts.push(doubt);
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
