//! From what the operator asks to what the LogPool is asked; the same here and in the controller.

use dscript_logpool::{
    Condition, Fields, Name, Order, Pattern, Query, Reader, Record, RunId, Shape, Stats, StatsRow,
};
use dscript_protocol::RunPrefix;
use dscript_protocol::message::{KeyInfo, LogQuery, LogStats};

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
        ..Query::default()
    })
}

/// The records that fit, in time order; with a limit, the newest so many of them.
pub fn newest(reader: &Reader, asked: &LogQuery) -> Result<Vec<Record>, String> {
    in_time_order(reader, &limited(asked)?)
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

pub fn in_time_order(reader: &Reader, query: &Query) -> Result<Vec<Record>, String> {
    let mut records = reader.query(query).map_err(|why| why.to_string())?;
    if query.order == Order::NewestFirst {
        records.reverse();
    }
    Ok(records)
}

/// A record for each group: the beginning of its window as the time, and as fields what it has in common and the
/// aggregates.
pub fn stats(reader: &Reader, asked: &LogQuery, wanted: &LogStats) -> Result<Vec<Record>, String> {
    let query = query(asked)?;
    let stats = parse_stats(wanted)?;
    let rows = reader.stats(&query, &stats).map_err(|why| why.to_string())?;
    Ok(groups(&stats, rows))
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

pub fn keys(reader: &Reader) -> Result<Vec<KeyInfo>, String> {
    let pools = reader.pools().map_err(|why| why.to_string())?;
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
    Ok(keys)
}
