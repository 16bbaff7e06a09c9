//! Durations, times, sizes and settings as the command line takes them: durations and sizes are the literals of the language,
//! `1h30m`, `256MiB`.

use std::time::Duration;

use dscript_logpool::parse_moment;
use dscript_units::{parse_duration, size_unit};

/// `500us 250ms 5s 10m 2h 1d 1h30m`: whole numbers, each with a unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text).map(u64::try_from) {
        Some(Ok(nanos)) => Ok(Duration::from_nanos(nanos)),
        Some(Err(_)) => Err(format!("`{text}` is below zero: write it without the minus")),
        None if parse_duration(&small_numbers(text)).is_some() => {
            Err(format!("`{text}` is too long: the longest duration is about 292 years"))
        }
        None => Err(format!(
            "`{text}` is no duration: write whole numbers, each with a unit (ns us ms s m h d), such as 10s, 500ms or 1h30m"
        )),
    }
}

/// The same text with each number of one digit.
fn small_numbers(text: &str) -> String {
    let mut small = String::new();
    for c in text.chars() {
        if !(c.is_ascii_digit() && small.ends_with(|c: char| c.is_ascii_digit())) {
            small.push(c);
        }
    }
    small
}

/// A time ago (`10m`, `1h30m`) or a time (`2026-01-31T08:00:00Z`, `2026-01-31`); in nanoseconds since 1970, as `now` is.
pub fn moment(text: &str, now: i64) -> Result<i64, String> {
    if let Ok(ago) = duration(text) {
        return Ok(now.saturating_sub(i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX)));
    }
    parse_moment(text).map_err(|_| {
        format!(
            "`{text}` is neither a time ago, such as 10m or 1h30m, nor a time, such as 2026-01-31T08:00:00Z, 2026-01-31T09:00+01:00 \
             or 2026-01-31 (in UTC where it names no offset)"
        )
    })
}

/// `64MiB 10MB`: a whole number and one unit.
pub fn size(text: &str) -> Result<u64, String> {
    let bad = || {
        format!(
            "`{text}` is no size: write a whole number and a unit (KB MB GB TB KiB MiB GiB TiB), such as 256MiB"
        )
    };
    let (number, unit) = split(text).ok_or_else(bad)?;
    let bytes = size_unit(unit).ok_or_else(bad)?;
    number.checked_mul(bytes).ok_or_else(|| format!("`{text}` is too large"))
}

/// `NAME=VALUE`; the value may hold anything, further equals signs too.
pub fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is no NAME=VALUE")),
    }
}

/// Nanoseconds in words for people: `1.52ms`, `3.2s`, `2m05s`, `1h12m`.
pub fn spoken(nanos: i64) -> String {
    let nanos = nanos.max(0);
    let seconds = nanos / 1_000_000_000;
    let (us, ms, s) = (1_000, 1_000_000, 1_000_000_000);
    match nanos {
        _ if nanos < us => format!("{nanos}ns"),
        _ if nanos < ms => format!("{:.1}us", nanos as f64 / 1e3),
        _ if nanos < s => format!("{:.1}ms", nanos as f64 / 1e6),
        _ if nanos < 60 * s => format!("{:.1}s", nanos as f64 / 1e9),
        _ if nanos < 3_600 * s => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ if nanos < 86_400 * s => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500us"), Ok(Duration::from_micros(500)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86400)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        for (bad, says) in [
            ("", "such as 10s, 500ms or 1h30m"),
            ("5", "no duration"),
            ("s", "no duration"),
            ("1.5s", "no duration"),
            ("5 s", "no duration"),
            ("5min", "no duration"),
            ("-1s", "below zero"),
            ("9999999999999d", "too long"),
            ("1h99999999999999999999s", "too long"),
        ] {
            let why = duration(bad).expect_err(bad);
            assert!(why.contains(says), "{bad}: {why}");
        }
    }

    #[test]
    fn moments() {
        let second = 1_000_000_000;
        let now = 1_769_846_410 * second;
        let midnight = 1_769_817_600 * second;
        for (text, expected) in [
            ("10s", now - 10 * second),
            ("1h30m", now - 5400 * second),
            ("2026-01-31T08:00:10Z", now),
            ("2026-01-31T09:00:10+01:00", now),
            ("2026-01-31", midnight),
            ("2026-01-31T08:00:10", now),
            ("2026-01-31 08:00", now - 10 * second),
        ] {
            assert_eq!(moment(text, now), Ok(expected), "{text}");
        }
        for bad in ["yesterday", "2026-02-30", "2026-1-31", "31.01.2026", "08:00", "-10m", ""] {
            let why = moment(bad, now).expect_err(bad);
            assert!(why.contains("10m or 1h30m") && why.contains("2026-01-31T08:00:00Z"), "{bad}: {why}");
        }
    }

    #[test]
    fn sizes_and_settings() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("10MB"), Ok(10_000_000));
        assert!(size("64").is_err() && size("64M").is_err() && size("99999999999TiB").is_err());
        assert_eq!(setting("a=b=c d"), Ok(("a".into(), "b=c d".into())));
        assert_eq!(setting("a="), Ok(("a".into(), String::new())));
        assert!(setting("a").is_err() && setting("=b").is_err());
    }

    #[test]
    fn words() {
        assert_eq!(spoken(1_520_000), "1.5ms");
        assert_eq!(spoken(125_000_000_000), "2m05s");
        assert_eq!(spoken(-5), "0ns");
        assert_eq!(spoken(i64::MAX), "106751d23h");
    }
}
