//! Texts of doubles and times, and the way back; `dscript_bytecode::literal` has those that need no engine.

pub use dscript_bytecode::literal::{duration_text, parse_double, parse_duration};
use jiff::Timestamp;

/// As JDK 21's `Double.toString`: the shortest digits that read back the same, at least one after the point,
/// with an exponent outside 10^-3 .. 10^7.
pub fn double_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0.0".into() } else { "0.0".into() };
    }
    let (digits, exponent) = digits_of(value.abs());
    let sign = if value < 0.0 { "-" } else { "" };
    let or_zero = |text: &str| if text.is_empty() { "0".to_owned() } else { text.to_owned() };
    match exponent {
        0..7 => {
            let whole = exponent as usize + 1;
            let padded = format!("{digits:0<whole$}");
            let (before, after) = padded.split_at(whole);
            format!("{sign}{before}.{}", or_zero(after))
        }
        -3..0 => format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize)),
        _ => {
            let (first, rest) = digits.split_at(1);
            format!("{sign}{first}.{}E{exponent}", or_zero(rest))
        }
    }
}

/// With fewer digits no double lies halfway between two decimals.
const TIED_DIGITS_MIN: usize = 15;

/// The shortest digits of a positive number that read back the same, and the exponent of the first.
fn digits_of(value: f64) -> (String, i32) {
    let mut shortest = format!("{value:e}");
    if !shortest.contains('.') {
        // Java weighs one digit and two alike and takes the nearer: 4.9E-324, where one digit says 5.
        let two = format!("{value:.1e}");
        if two.parse() == Ok(value) {
            shortest = two;
        }
    }
    let digits = shortest.bytes().take_while(|b| *b != b'e').filter(u8::is_ascii_digit).count();
    if digits >= TIED_DIGITS_MIN {
        // Halfway between two, Java takes the one with the even digit.
        let nearest = format!("{value:.*e}", digits - 1);
        if nearest.parse() == Ok(value) {
            shortest = nearest;
        }
    }
    let (mantissa, exponent) = shortest.split_once('e').expect("`{:e}` writes an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is an integer");
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    (digits.trim_end_matches('0').to_owned(), exponent)
}

/// With so many digits after the point, as Java's `%.2f`: the shortest digits, rounded half up.
pub fn fixed_text(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return double_text(value);
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let (digits, exponent) = if value == 0.0 { (String::new(), 0) } else { digits_of(value.abs()) };
    let zeros = usize::try_from(-exponent).unwrap_or_default();
    let all = format!("{}{digits}", "0".repeat(zeros));
    let whole = usize::try_from(exponent).unwrap_or_default() + 1;
    let rounded = rounded(&all, whole + decimals);
    let (before, after) = rounded.split_at(rounded.len() - decimals);
    let point = if decimals > 0 { "." } else { "" };
    format!("{sign}{before}{point}{after}")
}

/// With one digit before the point and so many after it, as Java's `%.2e`.
pub fn exponent_text(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return double_text(value);
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let (digits, exponent) = if value == 0.0 { (String::new(), 0) } else { digits_of(value.abs()) };
    let rounded = rounded(&digits, 1 + decimals);
    // 9.99 became 10.0.
    let exponent = exponent + i32::from(rounded.len() > 1 + decimals);
    let (before, after) = rounded.split_at(1);
    let point = if decimals > 0 { "." } else { "" };
    let (minus, size) = (if exponent < 0 { '-' } else { '+' }, exponent.abs());
    format!("{sign}{before}{point}{}e{minus}{size:02}", &after[..decimals])
}

/// The first `count` of these digits, filled with zeros, half rounded up; one more where a carry is left.
fn rounded(digits: &str, count: usize) -> String {
    let mut kept: Vec<u8> = digits.bytes().chain(std::iter::repeat(b'0')).take(count).collect();
    if digits.as_bytes().get(count).is_some_and(|d| *d >= b'5') {
        for digit in kept.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return String::from_utf8(kept).expect("digits are ASCII");
            }
            *digit = b'0';
        }
        kept.insert(0, b'1');
    }
    String::from_utf8(kept).expect("digits are ASCII")
}

/// RFC 3339 in UTC, with as many digits after the second as it needs.
pub fn time_text(nanos: i64) -> String {
    match Timestamp::from_nanosecond(nanos.into()) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{nanos}ns"),
    }
}

pub fn parse_time(text: &str) -> Option<i64> {
    let time: Timestamp = text.trim().parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}
