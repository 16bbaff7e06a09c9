//! Duration and Time: both are nanoseconds in a scalar register. The calendar is UTC's.

use super::{Done, natives};
use crate::format;
use crate::native::PureCall;
use crate::vm::trapped;
use dscript_bytecode::trap::TrapKind;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

natives! {
    "Duration.ofNanos" "(int) -> Duration" |call| call.give_int(call.int(0));
    "Duration.nanos" "(Duration) -> int" |call| call.give_int(call.int(0));
    "Duration.parse" "(String) -> Duration?" |call| {
        let value = format::parse_duration(&call.text(0));
        call.give_optional(value.map(|v| v as u64))
    };
    "Time.ofNanos" "(int) -> Time" |call| call.give_int(call.int(0));
    "Time.nanos" "(Time) -> int" |call| call.give_int(call.int(0));
    "Time.parse" "(String) -> Time?" |call| {
        let value = format::parse_time(&call.text(0));
        call.give_optional(value.map(|v| v as u64))
    };
    "Time.of" "(int, int, int, int, int, int) -> Time?" of;
    "Time.year" "(Time) -> int" |call| part(call, |t| t.year().into());
    "Time.month" "(Time) -> int" |call| part(call, |t| t.month().into());
    "Time.day" "(Time) -> int" |call| part(call, |t| t.day().into());
    "Time.hour" "(Time) -> int" |call| part(call, |t| t.hour().into());
    "Time.minute" "(Time) -> int" |call| part(call, |t| t.minute().into());
    "Time.second" "(Time) -> int" |call| part(call, |t| t.second().into());
    "Time.dayOfWeek" "(Time) -> int" |call| part(call, |t| t.weekday().to_monday_one_offset().into());
    "Time.dayOfYear" "(Time) -> int" |call| part(call, |t| t.day_of_year().into());
    "Time.format" "(Time, String) -> String" |call| {
        let (time, pattern) = (civil(call.int(0)), call.text(1));
        let text = format_time(time, &pattern).map_err(|what| trapped(TrapKind::Argument, what))?;
        call.give_text(&text)
    };
}

fn civil(nanos: i64) -> DateTime {
    let time = Timestamp::from_nanosecond(nanos.into()).expect("64 bits of nanoseconds are within its range");
    Offset::UTC.to_datetime(time)
}

fn part(call: &mut PureCall<'_>, part: fn(DateTime) -> i64) -> Done {
    let value = part(civil(call.int(0)));
    call.give_int(value)
}

/// Null where the calendar has no such moment, or 64 bits of nanoseconds do not reach it.
fn of(call: &mut PureCall<'_>) -> Done {
    let small = |arg: usize| i8::try_from(call.int(arg)).ok();
    let time = (|| {
        let year = i16::try_from(call.int(0)).ok()?;
        let time = DateTime::new(year, small(1)?, small(2)?, small(3)?, small(4)?, small(5)?, 0).ok()?;
        let time = Offset::UTC.to_timestamp(time).ok()?;
        i64::try_from(time.as_nanosecond()).ok()
    })();
    call.give_optional(time.map(|t| t as u64))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The letters of Java's `DateTimeFormatter` that need no locale, English names, `'text'` as it is.
fn format_time(time: DateTime, pattern: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let count = rest.chars().take_while(|c| *c == letter).count();
        if letter == '\'' {
            if rest.starts_with("''") {
                out.push('\'');
                rest = &rest[2..];
                continue;
            }
            let end = rest[1..].find('\'').ok_or("a quoted text in the pattern does not end")?;
            out.push_str(&rest[1..1 + end]);
            rest = &rest[end + 2..];
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            out.push(letter);
            rest = &rest[letter.len_utf8()..];
            continue;
        }
        rest = &rest[count..];
        let month = MONTHS[time.month() as usize - 1];
        let day = DAYS[time.weekday().to_monday_zero_offset() as usize];
        let number = match (letter, count) {
            ('y' | 'u', 4) => i32::from(time.year()),
            ('M', 1 | 2) => time.month().into(),
            ('d', 1 | 2) => time.day().into(),
            ('D', 1 | 3) => time.day_of_year().into(),
            ('H', 1 | 2) => time.hour().into(),
            ('m', 1 | 2) => time.minute().into(),
            ('s', 1 | 2) => time.second().into(),
            ('S', 1..=9) => {
                out.push_str(&format!("{:09}", time.subsec_nanosecond())[..count]);
                continue;
            }
            ('M', 3) | ('E', 1..=3) => {
                out.push_str(&(if letter == 'M' { month } else { day })[..3]);
                continue;
            }
            ('M', 4) | ('E', 4) => {
                out.push_str(if letter == 'M' { month } else { day });
                continue;
            }
            ('X', 1) => {
                out.push('Z');
                continue;
            }
            _ => {
                let letters = letter.to_string().repeat(count.min(12));
                return Err(format!("`{letters}` is nothing a time can be written by; quote text: 'at'"));
            }
        };
        out.push_str(&format!("{number:0count$}"));
    }
    Ok(out)
}
