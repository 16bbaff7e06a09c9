//! From what the operator asks to what the LogPool is asked; the same here and in the controller.

use dscript_logpool::{Order, Pattern, Query, Reader, Record};
use dscript_protocol::RunPrefix;
use dscript_protocol::message::{KeyInfo, LogQuery};

/// As the LogPool has it; without the limit, which `newest` applies.
pub fn query(asked: &LogQuery) -> Result<Query, String> {
    let pattern = |text: &Option<String>| text.as_deref().map_or(Pattern::Any, Pattern::parse);
    let run = match &asked.run {
        Some(text) => Some(text.parse::<RunPrefix>().map_err(|why| format!("--run `{text}`: {why}"))?),
        None => None,
    };
    Ok(Query {
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
    let mut query = query(asked)?;
    if let Some(limit) = asked.limit {
        query.limit = Some(usize::try_from(limit).unwrap_or(usize::MAX));
        query.order = Order::NewestFirst;
    }
    let mut records = reader.query(&query).map_err(|why| why.to_string())?;
    if asked.limit.is_some() {
        records.reverse();
    }
    Ok(records)
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
