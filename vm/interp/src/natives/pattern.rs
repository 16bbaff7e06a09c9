//! The pieces of `String.format`. The compiler has checked the pattern against the arguments and cut it up: a spec
//! here is the conversion's letter and its flags.

use crate::format;

/// `d x X o c`. Hexadecimals and octals of negative numbers are those of their 64 bits, as in Java.
pub fn int(value: i64, spec: &str, width: usize) -> String {
    let text = match spec.chars().next() {
        Some('x') => format!("{value:x}"),
        Some('X') => format!("{value:X}"),
        Some('o') => format!("{value:o}"),
        _ => value.unsigned_abs().to_string(),
    };
    number(value < 0 && spec.starts_with('d'), text, spec, width)
}

/// `f e E`.
pub fn double(value: f64, spec: &str, width: usize, decimals: usize) -> String {
    let text = match spec.chars().next() {
        Some('f') => format::fixed_text(value.abs(), decimals),
        Some('E') => format::exponent_text(value.abs(), decimals).to_uppercase(),
        _ => format::exponent_text(value.abs(), decimals),
    };
    let spec = if value.is_finite() { spec.to_owned() } else { spec.replace(['0', ','], "") };
    number(value.is_sign_negative() && !value.is_nan(), text, &spec, width)
}

/// `s S`, cut to `most` code points unless that is below 0.
pub fn text(text: &str, spec: &str, width: usize, most: i64) -> String {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut text: String = text.chars().take(most).collect();
    if spec.starts_with('S') {
        text = text.to_uppercase();
    }
    pad(text, spec, width)
}

fn number(negative: bool, mut digits: String, spec: &str, width: usize) -> String {
    let has = |flag: char| spec[1..].contains(flag);
    if has(',') {
        digits = grouped(&digits);
    }
    let sign = match () {
        () if negative => "-",
        () if has('+') => "+",
        () if has(' ') => " ",
        () => "",
    };
    if has('0') {
        let room = width.saturating_sub(sign.len());
        digits = format!("{digits:0>room$}");
    }
    pad(format!("{sign}{digits}"), spec, width)
}

/// `1,234,567.89`
fn grouped(digits: &str) -> String {
    let whole = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at < whole && (whole - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn pad(text: String, spec: &str, width: usize) -> String {
    if spec.contains('-') { format!("{text:<width$}") } else { format!("{text:>width$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_java() {
        assert_eq!(int(-42, "d0", 6), "-00042");
        assert_eq!(int(1234567, "d,+", 0), "+1,234,567");
        assert_eq!(int(-1, "x", 0), "ffffffffffffffff");
        assert_eq!(int(7, "d-", 3), "7  ");
        assert_eq!(double(0.125, "f", 0, 2), "0.13");
        assert_eq!(double(1.005, "f", 0, 2), "1.01");
        assert_eq!(double(0.5, "f", 0, 0), "1");
        assert_eq!(double(9.995, "f", 0, 2), "10.00");
        assert_eq!(double(0.05, "f", 0, 1), "0.1");
        assert_eq!(double(0.004, "f", 0, 2), "0.00");
        assert_eq!(double(-0.001, "f", 0, 2), "-0.00");
        assert_eq!(double(1e21, "f,", 0, 1), "1,000,000,000,000,000,000,000.0");
        assert_eq!(double(f64::NAN, "f0", 6, 1), "   NaN");
        assert_eq!(double(12345.678, "e", 0, 3), "1.235e+04");
        assert_eq!(double(9.999, "E", 0, 1), "1.0E+01");
        assert_eq!(double(0.0, "e", 0, 2), "0.00e+00");
        assert_eq!(double(5e-324, "e", 0, 1), "4.9e-324");
    }
}
