//! The grammar of capabilities.

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Capability {
    parts: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapabilityError {
    pub text: String,
    pub what: &'static str,
}

impl Capability {
    pub fn parse(_text: &str) -> Result<Capability, CapabilityError> {
        unreachable!("not written yet")
    }
    /// The first part: `exec`.
    pub fn kind(&self) -> &str {
        unreachable!("not written yet")
    }
}

/// Whether everything `wanted` allows is allowed by `pattern` too.
pub fn covers(_pattern: &Capability, _wanted: &Capability) -> bool {
    unreachable!("not written yet")
}

/// `text` as a part that means just this text.
pub fn escape(_text: &str) -> String {
    unreachable!("not written yet")
}

impl std::fmt::Display for Capability {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        unreachable!("not written yet")
    }
}

impl std::fmt::Display for CapabilityError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bad capability `{}`: {}", self.text, self.what)
    }
}

impl std::error::Error for CapabilityError {}
