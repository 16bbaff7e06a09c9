//! A line of the protocol as a value. Data blocks are not part of it; a command says how long its block is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Get {
        keys: Vec<Vec<u8>>,
        with_cas: bool,
    },
    /// `get` that sets a new time to live.
    GetAndTouch {
        keys: Vec<Vec<u8>>,
        with_cas: bool,
        exptime: i64,
    },
    Store {
        mode: Mode,
        key: Vec<u8>,
        flags: u32,
        exptime: i64,
        bytes: usize,
        cas: Option<u64>,
        quiet: bool,
    },
    Delete {
        key: Vec<u8>,
        quiet: bool,
    },
    Step {
        key: Vec<u8>,
        by: u64,
        up: bool,
        quiet: bool,
    },
    Touch {
        key: Vec<u8>,
        exptime: i64,
        quiet: bool,
    },
    Flush {
        after: i64,
        quiet: bool,
    },
    Version,
    Verbosity {
        quiet: bool,
    },
    Stats {
        general: bool,
    },
    Quit,
    MetaGet {
        key: Vec<u8>,
        flags: Flags,
    },
    MetaSet {
        key: Vec<u8>,
        bytes: usize,
        flags: Flags,
    },
    MetaDelete {
        key: Vec<u8>,
        flags: Flags,
    },
    MetaStep {
        key: Vec<u8>,
        flags: Flags,
    },
    MetaDebug {
        key: Vec<u8>,
        flags: Flags,
    },
    MetaNoop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
}

/// A flag of the meta protocol: a letter and what stands behind it.
pub type Flag = (u8, Vec<u8>);

/// The flags of a meta command, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub Vec<Flag>);

impl Flags {
    pub fn has(&self, letter: u8) -> bool {
        self.0.iter().any(|(found, _)| *found == letter)
    }

    pub fn token(&self, letter: u8) -> Option<&[u8]> {
        self.0.iter().find(|(found, _)| *found == letter).map(|(_, token)| &token[..])
    }

    /// A key as the client wrote it: in base64 where it said so.
    pub fn written(&self, key: &[u8]) -> String {
        match self.has(b'b') {
            true => STANDARD.encode(key),
            false => String::from_utf8_lossy(key).into_owned(),
        }
    }

    /// The number behind the letter; `None` where there is none, an error where it is none.
    pub fn number<T: std::str::FromStr>(&self, letter: u8) -> Result<Option<T>, Bad> {
        self.token(letter).map(|token| number(token).ok_or(Bad::Token)).transpose()
    }
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// No such command.
    Unknown,
    /// Words are missing, too many or no numbers.
    Format,
    /// A delta that is no number.
    Delta,
    /// The token of a meta flag.
    Token,
    /// A meta flag that is not known.
    Flag,
    /// A key that is to be base64, and is none.
    Key,
    /// The data block is longer than an item may be.
    TooLarge { quiet: bool },
}

impl Bad {
    /// As memcached says it.
    pub fn answer(self) -> &'static str {
        match self {
            Bad::Unknown => "ERROR",
            Bad::Format => "CLIENT_ERROR bad command line format",
            Bad::Delta => "CLIENT_ERROR invalid numeric delta argument",
            Bad::Token => "CLIENT_ERROR bad token in command line format",
            Bad::Flag => "CLIENT_ERROR invalid flag",
            Bad::Key => "CLIENT_ERROR error decoding key",
            Bad::TooLarge { .. } => "SERVER_ERROR object too large for cache",
        }
    }
}

fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

fn key(word: &[u8]) -> Result<Vec<u8>, Bad> {
    // The protocol forbids control characters, and memcached takes them: its own load generator sends some.
    let fits =
        (1..=KEY_BYTES_MAX).contains(&word.len()) && !word.iter().any(|byte| b"\0\r\n ".contains(byte));
    if fits { Ok(word.to_vec()) } else { Err(Bad::Format) }
}

fn keys(words: &[&[u8]]) -> Result<Vec<Vec<u8>>, Bad> {
    // Without a key it is no command at all, as memcached sees it.
    if words.is_empty() { Err(Bad::Unknown) } else { words.iter().map(|word| key(word)).collect() }
}

