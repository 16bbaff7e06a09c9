//! Reading a log file from the disk: its header, the frames after a place in it, and what could not be read.
//! Used by everyone who reads: the mover, the reader, the spool.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::codec::RecordHead;
use crate::error::{Damage, LogPoolError, Result};
use crate::folder::{self, Folder, LogName};
use crate::frame::{self, FileId, Frame, HEADER_BYTES, Header, Scan, Tail};
use crate::limits::WINDOW_SLACK_BYTES;
use crate::payload::PayloadRecords;

/// A log file that is open for reading.
pub struct LogFile {
    pub name: LogName,
    pub path: PathBuf,
    pub file: File,
    id: FileId,
    header_damaged: bool,
}

/// Some of a log file's bytes.
pub struct Window {
    id: FileId,
    pub path: PathBuf,
    base: u64,
    bytes: Vec<u8>,
    header_damaged: bool,
}

impl LogFile {
    /// `None` if it is not there (any more).
    pub fn open(folder: &Folder, name: LogName) -> Result<Option<LogFile>> {
        let path = folder.log_path(name);
        let Some(file) = folder::open_existing(&path)? else { return Ok(None) };
        let header = folder::read_from(&file, &path, 0, HEADER_BYTES as u64)?;
        // The name tells as much as the header does; so a damaged header costs nothing but itself.
        let (id, header_damaged) = match frame::decode_header(&header) {
            Header::Good(id) => (id, false),
            Header::Cut => (name.id, false),
            Header::Bad => (name.id, true),
            Header::Unknown(found) => return Err(LogPoolError::Version { path, found }),
        };
        Ok(Some(LogFile { name, path, file, id, header_damaged }))
    }

    /// What is between two offsets now. The first is the end of the header or of a frame.
    pub fn read(&self, from: u64, to: u64) -> Result<Window> {
        self.read_into(Vec::new(), from, to)
    }

    fn read_into(&self, mut bytes: Vec<u8>, from: u64, to: u64) -> Result<Window> {
        let base = from.max(HEADER_BYTES as u64);
        folder::read_into(&mut bytes, &self.file, &self.path, base, to.saturating_sub(base))?;
        let header_damaged = self.header_damaged && base == HEADER_BYTES as u64;
        Ok(Window { id: self.id, path: self.path.clone(), base, bytes, header_damaged })
    }

    pub fn read_to_end(&self, from: u64) -> Result<Window> {
        self.read(from, u64::MAX)
    }

    /// What is between two offsets, at least about so many bytes of it and at least one whole frame, if there are
    /// as many; and whether that is all. What was in `buffer` is lost, its room is used.
    pub fn read_some(&self, buffer: Vec<u8>, from: u64, to: u64, bytes: usize) -> Result<(Window, bool)> {
        let from = from.max(HEADER_BYTES as u64);
        let room = (bytes + WINDOW_SLACK_BYTES) as u64;
        let window = self.read_into(buffer, from, to.min(from + room))?;
        if to <= from + room || window.len() as u64 != room {
            return Ok((window, true));
        }
        if window.frames(|_| false).1 > from {
            return Ok((window, false));
        }
        Ok((self.read_into(window.bytes, from, to)?, true))
    }
}

impl Window {
    pub fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Hands out every whole frame; `each` returns false when it has had enough. Returns what could not be read
    /// before the last one, and where and how the window ends.
    pub fn frames<'a>(&'a self, mut each: impl FnMut(Frame<'a>) -> bool) -> (Vec<Damage>, u64, Tail) {
        let mut scan = Scan::new(self.id, self.base, &self.bytes);
        for frame in scan.by_ref() {
            if !each(frame) {
                break;
            }
        }
        let header = self.header_damaged.then_some((0, HEADER_BYTES as u64));
        let skipped = header.into_iter().chain(scan.skipped.iter().copied());
        let damage = skipped.map(|(offset, bytes)| damage(&self.path, offset, bytes)).collect();
        (damage, scan.offset(), scan.tail())
    }
}

pub fn damage(path: &Path, offset: u64, bytes: u64) -> Damage {
    Damage { path: path.to_path_buf(), offset, bytes }
}

/// The records of a frame. One that is not understood, though its frame is whole, is damage.
pub fn records<'a>(path: &Path, frame: Frame<'a>, mut each: impl FnMut(RecordHead<'a>)) -> Option<Damage> {
    let mut malformed = None;
    for record in PayloadRecords::new(frame.payload) {
        match record {
            Ok(head) => each(head),
            Err(_) => malformed = Some(damage(path, frame.offset, frame.end - frame.offset)),
        }
    }
    malformed
}
