//! Where a function's code begins, so that its loops lie well.
//!
//! Processors keep decoded instructions by the line of memory that they come from (AMD, Software Optimization Guide for
//! the Family 19h, 2.9.1: 64 bytes), and a short loop that lies in two lines takes up to twice as long as one in one line.
//! The code generator aligns functions, not loops; so of the few places in a line where a function may begin the one is
//! taken at which its short loops lie in the fewest lines, inner loops first.

use cranelift_codegen::isa::TargetIsa;

/// Bytes whose instructions are kept together.
pub(crate) const LINE: usize = 64;
/// Places that are tried in a line, at most: where the code needs no alignment each would do.
const PLACES_MAX: usize = 16;
/// The longest loop that is looked at.
const LENGTH_MAX: usize = 2 * LINE;
/// How deep loops are nested that differ in weight.
const DEPTH_MAX: usize = 4;

/// How many bytes behind the beginning of a line a function begins best that must be aligned so: by where its blocks
/// begin, and where those that are hardly ever run do, behind all others.
pub(crate) fn best(code: &[u8], isa: &dyn TargetIsa, aligned: usize, starts: &[u32], cold: usize) -> usize {
    let back = match isa.name() {
        "x64" => x64_jump,
        _ => aarch64_jump,
    };
    behind(&loops(code, back, starts, cold), aligned)
}

/// As `best`, by begin, end and depth of loops.
fn behind(loops: &[(usize, usize, usize)], aligned: usize) -> usize {
    let lines = |from: usize, to: usize| (to - 1) / LINE - from / LINE + 1;
    // The shorter a loop is the more a line adds to it.
    let cost = |behind: &usize| -> usize {
        let beyond = loops.iter().map(|(from, to, depth)| {
            let more = lines(from + behind, to + behind) - lines(0, to - from);
            (more * LENGTH_MAX / (to - from)) << (4 * depth.min(&DEPTH_MAX))
        });
        beyond.sum()
    };
    (0..LINE).step_by(aligned.max(LINE / PLACES_MAX)).min_by_key(cost).unwrap_or(0)
}

/// Begin, end and depth of the short loops whose code lies together. The blocks that go on in others are taken from the
/// code: those that the code generator tells of are others as soon as some are cold.
fn loops(
    code: &[u8],
    jump: impl Fn(&[u8]) -> Option<(usize, isize)>,
    starts: &[u32],
    cold: usize,
) -> Vec<(usize, usize, usize)> {
    let back = |at: usize| {
        let (length, distance) = jump(&code[at..])?;
        let to = at.checked_add_signed(distance).filter(|to| *to <= at)?;
        starts.binary_search(&(to as u32)).is_ok().then_some((to, at + length))
    };
    let mut all: Vec<(usize, usize)> = (0..cold.min(code.len())).filter_map(back).collect();
    all.sort_unstable();
    let depth = |&(from, to): &(usize, usize)| {
        all.iter().filter(|other| other.0 <= from && to <= other.1 && **other != (from, to)).count()
    };
    let short = all.iter().filter(|(from, to)| to - from <= LENGTH_MAX);
    short.map(|of| (of.0, of.1, depth(of))).collect()
}

/// The length of the jump that the code begins with, and how far it goes.
fn x64_jump(code: &[u8]) -> Option<(usize, isize)> {
    let length = match code {
        [0x0f, 0x80..=0x8f, ..] => 6,
        [0xe9, ..] => 5,
        _ => return None,
    };
    let distance = i32::from_le_bytes(*code.get(..length)?.last_chunk()?);
    Some((length, length as isize + distance as isize))
}

fn aarch64_jump(code: &[u8]) -> Option<(usize, isize)> {
    let word = u32::from_le_bytes(*code.first_chunk()?);
    // Where the distance lies, in words, and how many bits it has.
    let (at, bits) = match word >> 24 {
        // B
        0x14..=0x17 => (0, 26),
        // B.cond, CBZ and CBNZ
        0x54 | 0x34 | 0x35 | 0xb4 | 0xb5 => (5, 19),
        // TBZ and TBNZ
        0x36 | 0x37 | 0xb6 | 0xb7 => (5, 14),
        _ => return None,
    };
    let distance = (word << (32 - bits - at)) as i32 >> (32 - bits);
    Some((4, 4 * distance as isize))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code of so many bytes with jumps from places to others.
    fn code(length: usize, jumps: &[(usize, usize)]) -> Vec<u8> {
        let mut code = vec![0x90; length];
        for (at, to) in jumps {
            let distance = *to as i32 - (*at as i32 + 6);
            code[*at..at + 2].copy_from_slice(&[0x0f, 0x8c]);
            code[at + 2..at + 6].copy_from_slice(&distance.to_le_bytes());
        }
        code
    }

    #[test]
    fn short_loops_are_found_in_code() {
        // A loop in one that a cold block leads back to, too; and a jump into the middle of a block.
        let of = code(200, &[(74, 40), (94, 0), (104, 3), (180, 40)]);
        let starts = [0, 40, 80, 100, 150];
        assert_eq!(loops(&of, x64_jump, &starts, 150), [(0, 100, 0), (40, 80, 1)]);
        assert_eq!(loops(&of, x64_jump, &starts, 78), [(40, 80, 0)]);
        assert_eq!(loops(&of[..75], x64_jump, &starts, 75), []);
    }

    #[test]
    fn jumps_of_aarch64_are_read() {
        let jump = |word: u32| aarch64_jump(&word.to_le_bytes());
        // b .-8; b.lt .-4; cbnz x0, .-12; tbz w1, #3, .+8; ret
        assert_eq!(jump(0x17ff_fffe), Some((4, -8)));
        assert_eq!(jump(0x54ff_ffeb), Some((4, -4)));
        assert_eq!(jump(0xb5ff_ffa0), Some((4, -12)));
        assert_eq!(jump(0x3618_0041), Some((4, 8)));
        assert_eq!(jump(0xd65f_03c0), None);
    }

    #[test]
    fn the_innermost_loop_lies_in_one_line() {
        let best = |code: &[u8], aligned, starts: &[u32]| {
            let loops = loops(code, x64_jump, starts, code.len());
            behind(&loops, aligned)
        };
        let nested = code(100, &[(74, 40), (94, 0)]);
        assert_eq!(best(&nested, 16, &[0, 40, 80]), 32);
        assert_eq!(best(&nested, 1, &[0, 40, 80]), 24);
        assert_eq!(best(&code(100, &[(10, 40)]), 16, &[0, 40]), 0);
        assert_eq!(best(&[], 1, &[]), 0);
        // Of two loops alike the shorter one.
        assert_eq!(best(&code(130, &[(58, 4), (124, 100)]), 16, &[0, 4, 100]), 32);
    }
}
