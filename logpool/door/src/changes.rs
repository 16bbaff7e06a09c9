//! The log of changes. A group of changes is durable when its frame is on disk, which is one write at the end of a file
//! and one sync; what the changes make of the table is written later, many groups at once.
//!
//! Byte map of `items-GENERATION.log`, numbers little-endian: frames, each the length of its payload (4), the CRC-32 of the
//! payload (4), and the payload: the last cas (8), the time of a flush (8), how many items there are (8), and for each change the length of its key
//! (2), the key, the length of the data plus one (4), or 0 for an item that is gone, and the data.
//!
//! The first change has no key, and 8 bytes of data: what all items and their keys take. Older versions wrote none such.
//!
//! What is behind the last whole frame was never acknowledged. A generation is begun anew when what the ones before it
//! hold goes into the table, and after a write that failed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Changes of one group, on their way into a frame.
#[derive(Default)]
pub struct Frame {
    bytes: Vec<u8>,
}

const HEADER_BYTES: usize = 8;
const PREFIX_BYTES: usize = HEADER_BYTES + 24;
/// How the change without a key begins.
const EXTENT: [u8; 6] = [0, 0, 9, 0, 0, 0];

impl Frame {
    pub fn new() -> Frame {
        let mut frame = Frame { bytes: vec![0; PREFIX_BYTES] };
        frame.push(b"", Some(&[0; 8]));
        frame
    }

    /// `None` for an item that is gone. Keys and data are within the door's limits.
    pub fn push(&mut self, key: &[u8], data: Option<&[u8]>) {
        self.bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(key);
        let length = data.map_or(0, |data| data.len() as u32 + 1);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(data.unwrap_or_default());
    }

    fn finish(mut self, after: After) -> Vec<u8> {
        let After { cas, flush, count, bytes } = after;
        let numbers = [cas.to_le_bytes(), flush.to_le_bytes(), count.to_le_bytes()];
        self.bytes[HEADER_BYTES..PREFIX_BYTES].copy_from_slice(numbers.as_flattened());
        let extent = PREFIX_BYTES + EXTENT.len();
        self.bytes[extent..extent + 8].copy_from_slice(&bytes.unwrap_or_default().to_le_bytes());
        let payload = &self.bytes[HEADER_BYTES..];
        let (length, crc) = (payload.len() as u32, crc32fast::hash(payload));
        self.bytes[..4].copy_from_slice(&length.to_le_bytes());
        self.bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        self.bytes
    }
}

/// How things are after a group of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    pub cas: u64,
    pub flush: i64,
    pub count: u64,
    /// Of all items and their keys; `None` where an older version has not said it.
    pub bytes: Option<u64>,
}

/// A generation that is being written.
pub struct ChangeLog {
    file: File,
    bytes: u64,
}

impl ChangeLog {
    pub fn create(dir: &Path, generation: u64) -> io::Result<ChangeLog> {
        let file = File::create(path(dir, generation))?;
        File::open(dir)?.sync_all()?;
        Ok(ChangeLog { file, bytes: 0 })
    }

    /// Returns when it is durable, with how many bytes that were. After an error this generation must not be written on:
    /// what a failed sync left behind is not known.
    pub fn append(&mut self, frame: Frame, after: After) -> io::Result<u64> {
        let bytes = frame.finish(after);
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(why) = written {
            // Should that fail too, it is changes that nobody was promised.
            let _ = self.file.set_len(self.bytes);
            return Err(why);
        }
        self.bytes += bytes.len() as u64;
        Ok(bytes.len() as u64)
    }
}

/// What a frame says.
pub struct Replayed<'a> {
    pub after: After,
    changes: &'a [u8],
}

impl<'a> Iterator for Replayed<'a> {
    /// Key, and data unless the item is gone.
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.changes.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let (length, rest) = rest.split_first_chunk()?;
        let (data, rest) = match u32::from_le_bytes(*length).checked_sub(1) {
            None => (None, rest),
            Some(length) => {
                let (data, rest) = rest.split_at_checked(length as usize)?;
                (Some(data), rest)
            }
        };
        self.changes = rest;
        Some((key, data))
    }
}

