//! Equality and hash of values, by type. Neither recurses: records within records, however deep, are walked
//! with a list of what is still to do, and the steps of one walk are bounded.

use crate::heap::{Ref, low};
use crate::native::Trapped;
use crate::text::{fold, mix};
use crate::vm::{Cell, Peeled, Vm, trapped};
use dscript_bytecode::ids::TypeId;
use dscript_bytecode::image::Type;
use dscript_bytecode::trap::TrapKind;
use std::ops::Range;

enum Work {
    Pair(TypeId, Cell, Cell),
    /// Two lists of equal size, from an index on.
    Lists(TypeId, Ref, Ref, usize),
    /// The entries of the first, from one on, are looked up in the second.
    Maps(Ref, Ref, usize),
}

/// What is still to be compared, and the steps that are left for it.
struct Walk {
    work: Vec<Work>,
    steps: u64,
}

/// What a look at some elements of two lists tells.
enum Run {
    Equal,
    Differ,
    /// Those before the index are equal, and of that one more is to be looked at.
    EqualTo(usize),
}

/// Equal as in Java's records: NaN is itself, zeros differ.
pub(crate) fn double_bits(bits: u64) -> u64 {
    if f64::from_bits(bits).is_nan() { f64::NAN.to_bits() } else { bits }
}

fn too_much() -> Trapped {
    trapped(TrapKind::Timeout, "this value is too large to be compared")
}

/// A walk looks at the clock every so many steps.
const LOOK_EVERY: u64 = 1 << 16;
/// Elements of lists that are compared at once.
const RUN_MAX: usize = 1 << 12;
/// Records within records that are compared and hashed at once, and fields of all of them together.
const NESTED_MAX: usize = 3;
const FIELDS_MAX: usize = 256;

impl Vm {
    /// Takes so many steps of those that are left.
    fn step(&self, left: u64, count: u64) -> Result<u64, Trapped> {
        let after = left.checked_sub(count).ok_or_else(too_much)?;
        if left / LOOK_EVERY != after / LOOK_EVERY && self.is_late() {
            return Err(too_much());
        }
        Ok(after)
    }

    /// Whether two objects are equal records of numbers, texts and such records, or lists of them; `None` where there is
    /// more to look at.
    #[inline]
    pub(crate) fn same_now(&self, x: Ref, y: Ref) -> Option<bool> {
        let ty = TypeId(self.heap.tag(x));
        if self.heap.tag(y) != ty.0 {
            return None;
        }
        match self.program.image().types.get(ty.index())? {
            Type::Record(_) => self.same_fields(ty, x, y, NESTED_MAX, &mut { FIELDS_MAX }),
            Type::List(element) => self.same_lists(*element, x, y),
            _ => None,
        }
    }

    fn same_lists(&self, element: TypeId, x: Ref, y: Ref) -> Option<bool> {
        let size = self.heap.list_size(x);
        if size != self.heap.list_size(y) {
            return Some(false);
        }
        match (size <= RUN_MAX).then(|| self.run(element, (x, y), 0..size, &mut 0))? {
            Run::Equal => Some(true),
            Run::Differ => Some(false),
            Run::EqualTo(_) => None,
        }
    }

    fn same_fields(&self, ty: TypeId, x: Ref, y: Ref, nested: usize, left: &mut usize) -> Option<bool> {
        let object = self.program.object(ty);
        *left = left.checked_sub(object.fields.len())?;
        for field in &object.fields {
            let [a, b] = [x, y].map(|of| self.field(of, object, field));
            let (s, t) = (a.r[0], b.r[0]);
            let same = match self.program.ty(field.ty) {
                Type::Int | Type::Bool | Type::Duration | Type::Time | Type::Enum { .. } => a.s[0] == b.s[0],
                Type::Double => double_bits(a.s[0]) == double_bits(b.s[0]),
                Type::String => self.same_text_or_none(s, t),
                Type::Record(_) if s == t || s == 0 || t == 0 => s == t,
                Type::Record(_) if nested > 0 => self.same_fields(field.ty, s, t, nested - 1, left)?,
                _ => return None,
            };
            if !same {
                return Some(false);
            }
        }
        Some(true)
    }

