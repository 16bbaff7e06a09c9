//! Math, Int, Double and Character.

use super::natives;
use crate::format;
use crate::native::{PureCall, Trapped};
use crate::ops::double_to_int;
use crate::vm::trapped;
use characters::{is_letter, is_lower, is_upper, is_whitespace, to_lower, to_upper};
use dscript_bytecode::trap::TrapKind;

/// Digits after the point of a text; more than any double has.
const DECIMALS_MAX: i64 = 1_100;

natives! {
    "Math.sqrt" "(double) -> double" |call| call.give_double(call.double(0).sqrt());
    "Math.cbrt" "(double) -> double" |call| call.give_double(call.double(0).cbrt());
    "Math.pow" "(double, double) -> double" |call| call.give_double(power(call.double(0), call.double(1)));
    "Math.exp" "(double) -> double" |call| call.give_double(call.double(0).exp());
    "Math.log" "(double) -> double" |call| call.give_double(call.double(0).ln());
    "Math.log10" "(double) -> double" |call| call.give_double(call.double(0).log10());
    "Math.sin" "(double) -> double" |call| call.give_double(call.double(0).sin());
    "Math.cos" "(double) -> double" |call| call.give_double(call.double(0).cos());
    "Math.tan" "(double) -> double" |call| call.give_double(call.double(0).tan());
    "Math.asin" "(double) -> double" |call| call.give_double(call.double(0).asin());
    "Math.acos" "(double) -> double" |call| call.give_double(call.double(0).acos());
    "Math.atan" "(double) -> double" |call| call.give_double(call.double(0).atan());
    "Math.atan2" "(double, double) -> double" |call| {
        call.give_double(call.double(0).atan2(call.double(1)))
    };
    "Math.sinh" "(double) -> double" |call| call.give_double(call.double(0).sinh());
    "Math.cosh" "(double) -> double" |call| call.give_double(call.double(0).cosh());
    "Math.tanh" "(double) -> double" |call| call.give_double(call.double(0).tanh());
    "Math.hypot" "(double, double) -> double" |call| {
        call.give_double(call.double(0).hypot(call.double(1)))
    };
    "Math.floor" "(double) -> double" |call| call.give_double(call.double(0).floor());
    "Math.ceil" "(double) -> double" |call| call.give_double(call.double(0).ceil());
    "Math.rint" "(double) -> double" |call| call.give_double(call.double(0).round_ties_even());
    "Math.round" "(double) -> int" |call| {
        let value = double_to_int(round(call.double(0)))?;
        call.give_int(value)
    };
    "Math.absInt" "(int) -> int" |call| {
        let value = call.int(0);
        let abs = value.checked_abs().ok_or_else(|| overflow(format!("abs({value})")))?;
        call.give_int(abs)
    };
    "Math.absDouble" "(double) -> double" |call| call.give_double(call.double(0).abs());
    "Math.floorMod" "(int, int) -> int" |call| {
        let (a, b) = operands(call)?;
        let rem = a.wrapping_rem(b);
        call.give_int(if rem != 0 && (rem < 0) != (b < 0) { rem + b } else { rem })
    };
    "Math.floorDiv" "(int, int) -> int" |call| {
        let (a, b) = operands(call)?;
        let quotient = a.checked_div(b).ok_or_else(|| overflow(format!("{a} / {b}")))?;
        let inexact = a.wrapping_rem(b) != 0 && (a < 0) != (b < 0);
        call.give_int(if inexact { quotient - 1 } else { quotient })
    };
    "Math.ceilDiv" "(int, int) -> int" |call| {
        let (a, b) = operands(call)?;
        let quotient = a.checked_div(b).ok_or_else(|| overflow(format!("{a} / {b}")))?;
        let inexact = a.wrapping_rem(b) != 0 && (a < 0) == (b < 0);
        call.give_int(if inexact { quotient + 1 } else { quotient })
    };
    "Int.parse" "(String, int) -> int?" |call| {
        let radix = radix(call.int(1))?;
        let text = call.str(0);
        let value = match short_decimal(text.as_bytes()).filter(|_| radix == 10) {
            Some(value) => Some(value),
            None => i64::from_str_radix(text, radix).ok().map(|v| v as u64),
        };
        call.give_optional(value)
    };
    "Int.toText" "(int, int) -> String" |call| {
        let (value, radix) = (call.int(0), radix(call.int(1))?);
        let mut digits = String::new();
        let mut rest = value.unsigned_abs();
        loop {
            let digit = (rest % u64::from(radix)) as u32;
            digits.insert(0, char::from_digit(digit, radix).expect("a remainder is a digit"));
            rest /= u64::from(radix);
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            digits.insert(0, '-');
        }
        call.give_text(&digits)
    };
    "Int.toHex" "(int) -> String" |call| call.give_text(&format!("{:x}", call.int(0)));
    "Int.toOctal" "(int) -> String" |call| call.give_text(&format!("{:o}", call.int(0)));
    "Int.toBinary" "(int) -> String" |call| call.give_text(&format!("{:b}", call.int(0)));
    "Int.wrappingAdd" "(int, int) -> int" |call| call.give_int(call.int(0).wrapping_add(call.int(1)));
    "Int.wrappingSub" "(int, int) -> int" |call| call.give_int(call.int(0).wrapping_sub(call.int(1)));
    "Int.wrappingMul" "(int, int) -> int" |call| call.give_int(call.int(0).wrapping_mul(call.int(1)));
    "Int.bitCount" "(int) -> int" |call| call.give_int(call.int(0).count_ones().into());
    "Int.leadingZeros" "(int) -> int" |call| call.give_int(call.int(0).leading_zeros().into());
    "Int.trailingZeros" "(int) -> int" |call| call.give_int(call.int(0).trailing_zeros().into());
    "Int.rotateLeft" "(int, int) -> int" |call| {
        call.give_int(call.int(0).rotate_left(call.int(1).rem_euclid(64) as u32))
    };
    "Int.rotateRight" "(int, int) -> int" |call| {
        call.give_int(call.int(0).rotate_right(call.int(1).rem_euclid(64) as u32))
    };
    "Double.parse" "(String) -> double?" |call| {
        let value = format::parse_double(&call.text(0));
        call.give_optional(value.map(f64::to_bits))
    };
    "Double.toText" "(double, int) -> String" |call| {
        let decimals = call.int(1);
        if !(0..=DECIMALS_MAX).contains(&decimals) {
            let text = format!("the number of decimals is {decimals}, not 0 to {DECIMALS_MAX}");
            return Err(trapped(TrapKind::Argument, text));
        }
        call.give_text(&format::fixed_text(call.double(0), decimals as usize))
    };
    "Double.toBits" "(double) -> int" |call| {
        let value = call.double(0);
        call.give_int(if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() as i64 })
    };
    "Double.fromBits" "(int) -> double" |call| call.give_double(f64::from_bits(call.int(0) as u64));
    "Character.isLetter" "(int) -> boolean" |call| call.give_bool(is_letter(call.int(0)));
    "Character.isWhitespace" "(int) -> boolean" |call| call.give_bool(is_whitespace(call.int(0)));
    "Character.isUpper" "(int) -> boolean" |call| call.give_bool(is_upper(call.int(0)));
    "Character.isLower" "(int) -> boolean" |call| call.give_bool(is_lower(call.int(0)));
    "Character.toUpper" "(int) -> int" |call| call.give_int(to_upper(call.int(0)));
    "Character.toLower" "(int) -> int" |call| call.give_int(to_lower(call.int(0)));
}

