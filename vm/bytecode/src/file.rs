//! The image file.
use crate::image::Image;

pub type Hash = [u8; 32];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError(String);

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FileError {}

impl Image {
    /// The file of this image; the same image gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        unreachable!("not written yet")
    }
    pub fn from_bytes(_bytes: &[u8]) -> Result<Image, FileError> {
        unreachable!("not written yet")
    }
    /// What signatures sign and what names the program.
    pub fn content_hash(&self) -> Hash {
        unreachable!("not written yet")
    }
}

/// The content hash of a file, which must be whole.
pub fn content_hash(_bytes: &[u8]) -> Result<Hash, FileError> {
    unreachable!("not written yet")
}

/// For tests and fuzzing: makes the hashes right again after bytes were changed.
pub fn rehash(_bytes: &mut Vec<u8>) {
    unreachable!("not written yet")
}
