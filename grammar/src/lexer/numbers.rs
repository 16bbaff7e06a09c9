//! Numbers: ints, sizes, durations and doubles. Digits and the letters after them are one token.

use dscript_units::{DURATIONS, SIZES};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};
use crate::token::Tok;

/// Units that people write, and the unit they mean.
const GUESSES: &[(&str, &str)] = &[
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hr", "h"),
    ("hrs", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("msec", "ms"),
    ("millis", "ms"),
    ("usec", "us"),
    ("micros", "us"),
    ("nsec", "ns"),
    ("nanos", "ns"),
    ("B", ""),
    ("b", ""),
    ("k", "KB"),
    ("K", "KB"),
    ("M", "MB"),
    ("G", "GB"),
    ("T", "TB"),
    ("Ki", "KiB"),
    ("Mi", "MiB"),
    ("Gi", "GiB"),
    ("Ti", "TiB"),
];

const INT_MAX: &str = "an `int` goes up to 0x7FFF_FFFF_FFFF_FFFF";

/// The magnitude of the smallest int; good only under a minus sign.
pub const INT_MIN_MAGNITUDE: u64 = 1 << 63;

/// How many bytes of `text`, which begins with a digit, belong to the number.
pub fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let word = |mut at: usize| {
        while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
            at += 1;
        }
        at
    };
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = word(0);
    if bytes[0] == b'0' && bytes.get(1).is_some_and(|b| matches!(b, b'x' | b'X' | b'b' | b'B')) {
        return end;
    }
    if bytes.get(end) == Some(&b'.') && digit(end + 1) {
        end = word(end + 1);
    }
    let mantissa = &bytes[..end - 1];
    if matches!(bytes[end - 1], b'e' | b'E')
        && mantissa.iter().all(|b| b.is_ascii_digit() || matches!(b, b'_' | b'.'))
        && matches!(bytes.get(end), Some(b'+' | b'-'))
        && digit(end + 1)
    {
        end = word(end + 1);
    }
    end
}

/// Reads one number. A mistake yields a diagnostic and a token that parsing can go on with.
pub fn read(text: &str, file: FileId, span: Span) -> (Tok, Option<Diagnostic>) {
    match parse(text) {
        Ok(tok) => (tok, None),
        Err(e) => {
            let mut diagnostic = Diagnostic::error(e.code, file, span, e.message);
            diagnostic.help.extend(e.help);
            if let Some(fix) = e.fix {
                diagnostic = diagnostic.edit(span, fix);
            }
            (e.tok, Some(diagnostic))
        }
    }
}

struct Mistake {
    code: codes::Code,
    message: String,
    help: Option<String>,
    fix: Option<String>,
    tok: Tok,
}

fn mistake(tok: Tok, message: impl Into<String>) -> Mistake {
    Mistake { code: codes::BAD_NUMBER, message: message.into(), help: None, fix: None, tok }
}

impl Mistake {
    fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    fn fix(mut self, text: impl Into<String>) -> Self {
        self.fix = Some(text.into());
        self
    }
}

fn out_of_range(tok: Tok, text: &str, what: &str) -> Mistake {
    let mut m = mistake(tok, format!("`{text}` is out of range: {what}"));
    m.code = codes::NUMBER_RANGE;
    m
}

fn parse(text: &str) -> Result<Tok, Mistake> {
    for (prefix, radix, name) in
        [("0x", 16, "hexadecimal"), ("0X", 16, "hexadecimal"), ("0b", 2, "binary"), ("0B", 2, "binary")]
    {
        if let Some(digits) = text.strip_prefix(prefix) {
            return based(text, digits, radix, name);
        }
    }
    let int_end = text.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
    let (digits, rest) = text.split_at(int_end);
    let exponent = rest.strip_prefix(['e', 'E']);
    if let Some(after) = rest.strip_prefix('.') {
        return fraction(text, digits, after);
    }
    if let Some(after) = exponent
        && after.strip_prefix(['+', '-']).unwrap_or(after).starts_with(|c: char| c.is_ascii_digit())
    {
        return double(text);
    }
    check_underscores(text, digits, Tok::Int(0))?;
    if digits.len() > 1 && digits.starts_with('0') {
        let bare = digits.trim_start_matches(['0', '_']);
        let bare = if bare.is_empty() { "0" } else { bare };
        let report = mistake(Tok::Int(0), format!("`{text}` begins with a zero"));
        // Most likely a mode of a file: without the zero it would be another number.
        let octal = i64::from_str_radix(&digits.replace('_', ""), 8)
            .ok()
            .filter(|_| rest.is_empty() && digits.len() > 2);
        return Err(match octal {
            Some(value) => report
                .help("octal numbers do not exist here; as a hexadecimal one it is the same")
                .fix(format!("{value:#X}").replacen("0X", "0x", 1)),
            None => report.help("a number has no leading zeros").fix(format!("{bare}{rest}")),
        });
    }
    let value = decimal(digits);
    if rest.is_empty() {
        return match value {
            Some(v) if v <= INT_MIN_MAGNITUDE => Ok(Tok::Int(v)),
            _ => Err(out_of_range(
                Tok::Int(0),
                text,
                "an `int` goes from -9223372036854775808 to 9223372036854775807",
            )),
        };
    }
    with_unit(text, digits, rest, value)
}

