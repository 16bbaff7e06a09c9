//! Regions of `within`: which of them are open where in a function.
//!
//! A region begins at a `limit.enter`, on whatever way it is reached, and ends at the `limit.leave`s and returns that are
//! reached from there. Its code stands between the first and the label that the function goes on at when the time is up, so
//! that there is one answer to which regions are open at an instruction; only behind the ways that fail out of regions and
//! elsewhere there may be several, where nothing is done any more but to return. A function that is not made so stays with the
//! interpreter.
//!
//! When the time is up while a call out or a call is done in a region, that call comes back as it does for a trap: with the
//! counter of interruptions below zero. Then the frame does not return at once but asks, for each of its regions that is open
//! there, whether this is the one: by its place in the fiber's list of limits, which it has kept since the region began. So
//! what is alive at the label counts as alive at every such call (`analysis`), and what the region writes may be
//! anything there (`ranges`). A return from within takes the frame's limits off that list.

use dscript_bytecode::ids::{Label, Reg, S};
use dscript_bytecode::instr::Instr;

use crate::analysis::Operands;

/// Of one function.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Regions {
    /// Outer ones before those in them.
    pub all: Vec<Region>,
    /// By instruction, before it; `None` where no way is known to lead to. Empty where the function has no region.
    at: Vec<Option<Open>>,
}

/// Which regions are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// This one, with those around it.
    Innermost(Option<usize>),
    /// That depends on the way; the function only returns.
    Returning,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// Its `limit.enter`.
    pub enter: usize,
    /// Where the function goes on when the time is up.
    pub to: Label,
    pub outer: Option<usize>,
    /// Scalars that are written in it.
    pub written: Vec<S>,
}

impl Regions {
    /// `None` where it depends on the way which regions are open, and more is done than to return, where a region ends that
    /// was not begun, and where one's code does not stand before its label.
    pub fn of(code: &[Instr]) -> Option<Regions> {
        let is_limit = |instr: &Instr| matches!(instr, Instr::LimitEnter { .. } | Instr::LimitLeave {});
        if !code.iter().any(is_limit) {
            return Some(Regions::default());
        }
        let mut all: Vec<Region> = Vec::new();
        let mut at: Vec<Option<Open>> = vec![None; code.len()];
        let mut waiting = vec![(0, Open::Innermost(None))];
        while let Some((pc, from)) = waiting.pop() {
            let known = at.get_mut(pc)?;
            let open = match *known {
                Some(known) if known == from || known == Open::Returning => continue,
                Some(_) => Open::Returning,
                None => from,
            };
            *known = Some(open);
            let (instr, operands) = (&code[pc], Operands::of(&code[pc]));
            let behind = match (open, instr) {
                (Open::Innermost(outer), Instr::LimitEnter { to, .. }) => {
                    all.push(Region { enter: pc, to: *to, outer, written: Vec::new() });
                    Open::Innermost(Some(all.len() - 1))
                }
                (Open::Innermost(open), Instr::LimitLeave {}) => Open::Innermost(all[open?].outer),
                (Open::Returning, instr) if !only_returns(pc, instr) => return None,
                (open, _) => open,
            };
            waiting.extend(operands.labels.iter().map(|to| (to.index(), open)));
            if !instr.ends_block() {
                waiting.push((pc + 1, behind));
            }
            let mut around = if let Open::Innermost(innermost) = open { innermost } else { None };
            while let Some(region) = around {
                let Region { enter, to, outer, written } = &mut all[region];
                if !(*enter..to.index()).contains(&pc) && !only_returns(pc, instr) {
                    return None;
                }
                let scalars =
                    operands.defs.iter().filter_map(|def| if let Reg::S(s) = def { Some(*s) } else { None });
                written.extend(scalars);
                around = *outer;
            }
        }
        Some(Regions { all, at })
    }