/// Hands out every frame from a generation on, in order, and gives the generation after the last and the bytes of the
/// frames.
pub fn replay(
    dir: &Path,
    from: u64,
    mut each: impl FnMut(Replayed) -> io::Result<()>,
) -> io::Result<(u64, u64)> {
    let (mut next, mut total) = (from, 0);
    for generation in generations(dir)?.into_iter().filter(|generation| *generation >= from) {
        let mut bytes = Vec::new();
        File::open(path(dir, generation))?.read_to_end(&mut bytes)?;
        let mut rest = &bytes[..];
        while let Some((payload, after)) = frame(rest) {
            let (numbers, changes) = payload.split_at(PREFIX_BYTES - HEADER_BYTES);
            let (numbers, _) = numbers.as_chunks::<8>();
            let number = |at: usize| u64::from_le_bytes(numbers[at]);
            let extent = changes.strip_prefix(&EXTENT).and_then(<[u8]>::split_first_chunk::<8>);
            let changes = extent.map_or(changes, |(_, changes)| changes);
            let bytes = extent.map(|(bytes, _)| u64::from_le_bytes(*bytes));
            let state = After { cas: number(0), flush: number(1) as i64, count: number(2), bytes };
            each(Replayed { after: state, changes })?;
            rest = after;
        }
        total += (bytes.len() - rest.len()) as u64;
        next = generation + 1;
    }
    Ok((next, total))
}

/// The payload of the first frame, if it is whole, and what is behind it.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (crc, rest) = rest.split_first_chunk()?;
    let (payload, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let whole =
        payload.len() >= PREFIX_BYTES - HEADER_BYTES && crc32fast::hash(payload) == u32::from_le_bytes(*crc);
    whole.then_some((payload, rest))
}

/// Deletes the generations before one.
pub fn forget(dir: &Path, before: u64) -> io::Result<()> {
    for generation in generations(dir)?.into_iter().filter(|generation| *generation < before) {
        fs::remove_file(path(dir, generation))?;
    }
    Ok(())
}

fn generations(dir: &Path) -> io::Result<Vec<u64>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("items-")?.strip_suffix(".log"));
        all.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    all.sort_unstable();
    Ok(all)
}

fn path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("items-{generation:08}.log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Said = Vec<(After, Vec<(Vec<u8>, Option<Vec<u8>>)>)>;

    fn said(dir: &Path, from: u64) -> (Said, u64) {
        let mut said = Said::new();
        let (next, _) = replay(dir, from, |frame| {
            let after = frame.after;
            let changes = frame.map(|(key, data)| (key.to_vec(), data.map(<[u8]>::to_vec)));
            said.push((after, changes.collect()));
            Ok(())
        })
        .unwrap();
        (said, next)
    }

    #[test]
    fn a_log_cut_anywhere_has_its_whole_frames() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        let after = |cas| After { cas, flush: -1, count: 7, bytes: Some(100 + cas) };
        let mut log = ChangeLog::create(dir, 3).unwrap();
        let mut ends = vec![0];
        for n in 0..3u8 {
            let mut frame = Frame::new();
            frame.push(&[n], Some(&[n; 5]));
            frame.push(b"gone", None);
            frame.push(b"", Some(b""));
            ends.push(ends[usize::from(n)] + log.append(frame, after(n.into())).unwrap());
        }
        let (all, next) = said(dir, 0);
        assert_eq!((all.len(), next), (3, 4));
        let changes = vec![(vec![1], Some(vec![1; 5])), (b"gone".to_vec(), None), (vec![], Some(vec![]))];
        assert_eq!(all[1], (after(1), changes));
        let whole = fs::read(path(dir, 3)).unwrap();
        for cut in 0..whole.len() {
            fs::write(path(dir, 3), &whole[..cut]).unwrap();
            let frames = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
            assert_eq!(said(dir, 0).0, all[..frames], "cut at {cut}");
            // Zeros, as a file system may leave them.
            let mut zeros = whole[..cut].to_vec();
            zeros.resize(whole.len() + 100, 0);
            fs::write(path(dir, 3), &zeros).unwrap();
            assert!(said(dir, 0).0.starts_with(&all[..frames]));
            assert!(all.starts_with(&said(dir, 0).0));
        }
        ChangeLog::create(dir, 4).unwrap();
        assert_eq!(said(dir, 4), (vec![], 5));
        forget(dir, 4).unwrap();
        assert_eq!(generations(dir).unwrap(), [4]);
    }
}
