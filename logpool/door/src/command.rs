//! A line of the protocol as a value. Data blocks are not part of it; a command says how long its block is.

use crate::flags::Flags;
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
    Stats(Stats),
    Quit,
    MetaGet {
        key: Vec<u8>,
        flags: Box<Flags>,
    },
    MetaSet {
        key: Vec<u8>,
        mode: Mode,
        bytes: usize,
        flags: Box<Flags>,
    },
    MetaDelete {
        key: Vec<u8>,
        flags: Box<Flags>,
    },
    MetaStep {
        key: Vec<u8>,
        up: bool,
        flags: Box<Flags>,
    },
    MetaDebug {
        key: Vec<u8>,
        flags: Box<Flags>,
    },
    MetaNoop,
}

/// What `stats` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stats {
    General,
    Settings,
    Items,
    Slabs,
    Sizes,
    Connections,
    Reset,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Set,
    Add,
    Replace,
    Append,
    Prepend,
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
    /// A time that is no number.
    Time,
    /// What stands behind a key that is deleted.
    Delete,
    /// The token of a meta flag; of `D`, `J`, `M` and `O`.
    Token,
    DeltaToken,
    InitialToken,
    ModeLength,
    Opaque,
    /// A mode that `ms` or `ma` does not have.
    SetMode,
    StepMode,
    /// A meta flag that is not known, or one that is there twice.
    Flag,
    Duplicate,
    /// Any of these in `md` and `ma`.
    FlagOrDuplicate,
    /// A key that is to be base64, and is none.
    Key,
    /// The data block is longer than an item may be.
    TooLarge {
        quiet: bool,
    },
}

impl Bad {
    /// As memcached says it.
    pub fn answer(self) -> &'static str {
        match self {
            Bad::Unknown => "ERROR",
            Bad::Format => "CLIENT_ERROR bad command line format",
            Bad::Delta => "CLIENT_ERROR invalid numeric delta argument",
            Bad::Time => "CLIENT_ERROR invalid exptime argument",
            Bad::Delete => "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]",
            Bad::Token => "CLIENT_ERROR bad token in command line format",
            Bad::DeltaToken => "CLIENT_ERROR invalid numeric delta value",
            Bad::InitialToken => "CLIENT_ERROR invalid numeric initial value",
            Bad::ModeLength => "CLIENT_ERROR incorrect length for M token",
            Bad::Opaque => "CLIENT_ERROR opaque token too long",
            Bad::SetMode => "CLIENT_ERROR invalid mode for ms M token",
            Bad::StepMode => "CLIENT_ERROR invalid mode for ma M token",
            Bad::Flag => "CLIENT_ERROR invalid flag",
            Bad::Duplicate => "CLIENT_ERROR duplicate flag",
            Bad::FlagOrDuplicate => "CLIENT_ERROR invalid or duplicate flag",
            Bad::Key => "CLIENT_ERROR error decoding key",
            Bad::TooLarge { .. } => "SERVER_ERROR object too large for cache",
        }
    }
}

