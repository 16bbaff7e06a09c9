//! Where a function's code begins, so that its loops lie well.
//!
//! Processors keep decoded instructions by the line of memory that they come from (AMD, Software Optimization Guide for
//! the Family 19h, 2.9.1: 64 bytes), and a short loop that lies in two lines takes up to twice as long as one in one line.
//! The code generator aligns functions, not loops; so of the few places in a line where a function may begin the one is
//! taken at which its short loops lie in the fewest lines, inner loops first.

/// Bytes whose instructions are kept together.
pub(crate) const LINE: usize = 64;
/// Places that are tried in a line, at most: where the code needs no alignment each would do.
const PLACES_MAX: usize = 16;
/// The longest loop that is looked at.
const LENGTH_MAX: usize = 2 * LINE;
/// How deep loops are nested that differ in weight.
const DEPTH_MAX: usize = 4;

/// How many bytes behind the beginning of a line a function of so many bytes begins best that must be aligned so, by where
/// its blocks begin and which goes on in which.
pub(crate) fn best(length: usize, aligned: usize, starts: &[u32], edges: &[(u32, u32)]) -> usize {
    let loops = loops(length, starts, edges);
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

/// Begin, end and depth of the short loops whose code lies together.
fn loops(length: usize, starts: &[u32], edges: &[(u32, u32)]) -> Vec<(usize, usize, usize)> {
    let end = |block: u32| {
        let next = starts.partition_point(|start| *start <= block);
        starts.get(next).map_or(length, |next| *next as usize)
    };
    let mut all: Vec<(usize, usize)> =
        edges.iter().filter(|(from, to)| to <= from).map(|(from, to)| (*to as usize, end(*from))).collect();
    all.sort();
    all.dedup();
    let depth = |&(from, to): &(usize, usize)| {
        all.iter().filter(|other| other.0 <= from && to <= other.1 && **other != (from, to)).count()
    };
    let short = all.iter().filter(|(from, to)| (1..=LENGTH_MAX).contains(&(to - from)));
    short.map(|of| (of.0, of.1, depth(of))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_loop_lies_in_one_line() {
        // Blocks at 0, 40 and 80; 40..80 is a loop, 0..100 one around it.
        let (starts, edges) = ([0, 40, 80], [(0, 40), (40, 40), (40, 80), (80, 0)]);
        assert_eq!(loops(100, &starts, &edges), [(0, 100, 0), (40, 80, 1)]);
        assert_eq!(best(100, 16, &starts, &edges), 32);
        assert_eq!(best(100, 1, &starts, &edges), 24);
        assert_eq!(best(100, 16, &starts, &[(0, 40)]), 0);
        // Of two loops alike the shorter one.
        assert_eq!(best(130, 16, &[0, 4, 64, 100], &[(4, 4), (100, 100)]), 32);
        assert_eq!(best(0, 1, &[], &[]), 0);
    }
}