    pub(crate) fn equal(&self, ty: TypeId, a: Cell, b: Cell) -> Result<bool, Trapped> {
        let mut walk = Walk { work: Vec::new(), steps: self.step(self.steps(), 1)? };
        let mut equal = self.equal_pair(ty, a, b, &mut walk)?;
        while equal && let Some(next) = walk.work.pop() {
            walk.steps = self.step(walk.steps, 1)?;
            equal = match next {
                Work::Pair(ty, a, b) => self.equal_pair(ty, a, b, &mut walk)?,
                Work::Lists(element, a, b, from) => self.equal_items(element, a, b, from, &mut walk)?,
                Work::Maps(a, b, from) => self.equal_entry(a, b, from, &mut walk.work)?,
            };
        }
        Ok(equal)
    }

    /// Some elements of two lists of equal size, from an index on; the others are left to do. Lists in lists are nested as
    /// their types are, and no deeper.
    fn equal_items(&self, ty: TypeId, a: Ref, b: Ref, from: usize, walk: &mut Walk) -> Result<bool, Trapped> {
        let size = self.heap.list_size(a);
        let end = size.min(from + RUN_MAX);
        let element = self.program.info(ty).element;
        let (mut reached, below) = (from, walk.work.len());
        while reached < end && walk.work.len() == below {
            let mut inner = 0;
            let next = match self.run(ty, (a, b), reached..end, &mut inner) {
                Run::Equal => end,
                Run::Differ => return Ok(false),
                Run::EqualTo(at) => {
                    let [x, y] = [a, b].map(|list| self.unboxed(ty, self.list_get(element, list, at)));
                    if !self.equal_pair(ty, x, y, walk)? {
                        return Ok(false);
                    }
                    at + 1
                }
            };
            walk.steps = self.step(walk.steps, 2 * (next - reached) as u64 + inner)?;
            reached = next;
        }
        if reached < size {
            // What is left of an element comes before it.
            walk.work.insert(below, Work::Lists(ty, a, b, reached));
        }
        Ok(true)
    }

    /// Compares elements of which all is seen at once; counts the steps that those of records and lists are.
    fn run(&self, ty: TypeId, (a, b): (Ref, Ref), range: Range<usize>, inner: &mut u64) -> Run {
        let (x, y) = (self.heap.list_array(a), self.heap.list_array(b));
        let words = || [x, y].map(|array| &self.heap.scalars(array)[range.clone()]);
        let refs = |at| (self.heap.ref_at(x, 1, at), self.heap.ref_at(y, 1, at));
        let same = match self.program.ty(ty) {
            Type::Int | Type::Duration | Type::Time | Type::Enum { .. } => {
                let [x, y] = words();
                x == y
            }
            Type::Bool => self.heap.bools(x)[range.clone()] == self.heap.bools(y)[range],
            Type::Double => {
                let [x, y] = words();
                x.iter().zip(y).all(|(x, y)| double_bits(*x) == double_bits(*y))
            }
            Type::String | Type::Bytes => {
                range.into_iter().map(refs).all(|(x, y)| self.same_text_or_none(x, y))
            }
            Type::Record(_) if self.program.object(ty).fields.iter().all(|field| self.is_seen(field.ty)) => {
                for at in range {
                    let (x, y) = refs(at);
                    if x == y {
                        continue;
                    }
                    if x == 0 || y == 0 {
                        return Run::Differ;
                    }
                    let mut left = FIELDS_MAX;
                    match self.same_fields(ty, x, y, NESTED_MAX, &mut left) {
                        Some(true) => *inner += (FIELDS_MAX - left) as u64,
                        Some(false) => return Run::Differ,
                        None => return Run::EqualTo(at),
                    }
                }
                true
            }
            // Lists of lists in them are walked, and what is left once this took long enough.
            Type::List(of) if !matches!(self.program.ty(*of), Type::List(_)) => {
                for at in range {
                    let (x, y) = refs(at);
                    if x == y {
                        continue;
                    }
                    if x == 0 || y == 0 || self.heap.list_size(x) != self.heap.list_size(y) {
                        return Run::Differ;
                    }
                    let size = self.heap.list_size(x);
                    if size > RUN_MAX || *inner > LOOK_EVERY {
                        return Run::EqualTo(at);
                    }
                    match self.run(*of, (x, y), 0..size, inner) {
                        Run::Equal => *inner += 2 * size as u64 + 1,
                        Run::Differ => return Run::Differ,
                        Run::EqualTo(_) => return Run::EqualTo(at),
                    }
                }
                true
            }
            _ if range.is_empty() => true,
            _ => return Run::EqualTo(range.start),
        };
        if same { Run::Equal } else { Run::Differ }
    }