fn overflow(what: String) -> Trapped {
    trapped(TrapKind::Overflow, format!("{what} does not fit an int"))
}

fn operands(call: &PureCall<'_>) -> Result<(i64, i64), Trapped> {
    match (call.int(0), call.int(1)) {
        (a, 0) => Err(trapped(TrapKind::DivisionByZero, format!("{a} / 0"))),
        pair => Ok(pair),
    }
}

/// Of digits alone, with a minus or without, as most numbers are, and so few that they fit.
pub(crate) fn short_decimal(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if !(1..=18).contains(&digits.len()) {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + u64::from(digit))
    })?;
    Some(if digits.len() < text.len() { value.wrapping_neg() } else { value })
}

fn radix(value: i64) -> Result<u32, Trapped> {
    match value {
        2..=36 => Ok(value as u32),
        _ => Err(trapped(TrapKind::Argument, format!("the radix is {value}, not 2 to 36"))),
    }
}

/// C says 1 to any power and -1 to an infinite one is 1; Java says NaN where it cannot know.
pub fn power(base: f64, exponent: f64) -> f64 {
    if exponent.is_nan() || base.abs() == 1.0 && exponent.is_infinite() {
        return f64::NAN;
    }
    base.powf(exponent)
}

/// Half goes up, as in Java; adding 0.5 itself would round.
fn round(value: f64) -> f64 {
    let floor = value.floor();
    if value - floor >= 0.5 { floor + 1.0 } else { floor }
}

/// The code point of a number, if it is one.
pub(crate) fn as_char(code: i64) -> Option<char> {
    u32::try_from(code).ok().and_then(char::from_u32)
}

/// What is asked of code points. What is none has no property, and stays what it is.
pub mod characters {
    use super::as_char;

    pub fn is_letter(code: i64) -> bool {
        as_char(code).is_some_and(char::is_alphabetic)
    }

    pub fn is_whitespace(code: i64) -> bool {
        as_char(code).is_some_and(char::is_whitespace)
    }

    pub fn is_upper(code: i64) -> bool {
        as_char(code).is_some_and(char::is_uppercase)
    }

    pub fn is_lower(code: i64) -> bool {
        as_char(code).is_some_and(char::is_lowercase)
    }

    pub fn to_upper(code: i64) -> i64 {
        as_char(code).map_or(code, |c| single(c, c.to_uppercase()))
    }

    pub fn to_lower(code: i64) -> i64 {
        as_char(code).map_or(code, |c| single(c, c.to_lowercase()))
    }

    /// The one code point it turns into; where there are several, as for `ß`, it stays.
    fn single(code: char, mut turned: impl Iterator<Item = char>) -> i64 {
        let one = turned.next().filter(|_| turned.next().is_none());
        u32::from(one.unwrap_or(code)).into()
    }
}
