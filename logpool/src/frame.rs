//! The inside of a log file: a header and frames; how they are written, and found again in a damaged file.
//!
//! Byte map. Numbers are little-endian.
//!
//! - header, 40 bytes: magic `DSLOG\r\n\x1a`; format version (4), 4, or 3 and 2 of files whose payloads are as
//!   `payload::rows` says; part number (8); writer (16); CRC-32 of the 36 bytes before (4)
//! - frame: marker `F1 A5 C3 7E` (4); length of the payload (4); CRC-32 of the payload (4); CRC-32 of writer,
//!   part, the frame's offset in the file and the 12 bytes before (4); payload (see `codec`)
//!
//! Assumed of the disk: what was there when a sync returned stays, byte for byte, until something breaks. What
//! was written and not synced may be cut anywhere or be zeros, and nobody was told that it is kept. So an
//! incomplete or zeroed end is no damage; anything else that fails its checksum is, and the scan goes on at the
//! next whole frame. Because a frame's own checksum covers where it lies, bytes inside a payload never pass
//! for a frame, and looking for one takes linear time.
//!
//! This file works on bytes; it opens nothing.

use crate::codec::Input;

pub const HEADER_BYTES: usize = 40;
pub const FRAME_HEADER_BYTES: usize = 16;
pub const VERSION: u32 = 4;
const VERSION_OLDEST: u32 = 2;
const MAGIC: [u8; 8] = *b"DSLOG\r\n\x1a";
const MARKER: [u8; 4] = [0xf1, 0xa5, 0xc3, 0x7e];

/// Which file this is. Stated by its name and by its header; either is enough to read the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    pub part: u64,
    pub writer: u128,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Header {
    Good(FileId),
    /// Of a newer version.
    Unknown(u32),
    /// Too short to tell.
    Cut,
    Bad,
}

pub fn encode_header(id: FileId) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..20].copy_from_slice(&id.part.to_le_bytes());
    bytes[20..36].copy_from_slice(&id.writer.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..36]);
    bytes[36..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

pub fn decode_header(bytes: &[u8]) -> Header {
    let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else { return Header::Cut };
    let mut input = Input { bytes: &bytes[8..] };
    let read = (|| {
        let version = u32::from_le_bytes(input.array()?);
        let part = u64::from_le_bytes(input.array()?);
        let writer = u128::from_le_bytes(input.array()?);
        Ok::<_, crate::codec::Malformed>((
            version,
            FileId { part, writer },
            u32::from_le_bytes(input.array()?),
        ))
    })();
    match read {
        Ok((version, id, crc)) if bytes[..8] == MAGIC && crc == crc32fast::hash(&bytes[..36]) => {
            if (VERSION_OLDEST..=VERSION).contains(&version) {
                Header::Good(id)
            } else {
                Header::Unknown(version)
            }
        }
        _ => Header::Bad,
    }
}

/// The checksum of a payload, worked out before it is known where the frame will lie.
pub fn payload_crc(payload: &[u8]) -> u32 {
    crc32fast::hash(payload)
}

/// What stands before the payload in a frame that will lie at `offset` of the file.
pub fn frame_header(id: FileId, offset: u64, payload: &[u8], payload_crc: u32) -> [u8; FRAME_HEADER_BYTES] {
    let mut header = [0; FRAME_HEADER_BYTES];
    header[..4].copy_from_slice(&MARKER);
    header[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    header[8..12].copy_from_slice(&payload_crc.to_le_bytes());
    let crc = frame_crc(id, offset, &header[..12]);
    header[12..].copy_from_slice(&crc.to_le_bytes());
    header
}

fn frame_crc(id: FileId, offset: u64, first_twelve: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&id.writer.to_le_bytes());
    hasher.update(&id.part.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(first_twelve);
    hasher.finalize()
}

/// A whole frame, and where it lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub offset: u64,
    pub end: u64,
    pub payload: &'a [u8],
}

/// What is behind the last whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    Clean,
    /// A write that was cut off; nothing that was acknowledged.
    Torn,
    /// Bytes that are neither a frame nor the beginning of one.
    Bad {
        offset: u64,
        bytes: u64,
    },
}

/// Walks over the frames of a file's bytes.
pub struct Scan<'a> {
    id: FileId,
    bytes: &'a [u8],
    base: u64,
    at: usize,
    /// Offset and length of what had to be skipped between two frames.
    pub skipped: Vec<(u64, u64)>,
}

enum Found<'a> {
    Frame(Frame<'a>),
    /// Fits what the beginning of a frame would be, as far as it goes.
    Cut,
    Nothing,
}

impl<'a> Scan<'a> {
    /// `bytes` begin at `base` of the file, which is the end of its header or of a frame.
    pub fn new(id: FileId, base: u64, bytes: &'a [u8]) -> Scan<'a> {
        Scan { id, bytes, base, at: 0, skipped: Vec::new() }
    }

    /// Where the next frame is expected: behind the last one.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Call it when there is no next frame.
    pub fn tail(&self) -> Tail {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return Tail::Clean;
        }
        match self.frame_at(self.at) {
            Found::Cut => Tail::Torn,
            _ if rest.iter().all(|&byte| byte == 0) => Tail::Torn,
            _ => Tail::Bad { offset: self.offset(), bytes: rest.len() as u64 },
        }
    }

