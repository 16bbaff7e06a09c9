//! The names that many records have in common: of pools, keys, nodes, tasks and fields.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is copied and dropped at no cost: a short one lies in the value itself, a long one is shared with the copies.
/// It is used as a `&str` is, and made from one with `into`.
#[derive(Clone, Eq)]
pub struct Name(Text);

/// Bytes of a text that lies in the value: as many as make it no larger than a `String`.
const SHORT: usize = 22;

#[derive(Clone, Eq)]
enum Text {
    /// Zeros behind the text.
    Short {
        length: u8,
        bytes: [u8; SHORT],
    },
    Long(Arc<str>),
}

impl Name {
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // SAFETY: these are the bytes of a whole `str`: nothing else makes or changes a `Text`.
            Text::Short { length, bytes } => unsafe {
                str::from_utf8_unchecked(&bytes[..usize::from(*length)])
            },
            Text::Long(text) => text,
        }
    }

    fn short(text: &str) -> Option<Name> {
        let mut bytes = [0; SHORT];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Name(Text::Short { length: text.len() as u8, bytes }))
    }
}

impl PartialEq for Name {
    #[inline]
    fn eq(&self, other: &Name) -> bool {
        self.0 == other.0
    }
}

impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Text) -> bool {
        match (self, other) {
            (Text::Short { length, bytes }, Text::Short { length: other, bytes: others }) => {
                length == other && bytes == others
            }
            (Text::Long(one), Text::Long(other)) => Arc::ptr_eq(one, other) || one == other,
            // A short text is never kept as a long one.
            _ => false,
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// Whether two texts are the same. Most names are so short that to call the general comparison would take longer.
pub(crate) fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    match a.len() {
        length if length != b.len() => false,
        0..4 => a.iter().eq(b),
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        8..16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        _ => a == b,
    }
}

impl Default for Name {
    fn default() -> Name {
        Name::from("")
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name::short(text).unwrap_or_else(|| Name(Text::Long(text.into())))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Name {
        Name::from(&text[..])
    }
}

impl From<&String> for Name {
    fn from(text: &String) -> Name {
        Name::from(&text[..])
    }
}

impl From<Cow<'_, str>> for Name {
    fn from(text: Cow<'_, str>) -> Name {
        Name::from(&*text)
    }
}

impl From<&Name> for Name {
    fn from(name: &Name) -> Name {
        name.clone()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.as_str().to_owned()
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<String> for Name {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl PartialEq<Name> for String {
    fn eq(&self, other: &Name) -> bool {
        **self == **other
    }
}

/// As the text.
impl Serialize for Name {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Name, D::Error> {
        String::deserialize(from).map(Name::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_their_texts_are() {
        let texts =
            ["", "a", "abc", "abcd", "abce", "abcdefg", "abcdefgh", "abcdefgi", "xbcdefgh", "grö", "a\0"];
        let long: Vec<String> = (SHORT - 2..SHORT + 3).flat_map(|n| ["a".repeat(n), "b".repeat(n)]).collect();
        let all: Vec<&str> = texts.into_iter().chain(long.iter().map(|text| &text[..])).collect();
        for a in &all {
            assert_eq!(Name::from(*a).as_str(), *a);
            for b in &all {
                let (one, other) = (Name::from(*a), Name::from(*b));
                assert_eq!(one == other, a == b, "{a} and {b}");
                assert_eq!(one.cmp(&other), a.cmp(b));
            }
        }
        assert_eq!(size_of::<Name>(), size_of::<String>());
    }
}
