//! Files that are read as a whole. A large text goes to the heap of the program in pieces, as it is read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use dscript_interp::Held;
use dscript_interp::native::{Failure, OutsideCall};
use dscript_interp::value::{ErrorValue, Value};
use tokio::sync::mpsc;

use super::{FILE_BYTES_MAX, Patient, failed, may, open_to_read, too_large, with_path_patiently};
use crate::natives::{Wanted, start_thread, state, wanted};

/// What is read of a file at once whose size nobody knows, at first.
const PART_BYTES: u64 = 64 << 10;
/// A plain file of so many bytes is read in pieces.
const PIECES_LEAST: u64 = 1 << 20;
/// A piece stays in a cache until it is copied.
const PIECE_BYTES: u64 = 256 << 10;
/// Pieces that are read before the program takes them.
const PIECES_AHEAD: usize = 1;

/// What the thread that reads a text sends.
enum Piece {
    /// A large one begins, which has so many bytes, or fewer where the file becomes shorter.
    Size(usize),
    Bytes(Vec<u8>),
    End,
    /// Any other, and what it is held with on its way to the program.
    All(Vec<u8>, Held),
    Failed(ErrorValue),
}

pub(super) fn read(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    may(call, "read", call.string(0))?;
    let (path, held) = (call.string(0).to_owned(), state(call).hold());
    let (wanted, _until_here) = wanted();
    let (sender, mut pieces) = mpsc::channel(PIECES_AHEAD);
    let work = move || {
        let last = read_text(Path::new(&path), &wanted, held, &sender);
        let last = last.unwrap_or_else(|e| Piece::Failed(failed(&e, "read", &path)));
        // Where nobody takes it, nobody wants to know.
        drop(sender.blocking_send(last));
    };
    let mut next = call.wait(async move {
        start_thread(work).await?;
        Ok::<_, ErrorValue>((pieces.recv().await, pieces))
    })??;
    loop {
        let (piece, mut pieces) = next;
        match piece.expect("work on a thread does not panic") {
            Piece::Size(bytes) if call.begin_text(bytes) => {}
            Piece::Size(_) => return Err(failed(&no_room(), "read", call.string(0)).into()),
            Piece::Bytes(bytes) => call.fill_text(&bytes),
            Piece::End => return Ok(call.end_text()),
            Piece::All(bytes, _held) => {
                let text = String::from_utf8(bytes);
                let text = text.unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
                return Ok(Value::String(text));
            }
            Piece::Failed(error) => return Err(error.into()),
        }
        next = call.wait(async move { (pieces.recv().await, pieces) })?;
    }
}

/// Sends what a large plain file holds now, in pieces; gives the last one, which is all of any other file.
fn read_text(path: &Path, wanted: &Wanted, held: Held, pieces: &mpsc::Sender<Piece>) -> io::Result<Piece> {
    let mut file = open_to_read(path)?;
    let about = file.metadata()?;
    if !about.is_file() || !(PIECES_LEAST..=FILE_BYTES_MAX).contains(&about.size()) {
        let (bytes, held) = all_from(file, wanted, held)?;
        return Ok(Piece::All(bytes, held));
    }
    let mut left = about.size();
    let mut piece = Piece::Size(left as usize);
    while pieces.blocking_send(piece).is_ok() && left > 0 {
        let mut bytes = Vec::with_capacity(left.min(PIECE_BYTES) as usize);
        let read = file.by_ref().take(left.min(PIECE_BYTES)).read_to_end(&mut bytes)? as u64;
        if read == 0 {
            break;
        }
        left -= read;
        piece = Piece::Bytes(bytes);
    }
    Ok(Piece::End)
}

pub(super) fn read_bytes(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    Ok(Value::Bytes(all_of(call)?))
}

fn all_of(call: &mut OutsideCall<'_>) -> Result<Vec<u8>, Failure> {
    let held = state(call).hold();
    let (bytes, _held) = with_path_patiently(call, "read", |path, wanted| contents(path, wanted, held))?;
    Ok(bytes)
}

/// All of a file, and what it is held with on its way to the program.
pub(super) fn contents(path: &Path, wanted: &Wanted, held: Held) -> io::Result<(Vec<u8>, Held)> {
    all_from(open_to_read(path)?, wanted, held)
}

fn all_from(file: File, wanted: &Wanted, held: Held) -> io::Result<(Vec<u8>, Held)> {
    let (size, most) = (file.metadata()?.size(), FILE_BYTES_MAX + 1);
    let from = Patient::new(file, wanted, None)?;
    let (bytes, held) = match from.waits {
        true => held_bytes(from, size, most, held)?,
        // The file itself reads into room that nobody has cleared.
        false => held_bytes(from.file, size, most, held)?,
    };
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(too_large(format!("it has more than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    Ok((bytes, held))
}

/// As many bytes as there are, about `size` as far as that is known, and not more than `most`.
pub(super) fn held_bytes(
    mut from: impl Read,
    size: u64,
    most: u64,
    mut held: Held,
) -> io::Result<(Vec<u8>, Held)> {
    let mut bytes = Vec::new();
    // One more, so that the end is found without more room.
    let mut more = size.saturating_add(1).min(most);
    loop {
        if !held.resize(bytes.len() + more as usize) {
            return Err(no_room());
        }
        bytes.reserve_exact(more as usize);
        let read = from.by_ref().take(more).read_to_end(&mut bytes)? as u64;
        let left = most - bytes.len() as u64;
        if read < more || left == 0 {
            return Ok((bytes, held));
        }
        // The kernel's files say nothing of their size, and pipes have none.
        more = (bytes.len() as u64).max(PART_BYTES).min(left);
    }
}

fn no_room() -> io::Error {
    too_large("it has more than the memory of this task has room for".into())
}
