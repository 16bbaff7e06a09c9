//! Log records by name, as key-value stores know them.
//!
//! - `POOL/KEY/NODE/TIME/RUN-SEQ`: one record; the time in nanoseconds since 1970, or as JSON has it, the run in hexadecimal
//! - `POOL/KEY:latest`: the newest record of a key on any node
//!
//! What no key of memcached may hold (spaces, control characters), `/` and `%` stand as `%20`. Any other character may be
//! written so too.

use crate::query::{Pattern, Query};
use crate::record::{Record, RunId};
use crate::text::parse_time;

/// The name of one record, whatever else there is.
pub fn full_key(record: &Record) -> String {
    let Record { pool, key, node, time, run, seq, .. } = record;
    let [pool, key, node] = [pool, key, node].map(|piece| encoded(piece));
    format!("{pool}/{key}/{node}/{time}/{run}-{seq}")
}

/// The name of the newest record of a key.
pub fn latest_key(pool: &str, key: &str) -> String {
    format!("{}:latest", series_key(pool, key))
}

/// What the names of a key's records begin with: `POOL/KEY`.
pub fn series_key(pool: &str, key: &str) -> String {
    format!("{}/{}", encoded(pool), encoded(key))
}

/// What is said to who would change a log record by its name.
pub const READ_ONLY: &str = "this key names a log record, which is read-only here";

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyName {
    Latest { pool: String, key: String },
    One { pool: String, key: String, node: String, time: i64, run: RunId, seq: u64 },
}

impl KeyName {
    /// `None` for what names no log record.
    pub fn parse(name: &str) -> Option<KeyName> {
        if let Some(name) = name.strip_suffix(":latest") {
            let (pool, key) = name.split_once('/')?;
            return Some(KeyName::Latest { pool: decoded(pool)?, key: decoded(key)? });
        }
        let pieces: Vec<&str> = name.split('/').collect();
        let [pool, key, node, time, id] = pieces[..] else { return None };
        let (run, seq) = id.split_once('-')?;
        Some(KeyName::One {
            pool: decoded(pool)?,
            key: decoded(key)?,
            node: decoded(node)?,
            time: time.parse().ok().or_else(|| parse_time(time).ok())?,
            run: run.parse().ok()?,
            seq: seq.parse().ok()?,
        })
    }

    /// What the path of a URL may name. A name stands there as it is, or with `%20` for more of it, its `%` included: that is
    /// what clients make of it that quote everything they put into a path.
    pub fn in_path(path: &str) -> impl Iterator<Item = KeyName> {
        let colons = path.replace("%3A", ":").replace("%3a", ":");
        [Some(colons), decoded(path)].into_iter().flatten().filter_map(|name| KeyName::parse(&name))
    }

    /// Finds the record; `seq` is left to the caller, as queries do not ask for it.
    pub fn query(&self) -> Query {
        match self {
            KeyName::Latest { pool, key } => Query { limit: Some(1), ..Query::of_key(pool, key) },
            KeyName::One { pool, key, node, time, run, .. } => Query {
                node: Pattern::Exact(node.clone()),
                run: Some((*run).into()),
                since: Some(*time),
                until: time.checked_add(1),
                ..Query::of_key(pool, key)
            },
        }
    }
}

fn encoded(piece: &str) -> String {
    let mut all = String::with_capacity(piece.len());
    for c in piece.chars() {
        match c {
            '\0'..=' ' | '/' | '%' | '\x7f' => all.push_str(&format!("%{:02x}", c as u32)),
            c => all.push(c),
        }
    }
    all
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
    use crate::fields::Fields;

    #[test]
    fn keys_are_decoded() {
        assert_eq!(decoded("key%20-name%2f"), Some("key -name/".into()));
        for bad in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
        for other in ["plain", "a/b", "p/k/n/x/1-2", ":latest"] {
            assert_eq!(KeyName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_path_names_what_its_client_meant() {
        let latest = |pool: &str, key: &str| KeyName::Latest { pool: pool.into(), key: key.into() };
        for (path, expected) in [
            ("p/a%20b:latest", latest("p", "a b")),
            ("p/a%20b%3Alatest", latest("p", "a b")),
            ("p%2Fa%2520b%3Alatest", latest("p", "a b")),
            ("p/a%2Fb:latest", latest("p", "a/b")),
            ("p%2Fa%252Fb%3Alatest", latest("p", "a/b")),
            ("p/50%25:latest", latest("p", "50%")),
            ("p%2F50%2525%3Alatest", latest("p", "50%")),
            ("p/a+b:latest", latest("p", "a+b")),
        ] {
            assert_eq!(KeyName::in_path(path).next(), Some(expected), "{path}");
        }
        // Quoted by one who leaves slashes as they are: the second thing that it may name.
        assert!(KeyName::in_path("p/a%2520b:latest").any(|name| name == latest("p", "a b")));
        assert_eq!(KeyName::in_path("p/%zz:latest").next(), None);
    }

    #[test]
    fn names_come_back() {
        let [pool, key, node] = ["p/ü", "key -name%\n:latest", "web-1"].map(String::from);
        let record = Record {
            pool: pool[..].into(),
            key: key[..].into(),
            node: node[..].into(),
            task: "".into(),
            run: RunId(0x0123_4567_89ab_cdef_0000_0000_0000_0001),
            seq: 7,
            time: 1_700_000_000_000_000_000,
            fields: Fields::default(),
        };
        let full = full_key(&record);
        assert_eq!(
            full,
            "p%2fü/key%20-name%25%0a:latest/web-1/1700000000000000000/0123456789abcdef0000000000000001-7"
        );
        let (time, run, seq) = (record.time, record.run, record.seq);
        let one = KeyName::One { pool: pool.clone(), key: key.clone(), node, time, run, seq };
        assert_eq!(KeyName::parse(&full), Some(one.clone()));
        let text = full.replace("1700000000000000000", "2023-11-14T22:13:20Z");
        assert_eq!(KeyName::parse(&text), Some(one));
        assert_eq!(KeyName::parse(&latest_key(&pool, &key)), Some(KeyName::Latest { pool, key }));
    }
}
