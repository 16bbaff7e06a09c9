//! Comparisons of what a division by a constant leaves: whether that is 0, or some other number where the divisor is a power
//! of two, is seen from the dividend without dividing it.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Value};

use super::Translator;

/// How to see from a number that it is a multiple of another: times `inverse` plus `add`, turned right by `turn` bits, is
/// `most` at most, without signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Multiples {
    inverse: u64,
    add: u64,
    turn: u32,
    most: u64,
}

impl Multiples {
    /// Of a divisor above 1 that is no power of two.
    fn of(divisor: u64, signed: bool) -> Multiples {
        let turn = divisor.trailing_zeros();
        let odd = divisor >> turn;
        // Each step doubles the bits that are right; three are at the start.
        let step = |inverse: u64, _| inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
        let inverse = (0..5).fold(odd, step);
        if signed {
            // The quotients of multiples lie around 0: they are moved up, by a multiple of what is turned.
            let add = (i64::MAX as u64 / odd) & (u64::MAX << turn);
            Multiples { inverse, add, turn, most: (2 * add) >> turn }
        } else {
            Multiples { inverse, add: 0, turn, most: u64::MAX / divisor }
        }
    }
}

impl Translator<'_, '_, '_> {
    /// A comparison of ints.
    pub(super) fn compared(&mut self, condition: IntCC, x: Value, y: Value) -> Value {
        let (condition, x, y) = self.compared_rest(condition, x, y).unwrap_or((condition, x, y));
        self.b.ins().icmp(condition, x, y)
    }

    /// What to compare instead.
    fn compared_rest(&mut self, condition: IntCC, x: Value, y: Value) -> Option<(IntCC, Value, Value)> {
        let equal = match condition {
            IntCC::Equal => true,
            IntCC::NotEqual => false,
            _ => return None,
        };
        let rest = self.constant(y)?;
        let def = self.b.func.dfg.value_def(x).inst()?;
        let (signed, [of, divisor]) = match self.b.func.dfg.insts[def] {
            InstructionData::Binary { opcode: Opcode::Srem, args } => (true, args),
            InstructionData::Binary { opcode: Opcode::Urem, args } => (false, args),
            _ => return None,
        };
        let divisor = self.constant(divisor)?;
        let size = divisor.unsigned_abs();
        if size.is_power_of_two() {
            if !signed || !(0..size as i64).contains(&rest) {
                return None;
            }
            // A rest above 0 is that of a number above 0.
            let sign = if rest > 0 { i64::MIN } else { 0 };
            let bits = self.int(sign | (size - 1) as i64);
            return Some((condition, self.b.ins().band(of, bits), y));
        }
        if rest != 0 || size < 2 {
            return None;
        }
        let Multiples { inverse, add, turn, most } = Multiples::of(size, signed);
        let inverse = self.int(inverse as i64);
        let mut product = self.b.ins().imul(of, inverse);
        if add != 0 {
            let add = self.int(add as i64);
            product = self.b.ins().iadd(product, add);
        }
        if turn > 0 {
            product = self.b.ins().rotr_imm_u(product, i64::from(turn));
        }
        let most = self.int(most as i64);
        let condition = if equal { IntCC::UnsignedLessThanOrEqual } else { IntCC::UnsignedGreaterThan };
        Some((condition, product, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_multiple(of: u64, n: u64, signed: bool) -> bool {
        let Multiples { inverse, add, turn, most } = Multiples::of(of, signed);
        n.wrapping_mul(inverse).wrapping_add(add).rotate_right(turn) <= most
    }

    #[test]
    fn multiples_are_known() {
        let divisors = (3..200).chain([1000, 1 << 20 | 1, 3 << 40, i64::MAX as u64, (i64::MAX as u64) - 1]);
        for divisor in divisors.filter(|divisor: &u64| !divisor.is_power_of_two()) {
            let ends = [0, i64::MIN as u64, i64::MAX as u64, u64::MAX, u64::MAX / divisor * divisor];
            let multiples =
                (0..50).map(|times| (i64::MIN as u64 / 25).wrapping_mul(times) / divisor * divisor);
            let around = ends.into_iter().chain(multiples).flat_map(|n| {
                [n, n.wrapping_neg()]
                    .into_iter()
                    .flat_map(move |n| (0..5).map(move |m| n.wrapping_add(m).wrapping_sub(2)))
            });
            for n in around {
                assert_eq!(is_multiple(divisor, n, false), n % divisor == 0, "{n} by {divisor}");
                if let Ok(by) = i64::try_from(divisor) {
                    assert_eq!(is_multiple(divisor, n, true), n as i64 % by == 0, "{} by {by}", n as i64);
                }
            }
        }
    }
}
