//! What is known at a point of a body: whether it is reached, which locals are narrowed, unassigned or unhandled.

use crate::types::Ty;
use dscript_grammar::span::NodeId;

#[derive(Clone, Debug, Default)]
pub struct Flow {
    pub dead: bool,
    /// Not reached for all that is understood, but a mistake may hide a way here: nobody speaks of it.
    pub doubted: bool,
    /// Locals whose type here is narrower than declared.
    narrowed: Vec<(NodeId, Ty)>,
    /// Locals that may have no value yet.
    unassigned: Vec<NodeId>,
    /// Locals that may have a value already.
    assigned: Vec<NodeId>,
    /// Locals that hold a started Subprocess nobody has looked at.
    pending: Vec<NodeId>,
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

    pub fn widen(&mut self, local: NodeId) {
        self.narrowed.retain(|n| n.0 != local);
    }

    pub fn declare_unassigned(&mut self, local: NodeId) {
        self.unassigned.push(local);
    }

    pub fn assign(&mut self, local: NodeId) {
        self.unassigned.retain(|&n| n != local);
        if !self.assigned.contains(&local) {
            self.assigned.push(local);
        }
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

    pub fn is_unassigned(&self, local: NodeId) -> bool {
        !self.dead && self.unassigned.contains(&local)
    }

    pub fn set_pending(&mut self, local: NodeId) {
        if !self.pending.contains(&local) {
            self.pending.push(local);
        }
    }

    pub fn handle(&mut self, local: NodeId) {
        self.pending.retain(|&n| n != local);
    }

    pub fn is_pending(&self, local: NodeId) -> bool {
        self.pending.contains(&local)
    }

    /// Whether a pattern's variable is out of scope here.
    pub fn is_unmatched(&self, local: NodeId) -> bool {
        self.unassigned.contains(&local)
    }

    /// The pending locals of this point; none where it is never reached.
    pub fn pending(&self) -> &[NodeId] {
        if self.dead { &[] } else { &self.pending }
    }

    /// What is known where two ways meet.
    pub fn join(&mut self, other: &Flow) {
        if other.dead {
            self.doubted |= self.dead && other.doubted;
            return;
        }
        if self.dead {
            *self = other.clone();
            return;
        }
        self.narrowed.retain(|n| other.narrowed.contains(n));
        self.unseen.retain(|n| other.unseen.contains(n));
        for &local in &other.unassigned {
            if !self.unassigned.contains(&local) {
                self.unassigned.push(local);
            }
        }
        for &local in &other.assigned {
            if !self.assigned.contains(&local) {
                self.assigned.push(local);
            }
        }
        for &local in &other.pending {
            self.set_pending(local);
        }
        for &owed in &other.owed {
            if !self.owed.contains(&owed) {
                self.owed.push(owed);
            }
        }
    }

    pub fn dead() -> Flow {
        Flow { dead: true, ..Flow::default() }
    }
}
