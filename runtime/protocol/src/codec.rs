//! Messages as bytes. Encoding and decoding are pure; both check every limit, so that neither a bug on this side
//! nor malice on the other gets further than here.
//!
//! # Bytes
//!
//! ```text
//! connection = frame*                     in each direction; the first frame is a greeting (`hello`)
//! frame      = length u32 BE, body        length counts the body only and is checked before anything is read
//! body       = postcard of one message:   FromNode | ToNode | FromOperator | ToOperator,
//!              by who sends to whom; nothing may follow the message in its frame
//! ```
//!
//! postcard: integers as varints (signed ones zigzag), an enum as the number of its variant and its parts, texts,
//! byte strings and lists behind their length. Variants and parts are only ever added at the end, and then the
//! version of `limits` goes up.

use std::fmt;

use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::hello::{Greeting, Hello};
use crate::limits::{LABELS_MAX, NAME_BYTES_MAX, VERSION};
use crate::message::{FromNode, FromOperator, ToNode, ToOperator};

/// A limit or a rule that a message breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

/// Why bytes are no message, or a message no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// Whoever is at the other end does not speak D-Script's protocol.
    Stranger,
    Version {
        theirs: u16,
    },
    TooLong {
        bytes: usize,
        max: usize,
    },
    /// Bytes that are no message of this kind.
    NoMessage,
    Broken(Broken),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Stranger => f.write_str("the other end does not speak D-Script's protocol"),
            WireError::Version { theirs } => write!(
                f,
                "the other end speaks version {theirs} of the protocol, this program version {VERSION}; \
                 use the same release of dsvm and dsctl at both ends"
            ),
            WireError::TooLong { bytes, max } => {
                write!(f, "a message of {bytes} bytes is above the limit of {max}")
            }
            WireError::NoMessage => f.write_str("bytes came that are no message"),
            WireError::Broken(Broken(rule)) => write!(f, "a message breaks a rule: {rule}"),
        }
    }
}

impl std::error::Error for WireError {}

/// A message that can travel.
pub trait Wire: Serialize + DeserializeOwned {
    /// The body of a frame that carries it.
    const BYTES_MAX: usize;

    /// The limits and rules of the message, checked before sending and after receiving.
    fn check(&self) -> Result<(), Broken>;

    fn encode(&self) -> Result<Vec<u8>, WireError> {
        self.check().map_err(WireError::Broken)?;
        let bytes = postcard::to_stdvec(self).map_err(|_| WireError::NoMessage)?;
        if bytes.len() > Self::BYTES_MAX {
            return Err(WireError::TooLong { bytes: bytes.len(), max: Self::BYTES_MAX });
        }
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        decode_body(bytes)
    }
}

pub(crate) fn decode_body<T: Wire>(bytes: &[u8]) -> Result<T, WireError> {
    if bytes.len() > T::BYTES_MAX {
        return Err(WireError::TooLong { bytes: bytes.len(), max: T::BYTES_MAX });
    }
    match postcard::take_from_bytes::<T>(bytes) {
        Ok((message, [])) => message.check().map(|()| message).map_err(WireError::Broken),
        _ => Err(WireError::NoMessage),
    }
}

/// Takes any bytes as each kind of message; true when they are one. For fuzzing: must never panic, and never take
/// more memory than a small multiple of the bytes given.
pub fn decode_any(bytes: &[u8]) -> bool {
    let hello = Hello::decode(bytes).is_ok();
    let greeting = Greeting::decode(bytes).is_ok();
    let from_node = FromNode::decode(bytes).is_ok();
    let to_node = ToNode::decode(bytes).is_ok();
    let from_operator = FromOperator::decode(bytes).is_ok();
    let to_operator = ToOperator::decode(bytes).is_ok();
    hello || greeting || from_node || to_node || from_operator || to_operator
}

pub(crate) fn text_fits(what: &'static str, text: &str, max: usize) -> Result<(), Broken> {
    if text.len() > max { Err(Broken(what)) } else { Ok(()) }
}

pub(crate) fn count_fits(what: &'static str, count: usize, max: usize) -> Result<(), Broken> {
    if count > max { Err(Broken(what)) } else { Ok(()) }
}

pub(crate) fn labels_fit(labels: &[(String, String)]) -> Result<(), Broken> {
    count_fits("too many labels", labels.len(), LABELS_MAX)?;
    labels.iter().try_for_each(|(key, value)| {
        text_fits("a label's key is too long", key, NAME_BYTES_MAX)?;
        text_fits("a label's value is too long", value, NAME_BYTES_MAX)
    })
}

/// A list that is given up as soon as it is longer than it may be.
pub(crate) fn at_most<'de, D, T, const MAX: usize>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct AtMost<T, const MAX: usize>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for AtMost<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(next) = seq.next_element()? {
                if all.len() == MAX {
                    return Err(serde::de::Error::invalid_length(MAX + 1, &self));
                }
                all.push(next);
            }
            Ok(all)
        }
    }

    from.deserialize_seq(AtMost::<T, MAX>(std::marker::PhantomData))
}

/// Byte strings in one piece; serde would take them number by number.
pub(crate) mod bytes {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }

        from.deserialize_bytes(Bytes)
    }
}
