//! What the code has seen on the way to a place, since the last one where ways meet: indices that were below sizes, what
//! lies in memory, and that one more call may be nested. The code generator finds loads that are done twice too, but none in
//! a loop that lies behind a place where ways met, and it keeps a comparison that was made before.
//!
//! Everything is known by values: after a call that may have collected, references are read anew and are other values, so
//! nothing that was seen by them is found again. That is done where they are needed next, or where ways meet. What must be
//! forgotten is what a store may have changed behind another name, and what was seen or stored on one way of many.

use cranelift_codegen::ir::{Type, Value};
use cranelift_frontend::Variable;

/// Of either: beyond so many, the oldest are forgotten.
const KEPT_MAX: usize = 48;

/// A place in memory. One of a scalar is known with the scalar's type: behind a cast that fails the same object is read as
/// one of another class, whose field there may be of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Of the list behind a reference.
    Size(Value),
    /// Where its array lies.
    Array(Value),
    /// Of the object behind a reference, by its distance.
    ScalarField(Value, i32, Type),
    RefField(Value, i32),
    /// Of an array, by index.
    ScalarElement(Value, Value, Type),
    RefElement(Value, Value),
    /// Where the value of a key lies in a map of words to words, or 0 where it had none.
    Pair(Value, Value),
}

impl Cell {
    /// Whether a store there may be seen in another cell.
    fn may_be(self, other: Cell) -> bool {
        match (self, other) {
            (Cell::ScalarField(_, a, _), Cell::ScalarField(_, b, _))
            | (Cell::RefField(_, a), Cell::RefField(_, b)) => a == b,
            (Cell::ScalarElement(..), Cell::ScalarElement(..))
            | (Cell::RefElement(..), Cell::RefElement(..)) => true,
            (Cell::Pair(..), Cell::Pair(..)) => self == other,
            _ => false,
        }
    }

    /// What is known of the object behind a reference that has another name now, and maybe moved: numbers in it.
    fn renamed(self, from: Value, to: Value) -> Option<Cell> {
        match self {
            Cell::Size(of) if of == from => Some(Cell::Size(to)),
            Cell::ScalarField(of, at, ty) if of == from => Some(Cell::ScalarField(to, at, ty)),
            _ => None,
        }
    }

    /// Whether only what may change the size of a list changes it.
    fn is_header(self) -> bool {
        matches!(self, Cell::Size(_) | Cell::Array(_))
    }
}

#[derive(Clone, Default)]
pub(super) struct Seen {
    /// Indices and sizes they are below.
    below: Vec<(Value, Value)>,
    cells: Vec<(Cell, Value)>,
    /// Numbers of calls that may still be nested, which are not none.
    deeper: Vec<Value>,
    /// What a call may have moved, and where it is read anew.
    moved: Vec<(Variable, Home)>,
}

/// Where what a call may move has its new value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Home {
    /// A slot of the window.
    Slot(u16),
    /// Of the heap.
    Context,
    /// What is known of a list or a text in a loop.
    View(usize),
}

impl Seen {
    pub fn is_below(&self, index: Value, size: Value) -> bool {
        self.below.contains(&(index, size))
    }

    pub fn set_below(&mut self, index: Value, size: Value) {
        keep(&mut self.below, (index, size));
    }

    /// Whether one more call may be nested, where so many may.
    pub fn goes_deeper(&self, left: Value) -> bool {
        self.deeper.contains(&left)
    }

    pub fn set_goes_deeper(&mut self, left: Value) {
        keep(&mut self.deeper, left);
    }

    pub fn cell(&self, cell: Cell) -> Option<Value> {
        self.cells.iter().find(|(known, _)| *known == cell).map(|(_, value)| *value)
    }

    pub fn loaded(&mut self, cell: Cell, value: Value) {
        keep(&mut self.cells, (cell, value));
    }

    pub fn stored(&mut self, cell: Cell, value: Value) {
        self.cells.retain(|(known, _)| !cell.may_be(*known));
        self.loaded(cell, value);
    }

    /// After what may have changed any object.
    pub fn forget_cells(&mut self) {
        self.cells.clear();
    }

    /// After what may have moved any object but changed none, where these references have new names.
    pub fn rename(&mut self, names: &[(Value, Value)]) {
        let cells = std::mem::take(&mut self.cells);
        let renamed = |(from, to): &(Value, Value)| {
            let (from, to) = (*from, *to);
            cells.iter().filter_map(move |(cell, value)| Some((cell.renamed(from, to)?, *value)))
        };
        self.cells = names.iter().flat_map(renamed).take(KEPT_MAX).collect();
    }