fn with_unit(text: &str, digits: &str, unit: &str, value: Option<u64>) -> Result<Tok, Mistake> {
    if let Some(&(_, factor)) = SIZES.iter().find(|s| s.0 == unit) {
        return match value.and_then(|v| v.checked_mul(factor)) {
            Some(v) if v <= INT_MIN_MAGNITUDE => Ok(Tok::Int(v)),
            _ => Err(out_of_range(Tok::Int(0), text, "a size in bytes is an `int`")),
        };
    }
    if let Some(&(_, factor)) = DURATIONS.iter().find(|d| d.0 == unit) {
        return match value.and_then(|v| v.checked_mul(factor)) {
            Some(v) if v <= INT_MIN_MAGNITUDE => Ok(Tok::Duration(v)),
            _ => Err(out_of_range(Tok::Duration(0), text, "a `Duration` is at most about 292 years")),
        };
    }
    match unit {
        "L" | "l" => {
            return Err(mistake(
                Tok::Int(value.unwrap_or(0).min(i64::MAX as u64)),
                format!("`{text}` has a suffix that does not exist here"),
            )
            .help("every `int` has 64 bits")
            .fix(digits));
        }
        "f" | "F" | "D" => {
            return Err(mistake(
                Tok::Double(value.unwrap_or(0) as f64),
                format!("`{text}` has a suffix that does not exist here"),
            )
            .help("a `double` is written with a decimal point")
            .fix(format!("{digits}.0")));
        }
        _ => {}
    }
    if let Some(octal) = unit.strip_prefix(['o', 'O'])
        && let Ok(value) = i64::from_str_radix(octal, 8)
        && digits == "0"
    {
        return Err(mistake(Tok::Int(value as u64), format!("`{text}` is an octal number"))
            .help("octal numbers do not exist here; as a hexadecimal one it is the same")
            .fix(format!("0x{value:X}")));
    }
    if let Some(total) = combined(text) {
        return Err(mistake(Tok::Duration(total), format!("`{text}` joins several durations"))
            .help("a duration has one number and one unit; add durations with `+`")
            .fix(shortest(total)));
    }
    let lower = unit.to_ascii_lowercase();
    let known = |u: &str| SIZES.iter().chain(DURATIONS).any(|k| k.0 == u);
    let guess = GUESSES
        .iter()
        .find(|g| g.0 == unit)
        .map(|g| g.1)
        .or_else(|| SIZES.iter().chain(DURATIONS).map(|k| k.0).find(|k| k.to_ascii_lowercase() == lower));
    let duration = guess.is_some_and(|g| DURATIONS.iter().any(|d| d.0 == g));
    let tok = if duration { Tok::Duration(1) } else { Tok::Int(value.unwrap_or(0).min(i64::MAX as u64)) };
    let mut m = mistake(tok, format!("`{text}` has an unknown unit, `{unit}`"))
        .help("the units are ns us ms s m h d, and KB MB GB TB KiB MiB GiB TiB");
    if let Some(guess) = guess
        && (guess.is_empty() || known(guess))
    {
        m = m.fix(format!("{digits}{guess}"));
    }
    Err(m)
}

fn fraction(text: &str, digits: &str, after: &str) -> Result<Tok, Mistake> {
    let end = after.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(after.len());
    let unit = &after[end..];
    let plain = &text[..digits.len() + 1 + end];
    if unit.is_empty() {
        return double(text);
    }
    if let Some(exponent) = unit.strip_prefix(['e', 'E']) {
        let figures = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if !figures.is_empty() && figures.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
            return double(text);
        }
    }
    let value = plain.replace('_', "").parse::<f64>().unwrap_or(0.0);
    if let Some(&(_, factor)) = DURATIONS.iter().find(|d| d.0 == unit) {
        let nanos = (value * factor as f64).round();
        let m = mistake(Tok::Duration(nanos as u64), format!("`{text}` is a duration with a fraction"))
            .help("durations are whole numbers of a unit");
        return Err(if nanos < 9e15 { m.fix(shortest(nanos as u64)) } else { m });
    }
    if let Some(&(_, factor)) = SIZES.iter().find(|s| s.0 == unit) {
        let bytes = (value * factor as f64).round() as u64;
        return Err(mistake(
            Tok::Int(bytes.min(i64::MAX as u64)),
            format!("`{text}` is a size with a fraction"),
        )
        .help("sizes are whole numbers of a unit"));
    }
    let m = mistake(Tok::Double(value), format!("`{text}` has a suffix that does not exist here"));
    Err(if matches!(unit, "f" | "F" | "d" | "D") { m.fix(plain) } else { m })
}

