//! Math and Int.

use super::natives;
use crate::native::{PureCall, Trapped};
use crate::ops::double_to_int;
use crate::vm::trapped;
use dscript_bytecode::trap::TrapKind;

natives! {
    "Math.sqrt" "(double) -> double" |call| call.give_double(call.double(0).sqrt());
    "Math.pow" "(double, double) -> double" |call| call.give_double(pow(call.double(0), call.double(1)));
    "Math.exp" "(double) -> double" |call| call.give_double(call.double(0).exp());
    "Math.log" "(double) -> double" |call| call.give_double(call.double(0).ln());
    "Math.log10" "(double) -> double" |call| call.give_double(call.double(0).log10());
    "Math.sin" "(double) -> double" |call| call.give_double(call.double(0).sin());
    "Math.cos" "(double) -> double" |call| call.give_double(call.double(0).cos());
    "Math.tan" "(double) -> double" |call| call.give_double(call.double(0).tan());
    "Math.atan2" "(double, double) -> double" |call| {
        call.give_double(call.double(0).atan2(call.double(1)))
    };
    "Math.floor" "(double) -> double" |call| call.give_double(call.double(0).floor());
    "Math.ceil" "(double) -> double" |call| call.give_double(call.double(0).ceil());
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
    "Int.wrappingAdd" "(int, int) -> int" |call| call.give_int(call.int(0).wrapping_add(call.int(1)));
    "Int.wrappingSub" "(int, int) -> int" |call| call.give_int(call.int(0).wrapping_sub(call.int(1)));
    "Int.wrappingMul" "(int, int) -> int" |call| call.give_int(call.int(0).wrapping_mul(call.int(1)));
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

/// C says 1 to any power and -1 to an infinite one is 1; Java says NaN where it cannot know.
fn pow(base: f64, exponent: f64) -> f64 {
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
