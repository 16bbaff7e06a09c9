//! What programs ask of pools, as the LogPool has it, and its answers as programs have them; and the thread that asks a
//! folder.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, mpsc};

use dscript_destination::{Destination, DestinationError, TailCursor};
use dscript_host::pool::{
    FindDone, PoolCursor, PoolError, PoolKey, PoolQuery, PoolRecord, PoolStats, PoolTurn, PoolWatch,
    TailDone, WatchDone,
};
use dscript_logpool::{
    Condition, Cursor, FieldValue, Fields, Order, Pattern, Query, Reader, Record, Standing, Stats, StatsRow,
    Turn, full_key, value_text,
};

use super::{destination_error, invalid, pool_error, pool_trouble, pool_value, wall_now};

/// Answers questions to pools on one thread, started at the first of them.
#[derive(Clone, Default)]
pub struct Finder {
    jobs: Arc<OnceLock<Option<FindJobs>>>,
}

/// To the thread that reads, with the folder.
type FindJobs = mpsc::Sender<(PathBuf, FindJob)>;

/// Reads from a folder, and answers whoever asked.
type FindJob = Box<dyn FnOnce(Result<&Reader, PoolError>) + Send>;

impl Finder {
    pub fn find(&self, folder: &Path, pool: &str, query: PoolQuery, done: FindDone) {
        let query = log_query(pool, query);
        self.ask(folder, move |reader| {
            done(reader.and_then(|reader| Ok(pool_records(reader.query(&query?).map_err(pool_error)?))));
        });
    }

    pub fn stats(&self, folder: &Path, pool: &str, query: PoolQuery, stats: PoolStats, done: FindDone) {
        let asked = log_stats(pool, query, stats);
        self.ask(folder, move |reader| {
            done(reader.and_then(|reader| {
                let (query, stats) = asked?;
                Ok(rows(&stats, reader.stats(&query, &stats).map_err(pool_error)?))
            }));
        });
    }

    pub fn watch(
        &self,
        folder: &Path,
        pool: &str,
        query: PoolQuery,
        of: Result<PoolWatch, PoolCursor>,
        done: WatchDone,
    ) {
        let asked = log_query(pool, query).and_then(|query| Ok((standing(&query, of)?, query)));
        self.ask(folder, move |reader| {
            done(reader.and_then(|reader| {
                let (standing, query) = asked?;
                let now = wall_now();
                let (turns, standing, cursor) = match standing {
                    Ok(mut standing) => {
                        // From here on nothing is missed; what is met twice is known.
                        let cursor = reader.end().map_err(pool_error)?;
                        let before = reader.query(&standing.before(now)).map_err(pool_error)?;
                        (standing.begin(before, now), standing, cursor)
                    }
                    Err(cursor) => {
                        let (mut standing, mut cursor) = *cursor_of::<(Standing, Cursor)>(cursor)?;
                        let tailed = reader.tail(&query, &mut cursor).map_err(pool_error)?;
                        (standing.go_on(tailed.records, now), standing, cursor)
                    }
                };
                let turns = turns.map_err(pool_error)?;
                Ok((pool_turns(turns), PoolCursor(Box::new((standing, cursor)))))
            }));
        });
    }

    pub fn tail(
        &self,
        folder: &Path,
        pool: &str,
        query: PoolQuery,
        cursor: Option<PoolCursor>,
        done: TailDone,
    ) {
        let query = log_query(pool, query);
        self.ask(folder, move |reader| {
            done(reader.and_then(|reader| {
                let query = query?;
                let Some(cursor) = cursor else {
                    return Ok((Vec::new(), PoolCursor(Box::new(reader.end().map_err(pool_error)?))));
                };
                let mut cursor = cursor_of::<Cursor>(cursor)?;
                let tailed = reader.tail(&query, &mut cursor).map_err(pool_error)?;
                Ok((pool_records(tailed.records), PoolCursor(cursor)))
            }));
        });
    }

    fn ask(&self, folder: &Path, answer: impl FnOnce(Result<&Reader, PoolError>) + Send + 'static) {
        let jobs = self.jobs.get_or_init(|| {
            let (sender, receiver) = mpsc::channel::<(PathBuf, FindJob)>();
            let thread = std::thread::Builder::new().name("find".into());
            let answer = |(folder, job): (PathBuf, FindJob)| job(Ok(&Reader::open(&folder)));
            thread.spawn(move || receiver.into_iter().for_each(answer)).ok().map(|_| sender)
        });
        let job = (folder.to_owned(), Box::new(answer) as FindJob);
        let unsent = match jobs {
            Some(jobs) => jobs.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        if let Some((_, job)) = unsent {
            job(Err(pool_trouble("the thread that reads pools could not be started")));
        }
    }
}

pub fn cursor_of<T: 'static>(cursor: PoolCursor) -> Result<Box<T>, PoolError> {
    cursor.0.downcast().map_err(|_| pool_trouble("the cursor is none of this pool"))
}

