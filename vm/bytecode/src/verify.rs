//! The verifier.
use crate::image::Image;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// The function it is about, if any.
    pub function: Option<String>,
    /// The instruction in it.
    pub at: Option<u32>,
    /// One sentence.
    pub what: String,
}

impl std::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for VerifyError {}

/// Checks an image completely, in linear time.
pub fn verify(_image: &Image) -> Result<(), VerifyError> {
    unreachable!("not written yet")
}
