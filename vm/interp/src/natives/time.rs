//! Duration and Time: both are nanoseconds in a scalar register. The calendar is UTC's.

use super::{Done, natives};
use crate::format;
use crate::native::PureCall;
use crate::vm::trapped;
use dscript_bytecode::trap::TrapKind;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
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
    "Time.parseRfc" "(String) -> Time?" |call| {
        let value = format::parse_time(&call.text(0));
        call.give_optional(value.map(|v| v as u64))
    };
    "Time.parseBy" "(String, String) -> Time?" |call| {
        let (text, pattern) = (call.text(0), call.text(1));
        let time = parse_time(&text, &pattern).map_err(|what| trapped(TrapKind::Argument, what))?;
        call.give_optional(time.map(|t| t as u64))
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

/// A piece of a pattern: the letters of Java's `DateTimeFormatter` that need no locale.
enum Piece<'p> {
    /// A letter so many times.
    Letters(char, usize),
    Text(&'p str),
}

fn pieces(pattern: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut all = Vec::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        if letter == '\'' {
            // Two quotes are one that is meant, within quotes and alone.
            if let Some(after) = rest.strip_prefix("''") {
                all.push(Piece::Text("'"));
                rest = after;
                continue;
            }
            loop {
                let (quoted, after) =
                    rest[1..].split_once('\'').ok_or("a quoted text in the pattern does not end")?;
                all.push(Piece::Text(quoted));
                rest = after;
                if !rest.starts_with('\'') {
                    break;
                }
                all.push(Piece::Text("'"));
            }
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            let (text, after) = rest.split_at(letter.len_utf8());
            all.push(Piece::Text(text));
            rest = after;
            continue;
        }
        let count = rest.chars().take_while(|c| *c == letter).count();
        let known = matches!(
            (letter, count),
            ('y' | 'u', 4)
                | ('M' | 'E', 1..=4)
                | ('d' | 'H' | 'm' | 's', 1 | 2)
                | ('D', 1 | 3)
                | ('S', 1..=9)
                | ('X', 1)
        );
        if !known {
            let letters = letter.to_string().repeat(count.min(12));
            return Err(format!("`{letters}` is nothing a time can be written by; quote text: 'at'"));
        }
        all.push(Piece::Letters(letter, count));
        rest = &rest[count..];
    }
    Ok(all)
}

fn format_time(time: DateTime, pattern: &str) -> Result<String, String> {
    let mut out = String::new();
    let month = MONTHS[time.month() as usize - 1];
    let day = DAYS[time.weekday().to_monday_zero_offset() as usize];
    for piece in pieces(pattern)? {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Letters('M', 3) => out.push_str(&month[..3]),
            Piece::Letters('M', 4) => out.push_str(month),
            Piece::Letters('E', 4) => out.push_str(day),
            Piece::Letters('E', _) => out.push_str(&day[..3]),
            Piece::Letters('S', count) => out.push_str(&format!("{:09}", time.subsec_nanosecond())[..count]),
            Piece::Letters('X', _) => out.push('Z'),
            Piece::Letters(letter, count) => {
                let number = match letter {
                    'M' => time.month().into(),
                    'd' => time.day().into(),
                    'D' => time.day_of_year(),
                    'H' => time.hour().into(),
                    'm' => time.minute().into(),
                    's' => time.second().into(),
                    _ => time.year(),
                };
                out.push_str(&format!("{number:0count$}"));
            }
        }
    }
    Ok(out)
}

/// The moment that a text names by a pattern, or nothing where it does not fit. What the pattern leaves open is that of the
/// beginning of 1970. A space of the pattern stands for one or more.
fn parse_time(text: &str, pattern: &str) -> Result<Option<i64>, String> {
    Ok(Reading::default().read(text, &pieces(pattern)?))
}

struct Reading {
    year: i16,
    month: i8,
    day: i8,
    day_of_year: Option<i16>,
    clock: [i8; 3],
    nanos: i32,
    offset_seconds: i64,
}

impl Default for Reading {
    fn default() -> Self {
        Reading {
            year: 1970,
            month: 1,
            day: 1,
            day_of_year: None,
            clock: [0; 3],
            nanos: 0,
            offset_seconds: 0,
        }
    }
}

impl Reading {
    fn read(mut self, text: &str, pieces: &[Piece<'_>]) -> Option<i64> {
        let mut rest = text;
        for piece in pieces {
            match *piece {
                Piece::Text(" ") => {
                    let after = rest.trim_start_matches(' ');
                    if after.len() == rest.len() {
                        return None;
                    }
                    rest = after;
                }
                Piece::Text(text) => rest = rest.strip_prefix(text)?,
                Piece::Letters('M', count @ (3 | 4)) => {
                    let (place, after) = named(rest, &MONTHS, count)?;
                    (self.month, rest) = (place as i8 + 1, after);
                }
                Piece::Letters('E', count) => rest = named(rest, &DAYS, count)?.1,
                Piece::Letters('X', _) => (self.offset_seconds, rest) = offset(rest)?,
                Piece::Letters(letter, count) => {
                    let most = match letter {
                        'D' => 3,
                        'S' | 'y' | 'u' => count,
                        _ => 2,
                    };
                    let (number, after) = digits(rest, count, most)?;
                    rest = after;
                    match letter {
                        'M' => self.month = number as i8,
                        'd' => self.day = number as i8,
                        'D' => self.day_of_year = Some(number as i16),
                        'H' => self.clock[0] = number as i8,
                        'm' => self.clock[1] = number as i8,
                        's' => self.clock[2] = number as i8,
                        'S' => self.nanos = number * 10_i32.pow(9 - count as u32),
                        _ => self.year = number as i16,
                    }
                }
            }
        }
        rest.is_empty().then(|| self.moment()).flatten()
    }

    fn moment(&self) -> Option<i64> {
        let date = match self.day_of_year {
            Some(day) => Date::new(self.year, 1, 1).ok()?.with().day_of_year(day).build().ok()?,
            None => Date::new(self.year, self.month, self.day).ok()?,
        };
        let [hour, minute, second] = self.clock;
        let time = date.to_datetime(Time::new(hour, minute, second, self.nanos).ok()?);
        let nanos = Offset::UTC.to_timestamp(time).ok()?.as_nanosecond();
        i64::try_from(nanos - i128::from(self.offset_seconds) * 1_000_000_000).ok()
    }
}

/// A number of at least and at most so many digits.
fn digits(text: &str, least: usize, most: usize) -> Option<(i32, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(count);
    (count >= least).then(|| number.parse().ok()).flatten().map(|number| (number, rest))
}

/// One of the names, whole for four letters, else its first three characters; in any case of letters.
fn named<'t>(text: &'t str, names: &[&str], count: usize) -> Option<(usize, &'t str)> {
    names.iter().enumerate().find_map(|(place, name)| {
        let name = if count == 4 { name } else { &name[..3] };
        let (found, rest) = text.split_at_checked(name.len())?;
        found.eq_ignore_ascii_case(name).then_some((place, rest))
    })
}

/// `Z`, `+02`, `+0200` or `+02:00`, in seconds.
fn offset(text: &str) -> Option<(i64, &str)> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some((0, rest));
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, rest) = digits(&text[1..], 2, 2)?;
    let (minutes, rest) = digits(rest.strip_prefix(':').unwrap_or(rest), 2, 2).unwrap_or((0, rest));
    (hours < 24 && minutes < 60).then(|| (sign * i64::from(hours * 3600 + minutes * 60), rest))
}
