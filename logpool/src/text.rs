//! Values and times as texts, as D-Script prints them.

use std::fmt::Write;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use crate::record::FieldValue;
use dscript_units::duration_text;

/// RFC 3339 in UTC, with as much of the second as there is.
pub fn time_text(nanos: i64) -> String {
    Timestamp::from_nanosecond(i128::from(nanos)).map_or_else(|_| nanos.to_string(), |time| time.to_string())
}

/// Nanoseconds since 1970.
pub fn parse_time(text: &str) -> Result<i64, String> {
    let nanos = text.parse::<Timestamp>().ok().and_then(|time| i64::try_from(time.as_nanosecond()).ok());
    nanos.ok_or_else(|| format!("`{text}` is no time, such as 2026-01-31T08:00:00Z"))
}

/// Nanoseconds since 1970 of a time as a person may write it: also of a day, which is its first moment, and of one without an
/// offset; both in UTC.
pub fn parse_moment(text: &str) -> Result<i64, String> {
    parse_time(text).or_else(|why| {
        let time = text.parse::<civil::DateTime>().and_then(|time| time.to_zoned(TimeZone::UTC));
        let nanos = time.ok().and_then(|time| i64::try_from(time.timestamp().as_nanosecond()).ok());
        nanos.ok_or(why)
    })
}

/// A value as D-Script prints it; bytes in hexadecimal.
pub fn value_text(value: &FieldValue) -> String {
    match value {
        FieldValue::Null => "null".into(),
        FieldValue::Int(value) => value.to_string(),
        FieldValue::Double(value) if value.is_nan() => "NaN".into(),
        FieldValue::Double(value) if value.is_infinite() => {
            if *value > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        FieldValue::Double(value) => format!("{value:?}"),
        FieldValue::Bool(value) => value.to_string(),
        FieldValue::String(value) => value.clone(),
        FieldValue::Bytes(value) => value.iter().fold(String::new(), |mut all, byte| {
            let _ = write!(all, "{byte:02x}");
            all
        }),
        FieldValue::Duration(value) => duration_text(*value),
        FieldValue::Time(value) => time_text(*value),
        FieldValue::List(values) => {
            format!("[{}]", values.iter().map(value_text).collect::<Vec<_>>().join(", "))
        }
        FieldValue::Map(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key}: {}", value_text(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(value_text(&FieldValue::Double(1.0)), "1.0");
        assert_eq!(value_text(&FieldValue::List(vec![FieldValue::Int(1), FieldValue::Null])), "[1, null]");
        assert_eq!(
            value_text(&FieldValue::Map(vec![("a".into(), FieldValue::String("x".into()))])),
            "{a: x}"
        );
    }
}
