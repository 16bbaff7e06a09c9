//! RFC 8259, piece by piece; what the pieces mean is said by whoever asks for them.

use super::DEPTH_MAX;

/// A mistake in the text.
pub(super) struct Bad {
    /// The byte where it stands.
    pub at: usize,
    pub what: String,
    /// Of the value, as in `servers[2].port`; empty for the whole.
    pub path: String,
}

impl Bad {
    pub fn new(at: usize, what: impl Into<String>) -> Bad {
        Bad { at, what: what.into(), path: String::new() }
    }
}

pub(super) struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    pub fn new(text: &'t str) -> Self {
        // A byte order mark may be skipped.
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Scanner { text, at }
    }

    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips white space; where the next piece begins.
    pub fn begin(&mut self) -> usize {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.at
    }

    /// Takes `[` or `{`; whether something is in it.
    pub fn open(&mut self, close: u8, depth: usize) -> Result<bool, Bad> {
        if depth == DEPTH_MAX {
            let what = format!("more than {DEPTH_MAX} lists and objects are within each other");
            return Err(Bad::new(self.at, what));
        }
        self.at += 1;
        self.begin();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// After an element: takes `,`, or the end; whether more follows.
    pub fn more(&mut self, close: u8) -> Result<bool, Bad> {
        self.begin();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.begin();
                if self.peek() == Some(close) {
                    return Err(Bad::new(self.at, "nothing follows the comma"));
                }
                Ok(true)
            }
            Some(c) if c == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.unexpected(&format!("`,` or `{}`", char::from(close)))),
        }
    }

    /// The name of a member, its place, and the colon.
    pub fn name(&mut self) -> Result<(usize, String), Bad> {
        let at = self.begin();
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a name in quotes"));
        }
        let name = self.string()?;
        self.begin();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.at += 1;
        Ok((at, name))
    }

    pub fn end(&mut self) -> Result<(), Bad> {
        self.begin();
        if self.at < self.text.len() { Err(self.unexpected("the end of the text")) } else { Ok(()) }
    }

    pub fn unexpected(&self, wanted: &str) -> Bad {
        let what = match self.text[self.at..].chars().next() {
            Some(c) => format!("here stands `{}`, not {wanted}", c.escape_debug()),
            None => format!("the text ends where {wanted} should follow"),
        };
        Bad::new(self.at, what)
    }

    fn word(&mut self, word: &str) -> Result<(), Bad> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.unexpected("a value"))
    }

    pub fn null(&mut self) -> Result<(), Bad> {
        self.word("null")
    }

    pub fn boolean(&mut self) -> Result<bool, Bad> {
        let value = self.peek() == Some(b't');
        self.word(if value { "true" } else { "false" })?;
        Ok(value)
    }

    /// The text of a number.
    pub fn number(&mut self) -> Result<&'t str, Bad> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.at;
        self.digits(if first > start { "a digit" } else { "a value" })?;
        if self.at > first + 1 && self.text.as_bytes()[first] == b'0' {
            return Err(Bad::new(first, "a number does not begin with 0"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("a digit")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("a digit")?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self, wanted: &str) -> Result<(), Bad> {
        if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Err(self.unexpected(wanted));
        }
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    /// A text in quotes.
    pub fn string(&mut self) -> Result<String, Bad> {
        let mut out = String::new();
        self.at += 1;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = rest.iter().take_while(|c| !matches!(c, b'"' | b'\\' | 0..0x20)).count();
            out.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => {
                    return Err(Bad::new(
                        self.at,
                        "a control character in a text is written `\\n` or `\\u000a`",
                    ));
                }
                None => return Err(self.unexpected("`\"`")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Bad> {
        let at = self.at;
        self.at += 2;
        Ok(match self.text.as_bytes().get(at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let lone = || Bad::new(at, "half of a surrogate pair is no character");
                let first = self.four(at)?;
                if !(0xd800..0xe000).contains(&first) {
                    return char::from_u32(first).ok_or_else(lone);
                }
                if first >= 0xdc00 || !self.text[self.at..].starts_with("\\u") {
                    return Err(lone());
                }
                self.at += 2;
                let second = self.four(at)?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(lone());
                }
                char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(lone)?
            }
            _ => return Err(Bad::new(at, "there is no such escape")),
        })
    }

    fn four(&mut self, at: usize) -> Result<u32, Bad> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.ok_or_else(|| Bad::new(at, "`\\u` takes four hexadecimal digits"))?;
        self.at += 4;
        Ok(digits.iter().fold(0, |code, d| code << 4 | char::from(*d).to_digit(16).unwrap_or_default()))
    }
}

/// Whether a number has neither a point nor an exponent.
pub(super) fn is_whole(digits: &str) -> bool {
    !digits.contains(['.', 'e', 'E'])
}

/// The number as an int, where it is one exactly: `12`, `12.0`, `1.2e1`.
pub(super) fn int(digits: &str) -> Result<i64, String> {
    let inexact = || format!("{} is no int", short(digits));
    if is_whole(digits) {
        return digits.parse().map_err(|_| format!("{} does not fit an int", short(digits)));
    }
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let all = format!("{whole}{fraction}");
    if all.trim_start_matches('-').bytes().all(|d| d == b'0') {
        return Ok(0);
    }
    let exponent: i64 = exponent.parse().map_err(|_| inexact())?;
    let shift = exponent.checked_sub(fraction.len() as i64).ok_or_else(inexact)?;
    if shift < 0 {
        // 1200e-2: the digits that are shifted away must be zeros.
        let drop = usize::try_from(-shift).unwrap_or(usize::MAX);
        let kept = all.len().checked_sub(drop).ok_or_else(inexact)?;
        let (kept, dropped) = all.split_at(kept);
        if dropped.bytes().any(|d| d != b'0') {
            return Err(inexact());
        }
        return kept.parse().map_err(|_| inexact());
    }
    if shift > 18 {
        return Err(format!("{} does not fit an int", short(digits)));
    }
    format!("{all}{}", "0".repeat(shift as usize))
        .parse()
        .map_err(|_| format!("{} does not fit an int", short(digits)))
}

/// The number as a double: the nearest for one with a point, the same for a whole one.
pub(super) fn double(digits: &str) -> Result<f64, String> {
    let value: f64 = digits.parse().map_err(|_| format!("{} is no double", short(digits)))?;
    if value.is_infinite() {
        return Err(format!("{} does not fit a double", short(digits)));
    }
    if is_whole(digits) && value.abs() >= 9_007_199_254_740_992.0 && format!("{value:.0}") != digits {
        return Err(format!("no double is exactly {}", short(digits)));
    }
    Ok(value)
}

fn short(digits: &str) -> String {
    if digits.len() > 40 { format!("{}...", &digits[..40]) } else { digits.to_owned() }
}
