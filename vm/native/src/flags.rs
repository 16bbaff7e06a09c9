//! Jumps on overflow on x86-64. The code generator has no way to say that a jump looks at the flag that an operation leaves:
//! it sets a register from the flag, tests it, and jumps by that. Where an instruction checks for overflow, and so its own
//! register is used for nothing else, the jump is made one on the flag, and what stood before it prefixes of the jump that
//! mean nothing. So nothing moves.

/// A prefix that processors ignore at a jump.
const NOTHING: u8 = 0x2e;

/// Changes the code of an instruction that checks for overflow; whether it did.
pub(crate) fn jump_on_overflow(code: &mut [u8]) -> bool {
    let Some((start, jump)) = (0..code.len()).find_map(|set| sequence(code, set)) else { return false };
    // Not zero, or zero, becomes overflow, or none.
    code[jump + 1] = if code[jump + 1] == 0x85 { 0x80 } else { 0x81 };
    code[start..jump].fill(NOTHING);
    true
}

/// Where `seto R; test R, R; jnz` or `jz` begins whose first operation code lies there, and where its jump does.
fn sequence(code: &[u8], set: usize) -> Option<(usize, usize)> {
    let [0x0f, 0x90, operand] = *code.get(set..set + 3)? else { return None };
    let (test, rex) = match code.get(set + 3) {
        Some(rex @ 0x40..=0x4f) => (set + 4, *rex),
        _ => (set + 3, 0),
    };
    let [0x84, operands] = *code.get(test..test + 2)? else { return None };
    let register = (rex & 1) << 3 | operands & 7;
    let same = operands >> 6 == 3 && register == (rex & 4) << 1 | operands >> 3 & 7;
    let jump = test + 2;
    let [0x0f, 0x84 | 0x85] = *code.get(jump..jump + 2)? else { return None };
    // The byte before belongs to it where the register needs that prefix; else it ends another instruction, or is a prefix
    // that makes it another register.
    let before = set.checked_sub(1).map(|at| code[at]);
    let start = match (register, before) {
        (0..4, before) if before != Some(0x41) => set,
        (4..8, Some(0x40)) | (8.., Some(0x41)) => set - 1,
        _ => return None,
    };
    (same && operand == 0xc0 | register & 7).then_some((start, jump))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &[u8], after: Option<&[u8]>) {
        let mut code = before.to_vec();
        assert_eq!(jump_on_overflow(&mut code), after.is_some());
        assert_eq!(code, after.unwrap_or(before));
    }

    #[test]
    fn only_what_tests_the_flag_is_changed() {
        // add rax, rcx; seto dl; test dl, dl; jnz
        check(
            &[0x48, 0x01, 0xc8, 0x0f, 0x90, 0xc2, 0x84, 0xd2, 0x0f, 0x85, 1, 2, 3, 4],
            Some(&[0x48, 0x01, 0xc8, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x0f, 0x80, 1, 2, 3, 4]),
        );
        // seto r8b; test r8b, r8b; jz
        check(
            &[0x41, 0x0f, 0x90, 0xc0, 0x45, 0x84, 0xc0, 0x0f, 0x84, 1, 2, 3, 4],
            Some(&[0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x0f, 0x81, 1, 2, 3, 4]),
        );
        // seto sil; test sil, sil; jnz
        check(
            &[0x40, 0x0f, 0x90, 0xc6, 0x40, 0x84, 0xf6, 0x0f, 0x85, 1, 2, 3, 4],
            Some(&[0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x0f, 0x80, 1, 2, 3, 4]),
        );
        // add al, [rsp + 0x48]; seto dl; test dl, dl; jnz
        check(
            &[0x02, 0x44, 0x24, 0x48, 0x0f, 0x90, 0xc2, 0x84, 0xd2, 0x0f, 0x85, 1, 2, 3, 4],
            Some(&[0x02, 0x44, 0x24, 0x48, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x0f, 0x80, 1, 2, 3, 4]),
        );
        // Other registers, another flag, another jump, no test.
        check(&[0x0f, 0x90, 0xc2, 0x84, 0xc0, 0x0f, 0x85, 1, 2, 3, 4], None);
        check(&[0x41, 0x0f, 0x90, 0xc0, 0x84, 0xc0, 0x0f, 0x85, 1, 2, 3, 4], None);
        check(&[0x0f, 0x90, 0xc2, 0x84, 0xc2, 0x0f, 0x85, 1, 2, 3, 4], None);
        check(&[0x0f, 0x92, 0xc2, 0x84, 0xd2, 0x0f, 0x85, 1, 2, 3, 4], None);
        check(&[0x0f, 0x90, 0xc2, 0x84, 0xd2, 0x0f, 0x8c, 1, 2, 3, 4], None);
        check(&[0x0f, 0x90, 0xc2, 0x84, 0xd2], None);
    }
}