    fn frame_at(&self, at: usize) -> Found<'a> {
        let rest = &self.bytes[at..];
        let Some((header, rest)) = rest.split_first_chunk::<FRAME_HEADER_BYTES>() else {
            let known = rest.len().min(MARKER.len());
            return if rest[..known] == MARKER[..known] { Found::Cut } else { Found::Nothing };
        };
        let word = |i: usize| u32::from_le_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
        let offset = self.base + at as u64;
        if header[..4] != MARKER || word(12) != frame_crc(self.id, offset, &header[..12]) {
            return Found::Nothing;
        }
        let length = word(4) as usize;
        let Some(payload) = rest.get(..length) else { return Found::Cut };
        if payload_crc(payload) != word(8) {
            return Found::Nothing;
        }
        let end = offset + (FRAME_HEADER_BYTES + length) as u64;
        Found::Frame(Frame { offset, end, payload })
    }

    fn next_marker(&self, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at += self.bytes.get(at..)?.iter().position(|&byte| byte == MARKER[0])?;
            if self.bytes[at..].starts_with(&MARKER) {
                return Some(at);
            }
            at += 1;
        }
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let mut at = self.at;
        loop {
            if let Found::Frame(frame) = self.frame_at(at) {
                if at > self.at {
                    self.skipped.push((self.offset(), (at - self.at) as u64));
                }
                self.at = (frame.end - self.base) as usize;
                return Some(frame);
            }
            at = self.next_marker(at + 1)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: FileId = FileId { part: 3, writer: 0xabcd };

    fn file(payloads: &[&[u8]]) -> Vec<u8> {
        let mut bytes = encode_header(ID).to_vec();
        for payload in payloads {
            let offset = bytes.len() as u64;
            bytes.extend(frame_header(ID, offset, payload, payload_crc(payload)));
            bytes.extend_from_slice(payload);
        }
        bytes
    }

    fn scan(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<(u64, u64)>, Tail) {
        let mut scan = Scan::new(ID, HEADER_BYTES as u64, &bytes[HEADER_BYTES..]);
        let payloads = scan.by_ref().map(|frame| frame.payload.to_vec()).collect();
        (payloads, scan.skipped.clone(), scan.tail())
    }

    #[test]
    fn frames_come_back() {
        let bytes = file(&[b"one", b"", b"three"]);
        assert_eq!(decode_header(&bytes), Header::Good(ID));
        let (payloads, skipped, tail) = scan(&bytes);
        assert_eq!(payloads, [&b"one"[..], b"", b"three"]);
        assert!(skipped.is_empty());
        assert_eq!(tail, Tail::Clean);
    }

    #[test]
    fn a_file_cut_anywhere_loses_only_its_last_frame() {
        let whole = file(&[b"one", b"two", b"three"]);
        let ends: Vec<usize> =
            [0, 1, 2, 3].map(|n| file(&[&b"one"[..], b"two", b"three"][..n]).len()).to_vec();
        for cut in HEADER_BYTES..=whole.len() {
            let (payloads, skipped, tail) = scan(&whole[..cut]);
            let expected = ends.iter().filter(|&&end| end <= cut).count() - 1;
            assert_eq!(payloads.len(), expected, "cut at {cut}");
            assert!(skipped.is_empty());
            assert_eq!(tail, if ends.contains(&cut) { Tail::Clean } else { Tail::Torn }, "cut at {cut}");
        }
        for cut in 0..HEADER_BYTES {
            assert_eq!(decode_header(&whole[..cut]), Header::Cut);
        }
    }

    #[test]
    fn a_changed_byte_costs_one_frame_and_is_noticed() {
        let whole = file(&[b"one", b"two", b"three"]);
        let last = file(&[b"one", b"two"]).len();
        for at in HEADER_BYTES..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            let (payloads, skipped, tail) = scan(&bytes);
            assert_eq!(payloads.len(), 2, "byte {at}");
            let noticed = if at < last { skipped.len() == 1 } else { matches!(tail, Tail::Bad { .. }) };
            assert!(noticed, "byte {at}: {skipped:?} {tail:?}");
        }
        for at in 0..HEADER_BYTES {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            assert_eq!(decode_header(&bytes), Header::Bad, "byte {at}");
        }
    }

    #[test]
    fn a_frame_in_a_payload_is_no_frame() {
        let inner = file(&[b"inner"]);
        let mut bytes = file(&[&inner, b"after"]);
        bytes[HEADER_BYTES + 2] ^= 1;
        let (payloads, skipped, _) = scan(&bytes);
        assert_eq!(payloads, [b"after"]);
        assert_eq!(skipped.len(), 1);
    }

    #[test]
    fn zeros_at_the_end_are_a_torn_write() {
        let mut bytes = file(&[b"one"]);
        bytes.resize(bytes.len() + 5000, 0);
        let (payloads, skipped, tail) = scan(&bytes);
        assert_eq!((payloads.len(), skipped.len(), tail), (1, 0, Tail::Torn));
    }

    #[test]
    fn newer_files_are_recognised() {
        let mut bytes = encode_header(ID);
        bytes[8] = 9;
        let crc = crc32fast::hash(&bytes[..36]).to_le_bytes();
        bytes[36..].copy_from_slice(&crc);
        assert_eq!(decode_header(&bytes), Header::Unknown(9));
    }
}
