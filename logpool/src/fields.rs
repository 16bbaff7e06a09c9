//! The fields of a record: its values, and their names, which records of one shape share.
//!
//! Most records are made by few programs that write the same fields again and again. A *shape* holds the names once for all
//! of them: to make, to copy and to drop a record touches no name, and two records with one shape are known to have
//! the same names without a look at them. Who makes many records makes the shape first (`Fields::new`); fields that are collected
//! from names and values find the shape among those that their thread made last.

use std::cell::RefCell;
use std::fmt;
use std::iter::Zip;
use std::slice::Iter;
use std::sync::Arc;

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{SHAPE_NAMES_REMEMBERED_MAX, SHAPES_REMEMBERED_MAX};
use crate::name::{Name, same};
use crate::record::FieldValue;

/// The names of a record's fields, in their order; clones share them.
#[derive(Clone, Debug, Eq)]
pub struct Shape(Arc<[Name]>);

impl Shape {
    /// One that this thread has made before, if it remembers it.
    pub fn new<N: AsRef<str> + Into<Name>>(names: impl IntoIterator<Item = N>) -> Shape {
        let names: Vec<N> = names.into_iter().collect();
        RECENT.with_borrow_mut(|recent| {
            if let Some(at) = recent.iter().position(|shape| shape.has(&names)) {
                recent[..=at].rotate_right(1);
                return recent[0].clone();
            }
            let shape = Shape(names.into_iter().map(Into::into).collect());
            if shape.0.len() <= SHAPE_NAMES_REMEMBERED_MAX {
                recent.truncate(SHAPES_REMEMBERED_MAX - 1);
                recent.insert(0, shape.clone());
            }
            shape
        })
    }

    pub fn names(&self) -> &[Name] {
        &self.0
    }

    fn has<N: AsRef<str>>(&self, names: &[N]) -> bool {
        self.0.len() == names.len() && self.0.iter().zip(names).all(|(a, b)| same(a, b.as_ref()))
    }
}

thread_local! {
    /// The one that was used last is in front.
    static RECENT: RefCell<Vec<Shape>> = const { RefCell::new(Vec::new()) };
}

impl PartialEq for Shape {
    fn eq(&self, other: &Shape) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

/// Named values in an order. Names are expected to be different from each other.
#[derive(Clone, PartialEq)]
pub struct Fields {
    shape: Shape,
    values: Vec<FieldValue>,
}

impl Fields {
    /// A value for each name of the shape.
    pub fn new(shape: Shape, values: Vec<FieldValue>) -> Fields {
        assert_eq!(shape.0.len(), values.len(), "a value for each name");
        Fields { shape, values }
    }

    /// Drops the values, of fields that nobody looks at any more; where they are all ints, without a look at each.
    pub(crate) fn drop_values(&mut self, are_ints: bool) {
        let mut values = std::mem::take(&mut self.values);
        if are_ints {
            debug_assert!(values.iter().all(|value| matches!(value, FieldValue::Int(_))));
            // SAFETY: what is left behind is initialised, and ints own nothing.
            unsafe { values.set_len(0) };
        }
    }

    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    pub fn values(&self) -> &[FieldValue] {
        &self.values
    }

    pub fn names(&self) -> &[Name] {
        self.shape.names()
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of the first field of that name.
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub fn iter(&self) -> FieldsIter<'_> {
        FieldsIter(self.names().iter().zip(&self.values))
    }
}

impl Default for Fields {
    fn default() -> Fields {
        Fields { shape: Shape::new::<Name>([]), values: Vec::new() }
    }
}

/// As a list of names with their values.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Each field in its order.
#[derive(Clone)]
pub struct FieldsIter<'a>(Zip<Iter<'a, Name>, Iter<'a, FieldValue>>);

impl<'a> Iterator for FieldsIter<'a> {
    type Item = (&'a str, &'a FieldValue);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name.as_str(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for FieldsIter<'_> {}

impl<'a> IntoIterator for &'a Fields {
    type Item = (&'a str, &'a FieldValue);
    type IntoIter = FieldsIter<'a>;

    fn into_iter(self) -> FieldsIter<'a> {
        self.iter()
    }
}

impl IntoIterator for Fields {
    type Item = (Name, FieldValue);
    type IntoIter = std::vec::IntoIter<(Name, FieldValue)>;

    fn into_iter(self) -> Self::IntoIter {
        let named: Vec<_> = self.shape.0.iter().cloned().zip(self.values).collect();
        named.into_iter()
    }
}

impl<N: AsRef<str> + Into<Name>> FromIterator<(N, FieldValue)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, FieldValue)>>(fields: I) -> Fields {
        let (names, values): (Vec<N>, Vec<FieldValue>) = fields.into_iter().unzip();
        Fields { shape: Shape::new(names), values }
    }
}

impl<N: AsRef<str> + Into<Name>> From<Vec<(N, FieldValue)>> for Fields {
    fn from(fields: Vec<(N, FieldValue)>) -> Fields {
        fields.into_iter().collect()
    }
}

impl<N: AsRef<str> + Into<Name>, const COUNT: usize> From<[(N, FieldValue); COUNT]> for Fields {
    fn from(fields: [(N, FieldValue); COUNT]) -> Fields {
        fields.into_iter().collect()
    }
}

/// As a list of pairs.
impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.len()))?;
        for field in self {
            list.serialize_element(&field)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fields, D::Error> {
        Vec::<(String, FieldValue)>::deserialize(from).map(Fields::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Fields {
        names.iter().map(|name| (*name, FieldValue::Null)).collect()
    }

    #[test]
    fn records_of_one_thread_share_their_names() {
        let shared = |a: &Fields, b: &Fields| Arc::ptr_eq(&a.shape.0, &b.shape.0);
        let first = of(&["a", "b"]);
        assert!(shared(&first, &of(&["a", "b"])));
        assert!(shared(
            &first,
            &vec![("a".to_owned(), FieldValue::Int(1)), ("b".into(), FieldValue::Null)].into()
        ));
        for other in [&["a"][..], &["b", "a"], &["a", "b", "c"], &["a", "c"], &[]] {
            assert_ne!(of(other), first);
        }
        assert!(shared(&first, &of(&["a", "b"])), "others came since");
        let bytes = postcard::to_stdvec(&first).unwrap();
        assert!(shared(&first, &postcard::from_bytes(&bytes).unwrap()));
        // What is forgotten is made again, and equal.
        for n in 0..=SHAPES_REMEMBERED_MAX {
            of(&[&n.to_string()]);
        }
        let again = of(&["a", "b"]);
        assert!(!shared(&first, &again) && first == again);
        let many: Vec<String> = (0..=SHAPE_NAMES_REMEMBERED_MAX).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(|name| &name[..]).collect();
        assert!(!shared(&of(&many), &of(&many)), "large ones are not remembered");
    }

    #[test]
    fn fields_are_found_and_walked_through() {
        let fields = Fields::new(Shape::new(["x", "y", "x"]), [1, 2, 3].map(FieldValue::Int).into());
        assert_eq!(fields.get("x"), Some(&FieldValue::Int(1)));
        assert_eq!(fields.get("z"), None);
        let walked: Vec<(&str, &FieldValue)> = fields.iter().collect();
        assert_eq!(walked[2], ("x", &FieldValue::Int(3)));
        let owned: Vec<(Name, FieldValue)> = fields.clone().into_iter().collect();
        assert_eq!(Fields::from(owned), fields);
        assert!(Fields::default().is_empty());
    }
}
