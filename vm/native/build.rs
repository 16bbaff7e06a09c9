//! Names this state of the engine: a hash of the sources that machine code depends on. Code from another state is not
//! used (`ahead.rs`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn sources(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else {
            let text = fs::read(&path)?;
            found.insert(path, text);
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut hasher = blake3::Hasher::new();
    for part in ["src", "../interp/src", "../bytecode/src"] {
        println!("cargo:rerun-if-changed={part}");
        let mut found = BTreeMap::new();
        sources(&root.join(part), &mut found)?;
        for text in found.values() {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text);
        }
    }
    println!("cargo:rustc-env=ENGINE_STATE={}", hasher.finalize());
    Ok(())
}
