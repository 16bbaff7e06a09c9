//! The spools of a destination: `outbox/POOL=URL/N` in the data folder. A process takes the first one that nobody has
//! open for its own records; what lies in the others that nobody has open was left behind, and is brought along.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use dscript_logpool::{LogPoolError, Record, Spool, SpoolBatch, SpoolPosition, record_json};

use crate::Result;
use crate::limits::*;
use crate::url::Url;

/// The folder of a destination, by its names, so that a person finds it.
pub fn folder_name(pool: &str, url: &Url) -> String {
    let url = url.to_string();
    // What stands behind the place is how it is made.
    let text = format!("{pool}={}", url.split('?').next().unwrap_or_default());
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '=' | ':' | ',');
    let name: String = text.chars().map(|c| if plain(c) { c } else { '+' }).collect();
    let mut end = name.len().min(FOLDER_NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    // What was replaced or cut off counts too.
    format!("{}-{:08x}", &name[..end], crc32fast::hash(text.as_bytes()))
}

pub struct Outbox {
    dir: PathBuf,
    own: Opened,
    left: Vec<Opened>,
}

/// A spool, and what of it has arrived, which it is told now and then.
pub struct Opened {
    spool: Spool,
    arrived: SpoolPosition,
}

impl Opened {
    fn new(spool: Spool) -> Opened {
        Opened { arrived: spool.acknowledged(), spool }
    }

    /// The first records that have not arrived.
    pub fn next(&self) -> Result<SpoolBatch> {
        Ok(self.spool.batch_after(self.arrived, BATCH_RECORDS_MAX, BATCH_BYTES_MAX)?)
    }

    pub fn arrived(&mut self, end: SpoolPosition) {
        self.arrived = end;
    }

    pub fn acknowledge(&self) -> Result<()> {
        Ok(self.spool.acknowledge(self.arrived)?)
    }
}

impl Outbox {
    pub fn open(dir: &Path) -> Result<Outbox> {
        let mut own = None;
        let mut left = Vec::new();
        for slot in 0..SPOOLS_MAX {
            let slot = dir.join(slot.to_string());
            let there = slot.is_dir();
            if own.is_some() && !there {
                break;
            }
            match Spool::try_open(&slot)? {
                Some(spool) if own.is_none() => own = Some(Opened::new(spool)),
                Some(spool) => left.push(Opened::new(spool)),
                None => {}
            }
        }
        match own {
            Some(own) => Ok(Outbox { dir: dir.to_path_buf(), own, left }),
            None => Err(LogPoolError::InUse { path: dir.to_path_buf() }.into()),
        }
    }

    /// Where the records of this process go.
    pub fn own(&self) -> &Spool {
        &self.own.spool
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The own one last.
    pub fn all(&mut self) -> impl Iterator<Item = &mut Opened> {
        self.left.iter_mut().chain(std::iter::once(&mut self.own))
    }

    /// Lets go of what others left, once all of it has arrived.
    pub fn close_left(&mut self) -> Result<()> {
        for opened in self.left.drain(..) {
            opened.acknowledge()?;
        }
        Ok(())
    }

    /// The folder of the mirror.
    pub fn mirror_dir(&self) -> Result<PathBuf> {
        let path = self.dir.join("mirror");
        fs::create_dir_all(&path).map_err(|why| LogPoolError::Io {
            action: "make",
            path: path.clone(),
            source: why.into(),
        })?;
        Ok(path)
    }
}

/// Keeps a record that the destination never takes in the outbox's folder, where a person finds it; gives the file.
pub fn set_aside(dir: &Path, record: &Record) -> Result<PathBuf> {
    let path = dir.join("refused.jsonl");
    let failed = |why| LogPoolError::Io { action: "write to", path: path.clone(), source: why };
    let write = || {
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        file.write_all(format!("{}\n", record_json(record)).as_bytes())?;
        file.sync_data()
    };
    write().map_err(|why: std::io::Error| failed(why.into()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_names_of_their_own() {
        let name = |pool: &str, url: &str| folder_name(pool, &Url::parse(url).expect("it is a URL"));
        let first = name("vm", "memcached://127.0.0.1:11211");
        assert!(first.starts_with("vm=memcached:++127.0.0.1:11211-"), "{first}");
        assert_ne!(name("v/m", "nats://a"), name("v%m", "nats://a"));
        assert!(name(&"ü".repeat(1000), "nats://a").len() <= FOLDER_NAME_BYTES_MAX + 9);
    }

    #[test]
    fn one_process_takes_over_what_another_left() {
        let scratch = tempfile::tempdir().expect("a folder");
        let dir = scratch.path().join("x");
        let record = |seq| Record {
            pool: "p".into(),
            key: "k".into(),
            node: "n".into(),
            task: "t".into(),
            run: dscript_logpool::RunId(1),
            seq,
            time: 0,
            fields: dscript_logpool::Fields::default(),
        };
        let first = Outbox::open(&dir).expect("an outbox");
        let second = Outbox::open(&dir).expect("another one");
        first.own().append(vec![record(1)]).expect("it is kept");
        second.own().append(vec![record(2)]).expect("it is kept");
        drop(first);
        drop(second);
        let mut third = Outbox::open(&dir).expect("a third one");
        let seqs: Vec<u64> = third
            .all()
            .flat_map(|opened| opened.next().expect("records").records)
            .map(|record| record.seq)
            .collect();
        assert_eq!(seqs, [2, 1], "its own place is the first, which had 1");
        let path = set_aside(&dir, &record(3)).expect("it is kept");
        assert!(std::fs::read_to_string(path).expect("a file").contains(r#""seq":3"#));
    }
}
