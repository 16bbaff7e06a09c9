//! The journal: an append-only file of decisions, each durable before it takes effect.
//!
//! # Bytes
//!
//! ```text
//! file   = magic "DSJ\x01", kind (4 bytes, which journal this is), frame*
//! frame  = length u32 LE, crc32 u32 LE over length and body, body
//! body   = postcard of one entry; the first may be a snapshot of everything before it
//! ```
//!
//! A process may die, and the machine may stop, at any byte: the first frame that is cut or whose checksum does
//! not fit ends the journal, and what follows is dropped when it is opened. Nothing behind a synced frame is ever
//! rewritten, so no acknowledged entry can be lost that way. A journal grown large is replaced by a new file that
//! begins with a snapshot, synced and then renamed over the old one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::folder::sync_folder_of;

const MAGIC: [u8; 4] = *b"DSJ\x01";
const HEADER_BYTES: usize = 8;
const FRAME_HEADER_BYTES: usize = 8;
/// One entry; a snapshot is the largest.
const ENTRY_BYTES_MAX: usize = 256 << 20;

/// An open journal; one process holds it, which a lock elsewhere makes sure of.
pub struct Journal {
    path: PathBuf,
    kind: [u8; 4],
    file: File,
    bytes: u64,
}

/// What lies in the bytes of a journal.
#[derive(Debug, PartialEq, Eq)]
pub struct Scanned<E> {
    pub entries: Vec<E>,
    /// Up to here the file is sound.
    pub bytes: usize,
}

impl Journal {
    /// Opens or makes the journal at `path` and gives the entries it holds.
    pub fn open<E: DeserializeOwned>(path: &Path, kind: [u8; 4]) -> io::Result<(Journal, Vec<E>)> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let scanned = scan::<E>(kind, &bytes).map_err(|why| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
        })?;
        file.set_len(scanned.bytes as u64)?;
        file.seek(SeekFrom::Start(scanned.bytes as u64))?;
        let mut journal = Journal { path: path.to_owned(), kind, file, bytes: scanned.bytes as u64 };
        if scanned.bytes == 0 {
            journal.file.write_all(&header(kind))?;
            journal.bytes = HEADER_BYTES as u64;
        }
        journal.file.sync_all()?;
        sync_folder_of(path)?;
        Ok((journal, scanned.entries))
    }

    /// Appends entries and makes them durable together. After an error the journal must not be used any more:
    /// what is in the file is not known.
    pub fn append<'e, E: Serialize + 'e>(
        &mut self,
        entries: impl IntoIterator<Item = &'e E>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        for entry in entries {
            frame(entry, &mut bytes)?;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Replaces everything by one entry, the snapshot.
    pub fn compact<E: Serialize>(&mut self, snapshot: &E) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut bytes = header(self.kind).to_vec();
        frame(snapshot, &mut bytes)?;
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        sync_folder_of(&self.path)?;
        self.file = file;
        self.bytes = bytes.len() as u64;
        Ok(())
    }
}

fn header(kind: [u8; 4]) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC);
    header[4..].copy_from_slice(&kind);
    header
}

fn frame<E: Serialize>(entry: &E, to: &mut Vec<u8>) -> io::Result<()> {
    let start = to.len();
    to.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    postcard::to_io(entry, &mut *to).map_err(io::Error::other)?;
    let length = to.len() - start - FRAME_HEADER_BYTES;
    if length > ENTRY_BYTES_MAX {
        return Err(io::Error::other(format!(
            "a journal entry of {length} bytes is above {ENTRY_BYTES_MAX}"
        )));
    }
    let length_bytes = (length as u32).to_le_bytes();
    let crc = checksum(&length_bytes, &to[start + FRAME_HEADER_BYTES..]);
    to[start..start + 4].copy_from_slice(&length_bytes);
    to[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

fn checksum(length: &[u8], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(length);
    crc.update(body);
    crc.finalize()
}

/// Reads the bytes of a journal; `Err` when it is none, or holds an entry this version does not know.
pub fn scan<E: DeserializeOwned>(kind: [u8; 4], bytes: &[u8]) -> Result<Scanned<E>, String> {
    let mut entries = Vec::new();
    if bytes.len() < HEADER_BYTES {
        // Made and never begun: the machine stopped before the header was there.
        return Ok(Scanned { entries, bytes: 0 });
    }
    if bytes[..HEADER_BYTES] != header(kind) {
        return Err("this is no journal of this version and kind; move the file away to begin anew".into());
    }
    let mut at = HEADER_BYTES;
    while let Some(body) = sound_frame(&bytes[at..]) {
        let entry = postcard::from_bytes(body).map_err(|why| {
            format!("the entry at byte {at} is sound but not of this version ({why}); use the version that wrote it")
        })?;
        entries.push(entry);
        at += FRAME_HEADER_BYTES + body.len();
    }
    Ok(Scanned { entries, bytes: at })
}

fn sound_frame(bytes: &[u8]) -> Option<&[u8]> {
    let length: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    let crc: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
    let end = FRAME_HEADER_BYTES.checked_add(u32::from_le_bytes(length) as usize)?;
    let body = bytes.get(FRAME_HEADER_BYTES..end)?;
    (checksum(&length, body) == u32::from_le_bytes(crc)).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: [u8; 4] = *b"test";

    fn sample() -> (Vec<String>, Vec<u8>) {
        let entries: Vec<String> = ["one", "", "three and more"].map(String::from).to_vec();
        let mut bytes = header(KIND).to_vec();
        for entry in &entries {
            frame(entry, &mut bytes).unwrap();
        }
        (entries, bytes)
    }

    #[test]
    fn a_cut_anywhere_gives_a_prefix() {
        let (entries, bytes) = sample();
        for cut in 0..=bytes.len() {
            let scanned = scan::<String>(KIND, &bytes[..cut]).unwrap();
            assert_eq!(scanned.entries[..], entries[..scanned.entries.len()]);
            assert!(scanned.bytes <= cut);
        }
        assert_eq!(scan::<String>(KIND, &bytes).unwrap().entries, entries);
    }

    #[test]
    fn a_flipped_byte_ends_the_journal_there() {
        let (entries, bytes) = sample();
        for place in HEADER_BYTES..bytes.len() {
            let mut bad = bytes.clone();
            bad[place] ^= 0x41;
            let scanned = scan::<String>(KIND, &bad).unwrap();
            assert!(scanned.entries.len() < entries.len());
            assert_eq!(scanned.entries[..], entries[..scanned.entries.len()]);
        }
        assert!(scan::<String>(*b"else", &bytes).is_err());
    }

    #[test]
    fn opens_torn_appends_and_compacts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (entries, bytes) = sample();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let (mut journal, found) = Journal::open::<String>(&path, KIND).unwrap();
        assert_eq!(found, entries[..2]);
        journal.append([&"new".to_owned()]).unwrap();
        drop(journal);
        let (mut journal, found) = Journal::open::<String>(&path, KIND).unwrap();
        assert_eq!(found, ["one", "", "new"]);
        journal.compact(&"all".to_owned()).unwrap();
        journal.append([&"after".to_owned()]).unwrap();
        assert_eq!(journal.bytes(), std::fs::metadata(&path).unwrap().len());
        drop(journal);
        assert_eq!(Journal::open::<String>(&path, KIND).unwrap().1, ["all", "after"]);
    }
}
