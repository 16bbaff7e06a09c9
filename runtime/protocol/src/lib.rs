//! What controller, nodes and operators agree upon: messages, versions, limits, and how both sides keep what
//! they decided. No sockets: whoever holds a connection reads frames and hands their bodies to this crate.

pub mod codec;
mod flat;
pub mod folder;
pub mod hello;
pub mod ids;
pub mod journal;
pub mod limits;
pub mod message;
pub mod selector;
pub mod signals;
pub mod units;

pub use codec::{Wire, WireError, decode_any};
pub use hello::{Greeting, Hello, NodeHello};
pub use ids::{ImageHash, NodeId, RunId, RunPrefix, Secret};