    /// Whether a number in the object behind a reference is known.
    pub fn knows(&self, reference: Value) -> bool {
        self.cells.iter().any(|(cell, _)| cell.renamed(reference, reference).is_some())
    }

    /// After what may have changed fields and elements, on one way of many.
    pub fn forget_stored(&mut self) {
        self.cells.retain(|(cell, _)| cell.is_header());
    }

    pub fn clear(&mut self) {
        self.forget_all_but_moved();
        self.moved.clear();
    }

    /// After a place where ways met that all come from one: what was compared before that.
    pub fn clear_but_compared(&mut self, before: Seen) {
        *self = Seen { below: before.below, deeper: before.deeper, ..Seen::default() };
    }

    /// After a place where ways met.
    pub fn forget_all_but_moved(&mut self) {
        self.below.clear();
        self.cells.clear();
        self.deeper.clear();
    }

    pub fn is_moved(&self, variable: Variable) -> bool {
        self.moved.iter().any(|(known, _)| *known == variable)
    }

    pub fn moved(&self) -> &[(Variable, Home)] {
        &self.moved
    }

    pub fn set_moved(&mut self, variable: Variable, home: Home) {
        self.take_moved(variable);
        self.moved.push((variable, home));
    }

    /// Where it is read anew, where it must be; after that it need not.
    pub fn take_moved(&mut self, variable: Variable) -> Option<Home> {
        let at = self.moved.iter().position(|(known, _)| *known == variable)?;
        Some(self.moved.swap_remove(at).1)
    }
}

fn keep<T>(all: &mut Vec<T>, one: T) {
    if all.len() == KEPT_MAX {
        all.remove(0);
    }
    all.push(one);
}

#[cfg(test)]
mod tests {
    use cranelift_codegen::ir::types::{F64, I64};

    use super::*;

    #[test]
    fn a_store_forgets_what_it_may_change() {
        let [a, b, i, j, x, y] = [0, 1, 2, 3, 4, 5].map(Value::from_u32);
        let mut seen = Seen::default();
        seen.loaded(Cell::Size(a), x);
        seen.loaded(Cell::ScalarField(a, 8, I64), x);
        seen.loaded(Cell::ScalarField(a, 16, I64), x);
        seen.loaded(Cell::ScalarElement(a, i, I64), x);
        seen.loaded(Cell::RefElement(a, i), x);
        seen.stored(Cell::ScalarField(b, 8, I64), y);
        seen.stored(Cell::ScalarElement(a, j, I64), y);
        let of = |cell| seen.cell(cell);
        assert_eq!([of(Cell::ScalarField(a, 8, I64)), of(Cell::ScalarElement(a, i, I64))], [None, None]);
        assert_eq!([of(Cell::ScalarField(b, 8, I64)), of(Cell::ScalarElement(a, j, I64))], [Some(y); 2]);
        assert_eq!(
            [of(Cell::Size(a)), of(Cell::ScalarField(a, 16, I64)), of(Cell::RefElement(a, i))],
            [Some(x); 3]
        );
        assert_eq!(of(Cell::ScalarField(b, 8, F64)), None);
        seen.stored(Cell::ScalarField(a, 8, F64), x);
        assert_eq!(seen.cell(Cell::ScalarField(b, 8, I64)), None);
        seen.stored(Cell::ScalarField(b, 8, I64), y);
        seen.forget_stored();
        assert_eq!([seen.cell(Cell::Size(a)), seen.cell(Cell::ScalarField(b, 8, I64))], [Some(x), None]);
        seen.loaded(Cell::RefField(a, 4), y);
        assert_eq!([seen.knows(a), seen.knows(x)], [true, false]);
        let mut moved = seen.clone();
        moved.rename(&[(a, i), (a, j)]);
        let of = |cell| moved.cell(cell);
        assert_eq!([of(Cell::Size(i)), of(Cell::Size(j)), of(Cell::Size(a))], [Some(x), Some(x), None]);
        assert_eq!([of(Cell::RefField(i, 4)), of(Cell::ScalarField(b, 8, I64))], [None; 2]);
        (0..100).for_each(|n| seen.loaded(Cell::ScalarField(a, n, I64), y));
        assert_eq!(seen.cell(Cell::Size(a)), None);
        assert_eq!(seen.cells.len(), KEPT_MAX);
    }
}
