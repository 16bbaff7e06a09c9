//! Where a pool lies, as `NAME=URL` says it.

use std::fmt;
use std::path::PathBuf;

use dscript_logpool::{Record, full_key};

use crate::limits::*;
use crate::{DestinationError, Result};

/// The URL of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Url {
    /// `redb:` the LogPool of this machine's data folder, `redb:FOLDER` that of another one.
    Folder(Option<PathBuf>),
    /// `memcached://HOST:PORT`
    Memcached { address: String },
    /// `http://HOST:PORT`: the LogPool of a controller that answers HTTP.
    LogPool { address: String },
    /// `nats://HOST:PORT[,HOST:PORT...][/STREAM][?replicas=3]`
    Nats { servers: Vec<String>, stream: String, replicas: usize },
}

const FORMS: &str = "write redb:FOLDER, memcached://HOST:PORT, http://HOST:PORT (a LogPool served by \
    `dsctl serve --http ... --http-put`) or nats://HOST:PORT/STREAM?replicas=3";
const STREAM: &str = "logpool";

impl Url {
    /// The error says what can be written.
    pub fn parse(text: &str) -> Result<Url, String> {
        let wrong = |what: &str| format!("`{text}` is no URL of a pool: {what}; {FORMS}");
        let Some((scheme, rest)) = text.split_once(':') else { return Err(wrong("it has no scheme")) };
        if scheme == "redb" {
            let folder = rest.strip_prefix("//").unwrap_or(rest);
            return Ok(Url::Folder((!folder.is_empty()).then(|| PathBuf::from(folder))));
        }
        let Some(rest) = rest.strip_prefix("//") else { return Err(wrong("after the scheme stands `://`")) };
        if rest.contains('@') {
            return Err(wrong("a user has no place in it"));
        }
        let address = |text: &str, port: &str| {
            let text = text.trim_end_matches('/');
            address(text, port).ok_or_else(|| wrong("it has no HOST:PORT"))
        };
        match scheme {
            "memcached" => Ok(Url::Memcached { address: address(rest, "11211")? }),
            "http" => Ok(Url::LogPool { address: address(rest, "7780")? }),
            "nats" if cfg!(feature = "nats") => {
                let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
                let (servers, stream) = rest.split_once('/').unwrap_or((rest, ""));
                let stream = if stream.is_empty() { STREAM } else { stream };
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                if !stream.chars().all(plain) {
                    return Err(wrong("a stream's name has letters, digits, `_` and `-`"));
                }
                let replicas = if options.is_empty() {
                    "1"
                } else {
                    options.strip_prefix("replicas=").unwrap_or_default()
                };
                let replicas = replicas.parse().ok().filter(|number| (1..=REPLICAS_MAX).contains(number));
                let replicas =
                    replicas.ok_or_else(|| wrong("after `?` stands replicas=1 to replicas=5, once"))?;
                let servers = servers.split(',').map(|server| address(server, "4222"));
                let servers = servers.collect::<Result<_, _>>()?;
                Ok(Url::Nats { servers, stream: stream.to_owned(), replicas })
            }
            "https" => Err(wrong("a LogPool does not answer HTTPS yet")),
            "nats" => Err(wrong("this program was built without NATS")),
            _ => Err(wrong(&format!("there is no scheme `{scheme}`"))),
        }
    }

    /// Whether a record can be kept there at all.
    pub fn takes(&self, record: &Record) -> Result<()> {
        if !matches!(self, Url::Memcached { .. }) {
            return Ok(());
        }
        let length = full_key(record).len();
        if length <= MEMCACHED_KEY_BYTES_MAX {
            return Ok(());
        }
        Err(DestinationError::Unfit(format!(
            "the record's name at memcached, with pool, key and node, has {length} bytes, and memcached allows \
             {MEMCACHED_KEY_BYTES_MAX}: use shorter names"
        )))
    }
}

/// With the usual port where none is given.
fn address(text: &str, port: &str) -> Option<String> {
    let host_ends = text.rfind(']').map_or(0, |at| at + 1);
    let (host, given) = match text[host_ends..].rfind(':') {
        Some(at) => (&text[..host_ends + at], &text[host_ends + at + 1..]),
        None => (text, port),
    };
    let fits = !host.is_empty()
        && !host.contains(['/', '?', '#', ' ', ','])
        && given.parse::<u16>().is_ok_and(|port| port > 0);
    fits.then(|| format!("{host}:{given}"))
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Url::Folder(None) => f.write_str("redb:"),
            Url::Folder(Some(folder)) => write!(f, "redb:{}", folder.display()),
            Url::Memcached { address } => write!(f, "memcached://{address}"),
            Url::LogPool { address } => write!(f, "http://{address}"),
            Url::Nats { servers, stream, replicas } => {
                write!(f, "nats://{}/{stream}", servers.join(","))?;
                if *replicas == 1 { Ok(()) } else { write!(f, "?replicas={replicas}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |text: &str, expected: Url| assert_eq!(Url::parse(text), Ok(expected), "{text}");
        check("redb:", Url::Folder(None));
        check("redb:/var/x", Url::Folder(Some("/var/x".into())));
        check("redb:///var/y", Url::Folder(Some("/var/y".into())));
        check("memcached://h:1", Url::Memcached { address: "h:1".into() });
        check("memcached://[::1]", Url::Memcached { address: "[::1]:11211".into() });
        check("http://10.0.0.1:7780/", Url::LogPool { address: "10.0.0.1:7780".into() });
        let nats = |servers: &[&str], stream: &str, replicas| Url::Nats {
            servers: servers.iter().map(ToString::to_string).collect(),
            stream: stream.into(),
            replicas,
        };
        check("nats://a", nats(&["a:4222"], "logpool", 1));
        check("nats://a:1,b:2/fleet?replicas=3", nats(&["a:1", "b:2"], "fleet", 3));
        for text in ["redb:/x", "memcached://h:1", "http://h:2", "nats://a:1,b:2/fleet?replicas=3"] {
            assert_eq!(Url::parse(text).expect("it is a URL").to_string(), text);
        }
        for bad in [
            "",
            "x",
            "redis://h:1",
            "memcached:h:1",
            "memcached://",
            "memcached://h:0",
            "memcached://h:x",
            "memcached://h:1/p",
            "http://u@h:1",
            "https://h:1",
            "nats://a/b.c",
            "nats://a?replicas=9",
            "nats://a?x=1",
            "nats://a?replicas=1&replicas=3",
            "nats://a,/b",
        ] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }
}
