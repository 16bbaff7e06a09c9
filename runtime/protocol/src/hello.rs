//! The first frame of either side: who is there, which version it speaks, and whether it is let in.
//!
//! # Bytes
//!
//! This much never changes between versions, so that any two can tell each other that they do not fit:
//!
//! ```text
//! body = magic "DScr" (4 bytes), version u16 LE, then, of that version only:
//!        from the side that connects: postcard of `Hello`
//!        from the controller:         postcard of `Greeting`
//! ```
//!
//! Both are at most `HELLO_BYTES_MAX` long. The network is assumed to deliver bytes in order or to break; until
//! TLS is there, connections stay on loopback, as nothing here keeps a secret from who can listen.

use serde::{Deserialize, Serialize};

use crate::codec::{Broken, Wire, WireError, at_most, decode_body, labels_fit, text_fits};
use crate::ids::{NodeId, Secret};
use crate::limits::{
    HELLO_BYTES_MAX, LABELS_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX, SECRET_BYTES_MAX, VERSION,
};

const MAGIC: [u8; 4] = *b"DScr";
const PREFIX_BYTES: usize = 6;

/// What the connecting side says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hello {
    Node(NodeHello),
    /// An operator proves that it can read the controller's data folder.
    Operator {
        secret: Secret,
    },
}

/// A node makes its own id and secret and keeps them. The token lets it in the first time; from then on the
/// controller knows the secret's hash. A crash between the two leaves nothing half done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeHello {
    pub node: NodeId,
    pub secret: Secret,
    pub token: Option<Secret>,
    pub name: String,
    #[serde(deserialize_with = "at_most::<_, _, LABELS_MAX>")]
    pub labels: Vec<(String, String)>,
    /// Version of the node's software, for people.
    pub software: String,
}

/// The controller's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Greeting {
    Welcome,
    /// `again`: the same hello may be taken later (the name is connected at present); else it never will.
    Refused {
        reason: String,
        again: bool,
    },
}

impl NodeHello {
    /// A node's name goes into tables, selectors and keys of records: letters, digits and `. _ -`.
    pub fn name_is_good(name: &str) -> bool {
        !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    }
}

impl Wire for Hello {
    const BYTES_MAX: usize = HELLO_BYTES_MAX;

    fn check(&self) -> Result<(), Broken> {
        match self {
            Hello::Operator { secret } => text_fits("secret", &secret.0, SECRET_BYTES_MAX),
            Hello::Node(node) => {
                text_fits("secret", &node.secret.0, SECRET_BYTES_MAX)?;
                if let Some(token) = &node.token {
                    text_fits("token", &token.0, SECRET_BYTES_MAX)?;
                }
                text_fits("software", &node.software, NAME_BYTES_MAX)?;
                if !NodeHello::name_is_good(&node.name) {
                    return Err(Broken("a node's name is 1 to 64 letters, digits and . _ -"));
                }
                labels_fit(&node.labels)
            }
        }
    }

    fn encode(&self) -> Result<Vec<u8>, WireError> {
        encode_first(self, self.check())
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        decode_body(first_body(bytes)?)
    }
}

impl Wire for Greeting {
    const BYTES_MAX: usize = HELLO_BYTES_MAX;

    fn check(&self) -> Result<(), Broken> {
        match self {
            Greeting::Welcome => Ok(()),
            Greeting::Refused { reason, .. } => {
                text_fits("reason", reason, REASON_BYTES_MAX.min(HELLO_BYTES_MAX / 2))
            }
        }
    }

    fn encode(&self) -> Result<Vec<u8>, WireError> {
        encode_first(self, self.check())
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        decode_body(first_body(bytes)?)
    }
}

fn encode_first<T: Serialize>(message: &T, checked: Result<(), Broken>) -> Result<Vec<u8>, WireError> {
    checked.map_err(WireError::Broken)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes = postcard::to_extend(message, bytes).map_err(|_| WireError::NoMessage)?;
    if bytes.len() > HELLO_BYTES_MAX {
        return Err(WireError::TooLong { bytes: bytes.len(), max: HELLO_BYTES_MAX });
    }
    Ok(bytes)
}

fn first_body(bytes: &[u8]) -> Result<&[u8], WireError> {
    if bytes.len() > HELLO_BYTES_MAX {
        return Err(WireError::TooLong { bytes: bytes.len(), max: HELLO_BYTES_MAX });
    }
    if bytes.len() < PREFIX_BYTES || bytes[..4] != MAGIC {
        return Err(WireError::Stranger);
    }
    let theirs = u16::from_le_bytes([bytes[4], bytes[5]]);
    if theirs != VERSION {
        return Err(WireError::Version { theirs });
    }
    Ok(&bytes[PREFIX_BYTES..])
}
