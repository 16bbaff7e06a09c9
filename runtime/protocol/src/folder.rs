//! Where things lie in a data folder, and the few ways in which the fleet writes small files there.
//!
//! ```text
//! DATA/                     the LogPool's files (crate logpool)
//! DATA/controller/          journal, images/, address, operator-secret, lock     (dsctl serve)
//! DATA/node/                journal, images/, identity, lock, and a LogPool of the node's own (dsvm node)
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

/// The data folder: as told, else `$DSCRIPT_DATA`, else `dscript` in the user's data folder.
pub fn data_folder(told: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = told {
        return Ok(path.to_owned());
    }
    if let Some(path) = std::env::var_os("DSCRIPT_DATA").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    etcetera::choose_base_strategy().map(|base| base.data_dir().join("dscript")).map_err(|_| {
        "there is no home folder to keep data in; name a folder with --data or DSCRIPT_DATA".to_owned()
    })
}

/// As `data_folder`, to read what is there: a folder that was named must exist.
pub fn existing_data_folder(told: Option<&Path>) -> Result<PathBuf, String> {
    let folder = data_folder(told)?;
    if told.is_some() && !folder.is_dir() {
        return Err(format!("there is no data folder {}", folder.display()));
    }
    Ok(folder)
}

pub fn controller_folder(data: &Path) -> PathBuf {
    data.join("controller")
}

pub fn node_folder(data: &Path) -> PathBuf {
    data.join("node")
}

/// The address that the controller listens on, as text; it is there while the controller is.
pub fn address_file(data: &Path) -> PathBuf {
    controller_folder(data).join("address")
}

/// What makes whoever can read it an operator.
pub fn operator_secret_file(data: &Path) -> PathBuf {
    controller_folder(data).join("operator-secret")
}

/// Makes a folder (and those above it) that only its owner can look into.
pub fn make_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file that only its owner can read, whole or not at all, and durably.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_folder_of(path)
}

/// Makes the coming and going of names in a file's folder durable.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