pub fn number<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
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
        let store = |mode| Command::store(mode, false, plain, quiet);
        match name {
            b"get" | b"gets" => Ok(Command::Get { keys: keys(rest)?, with_cas: name == b"gets" }),
            b"gat" | b"gats" => {
                let Some((&first, keyed)) = rest.split_first() else { return Err(Bad::Unknown) };
                let exptime = number(first).ok_or(Bad::Time)?;
                Ok(Command::GetAndTouch { keys: keys(keyed)?, with_cas: name == b"gats", exptime })
            }
            b"set" => store(Mode::Set),
            b"cas" => Command::store(Mode::Set, true, plain, quiet),
            b"add" => store(Mode::Add),
            b"replace" => store(Mode::Replace),
            b"append" => store(Mode::Append),
            b"prepend" => store(Mode::Prepend),
            b"delete" => match plain {
                [] => Err(Bad::Unknown),
                // Old clients send a time of 0.
                [word] | [word, b"0"] => Ok(Command::Delete { key: key(word)?, quiet }),
                _ => Err(Bad::Delete),
            },
            b"incr" | b"decr" => match plain {
                [word, by] | [word, by, _] => {
                    let (key, by) = (key(word)?, number(by).ok_or(Bad::Delta)?);
                    Ok(Command::Step { key, by, up: name == b"incr", quiet })
                }
                _ => Err(Bad::Unknown),
            },
            b"touch" => match plain {
                [word, exptime] | [word, exptime, _] => {
                    let (key, exptime) = (key(word)?, number(exptime).ok_or(Bad::Time)?);
                    Ok(Command::Touch { key, exptime, quiet })
                }
                _ => Err(Bad::Unknown),
            },
            b"flush_all" => match plain {
                [] => Ok(Command::Flush { after: 0, quiet }),
                [after] | [after, _] => Ok(Command::Flush { after: number(after).ok_or(Bad::Time)?, quiet }),
                _ => Err(Bad::Unknown),
            },
            b"version" if rest.is_empty() => Ok(Command::Version),
            b"verbosity" => match plain {
                [] if !quiet => Err(Bad::Unknown),
                [level, ..] if number::<u32>(level).is_none() => Err(Bad::Format),
                _ => Ok(Command::Verbosity { quiet }),
            },
            b"stats" => match rest.first() {
                None => Ok(Command::Stats(Stats::General)),
                Some(&b"settings") => Ok(Command::Stats(Stats::Settings)),
                Some(&b"items") => Ok(Command::Stats(Stats::Items)),
                Some(&b"slabs") => Ok(Command::Stats(Stats::Slabs)),
                Some(&b"sizes") => Ok(Command::Stats(Stats::Sizes)),
                Some(&b"conns") => Ok(Command::Stats(Stats::Connections)),
                Some(&b"reset") => Ok(Command::Stats(Stats::Reset)),
                Some(_) => Err(Bad::Unknown),
            },
            b"quit" if rest.is_empty() => Ok(Command::Quit),
            b"mg" | b"md" | b"ma" => {
                let Some((&word, flags)) = rest.split_first() else { return Err(Bad::Unknown) };
                Command::meta(name, key(word)?, flags).map_err(|bad| match bad {
                    Bad::Opaque | Bad::StepMode => bad,
                    _ if name == b"mg" => bad,
                    _ => Bad::FlagOrDuplicate,
                })
            }
            b"ms" => match rest {
                [] => Err(Bad::Unknown),
                [_] => Err(Bad::Format),
                [word, bytes, flags @ ..] => Command::meta_set(key(word)?, bytes, flags),
            },
            b"me" => {
                let [word, more @ ..] = rest else { return Err(Bad::Format) };
                let flags = Flags::parse(if more.first() == Some(&&b"b"[..]) { &more[..1] } else { &[] });
                let flags = Box::new(flags?);
                let key = flags.key(&key(word)?).map_err(|_| Bad::Format)?;
                Ok(Command::MetaDebug { key, flags })
            }
            b"mn" => Ok(Command::MetaNoop),
            _ => Err(Bad::Unknown),
        }
    }

    fn store(mode: Mode, with_cas: bool, words: &[&[u8]], quiet: bool) -> Result<Command, Bad> {
        let [word, flags, exptime, bytes, more @ ..] = words else { return Err(Bad::Unknown) };
        let cas = match (with_cas, more) {
            (true, [cas] | [cas, _]) => Some(number(cas).ok_or(Bad::Format)?),
            (false, [] | [_]) => None,
            _ => return Err(Bad::Unknown),
        };
        let bytes = number(bytes).ok_or(Bad::Format)?;
        if bytes > VALUE_BYTES_MAX {
            return Err(Bad::TooLarge { quiet });
        }
        let (flags, exptime) = (number(flags).ok_or(Bad::Format)?, number(exptime).ok_or(Bad::Format)?);
        Ok(Command::Store { mode, key: key(word)?, flags, exptime, bytes, cas, quiet })
    }

    /// `mg`, `md` and `ma`
    fn meta(name: &[u8], word: Vec<u8>, words: &[&[u8]]) -> Result<Command, Bad> {
        let flags = Box::new(Flags::parse(words)?);
        let key = flags.key(&word)?;
        match name {
            b"mg" => Ok(Command::MetaGet { key, flags }),
            b"md" => Ok(Command::MetaDelete { key, flags }),
            _ => match flags.mode {
                None | Some(b'I' | b'+') => Ok(Command::MetaStep { key, up: true, flags }),
                Some(b'D' | b'-') => Ok(Command::MetaStep { key, up: false, flags }),
                Some(_) => Err(Bad::StepMode),
            },
        }
    }

    fn meta_set(word: Vec<u8>, bytes: &[u8], words: &[&[u8]]) -> Result<Command, Bad> {
        let bytes = number(bytes).ok_or(Bad::Format)?;
        let flags = Box::new(Flags::parse(words)?);
        let key = flags.key(&word)?;
        let mode = match flags.mode {
            None | Some(b'S') => Mode::Set,
            Some(b'E') => Mode::Add,
            Some(b'A') => Mode::Append,
            Some(b'P') => Mode::Prepend,
            Some(b'R') => Mode::Replace,
            Some(_) => return Err(Bad::SetMode),
        };
        if bytes > VALUE_BYTES_MAX {
            return Err(Bad::TooLarge { quiet: false });
        }
        Ok(Command::MetaSet { key, mode, bytes, flags })
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
        check("set a 5 -1 3 more", Ok(store(Mode::Set, None, false)));
        check("cas a 5 -1 3", Err(Bad::Unknown));
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
            Ok(Command::MetaGet { key: a(), flags: Box::new(Flags::parse(&[b"v", b"t", b"O12"]).unwrap()) }),
        );
        check("mg a X", Err(Bad::Flag));
        check("md a X", Err(Bad::FlagOrDuplicate));
        check("ma a MX", Err(Bad::StepMode));
        check("ms a 2 MX", Err(Bad::SetMode));
        let binary = Box::new(Flags::parse(&[b"b"]).unwrap());
        check("mg AAog b", Ok(Command::MetaGet { key: b"\0\n ".to_vec(), flags: binary.clone() }));
        check("me YQ== b", Ok(Command::MetaDebug { key: a(), flags: binary }));
        for bogus in ["mg !!! b", "ms YR== 3 b"] {
            check(bogus, Err(Bad::Key));
        }
        check("ms a S100", Err(Bad::Format));
        check("stats items", Ok(Command::Stats(Stats::Items)));
        check("verbosity 1", Ok(Command::Verbosity { quiet: false }));
        for bogus in
            ["bogus", "version noreply", "quit now", "verbosity", "stats noreply", "mg", "ms", "delete"]
        {
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