    /// Whether a field of the type is most likely one that `same_fields` sees.
    fn is_seen(&self, ty: TypeId) -> bool {
        use Type::{Bool, Double, Duration, Enum, Int, Record, String, Time};
        matches!(
            self.program.ty(ty),
            Int | Bool | Duration | Time | Enum { .. } | Double | String | Record(_)
        )
    }

    /// Whether two references lead to the same text, or both nowhere.
    pub(crate) fn same_text_or_none(&self, x: Ref, y: Ref) -> bool {
        x == y || x != 0 && y != 0 && self.heap.same_text(x, y)
    }

    fn equal_entry(&self, a: Ref, b: Ref, from: usize, work: &mut Vec<Work>) -> Result<bool, Trapped> {
        let kind = self.map_type_of(a);
        let Some(entry) = self.map_next(a, from) else { return Ok(true) };
        work.push(Work::Maps(a, b, entry + 1));
        let key = self.map_key(&kind, a, entry);
        let Some(other) = self.map_find_as(&kind, a, entry, b, key)? else { return Ok(false) };
        if let Some(value) = kind.value {
            let x = self.unboxed(value, self.map_value(&kind, a, entry));
            let y = self.unboxed(value, self.map_value(&kind, b, other));
            work.push(Work::Pair(value, x, y));
        }
        Ok(true)
    }

    fn equal_pair(&self, ty: TypeId, a: Cell, b: Cell, walk: &mut Walk) -> Result<bool, Trapped> {
        let (ty, a, b) = match (self.peel(ty, a), self.peel(ty, b)) {
            (Peeled::Null, Peeled::Null) => return Ok(true),
            (Peeled::Value(ty, a), Peeled::Value(_, b)) => (ty, a, b),
            (Peeled::Error(a), Peeled::Error(b)) => {
                if let Some(error) = self.program.manifest().error_type {
                    walk.work.push(Work::Pair(error, Cell::reference(a), Cell::reference(b)));
                }
                return Ok(true);
            }
            _ => return Ok(false),
        };
        let (x, y) = (a.r[0], b.r[0]);
        let ty = match self.program.ty(ty) {
            Type::Void => return Ok(true),
            Type::Int | Type::Bool | Type::Duration | Type::Time | Type::Enum { .. } => {
                return Ok(a.s[0] == b.s[0]);
            }
            Type::Double => return Ok(double_bits(a.s[0]) == double_bits(b.s[0])),
            _ if x == y => return Ok(true),
            _ if x == 0 || y == 0 => return Ok(false),
            // What stands behind an interface says how it compares.
            Type::Interface { .. } if self.heap.tag(x) != self.heap.tag(y) => return Ok(false),
            Type::Interface { .. } => TypeId(self.heap.tag(x)),
            _ => ty,
        };
        Ok(match self.program.ty(ty) {
            Type::String | Type::Bytes => self.heap.same_text(x, y),
            Type::List(element) => {
                self.heap.list_size(x) == self.heap.list_size(y)
                    && self.equal_items(*element, x, y, 0, walk)?
            }
            Type::Map(..) | Type::Set(_) => {
                let same = self.map_size(x) == self.map_size(y);
                if same {
                    walk.work.push(Work::Maps(x, y, 0));
                }
                same
            }
            Type::Record(_) => {
                let mut left = FIELDS_MAX;
                if let Some(same) = self.same_fields(ty, x, y, NESTED_MAX, &mut left) {
                    walk.steps = self.step(walk.steps, (FIELDS_MAX - left) as u64)?;
                    return Ok(same);
                }
                let object = self.program.object(ty);
                for field in object.fields.iter().rev() {
                    walk.work.push(Work::Pair(
                        field.ty,
                        self.field(x, object, field),
                        self.field(y, object, field),
                    ));
                }
                true
            }
            // Classes, functions and handles are themselves only.
            _ => false,
        })
    }

