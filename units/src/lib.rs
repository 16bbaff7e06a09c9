//! The units of durations and sizes, and durations as texts: the same in a program's source, in what it prints, in the
//! LogPool and on the command line. It depends on nothing, so everything may depend on it.

use std::fmt::Write;

/// Units of time and their nanoseconds, the shortest first.
pub const DURATIONS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Units of size and their bytes.
pub const SIZES: &[(&str, u64)] = &[
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// The nanoseconds of a unit of time.
pub fn duration_unit(unit: &str) -> Option<u64> {
    of(DURATIONS, unit)
}

/// The bytes of a unit of size.
pub fn size_unit(unit: &str) -> Option<u64> {
    of(SIZES, unit)
}

fn of(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size)
}

/// Nanoseconds as the shortest literals: `1m30s`, `500ms`, `0s`.
pub fn duration_text(nanos: i64) -> String {
    let mut left = nanos.unsigned_abs();
    if left == 0 {
        return "0s".into();
    }
    let mut text = String::from(if nanos < 0 { "-" } else { "" });
    for (name, unit) in DURATIONS.iter().rev() {
        if left >= *unit {
            let _ = write!(text, "{}{name}", left / unit);
            left %= unit;
        }
    }
    text
}

/// The nanoseconds of what `duration_text` writes, and of any other sum of literals.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut total = 0i128;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let (number, after) = (rest[..digits].parse::<u64>().ok()?, &rest[digits + letters..]);
        let nanos = duration_unit(&rest[digits..digits + letters])?;
        total = total.checked_add(i128::from(number) * i128::from(nanos))?;
        rest = after;
        if rest.is_empty() {
            return i64::try_from(if negative { -total } else { total }).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration_text(90_000_000_000), "1m30s");
        assert_eq!(duration_text(-1_500_000), "-1ms500us");
        assert_eq!(duration_text(0), "0s");
        assert_eq!(duration_text(i64::MIN), "-106751d23h47m16s854ms775us808ns");
        for nanos in [90_000_000_000, -1_500_000, 0, i64::MIN, i64::MAX] {
            assert_eq!(parse_duration(&duration_text(nanos)), Some(nanos));
        }
        for bad in ["", "-", "1", "m", "1x", "1m ", "9223372036854775808ns", "ü"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