/// What a program asks, as the LogPool has it.
pub fn log_query(pool: &str, query: PoolQuery) -> Result<Query, PoolError> {
    let PoolQuery { key, nodes, tasks, since, conditions, limit, order } = query;
    let pattern = |text: Option<String>| text.as_deref().map_or(Pattern::Any, Pattern::parse);
    let conditions: Result<Vec<Condition>, _> =
        conditions.iter().map(|text| Condition::parse(text)).collect();
    Ok(Query {
        pool: Pattern::Exact(pool.to_owned()),
        key: match key {
            PoolKey::Exact(key) => Pattern::Exact(key),
            PoolKey::Pattern(text) => Pattern::parse(&text),
        },
        node: pattern(nodes),
        task: pattern(tasks),
        since,
        condition: conditions.and_then(Condition::all).map_err(invalid)?,
        limit,
        order: order.as_deref().map(Order::parse).transpose().map_err(invalid)?,
        ..Query::default()
    })
}

/// The same of aggregates, whose rows the order and the limit are for.
pub fn log_stats(pool: &str, query: PoolQuery, stats: PoolStats) -> Result<(Query, Stats), PoolError> {
    let (order, limit) = (query.order.clone(), query.limit);
    let query = log_query(pool, PoolQuery { order: None, limit: None, ..query })?;
    let stats = Stats::parse(&stats.aggregates, &stats.by, stats.every).map_err(invalid)?;
    Ok((query, stats.ordered(order.as_deref(), limit).map_err(invalid)?))
}

/// A row as a record: the window and what it has in common say which.
pub fn rows(stats: &Stats, rows: Vec<StatsRow>) -> Vec<PoolRecord> {
    let row = |row: StatsRow| {
        let which: Vec<FieldValue> = row.window.map(FieldValue::Time).into_iter().chain(row.by).collect();
        let texts: Vec<String> = stats
            .columns()
            .zip(&which)
            .map(|(name, value)| format!("{name} {}", value_text(value)))
            .collect();
        let values = which.into_iter().chain(row.values);
        let fields = stats.columns().zip(values).map(|(name, value)| (name.to_owned(), pool_value(value)));
        PoolRecord { name: Arc::new(texts.join(", ")), fields: fields.collect() }
    };
    rows.into_iter().map(row).collect()
}

/// The standing query that is to begin, or the one that goes on.
pub fn standing(
    query: &Query,
    of: Result<PoolWatch, PoolCursor>,
) -> Result<Result<Standing, PoolCursor>, PoolError> {
    Ok(match of {
        Ok(PoolWatch { when, over, by }) => {
            Ok(Standing::parse(query.clone(), &when, &by, over).map_err(invalid)?)
        }
        Err(cursor) => Err(cursor),
    })
}

/// Asks for what comes from now on, and then for what is there.
pub fn begin_watch(destination: &Arc<Destination>, mut standing: Standing, query: Query, done: WatchDone) {
    let there = destination.clone();
    let followed = move |followed: Result<(Vec<Record>, TailCursor), DestinationError>| {
        let (_, cursor) = match followed {
            Ok(followed) => followed,
            Err(why) => return done(Err(destination_error(why))),
        };
        let now = wall_now();
        let before = standing.before(now);
        let begin = move |records| {
            let turns = standing.begin(records, now).map_err(pool_error)?;
            Ok((pool_turns(turns), PoolCursor(Box::new((standing, cursor)))))
        };
        let found = move |found: Result<_, DestinationError>| {
            done(found.map_err(destination_error).and_then(begin));
        };
        there.records(before, Box::new(found));
    };
    destination.tail(query, None, Box::new(followed));
}

pub fn pool_turns(turns: Vec<Turn>) -> Vec<PoolTurn> {
    let turn = |Turn { by, holds, time, value }| {
        let by = by.iter().map(value_text).collect();
        PoolTurn { holds, time, by, value: pool_value(value) }
    };
    turns.into_iter().map(turn).collect()
}

pub fn pool_records(records: Vec<Record>) -> Vec<PoolRecord> {
    records.into_iter().map(pool_record).collect()
}

fn pool_record(record: Record) -> PoolRecord {
    let Record { pool, key, node, task, run, seq, time, fields } = record;
    let name = Named(Record { pool, key, node, task, run, seq, time, fields: Fields::default() });
    let fields = fields.into_iter().map(|(name, value)| (name.into(), pool_value(value))).collect();
    PoolRecord { name: Arc::new(name), fields }
}

/// A record by its full key.
struct Named(Record);

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&full_key(&self.0))
    }
}
