//! Log records as values of keys, read-only.
//!
//! - `POOL/KEY/NODE/TIME/RUN-SEQ`: one record; the time in nanoseconds since 1970, the run in hexadecimal
//! - `POOL/KEY:latest`: the newest record of a key on any node
//!
//! What no key of memcached may hold (spaces, control characters, `/`, `%`) stands as `%20`.

use std::path::{Path, PathBuf};

use dscript_logpool::{Order, Pattern, Query, Reader, Record, RunId};

/// A record as the value that clients get.
pub type Encode = fn(&Record) -> String;

/// Finds log records by such keys.
#[derive(Clone)]
pub struct Records {
    data: PathBuf,
    encode: Encode,
}

enum Wanted {
    Latest { pool: String, key: String },
    One { pool: String, key: String, node: String, time: i64, run: RunId, seq: u64 },
}

impl Records {
    pub fn new(data: &Path, encode: Encode) -> Records {
        Records { data: data.to_path_buf(), encode }
    }

    /// `None` where the key is none of a record, or there is no such record.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let Some(wanted) = std::str::from_utf8(key).ok().and_then(wanted) else { return Ok(None) };
        let (data, encode) = (self.data.clone(), self.encode);
        let found = tokio::task::spawn_blocking(move || {
            read(&data, wanted).map(|found| found.map(|record| encode(&record)))
        })
        .await
        .unwrap_or_else(|why| Err(format!("a thread failed: {why}")))?;
        Ok(found.map(String::into_bytes))
    }
}

fn read(data: &Path, wanted: Wanted) -> Result<Option<Record>, String> {
    let reader = Reader::open(data);
    let found = match wanted {
        Wanted::Latest { pool, key } => {
            let query = Query { order: Order::NewestFirst, limit: Some(1), ..Query::of_key(&pool, &key) };
            reader.query(&query).map(|records| records.into_iter().next())
        }
        Wanted::One { pool, key, node, time, run, seq } => {
            let query = Query {
                node: Pattern::Exact(node),
                run: Some(run.into()),
                since: Some(time),
                until: time.checked_add(1),
                ..Query::of_key(&pool, &key)
            };
            reader.query(&query).map(|records| records.into_iter().find(|record| record.seq == seq))
        }
    };
    found.map_err(|why| why.to_string())
}

fn wanted(key: &str) -> Option<Wanted> {
    if let Some(name) = key.strip_suffix(":latest") {
        let (pool, key) = name.split_once('/')?;
        return Some(Wanted::Latest { pool: decoded(pool)?, key: decoded(key)? });
    }
    let pieces: Vec<&str> = key.split('/').collect();
    let [pool, key, node, time, id] = pieces[..] else { return None };
    let (run, seq) = id.split_once('-')?;
    Some(Wanted::One {
        pool: decoded(pool)?,
        key: decoded(key)?,
        node: decoded(node)?,
        time: time.parse().ok()?,
        run: run.parse().ok()?,
        seq: seq.parse().ok()?,
    })
}

/// `%20` as the byte it stands for.
fn decoded(piece: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded() {
        assert_eq!(decoded("key%20-name%2f"), Some("key -name/".into()));
        for bad in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
        assert!(
            matches!(wanted("p/k%20x:latest"), Some(Wanted::Latest { pool, key }) if pool == "p" && key == "k x")
        );
        let one = "p/k/web-1/1700000000000000000/0123456789abcdef0000000000000001-7";
        assert!(matches!(wanted(one), Some(Wanted::One { time: 1_700_000_000_000_000_000, seq: 7, .. })));
        for other in ["plain", "a/b", "p/k/n/x/1-2", ":latest"] {
            assert!(wanted(other).is_none(), "{other}");
        }
    }
}