    /// The innermost region that is open before an instruction that may call.
    pub fn at(&self, pc: usize) -> Option<usize> {
        match self.at.get(pc) {
            Some(Some(Open::Innermost(region))) => *region,
            _ => None,
        }
    }

    /// Whether regions may be open where the function returns.
    pub fn are_left_at(&self, pc: usize) -> bool {
        self.at(pc).is_some() || self.at.get(pc) == Some(&Some(Open::Returning))
    }

    /// A region and those around it, the innermost first.
    pub fn outwards(&self, from: Option<usize>) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(from, |region| self.all[*region].outer)
    }

    /// Where the function may go on after a call at an instruction, when the time is up.
    pub fn ways_out(&self, pc: usize) -> impl Iterator<Item = usize> + '_ {
        self.outwards(self.at(pc)).map(|region| self.all[region].to.index())
    }

    /// The region that begins at an instruction.
    pub fn begun_at(&self, pc: usize) -> Option<usize> {
        self.all.iter().position(|region| region.enter == pc)
    }
}

/// What may stand between a place that several ways lead to and the return behind it: nothing that calls.
fn only_returns(pc: usize, instr: &Instr) -> bool {
    match instr {
        Instr::Jump { to } => to.index() > pc,
        Instr::Int { .. }
        | Instr::Double { .. }
        | Instr::Bool { .. }
        | Instr::Null { .. }
        | Instr::MoveScalar { .. }
        | Instr::MoveRef { .. }
        | Instr::Return { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(to: u32) -> Instr {
        Instr::LimitEnter { limit: S(0), to: Label(to) }
    }

    fn set(to: u16) -> Instr {
        Instr::Int { value: 1, dst: S(to) }
    }

    fn jump(to: u32) -> Instr {
        Instr::Jump { to: Label(to) }
    }

    fn done() -> Instr {
        Instr::Return { values: Box::default() }
    }

    #[test]
    fn regions_are_nested() {
        let leave = || Instr::LimitLeave {};
        let code = [enter(8), set(1), enter(6), set(2), leave(), jump(6), set(3), leave(), done()];
        let regions = Regions::of(&code).expect("it is made so");
        let open: Vec<_> = (0..code.len()).map(|pc| regions.at(pc)).collect();
        let (outer, inner) = (Some(0), Some(1));
        assert_eq!(open, [None, outer, outer, inner, inner, outer, outer, outer, None]);
        assert_eq!(regions.all[0].written, [S(1), S(2), S(3)]);
        assert_eq!(regions.all[1].written, [S(2)]);
        assert_eq!(regions.ways_out(3).collect::<Vec<_>>(), [6, 8]);
        assert_eq!((regions.begun_at(2), regions.begun_at(3)), (Some(1), None));
    }

    #[test]
    fn returns_leave_regions() {
        // Two ways lead to the last two instructions, one of them out of the region.
        let leave = || Instr::LimitLeave {};
        let code =
            [enter(5), Instr::If { a: S(1), to: Label(6) }, done(), leave(), jump(5), set(1), set(2), done()];
        let regions = Regions::of(&code).expect("it is made so");
        let left: Vec<_> = (0..code.len()).map(|pc| regions.are_left_at(pc)).collect();
        assert_eq!(left, [false, true, true, false, false, false, true, true]);
        assert_eq!((regions.at(2), regions.at(6)), (Some(0), None));
    }

    #[test]
    fn what_is_not_made_so_is_seen() {
        let leave = || Instr::LimitLeave {};
        let when = |to: u32| Instr::If { a: S(1), to: Label(to) };
        // One that was not begun, one that is open on one way only where more is done than to return, and one behind its label.
        for code in [
            vec![leave(), done()],
            vec![when(2), enter(3), leave(), done()],
            vec![jump(3), done(), when(1), enter(1), when(2), leave(), jump(2)],
        ] {
            assert_eq!(Regions::of(&code), None, "{code:?}");
        }
        assert_eq!(Regions::of(&[set(1), done()]), Some(Regions::default()));
    }
}
