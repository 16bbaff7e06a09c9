//! What is known at a point of a body: whether it is reached, which locals are narrowed, unassigned or unhandled.

use std::cmp::Ordering;

use crate::types::Ty;
use dscript_grammar::span::{NodeId, Span};

#[derive(Clone, Debug, Default)]
pub struct Flow {
    pub dead: bool,
    /// How many times no way went on, on the way here, and it was looked at as if one did. Where ways meet, those tell which
    /// patterns have matched that are closed the fewest times.
    closed: u32,
    /// Not reached for all that is understood, but a mistake may hide a way here: nobody speaks of it.
    pub doubted: bool,
    /// Locals whose type here is narrower than declared.
    narrowed: Vec<(NodeId, Ty)>,
    /// Locals that may have no value yet.
    unassigned: Vec<NodeId>,
    /// Locals that may have a value already.
    assigned: Vec<NodeId>,
    /// Patterns' variables that have a value, whatever way led here: no others are in scope. Where none leads here, those
    /// that had one where it ended.
    matched: Vec<NodeId>,
    /// Locals that hold a started Subprocess nobody has looked at, and where each got it.
    pending: Vec<(NodeId, Span)>,
    /// Locals whose failure nobody has looked at, whatever way led here.
    unseen: Vec<NodeId>,
    /// What came into locals on some way here and may be a failure that nobody has looked at: the `Owed` of the body.
    owed: Vec<u32>,
}

impl Flow {
    pub fn narrowed(&self, local: NodeId) -> Option<Ty> {
        self.narrowed.iter().find(|n| n.0 == local).map(|n| n.1)
    }

    pub fn narrow(&mut self, local: NodeId, ty: Ty) {
        self.widen(local);
        self.narrowed.push((local, ty));
    }

    pub fn narrowings(&self) -> &[(NodeId, Ty)] {
        &self.narrowed
    }

    pub fn widen(&mut self, local: NodeId) {
        self.narrowed.retain(|n| n.0 != local);
    }

    pub fn declare_unassigned(&mut self, local: NodeId) {
        self.unassigned.push(local);
    }

    pub fn assign(&mut self, local: NodeId) {
        self.unassigned.retain(|&n| n != local);
        add(&mut self.assigned, local);
    }

    /// Whether an assignment to the local would not be its first on every way here.
    pub fn may_be_assigned(&self, local: NodeId) -> bool {
        self.assigned.contains(&local)
    }

    pub fn set_unseen(&mut self, local: NodeId) {
        self.unseen.push(local);
    }

    pub fn see(&mut self, local: NodeId) {
        self.unseen.retain(|&n| n != local);
    }

    pub fn unseen(&self) -> &[NodeId] {
        &self.unseen
    }

    pub fn is_unseen(&self, local: NodeId) -> bool {
        !self.dead && self.unseen.contains(&local)
    }

    /// The local holds this from here on, or nothing that anybody has to look at.
    pub fn owe(&mut self, new: Option<u32>, is_old: impl Fn(u32) -> bool) {
        self.owed.retain(|&owed| !is_old(owed));
        self.owed.extend(new);
    }

    pub fn owed(&self) -> &[u32] {
        &self.owed
    }

    /// What came into locals on another way here.
    pub fn may_owe(&mut self, owed: impl Iterator<Item = u32>) {
        owed.for_each(|owed| add(&mut self.owed, owed));
    }

    pub fn is_unassigned(&self, local: NodeId) -> bool {
        !self.dead && self.unassigned.contains(&local)
    }

    pub fn set_pending(&mut self, local: NodeId, at: Span) {
        if self.pending_at(local).is_none() {
            self.pending.push((local, at));
        }
    }

    pub fn handle(&mut self, local: NodeId) {
        self.pending.retain(|p| p.0 != local);
    }

    /// Where the local got a Subprocess that nobody has looked at.
    pub fn pending_at(&self, local: NodeId) -> Option<Span> {
        self.pending.iter().find(|p| p.0 == local).map(|p| p.1)
    }

    /// The pattern of this variable has just matched.
    pub fn match_pattern(&mut self, local: NodeId) {
        add(&mut self.matched, local);
    }

    /// Whether a pattern's variable is in scope here.
    pub fn is_matched(&self, local: NodeId) -> bool {
        self.matched.contains(&local)
    }

    /// What is known here, with the patterns of another way.
    pub fn with_patterns_of(self, other: &Flow) -> Flow {
        Flow { matched: other.matched.clone(), ..self }
    }

    /// The pending locals of this point; none where it is never reached.
    pub fn pending(&self) -> &[(NodeId, Span)] {
        if self.dead { &[] } else { &self.pending }
    }

    /// What is known where two ways meet.
    pub fn join(&mut self, other: &Flow) {
        if other.dead {
            if self.dead {
                self.doubted |= other.doubted;
                self.join_patterns(other);
            }
            return;
        }
        if self.dead {
            *self = other.clone();
            return;
        }
        self.narrowed.retain(|n| other.narrowed.contains(n));
        self.unseen.retain(|n| other.unseen.contains(n));
        self.join_patterns(other);
        other.unassigned.iter().for_each(|&local| add(&mut self.unassigned, local));
        other.assigned.iter().for_each(|&local| add(&mut self.assigned, local));
        other.pending.iter().for_each(|&(local, at)| self.set_pending(local, at));
        self.may_owe(other.owed.iter().copied());
    }

    fn join_patterns(&mut self, other: &Flow) {
        match self.closed.cmp(&other.closed) {
            Ordering::Less => {}
            Ordering::Equal => self.matched.retain(|n| other.matched.contains(n)),
            Ordering::Greater => {
                self.matched.clone_from(&other.matched);
                self.closed = other.closed;
            }
        }
    }

    /// What is known where a way may lead from the place at which a local has just got its value: `there`.
    pub fn or_assigned(&mut self, local: NodeId, there: &Flow) {
        if self.narrowed(local) != there.narrowed(local) {
            self.widen(local);
        }
        add(&mut self.assigned, local);
        self.may_owe(there.owed.iter().copied());
    }

    /// Where no way goes on from here.
    pub fn ended(&self) -> Flow {
        Flow {
            dead: true,
            closed: self.closed.saturating_add(1),
            matched: self.matched.clone(),
            ..Flow::default()
        }
    }

    /// Before the first way that leads here.
    pub fn dead() -> Flow {
        Flow { dead: true, closed: u32::MAX, ..Flow::default() }
    }
}

fn add<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}