impl Command {
    /// Reads a line without its end.
    pub fn parse(line: &[u8]) -> Result<Command, Bad> {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
        let Some((&name, rest)) = words.split_first() else { return Err(Bad::Unknown) };
        let quiet = rest.last() == Some(&&b"noreply"[..]);
        let plain = if quiet { &rest[..rest.len() - 1] } else { rest };
        let store = |mode| Command::store(mode, plain, quiet);
        match name {
            b"get" | b"gets" => Ok(Command::Get { keys: keys(rest)?, with_cas: name == b"gets" }),
            b"gat" | b"gats" => {
                let Some((&first, keyed)) = rest.split_first() else { return Err(Bad::Unknown) };
                let exptime = number(first).ok_or(Bad::Format)?;
                Ok(Command::GetAndTouch { keys: keys(keyed)?, with_cas: name == b"gats", exptime })
            }
            b"set" | b"cas" => store(Mode::Set).and_then(|command| match (name, &command) {
                (b"cas", Command::Store { cas: None, .. }) => Err(Bad::Format),
                (b"set", Command::Store { cas: Some(_), .. }) => Err(Bad::Format),
                _ => Ok(command),
            }),
            b"add" => store(Mode::Add),
            b"replace" => store(Mode::Replace),
            b"append" => store(Mode::Append),
            b"prepend" => store(Mode::Prepend),
            b"delete" => match plain {
                // Old clients send a time of 0.
                [word] | [word, b"0"] => Ok(Command::Delete { key: key(word)?, quiet }),
                _ => Err(Bad::Format),
            },
            b"incr" | b"decr" => match plain {
                [word, by] => {
                    let by = number(by).ok_or(Bad::Delta)?;
                    Ok(Command::Step { key: key(word)?, by, up: name == b"incr", quiet })
                }
                _ => Err(Bad::Unknown),
            },
            b"touch" => match plain {
                [word, exptime] => {
                    let exptime = number(exptime).ok_or(Bad::Format)?;
                    Ok(Command::Touch { key: key(word)?, exptime, quiet })
                }
                _ => Err(Bad::Unknown),
            },
            b"flush_all" => match plain {
                [] => Ok(Command::Flush { after: 0, quiet }),
                [after] => Ok(Command::Flush { after: number(after).ok_or(Bad::Format)?, quiet }),
                _ => Err(Bad::Unknown),
            },
            b"version" if rest.is_empty() => Ok(Command::Version),
            b"verbosity" if quiet || plain.len() == 1 => Ok(Command::Verbosity { quiet }),
            b"stats" => match rest {
                [] => Ok(Command::Stats { general: true }),
                // What they tell of memcached's memory is nothing here.
                [b"items" | b"slabs" | b"sizes" | b"settings" | b"conns"] => {
                    Ok(Command::Stats { general: false })
                }
                _ => Err(Bad::Unknown),
            },
            b"quit" if rest.is_empty() => Ok(Command::Quit),
            b"mg" => meta(rest, b"bcfkOqstvNT").map(|(key, flags)| Command::MetaGet { key, flags }),
            b"md" => meta(rest, b"bCkOqT").map(|(key, flags)| Command::MetaDelete { key, flags }),
            b"ma" => meta(rest, b"bNJDTMqtcvkOC").map(|(key, flags)| Command::MetaStep { key, flags }),
            b"ms" => {
                let [word, bytes, flags @ ..] = rest else { return Err(Bad::Format) };
                let bytes = number(bytes).ok_or(Bad::Format)?;
                let (key, flags) = meta(&[&[*word], flags].concat(), b"bcCFkNOqTM")?;
                if bytes > VALUE_BYTES_MAX {
                    return Err(Bad::TooLarge { quiet: flags.has(b'q') });
                }
                Ok(Command::MetaSet { key, bytes, flags })
            }
            b"me" => meta(rest, b"b").map(|(key, flags)| Command::MetaDebug { key, flags }),
            b"mn" => Ok(Command::MetaNoop),
            _ => Err(Bad::Unknown),
        }
    }

    fn store(mode: Mode, words: &[&[u8]], quiet: bool) -> Result<Command, Bad> {
        let (word, flags, exptime, bytes, cas) = match words {
            [word, flags, exptime, bytes] => (word, flags, exptime, bytes, None),
            [word, flags, exptime, bytes, cas] if mode == Mode::Set => {
                (word, flags, exptime, bytes, Some(number(cas).ok_or(Bad::Format)?))
            }
            _ => return Err(Bad::Unknown),
        };
        let bytes = number(bytes).ok_or(Bad::Format)?;
        if bytes > VALUE_BYTES_MAX {
            return Err(Bad::TooLarge { quiet });
        }
        let (flags, exptime) = (number(flags).ok_or(Bad::Format)?, number(exptime).ok_or(Bad::Format)?);
        Ok(Command::Store { mode, key: key(word)?, flags, exptime, bytes, cas, quiet })
    }

    /// How long a data block the line announces, also where it is no command otherwise: what the client sends as data
    /// must not be read as commands.
    pub fn announced(line: &[u8]) -> Option<u64> {
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let place = match words.next()? {
            b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => 3,
            b"ms" => 1,
            _ => return None,
        };
        words.nth(place).and_then(number)
    }

