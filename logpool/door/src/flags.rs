//! The flags of a meta command as values. All commands know the same ones, and each reads what it can use.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::command::{Bad, number};
use crate::limits::{KEY_BYTES_MAX, OPAQUE_BYTES_MAX};

/// What stands behind a key; numbers as they were written, times as `expiry` reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Letters and what stands behind each, in order.
    pub written: Vec<(u8, Vec<u8>)>,
    /// `N`: when what is made where there is nothing expires.
    pub vivify: Option<i64>,
    /// `T`
    pub expires: Option<i64>,
    /// `R`: what expires before that is to be brought anew.
    pub recache: Option<i64>,
    /// `F`: what the client keeps with an item.
    pub client: u32,
    /// `C`
    pub cas: Option<u64>,
    /// `E`: the cas of what is stored.
    pub new_cas: Option<u64>,
    /// `M`
    pub mode: Option<u8>,
    /// `D`
    pub by: Option<u64>,
    /// `J`
    pub initial: u64,
}

impl Flags {
    /// Of several mistakes the last one is told, except that nothing is read behind one that is no flag, as memcached does it.
    pub fn parse(words: &[&[u8]]) -> Result<Flags, Bad> {
        let mut flags = Flags { written: Vec::with_capacity(words.len()), ..Flags::default() };
        let mut bad = None;
        for word in words {
            let (&letter, token) = word.split_first().ok_or(Bad::Format)?;
            if flags.has(letter) {
                return Err(Bad::Duplicate);
            }
            let read = match letter {
                b'N' => put(&mut flags.vivify, token, Bad::Token),
                b'T' => put(&mut flags.expires, token, Bad::Token),
                b'R' => put(&mut flags.recache, token, Bad::Token),
                b'C' => put(&mut flags.cas, token, Bad::Token),
                b'E' => put(&mut flags.new_cas, token, Bad::Token),
                b'F' => number(token).map(|client| flags.client = client).ok_or(Bad::Format),
                b'D' => put(&mut flags.by, token, Bad::DeltaToken),
                b'J' => number(token).map(|initial| flags.initial = initial).ok_or(Bad::InitialToken),
                b'M' => match token {
                    [mode] => {
                        flags.mode = Some(*mode);
                        Ok(())
                    }
                    _ => Err(Bad::ModeLength),
                },
                b'O' if word.len() > OPAQUE_BYTES_MAX => Err(Bad::Opaque),
                b'O' | b'I' | b'L' | b'P' | b'b' | b'c' | b'f' | b'h' | b'k' | b'l' | b'q' | b's' | b't'
                | b'u' | b'v' | b'x' => Ok(()),
                _ => return Err(Bad::Flag),
            };
            bad = read.err().or(bad);
            flags.written.push((letter, token.to_vec()));
        }
        match bad {
            Some(bad) => Err(bad),
            None => Ok(flags),
        }
    }

    pub fn has(&self, letter: u8) -> bool {
        self.written.iter().any(|(found, _)| *found == letter)
    }

    /// The key that a word is: what it says in base64, with `b`.
    pub fn key(&self, word: &[u8]) -> Result<Vec<u8>, Bad> {
        if !self.has(b'b') {
            return Ok(word.to_vec());
        }
        let key = STANDARD.decode(word).map_err(|_| Bad::Key)?;
        if (1..=KEY_BYTES_MAX).contains(&key.len()) { Ok(key) } else { Err(Bad::Key) }
    }

    /// A key as the client wrote it: in base64 where it said so.
    pub fn written_key(&self, key: &[u8]) -> Vec<u8> {
        if self.has(b'b') { STANDARD.encode(key).into_bytes() } else { key.to_vec() }
    }
}

fn put<T: std::str::FromStr>(to: &mut Option<T>, token: &[u8], bad: Bad) -> Result<(), Bad> {
    *to = Some(number(token).ok_or(bad)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_flags() {
        let parse = |text: &str| {
            let words: Vec<&[u8]> = text.as_bytes().split(|byte| *byte == b' ').collect();
            Flags::parse(&words)
        };
        let flags = parse("v t O12 T-1 N30 R5 C7 E8 F9 MI D2 J3 b x").expect("they are flags");
        assert_eq!((flags.expires, flags.vivify, flags.recache), (Some(-1), Some(30), Some(5)));
        assert_eq!((flags.cas, flags.new_cas, flags.client), (Some(7), Some(8), 9));
        assert_eq!((flags.mode, flags.by, flags.initial), (Some(b'I'), Some(2), 3));
        assert_eq!(flags.written[2], (b'O', b"12".to_vec()));
        assert_eq!(flags.key(b"AAog"), Ok(b"\0\n ".to_vec()));
        assert_eq!(flags.written_key(b"\0\n "), b"AAog");
        for (text, bad) in [
            ("v v", Bad::Duplicate),
            ("Tx Z", Bad::Flag),
            ("Tx", Bad::Token),
            ("T", Bad::Token),
            ("Tx F-1", Bad::Format),
            ("D-1", Bad::DeltaToken),
            ("Jx", Bad::InitialToken),
            ("M", Bad::ModeLength),
            ("Mset", Bad::ModeLength),
            ("O12345678901234567890123456789012", Bad::Opaque),
        ] {
            assert_eq!(parse(text), Err(bad), "{text}");
        }
        for bogus in ["!!!", "YQ", "YQ===", "=", "YR=="] {
            assert_eq!(flags.key(bogus.as_bytes()), Err(Bad::Key), "{bogus}");
        }
    }
}
