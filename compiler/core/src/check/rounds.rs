//! What runs more than once: a loop's body, and that of a `retry`.
//!
//! A round begins with what is known before the loop, and with what the round before leaves. The first look takes
//! it that the latter changes nothing: what is narrowed stays so, what nobody has looked at still waits for it. Where
//! the end of the body shows otherwise, the body is looked at again with what is left, and only that counts. What was
//! found out is kept by loop, so that a loop in a loop starts with it: the looks at the innermost of some loops
//! are as many as the loops, not two to the power of that.

use super::{Checker, Ending, Local, Owed};
use crate::check::flow::Flow;
use crate::types::Ty;
use dscript_grammar::span::{NodeId, Span};

/// Looks that tell apart what the rounds of a loop change; after these, they are taken to change all that they can.
const LOOKS_MAX: u32 = 1;

/// What the rounds of a loop cannot take over from before it.
#[derive(Default)]
pub(super) struct Weaker {
    widened: Vec<NodeId>,
    seen: Vec<NodeId>,
    pending: Vec<(NodeId, Span)>,
    looks: u32,
}

/// Where a look began, for the next to begin there as well.
struct Mark {
    diagnostics: usize,
    dropped: usize,
    captured: usize,
    overlooked: usize,
    waiting: usize,
    assigns: usize,
    reads: u32,
    locals: Vec<Local>,
    owed: Vec<Owed>,
    ending: Ending,
    /// The types and ways that the constructs around it have gathered so far.
    breaks: Vec<(Flow, bool, Flow)>,
    arms: Vec<(usize, Flow)>,
    fails: Vec<Flow>,
    cuts: Vec<Flow>,
}

impl<'a> Checker<'a, '_> {
    /// Looks at a loop that begins at `at`: `round` goes through it from its head, ends behind it, and gives what is
    /// known where the next round begins.
    pub(super) fn rounds(&mut self, at: Span, mut round: impl FnMut(&mut Self) -> Flow) {
        let before = self.cx.flow.clone();
        loop {
            let mark = self.mark();
            let head = self.round_head(at, &before);
            self.cx.flow = head.clone();
            let back = round(self);
            if !self.weakens(at, &head, &back, mark.assigns) {
                return;
            }
            self.back_to(mark);
        }
    }

    /// What is known before a round, as far as looks have shown.
    fn round_head(&self, at: Span, before: &Flow) -> Flow {
        let mut head = before.clone();
        if let Some(weaker) = self.cx.weaker.get(&at.start).filter(|_| !before.dead) {
            weaker.widened.iter().for_each(|&local| head.widen(local));
            weaker.seen.iter().for_each(|&local| head.see(local));
            weaker.pending.iter().for_each(|&(local, at)| head.set_pending(local, at));
        }
        head
    }

    /// Whether a round leaves less than it began with: then that is kept for the next look.
    fn weakens(&mut self, at: Span, head: &Flow, back: &Flow, assigns: usize) -> bool {
        if back.dead || head.dead {
            return false;
        }
        let assigned = &self.cx.assigns[assigns..];
        let can_widen = |&(local, _): &(NodeId, Ty)| assigned.contains(&local);
        let is_kept = |&(local, ty): &(NodeId, Ty)| back.narrowed(local) == Some(ty);
        let narrowings = head.narrowings();
        let widened = narrowings.iter().any(|n| can_widen(n) && !is_kept(n));
        let seen = head.unseen().iter().any(|local| !back.unseen().contains(local));
        let pending: Vec<(NodeId, Span)> =
            back.pending().iter().copied().filter(|p| head.pending_at(p.0).is_none()).collect();
        if !widened && !seen && pending.is_empty() {
            return false;
        }
        let weaker = self.cx.weaker.entry(at.start).or_default();
        let all = weaker.looks >= LOOKS_MAX;
        weaker.looks += 1;
        weaker
            .widened
            .extend(narrowings.iter().filter(|n| can_widen(n) && (all || !is_kept(n))).map(|n| n.0));
        weaker.seen.extend(head.unseen().iter().filter(|local| all || !back.unseen().contains(local)));
        weaker.pending.extend(pending);
        true
    }

    fn mark(&self) -> Mark {
        Mark {
            diagnostics: self.diagnostics.len(),
            dropped: self.dropped.len(),
            captured: self.cx.captured.len(),
            overlooked: self.cx.overlooked.len(),
            waiting: self.cx.waiting.len(),
            assigns: self.cx.assigns.len(),
            reads: self.cx.reads,
            locals: self.cx.locals.clone(),
            owed: self.cx.owed.clone(),
            ending: self.cx.ending.clone(),
            breaks: {
                let jumps = self.cx.jumps.iter();
                jumps.map(|j| (j.breaks.clone(), j.has_break, j.continues.clone())).collect()
            },
            arms: self.cx.arms.iter().map(|arm| (arm.found.len(), arm.after.clone())).collect(),
            fails: self.cx.retries.iter().map(|retry| retry.fails.clone()).collect(),
            cuts: self.cx.cuts.clone(),
        }
    }

    /// Forgets a look. What it found out about the tree is found out anew by the next.
    fn back_to(&mut self, mark: Mark) {
        self.diagnostics.truncate(mark.diagnostics);
        self.dropped.truncate(mark.dropped);
        self.cx.captured.truncate(mark.captured);
        self.cx.overlooked.truncate(mark.overlooked);
        self.cx.waiting.truncate(mark.waiting);
        self.cx.assigns.truncate(mark.assigns);
        self.cx.reads = mark.reads;
        for local in self.cx.locals.iter().skip(mark.locals.len()) {
            if let Some(places) = self.cx.by_name.get_mut(&local.name) {
                places.pop();
            }
        }
        self.cx.locals = mark.locals;
        self.cx.owed = mark.owed;
        self.cx.ending = mark.ending;
        self.cx.asserted = None;
        for (jump, (breaks, has_break, continues)) in self.cx.jumps.iter_mut().zip(mark.breaks) {
            (jump.breaks, jump.has_break, jump.continues) = (breaks, has_break, continues);
        }
        for (arm, (found, after)) in self.cx.arms.iter_mut().zip(mark.arms) {
            arm.found.truncate(found);
            arm.after = after;
        }
        for (retry, fails) in self.cx.retries.iter_mut().zip(mark.fails) {
            retry.fails = fails;
        }
        self.cx.cuts = mark.cuts;
    }
}
