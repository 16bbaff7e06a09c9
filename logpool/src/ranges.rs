//! A set of record identities, kept as ranges of sequence numbers by run. Records of a run are numbered one
//! after the other, so a set of millions is a handful of ranges. It lives in memory only; `store` keeps the same
//! shape on disk.

use std::collections::BTreeMap;

use crate::record::RunId;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunRanges {
    /// From a run and the first number of a range to its last number. Ranges of a run neither touch nor overlap.
    ranges: BTreeMap<(RunId, u64), u64>,
}

impl RunRanges {
    pub fn contains(&self, run: RunId, seq: u64) -> bool {
        self.range_of(run, seq).is_some()
    }

    /// False if it was there already.
    pub fn insert(&mut self, run: RunId, seq: u64) -> bool {
        let before = self.ranges.range(..=(run, seq)).next_back().map(|(&(r, start), &end)| (r, start, end));
        let before = before.filter(|&(r, ..)| r == run).map(|(_, start, end)| (start, end));
        if before.is_some_and(|(_, end)| end >= seq) {
            return false;
        }
        let start = before.filter(|&(_, end)| end + 1 == seq).map_or(seq, |(start, _)| start);
        let after = seq.checked_add(1).and_then(|next| self.ranges.remove(&(run, next)));
        self.ranges.insert((run, start), after.unwrap_or(seq));
        true
    }

    /// False if it was not there.
    pub fn remove(&mut self, run: RunId, seq: u64) -> bool {
        let Some((start, end)) = self.range_of(run, seq) else { return false };
        if start == seq {
            self.ranges.remove(&(run, start));
        } else {
            self.ranges.insert((run, start), seq - 1);
        }
        if end > seq {
            self.ranges.insert((run, seq + 1), end);
        }
        true
    }

    fn range_of(&self, run: RunId, seq: u64) -> Option<(u64, u64)> {
        let (&(r, start), &end) = self.ranges.range(..=(run, seq)).next_back()?;
        (r == run && end >= seq).then_some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_a_set() {
        let mut ranges = RunRanges::default();
        let mut model = BTreeSet::new();
        let mut state = 12345u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let (run, seq) = (RunId(u128::from(state >> 60) % 3), (state >> 40) % 40);
            if state >> 33 & 1 == 0 {
                assert_eq!(ranges.insert(run, seq), model.insert((run, seq)));
            } else {
                assert_eq!(ranges.remove(run, seq), model.remove(&(run, seq)));
            }
            assert_eq!(ranges.contains(run, seq), model.contains(&(run, seq)));
        }
        for run in 0..3 {
            for seq in 0..40 {
                assert_eq!(ranges.contains(RunId(run), seq), model.contains(&(RunId(run), seq)));
            }
        }
    }

    #[test]
    fn consecutive_numbers_are_one_range() {
        let mut ranges = RunRanges::default();
        for seq in [2, 0, 1, u64::MAX, u64::MAX - 1] {
            assert!(ranges.insert(RunId(1), seq));
            assert!(!ranges.insert(RunId(1), seq));
        }
        assert_eq!(ranges.ranges.len(), 2);
        assert!(ranges.remove(RunId(1), 1));
        assert_eq!(ranges.ranges.len(), 3);
        assert!(!ranges.contains(RunId(2), 0));
    }
}
