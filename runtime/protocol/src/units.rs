//! Durations, sizes and settings as the command line takes them: the literals of the language, `5s`, `256MiB`.

use std::time::Duration;

use dscript_units::{duration_unit, size_unit};

/// `500us 250ms 5s 10m 2h 1d`: a whole number and one unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || {
        format!("`{text}` is no duration: write a whole number and a unit (ns us ms s m h d), such as 10s")
    };
    let (number, unit) = split(text).ok_or_else(bad)?;
    let nanos = duration_unit(unit).ok_or_else(bad)?;
    // Durations of the language are signed nanoseconds of 64 bits.
    match number.checked_mul(nanos) {
        Some(all) if i64::try_from(all).is_ok() => Ok(Duration::from_nanos(all)),
        _ => Err(format!("`{text}` is too long: the longest duration is about 292 years")),
    }
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
        for bad in
            ["", "5", "s", "1.5s", "1m30s", "-1s", "5 s", "5min", "9999999999999d", "99999999999999999999s"]
        {
            assert!(duration(bad).is_err(), "{bad}");
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
