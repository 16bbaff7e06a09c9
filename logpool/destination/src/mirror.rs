//! A LogPool on this machine that holds what was read from a destination, so that any question can be asked of it.
//!
//! Steps of a refill, which a client does: look how far it was read (`position`), add what came since, note how far that is.
//! Killed in between, the same records are added again, which stores them once. Several processes may fill one mirror.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dscript_logpool::{LogPoolError, Mover, Reader, Record, Writer};
use serde_json::Value;

use crate::Result;
use crate::limits::BATCH_RECORDS_MAX;

pub struct Mirror {
    dir: PathBuf,
    writer: Writer,
    /// How far what was read, in the words of the client.
    positions: BTreeMap<String, String>,
}

impl Mirror {
    pub fn open(dir: &Path) -> Result<Mirror> {
        let text = fs::read_to_string(dir.join("positions.json")).unwrap_or_default();
        // Without a position everything is read again.
        let json: Value = serde_json::from_str(&text).unwrap_or_default();
        let positions = json.as_object().into_iter().flatten();
        let positions = positions.filter_map(|(name, at)| Some((name.clone(), at.as_str()?.to_owned())));
        Ok(Mirror { dir: dir.to_path_buf(), writer: Writer::open(dir)?, positions: positions.collect() })
    }

    pub fn position(&self, name: &str) -> Option<&str> {
        self.positions.get(name).map(String::as_str)
    }

    /// Adds records, and when they are durable notes that they were read.
    pub fn add(&mut self, mut records: Vec<Record>, name: &str, position: String) -> Result<()> {
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(BATCH_RECORDS_MAX));
            self.writer.append(std::mem::replace(&mut records, rest))?;
        }
        self.positions.insert(name.to_owned(), position);
        let all: serde_json::Map<String, Value> =
            self.positions.iter().map(|(name, at)| (name.clone(), at.clone().into())).collect();
        let (path, new) =
            (self.dir.join("positions.json"), self.dir.join(format!("positions.{}", std::process::id())));
        fs::write(&new, Value::Object(all).to_string())
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|why| LogPoolError::Io { action: "write", path, source: why.into() })?;
        if let Some(mut mover) = Mover::try_acquire(&self.dir)? {
            mover.move_if_worth()?;
        }
        Ok(())
    }

    pub fn reader(&self) -> Reader {
        Reader::open(&self.dir)
    }
}
