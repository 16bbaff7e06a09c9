//! Id newtypes: what an instruction or a table row may point to.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($int:ty) $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub $int);

        impl $name {
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )*};
}

pub(crate) use ids;

ids! {
    /// A scalar register of the frame.
    S(u16) "s";
    /// A reference register of the frame.
    R(u16) "r";
    /// An instruction of the same function, by index.
    Label(u32) "@";
    /// A row of the image's type table.
    TypeId(u32) "type";
    /// A row of the constant table.
    ConstId(u32) "const";
    /// A row of the function table.
    FunctionId(u32) "fn";
    /// A row of the table of native instances.
    NativeId(u32) "native";
    /// A row of the table of statics.
    StaticId(u32) "static";
    /// A slot of an object, counted in its bank.
    Slot(u16) ".";
    /// A method of an interface, by its place there.
    MethodId(u16) "method";
}

/// A register of either bank, as calls list them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reg {
    S(S),
    R(R),
}

impl fmt::Debug for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reg::S(s) => s.fmt(f),
            Reg::R(r) => r.fmt(f),
        }
    }
}