    /// The keys that it may change, and whether it asks for no answer.
    pub fn changes(&self) -> (&[Vec<u8>], bool) {
        use std::slice::from_ref;
        match self {
            Command::GetAndTouch { keys, .. } => (keys, false),
            Command::Store { key, quiet, .. }
            | Command::Delete { key, quiet }
            | Command::Step { key, quiet, .. }
            | Command::Touch { key, quiet, .. } => (from_ref(key), *quiet),
            Command::MetaGet { key, flags } if flags.has(b'T') || flags.has(b'N') => (from_ref(key), false),
            Command::MetaSet { key, .. }
            | Command::MetaDelete { key, .. }
            | Command::MetaStep { key, .. } => (from_ref(key), false),
            _ => (&[], false),
        }
    }

    /// The length of the data block that follows the line.
    pub fn block_bytes(&self) -> Option<usize> {
        match self {
            Command::Store { bytes, .. } | Command::MetaSet { bytes, .. } => Some(*bytes),
            _ => None,
        }
    }
}

fn meta(words: &[&[u8]], known: &[u8]) -> Result<(Vec<u8>, Flags), Bad> {
    let Some((word, rest)) = words.split_first() else { return Err(Bad::Format) };
    let mut flags = Vec::with_capacity(rest.len());
    for word in rest {
        let (&letter, token) = word.split_first().ok_or(Bad::Format)?;
        if !known.contains(&letter) {
            return Err(Bad::Flag);
        }
        flags.push((letter, token.to_vec()));
    }
    let (word, flags) = (key(word)?, Flags(flags));
    let key = if flags.has(b'b') { STANDARD.decode(word).map_err(|_| Bad::Key)? } else { word };
    if key.is_empty() { Err(Bad::Key) } else { Ok((key, flags)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_commands() {
        let check = |line: &str, expected: Result<Command, Bad>| {
            assert_eq!(Command::parse(line.as_bytes()), expected, "{line}");
        };
        let a = || b"a".to_vec();
        check("get a", Ok(Command::Get { keys: vec![a()], with_cas: false }));
        check("get", Err(Bad::Unknown));
        check(&format!("get {}", "k".repeat(251)), Err(Bad::Format));
        check("get a\0", Err(Bad::Format));
        check("get \x10\x7f", Ok(Command::Get { keys: vec![b"\x10\x7f".to_vec()], with_cas: false }));
        let store =
            |mode, cas, quiet| Command::Store { mode, key: a(), flags: 5, exptime: -1, bytes: 3, cas, quiet };
        check("set a 5 -1 3", Ok(store(Mode::Set, None, false)));
        check("set a 5 -1 3 noreply", Ok(store(Mode::Set, None, true)));
        check("cas a 5 -1 3 17", Ok(store(Mode::Set, Some(17), false)));
        check("cas a 5 -1 3", Err(Bad::Format));
        check("append a 5 -1 3", Ok(store(Mode::Append, None, false)));
        check("set a x -1 3", Err(Bad::Format));
        check("set a 0 0 -1", Err(Bad::Format));
        check("set a 0 0 9999999", Err(Bad::TooLarge { quiet: false }));
        check("incr a x", Err(Bad::Delta));
        check("decr a 2 noreply", Ok(Command::Step { key: a(), by: 2, up: false, quiet: true }));
        check("delete a 0", Ok(Command::Delete { key: a(), quiet: false }));
        check("flush_all 10", Ok(Command::Flush { after: 10, quiet: false }));
        check(
            "mg a v t O12",
            Ok(Command::MetaGet {
                key: a(),
                flags: Flags(vec![(b'v', vec![]), (b't', vec![]), (b'O', b"12".to_vec())]),
            }),
        );
        check("mg a X", Err(Bad::Flag));
        let binary = Flags(vec![(b'b', vec![])]);
        check("mg AAog b", Ok(Command::MetaGet { key: b"\0\n ".to_vec(), flags: binary.clone() }));
        check("me YQ== b", Ok(Command::MetaDebug { key: a(), flags: binary }));
        for bogus in ["mg !!! b", "mg YQ b", "mg YQ=== b", "mg = b", "ms YR== 3 b"] {
            check(bogus, Err(Bad::Key));
        }
        check("ms a S100", Err(Bad::Format));
        check("stats items", Ok(Command::Stats { general: false }));
        check("verbosity 1", Ok(Command::Verbosity { quiet: false }));
        for bogus in ["bogus", "version noreply", "quit now", "verbosity", "stats noreply"] {
            check(bogus, Err(Bad::Unknown));
        }
        check("", Err(Bad::Unknown));
        for (line, bytes) in [
            ("set a 4294967296 0 9", Some(9)),
            ("add  a x y 3 noreply", Some(3)),
            ("ms a 9 X", Some(9)),
            ("set a 0 0 -1", None),
            ("set a 0", None),
            ("ms a S9", None),
            ("get a 0 0 9", None),
        ] {
            assert!(bytes.is_none() || Command::parse(line.as_bytes()).is_err());
            assert_eq!(Command::announced(line.as_bytes()), bytes, "{line}");
        }
    }
}
