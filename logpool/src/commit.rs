//! The files that a writer writes: a group of payloads is written with one call and synced.
//!
//! After an error nothing more is written to the file, because what a failed sync left behind is not known: it is cut
//! back to what was acknowledged and given up, and the next group begins a new one.
//!
//! A file grows with what is written to it, so each sync writes its inode, too. Zeros ahead, or an old file used again,
//! would spare that, which is a third of a sync; but zeros cost most of it again and are written as well, a file that
//! is used again changes under readers that have it open, and in neither can a write that is under way be told from
//! damage by where the file ends.
//!
//! Nothing is known here of threads, nor of who waits for what.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{LogPoolError, Result};
use crate::folder::{self, Folder, LogKind, LogName};
use crate::frame::{self, FRAME_HEADER_BYTES, FileId, HEADER_BYTES};

pub struct Options {
    pub kind: LogKind,
    pub first_part: u64,
    pub file_bytes_max: u64,
}

/// A part and how much of it is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    pub part: u64,
    pub bytes: u64,
}

/// What becomes one frame.
pub struct Payload {
    bytes: Vec<u8>,
    crc: u32,
}

impl Payload {
    pub fn new(bytes: Vec<u8>) -> Payload {
        let crc = frame::payload_crc(&bytes);
        Payload { bytes, crc }
    }

    /// Of its frame.
    pub fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.bytes.len()
    }
}

/// One writer's files, one after the other.
pub struct CommitLog {
    folder: Folder,
    kind: LogKind,
    file_bytes_max: u64,
    open: Option<OpenLog>,
    next: FileId,
    synced: Arc<Mutex<Synced>>,
}

struct OpenLog {
    file: File,
    id: FileId,
    bytes: u64,
}

impl CommitLog {
    pub fn new(folder: Folder, writer: u128, options: Options) -> CommitLog {
        let Options { kind, first_part: part, file_bytes_max } = options;
        let synced = Arc::new(Mutex::new(Synced { part, bytes: 0 }));
        let next = FileId { part, writer };
        CommitLog { folder, kind, file_bytes_max, open: None, next, synced }
    }

    /// The part that is being written, or will be next, and how much of it is on disk.
    pub fn synced(&self) -> Arc<Mutex<Synced>> {
        self.synced.clone()
    }

    /// Returns when the payloads are on disk.
    pub fn commit(&mut self, payloads: &[Payload]) -> Result<()> {
        if payloads.is_empty() {
            return Ok(());
        }
        if self.open.as_ref().is_some_and(|log| log.bytes >= self.file_bytes_max) {
            self.close();
        }
        let mut log = match self.open.take() {
            Some(log) => log,
            None => self.create()?,
        };
        let mut end = log.bytes;
        let mut frames = Vec::with_capacity(payloads.len());
        for payload in payloads {
            frames.push((frame::frame_header(log.id, end, &payload.bytes, payload.crc), &payload.bytes));
            end += payload.frame_bytes() as u64;
        }
        let mut pieces: Vec<IoSlice> =
            frames.iter().flat_map(|(header, bytes)| [IoSlice::new(header), IoSlice::new(bytes)]).collect();
        let path = self.path(log.id);
        let written = write_all(&mut log.file, &mut pieces)
            .map_err(LogPoolError::io("write to", &path))
            .and_then(|()| log.file.sync_data().map_err(LogPoolError::io("sync", &path)));
        match written {
            Ok(()) => {
                log.bytes = end;
                self.publish(log.id.part, end);
                self.open = Some(log);
            }
            Err(_) => self.give_up(log),
        }
        written
    }

    fn create(&mut self) -> Result<OpenLog> {
        let id = self.next;
        self.next.part += 1;
        let made = self.folder.create_log(LogName { id, kind: self.kind });
        let file = made.inspect_err(|_| self.publish(self.next.part, 0))?;
        self.publish(id.part, HEADER_BYTES as u64);
        Ok(OpenLog { file, id, bytes: HEADER_BYTES as u64 })
    }

    /// Cuts the file back to what was acknowledged. Should that fail as well, the rest is a torn end, or
    /// records that nobody was promised.
    fn give_up(&mut self, log: OpenLog) {
        if log.bytes == HEADER_BYTES as u64 {
            let _ = folder::remove_file(&self.path(log.id));
        } else {
            let _ = log.file.set_len(log.bytes);
        }
        drop(log);
        self.close();
    }

    fn close(&mut self) {
        self.open = None;
        self.publish(self.next.part, 0);
    }

    fn publish(&self, part: u64, bytes: u64) {
        *self.synced.lock().unwrap_or_else(PoisonError::into_inner) = Synced { part, bytes };
    }

    fn path(&self, id: FileId) -> PathBuf {
        self.folder.log_path(LogName { id, kind: self.kind })
    }
}

fn write_all(file: &mut File, mut pieces: &mut [IoSlice]) -> io::Result<()> {
    while !pieces.is_empty() {
        match file.write_vectored(pieces) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(bytes) => IoSlice::advance_slices(&mut pieces, bytes),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