fn double(text: &str) -> Result<Tok, Mistake> {
    check_underscores(text, text, Tok::Double(0.0))?;
    let plain = text.replace('_', "");
    let mantissa = plain.split(['e', 'E']).next().unwrap_or("");
    if mantissa.len() > 1 && mantissa.starts_with('0') && mantissa.as_bytes()[1].is_ascii_digit() {
        return Err(mistake(Tok::Double(0.0), format!("`{text}` begins with a zero"))
            .help("a number has no leading zeros"));
    }
    match plain.parse::<f64>() {
        Ok(v) if v.is_infinite() => {
            Err(out_of_range(Tok::Double(0.0), text, "a `double` is at most about 1.8e308"))
        }
        Ok(v) if v == 0.0 && mantissa.bytes().any(|b| matches!(b, b'1'..=b'9')) => {
            Err(out_of_range(Tok::Double(0.0), text, "it is too small to be told from zero"))
        }
        Ok(v) => Ok(Tok::Double(v)),
        Err(_) => Err(mistake(Tok::Double(0.0), format!("`{text}` is not a number"))),
    }
}

fn based(text: &str, digits: &str, radix: u32, name: &str) -> Result<Tok, Mistake> {
    let tok = Tok::Int(0);
    if digits.is_empty() {
        return Err(mistake(tok, format!("`{text}` has no digits")));
    }
    if let Some(bad) = digits.chars().find(|c| *c != '_' && !c.is_digit(radix)) {
        let m = mistake(tok, format!("`{text}` has a character, `{bad}`, that is not a {name} digit"));
        return Err(match digits.strip_suffix(['L', 'l']) {
            Some(bare) if !bare.is_empty() && bare.chars().all(|c| c == '_' || c.is_digit(radix)) => {
                m.help("every `int` has 64 bits").fix(&text[..text.len() - 1])
            }
            _ => m,
        });
    }
    check_underscores(text, digits, tok)?;
    match u64::from_str_radix(&digits.replace('_', ""), radix) {
        Ok(v) if v <= i64::MAX as u64 => Ok(Tok::Int(v)),
        Ok(v) => Err(out_of_range(tok, text, INT_MAX)
            .help("an `int` has a sign: the same 64 bits are those of a number below zero")
            .fix(format!("~0x{:X}", !v))),
        Err(_) => Err(out_of_range(tok, text, INT_MAX)),
    }
}

fn check_underscores(text: &str, digits: &str, tok: Tok) -> Result<(), Mistake> {
    let bytes = digits.as_bytes();
    let bad = |i: usize| {
        let digit = |j: Option<usize>| {
            j.and_then(|j| bytes.get(j)).is_some_and(|b| b.is_ascii_hexdigit() || *b == b'_')
        };
        bytes[i] == b'_' && !(digit(i.checked_sub(1)) && digit(Some(i + 1)))
    };
    if (0..bytes.len()).any(bad) {
        return Err(
            mistake(tok, format!("`{text}` has a `_` that is not between digits")).fix(text.replace('_', ""))
        );
    }
    Ok(())
}

fn decimal(digits: &str) -> Option<u64> {
    digits
        .bytes()
        .filter(|b| *b != b'_')
        .try_fold(0u64, |n, b| n.checked_mul(10)?.checked_add(u64::from(b - b'0')))
}

/// `1m30s` as nanoseconds.
fn combined(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0u64;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let factor = DURATIONS.iter().find(|d| d.0 == &tail[..end])?.1;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = &tail[end..];
        parts += 1;
    }
    (parts > 1 && total <= i64::MAX as u64).then_some(total)
}

/// One number and the largest unit that is exact.
fn shortest(nanos: u64) -> String {
    let (unit, factor) =
        DURATIONS.iter().rev().find(|d| nanos > 0 && nanos.is_multiple_of(d.1)).copied().unwrap_or(("s", 1));
    format!("{}{unit}", nanos / factor)
}
