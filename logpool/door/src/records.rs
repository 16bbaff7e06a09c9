//! Log records as values of keys, read-only: `POOL/KEY/NODE/TIME/RUN-SEQ` and `POOL/KEY:latest`, as JSON.

use std::path::{Path, PathBuf};

use dscript_logpool::{KeyName, Reader, record_json};

/// Finds log records by their names.
#[derive(Clone)]
pub struct Records {
    data: PathBuf,
}

impl Records {
    pub fn new(data: &Path) -> Records {
        Records { data: data.to_path_buf() }
    }

    /// `None` where the key is none of a record, or there is no such record.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String> {
        match name(key) {
            Some(name) => self.get_named(name).await,
            None => Ok(None),
        }
    }

    /// `None` where there is no such record.
    pub async fn get_named(&self, name: KeyName) -> Result<Option<Vec<u8>>, String> {
        let data = self.data.clone();
        tokio::task::spawn_blocking(move || read(&data, &name))
            .await
            .unwrap_or_else(|why| Err(format!("a thread failed: {why}")))
    }
}

/// The log record that a key names, whether there is one or not.
pub fn name(key: &[u8]) -> Option<KeyName> {
    std::str::from_utf8(key).ok().and_then(KeyName::parse)
}

fn read(data: &Path, name: &KeyName) -> Result<Option<Vec<u8>>, String> {
    let found = Reader::open(data).query(&name.query()).map_err(|why| why.to_string())?;
    let wanted = found.into_iter().find(|record| match name {
        KeyName::One { seq, .. } => record.seq == *seq,
        KeyName::Latest { .. } => true,
    });
    Ok(wanted.map(|record| record_json(&record).to_string().into_bytes()))
}
