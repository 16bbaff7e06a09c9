//! A database file of somebody who does not let us write to it: what a repair of it changes is kept in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use redb::StorageBackend;

const PAGE_BYTES: usize = 4096;

/// Clones are of one file.
#[derive(Clone, Debug)]
pub struct Unwritten(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: File,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    len: u64,
    /// How much of the file still counts.
    in_file: u64,
    /// What was written, by number of page.
    pages: BTreeMap<u64, Box<[u8; PAGE_BYTES]>>,
}

impl Unwritten {
    pub fn open(path: &Path) -> io::Result<Unwritten> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let state = RwLock::new(State { len, in_file: len, pages: BTreeMap::new() });
        Ok(Unwritten(Arc::new(Inner { file, state })))
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part of a page, from where it lies now.
    fn read_part(&self, state: &State, page: u64, from: usize, out: &mut [u8]) -> io::Result<()> {
        if let Some(written) = state.pages.get(&page) {
            out.copy_from_slice(&written[from..from + out.len()]);
            return Ok(());
        }
        let offset = page * PAGE_BYTES as u64 + from as u64;
        let there = state.in_file.saturating_sub(offset).min(out.len() as u64) as usize;
        let (read, rest) = out.split_at_mut(there);
        rest.fill(0);
        self.0.file.read_exact_at(read, offset)
    }
}

/// The pages that a range of bytes lies in: number, offset in the page, offset in the range and length.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let place = offset + at as u64;
        let (page, from) = (place / PAGE_BYTES as u64, (place % PAGE_BYTES as u64) as usize);
        let part = (page, from, at, (PAGE_BYTES - from).min(len - at));
        at += part.3;
        (part.3 > 0).then_some(part)
    })
}

fn within(state: &State, offset: u64, len: usize) -> io::Result<()> {
    let end = offset.checked_add(len as u64).filter(|end| *end <= state.len);
    end.map(drop).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

impl StorageBackend for Unwritten {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        within(&state, offset, out.len())?;
        for (page, from, at, len) in parts(offset, out.len()) {
            self.read_part(&state, page, from, &mut out[at..at + len])?;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.changed();
        if len < state.len {
            state.in_file = state.in_file.min(len);
            // What grows there again is zero.
            let last = len / PAGE_BYTES as u64;
            state.pages.split_off(&(last + 1));
            if let Some(page) = state.pages.get_mut(&last) {
                page[(len % PAGE_BYTES as u64) as usize..].fill(0);
            }
        }
        state.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.changed();
        within(&state, offset, data.len())?;
        for (page, from, at, len) in parts(offset, data.len()) {
            if !state.pages.contains_key(&page) {
                let mut bytes = Box::new([0; PAGE_BYTES]);
                self.read_part(&state, page, 0, &mut bytes[..])?;
                state.pages.insert(page, bytes);
            }
            let bytes = state.pages.get_mut(&page).expect("it was put there");
            bytes[from..from + len].copy_from_slice(&data[at..at + len]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let bytes: Vec<u8> = (0..10_000u32).map(|n| n as u8 | 1).collect();
        std::fs::write(&path, &bytes).unwrap();
        let over = Unwritten::open(&path).unwrap();
        let all = || {
            let mut out = vec![7; over.len().unwrap() as usize];
            over.read(0, &mut out).unwrap();
            out
        };
        let mut wanted = bytes.clone();
        assert_eq!(all(), wanted);
        for (offset, len) in [(0, 1), (4_090, 20), (4_000, 5_000), (9_999, 1)] {
            let data = vec![offset as u8; len];
            over.write(offset as u64, &data).unwrap();
            wanted[offset..offset + len].copy_from_slice(&data);
            assert_eq!(all(), wanted);
        }
        for len in [9_000, 20_000, 4_096, 0, 5_000] {
            over.set_len(len).unwrap();
            wanted.resize(len as usize, 0);
            assert_eq!(all(), wanted, "{len}");
        }
        assert!(over.read(4_999, &mut [0; 2]).is_err() && over.write(5_000, &[1]).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn a_database_whose_writer_was_killed_is_read() {
        const TABLE: redb::TableDefinition<u64, u64> = redb::TableDefinition::new("numbers");
        let dir = tempfile::tempdir().unwrap();
        let (path, killed) = (dir.path().join("live"), dir.path().join("killed"));
        let live = redb::Database::create(&path).unwrap();
        let mut write = live.begin_write().unwrap();
        write.set_quick_repair(true);
        (0..1_000).for_each(|n| drop(write.open_table(TABLE).unwrap().insert(n, 2 * n).unwrap()));
        write.commit().unwrap();
        std::fs::copy(&path, &killed).unwrap();
        let bytes = std::fs::read(&killed).unwrap();
        assert!(redb::Database::builder().open_read_only(&killed).is_err(), "it must be repaired");
        let over = Unwritten::open(&killed).unwrap();
        drop(redb::Database::builder().create_with_backend(over.clone()).unwrap());
        let database = redb::Database::builder().open_read_only_with_backend(over).unwrap();
        let read = redb::ReadableDatabase::begin_read(&database).unwrap();
        drop(database);
        let table = read.open_table(TABLE).unwrap();
        assert_eq!(table.get(999).unwrap().map(|found| found.value()), Some(1_998));
        assert!(std::fs::read(&killed).unwrap() == bytes);
    }
}
