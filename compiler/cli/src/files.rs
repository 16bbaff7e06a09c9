//! Finds source roots and modules on disk.

use dscript_bytecode::image::Script;
use dscript_bytecode::limits::SCRIPT_BYTES_MAX;
use dscript_compiler::{ScriptProblem, Sources};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Source files larger than this are not D-Script.
pub const SOURCE_BYTES_MAX: u64 = 64 << 20;

/// Entries of folders that are looked at for suggestions.
const ENTRIES_SEEN_MAX: usize = 2_000;

/// A file to compile, in its source root.
pub struct Root {
    folder: PathBuf,
    /// How the folder is shown in front of module paths.
    shown_folder: PathBuf,
    /// The folder of the file, from the source root.
    inside: PathBuf,
    /// `care.checks`
    pub module: String,
    pub shown: String,
    pub bytes: Vec<u8>,
}

/// Opens the file and finds its source root: the nearest folder above with a `dscript.toml`, else its own folder.
pub fn open(path: &Path) -> Result<Root, String> {
    open_below(path.parent().unwrap_or(Path::new("")), path)
}

/// As [`open`]; without a `dscript.toml` the source root is `folder`, which the file is in.
pub fn open_below(folder: &Path, path: &Path) -> Result<Root, String> {
    let shown = path.display().to_string();
    if path.extension().is_none_or(|e| e != "ds") {
        return Err(format!("{shown}: a D-Script source file's name ends in `.ds`"));
    }
    let bytes = read(path)?;
    let full = fs::canonicalize(path).map_err(|e| format!("{shown}: {e}"))?;
    let parent = full.parent().unwrap_or(Path::new("/"));
    let own = if folder.as_os_str().is_empty() {
        parent.to_path_buf()
    } else {
        fs::canonicalize(folder).map_err(|e| format!("{}: {e}", folder.display()))?
    };
    let root = parent.ancestors().find(|f| f.join("dscript.toml").is_file());
    let root = root.filter(|root| *root != own);
    let shown_folder = root.map_or_else(|| folder.to_path_buf(), Path::to_path_buf);
    let root = root.map_or(own, Path::to_path_buf);
    let inside = full.strip_prefix(&root).map_err(|e| format!("{shown}: {e}"))?.with_extension("");
    let words: Vec<String> =
        inside.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    let inside = inside.parent().map(Path::to_path_buf).unwrap_or_default();
    Ok(Root { folder: root, shown_folder, inside, module: words.join("."), shown, bytes })
}

/// Refuses to write over a source.
pub fn spare_sources(output: &Path) -> Result<(), String> {
    if output.extension().is_some_and(|e| e == "ds") {
        let shown = output.display();
        return Err(format!(
            "{shown} would be written over: a name that ends in `.ds` is a source's; choose another"
        ));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let meta = fs::metadata(path).map_err(|e| format!("{shown}: {e}"))?;
    if meta.is_dir() {
        return Err(format!("{shown}: is a folder; name a file (`dsc check` takes folders)"));
    }
    if meta.len() > SOURCE_BYTES_MAX {
        return Err(format!("{shown}: larger than the limit of {} MiB", SOURCE_BYTES_MAX >> 20));
    }
    fs::read(path).map_err(|e| format!("{shown}: {e}"))
}

impl Sources for Root {
    fn read(&self, path: &str) -> Option<(String, Vec<u8>)> {
        let file = self.folder.join(path);
        let bytes = read(&file).ok()?;
        Some((self.shown_folder.join(path).display().to_string(), bytes))
    }

    fn script(&self, module: &str, name: &str) -> Result<Script, ScriptProblem> {
        let inside = match module == self.module {
            true => self.inside.clone(),
            false => folder_of(module),
        };
        script_in(&self.folder, &self.shown_folder, &inside, name)
    }

    fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![(self.folder.clone(), String::new())];
        let mut seen = 0;
        while let Some((folder, prefix)) = folders.pop() {
            // A folder that cannot be read has nothing to suggest.
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten() {
                seen += 1;
                if seen > ENTRIES_SEEN_MAX {
                    return found;
                }
                let name = entry.file_name().to_string_lossy().into_owned();
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() && !name.starts_with('.') {
                    folders.push((entry.path(), format!("{prefix}{name}/")));
                } else if kind.is_file() && name.ends_with(".ds") {
                    found.push(format!("{prefix}{name}"));
                }
            }
        }
        found.sort();
        found
    }
}

/// The folder of a module, from the source root.
fn folder_of(module: &str) -> PathBuf {
    PathBuf::from(module.replace('.', "/")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A script that a module of a source root embeds.
pub fn script(root: &Path, module: &str, name: &str) -> Result<Script, ScriptProblem> {
    script_in(root, root, &folder_of(module), name)
}

/// A script in the folder `inside` of a source root, which is shown as `shown_root`.
fn script_in(root: &Path, shown_root: &Path, inside: &Path, name: &str) -> Result<Script, ScriptProblem> {
    let path = inside.join(name);
    let shown = shown_root.join(&path).display().to_string();
    let unreadable = |why: std::io::Error| ScriptProblem::Unreadable(format!("{shown}: {why}"));
    let own = fs::canonicalize(root.join(inside)).map_err(unreadable)?;
    let file = match fs::canonicalize(root.join(&path)) {
        Ok(file) => file,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            return Err(ScriptProblem::Missing(shown));
        }
        Err(why) => return Err(unreadable(why)),
    };
    if !file.starts_with(&own) {
        return Err(ScriptProblem::Outside);
    }
    if !fs::metadata(&file).map_err(unreadable)?.is_file() {
        return Err(ScriptProblem::Unreadable(format!("{shown} is not a file")));
    }
    let mut bytes = Vec::new();
    let open = fs::File::open(&file).map_err(unreadable)?;
    open.take(SCRIPT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > SCRIPT_BYTES_MAX {
        return Err(ScriptProblem::TooLarge);
    }
    let words: Vec<_> = path.components().map(|c| c.as_os_str().to_string_lossy()).collect();
    Ok(Script { name: words.join("/"), bytes })
}

/// Every source file that the paths name: files as they are, folders with all below, in order.
pub fn all(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let missing: Vec<String> =
        paths.iter().filter(|path| !path.exists()).map(|path| path.display().to_string()).collect();
    if !missing.is_empty() {
        return Err(format!("{}: there is no such file or folder", missing.join(", ")));
    }
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

/// "1 file", "3 files"
pub fn counted(count: usize) -> String {
    format!("{count} file{}", if count == 1 { "" } else { "s" })
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let shown = folder.display();
    let entries = fs::read_dir(folder).map_err(|e| format!("{shown}: {e}"))?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|e| format!("{shown}: {e}"))?.path());
    }
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() && !path.is_symlink() {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "ds") {
            found.push(path);
        }
    }
    Ok(())
}