    /// A hash that equal values have in common; never 0. That of a value which is no key is good until objects move.
    pub(crate) fn hash(&mut self, ty: TypeId, cell: Cell) -> Result<u32, Trapped> {
        match self.program.ty(ty) {
            Type::String => return Ok(self.heap.text_hash(cell.r[0])),
            Type::Int => return Ok(fold(mix(cell.s[0]))),
            Type::Record(_) => {
                if let Some(hash) = self.hash_fields(ty, cell.r[0], 0, NESTED_MAX, &mut { FIELDS_MAX }) {
                    return Ok(fold(hash));
                }
            }
            _ => {}
        }
        let mut work = vec![(ty, cell)];
        let mut hash = 0;
        let mut steps = self.steps();
        while let Some((ty, cell)) = work.pop() {
            steps = self.step(steps, 1)?;
            let Peeled::Value(ty, cell) = self.peel(ty, cell) else {
                hash = mix(hash ^ 1);
                continue;
            };
            let object = cell.r[0];
            let bits = match self.program.ty(ty) {
                Type::Void => 0,
                Type::Int | Type::Bool | Type::Duration | Type::Time | Type::Enum { .. } => cell.s[0],
                Type::Double => double_bits(cell.s[0]),
                Type::String | Type::Bytes => u64::from(self.heap.text_hash(object)),
                Type::Record(_) => {
                    let layout = self.program.object(ty);
                    work.extend(layout.fields.iter().map(|f| (f.ty, self.field(object, layout, f))));
                    u64::from(low(layout.fields.len() as u64))
                }
                // What they hold may be as much as one likes, and hold themselves.
                Type::List(_) => self.heap.list_size(object) as u64,
                Type::Map(..) | Type::Set(_) => self.map_size(object) as u64,
                Type::Interface { .. } if object != 0 => {
                    work.push((TypeId(self.heap.tag(object)), cell));
                    1
                }
                _ => u64::from(object),
            };
            hash = mix(hash ^ bits);
        }
        Ok(fold(hash))
    }

    /// What a record of numbers, texts and such records makes of a hash, as the walk in `hash` does; `None` where there is more
    /// to look at.
    fn hash_fields(
        &mut self,
        ty: TypeId,
        object: Ref,
        hash: u64,
        nested: usize,
        left: &mut usize,
    ) -> Option<u64> {
        let fields = self.program.object(ty).fields.len();
        *left = left.checked_sub(fields)?;
        let mut hash = mix(hash ^ fields as u64);
        for at in (0..fields).rev() {
            let layout = self.program.object(ty);
            let (ty, cell) = (layout.fields[at].ty, self.field(object, layout, &layout.fields[at]));
            let bits = match self.program.ty(ty) {
                Type::Int | Type::Bool | Type::Duration | Type::Time | Type::Enum { .. } => cell.s[0],
                Type::Double => double_bits(cell.s[0]),
                Type::String => u64::from(self.heap.text_hash(cell.r[0])),
                Type::Record(_) if nested > 0 => {
                    hash = self.hash_fields(ty, cell.r[0], hash, nested - 1, left)?;
                    continue;
                }
                _ => return None,
            };
            hash = mix(hash ^ bits);
        }
        Some(hash)
    }
}
