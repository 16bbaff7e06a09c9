//! Source roots: which files belong together, and where modules are on disk.
//!
//! As for `dsc check`, a file's source root is the nearest folder above with a `dscript.toml`, else its own folder. Of
//! a folder with a `dscript.toml` every module is loaded; of another one those beside the file and what they import.

use crate::Hooks;
use crate::uri;
use dscript_bytecode::image::Script;
use dscript_compiler::session::Session;
use dscript_compiler::{ScriptProblem, Sources};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files of a source root that are loaded; beyond it only what open files import.
const FILES_MAX: usize = 5_000;
/// Files beside a file without a `dscript.toml` that are loaded.
const BESIDE_MAX: usize = 500;
/// A larger file is no module.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Folders below a source root that are looked into.
const FOLDERS_MAX: usize = 2_000;

pub struct Root {
    pub place: Place,
    /// It has a `dscript.toml`.
    pub is_project: bool,
    /// What was loaded, by module path.
    pub loaded: BTreeSet<String>,
}

/// The modules of a source root.
pub struct Program {
    pub root: Root,
    pub session: Session,
}

/// Where a source root is; what a module's address is made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Folder(PathBuf),
    /// A text without a file, by its address.
    Loose(String),
    /// The library's own files, where they were written for editors.
    Library,
}

impl Place {
    /// The root and the module that an address stands for.
    pub fn of(address: &str) -> (Place, String) {
        let Some(path) = uri::to_path(address).filter(|p| p.extension().is_some_and(|e| e == "ds")) else {
            return (Place::Loose(address.to_string()), "untitled".into());
        };
        if let Some(inside) =
            library_folder().and_then(|folder| path.strip_prefix(folder).ok().map(Path::to_path_buf))
        {
            return (Place::Library, dotted(&inside));
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        let root = parent.ancestors().find(|f| f.join("dscript.toml").is_file()).unwrap_or(parent);
        let inside = path.strip_prefix(root).map(Path::to_path_buf).unwrap_or_default();
        (Place::Folder(root.to_path_buf()), dotted(&inside))
    }

    /// The address of a module's file; `None` where it has none.
    pub fn address(&self, module: &str, is_std: bool) -> Option<String> {
        if is_std {
            return library_file(module).map(|path| uri::from_path(&path));
        }
        match self {
            Place::Folder(folder) => Some(uri::from_path(&folder.join(file_of(module)))),
            Place::Loose(address) => Some(address.clone()),
            Place::Library => None,
        }
    }
}

fn dotted(inside: &Path) -> String {
    let inside = inside.with_extension("");
    let words: Vec<_> = inside.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    words.join(".")
}

fn file_of(module: &str) -> String {
    format!("{}.ds", module.replace('.', "/"))
}

/// Where the library's files are written, so that editors can show them.
fn library_folder() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let base = etcetera::choose_base_strategy().ok()?.cache_dir();
    Some(base.join("dscript").join(concat!("library-", env!("CARGO_PKG_VERSION"))))
}

/// The file of a module of std, written if it is not there as it should be. It can be read only.
fn library_file(module: &str) -> Option<PathBuf> {
    let name = file_of(module);
    let source = dscript_std::FILES.iter().find(|f| f.path == name)?;
    let path = library_folder()?.join(&name);
    if fs::read(&path).is_ok_and(|known| known == source.text.as_bytes()) {
        return Some(path);
    }
    fs::create_dir_all(path.parent()?).ok()?;
    // Another server may be writing the same: a whole file takes the place of what is there.
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&fresh, source.text).ok()?;
    let mut permissions = fs::metadata(&fresh).ok()?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&fresh, permissions).ok()?;
    fs::rename(&fresh, &path).ok()?;
    Some(path)
}

/// Texts that are open, by module path.
pub type Open = BTreeMap<String, String>;

impl Program {
    /// Loads a source root; open texts come before those on disk.
    pub fn load(place: Place, open: &Open) -> Program {
        let is_project = matches!(&place, Place::Folder(f) if f.join("dscript.toml").is_file());
        let root = Root { place, is_project, loaded: BTreeSet::new() };
        let mut program = Program { root, session: Session::default() };
        program.reload(open);
        program
    }

    /// Reads everything again.
    pub fn reload(&mut self, open: &Open) {
        let mut found = BTreeSet::new();
        if let Place::Folder(folder) = &self.root.place {
            found = modules_below(folder, self.root.is_project);
        }
        for module in found.iter().filter(|m| !open.contains_key(*m)) {
            self.read(module);
        }
        if self.root.place != Place::Library {
            for (module, text) in open {
                self.set(module, text);
            }
        }
        let gone: Vec<String> = self
            .root
            .loaded
            .iter()
            .filter(|m| !found.contains(*m) && !open.contains_key(*m))
            .cloned()
            .collect();
        for module in gone {
            self.read(&module);
        }
        self.follow_imports(open);
    }

    pub fn set(&mut self, module: &str, text: &str) {
        let shown = match &self.root.place {
            Place::Folder(folder) => folder.join(file_of(module)).display().to_string(),
            Place::Loose(address) => address.clone(),
            Place::Library => return,
        };
        self.session.set(module, &shown, text);
        self.root.loaded.insert(module.to_string());
    }

    /// Takes a module from disk; one that is not there any more is forgotten.
    pub fn read(&mut self, module: &str) -> bool {
        let Place::Folder(folder) = &self.root.place else { return false };
        let path = folder.join(file_of(module));
        let small = fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= FILE_BYTES_MAX);
        match small.then(|| fs::read(&path)) {
            Some(Ok(bytes)) => {
                self.set(module, &String::from_utf8_lossy(&bytes));
                true
            }
            _ => {
                self.session.remove(module);
                self.root.loaded.remove(module);
                false
            }
        }
    }

    /// Loads what modules import and is not loaded.
    pub fn follow_imports(&mut self, open: &Open) {
        let mut ask: Vec<String> = self.root.loaded.iter().cloned().collect();
        while let Some(module) = ask.pop() {
            for wanted in self.session.imports(&module) {
                if !self.session.has(&wanted) && !open.contains_key(&wanted) && self.read(&wanted) {
                    ask.push(wanted);
                }
            }
        }
    }
}

fn modules_below(folder: &Path, deep: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![(folder.to_path_buf(), String::new())];
    let limit = if deep { FILES_MAX } else { BESIDE_MAX };
    let mut seen = 0;
    while let Some((folder, prefix)) = folders.pop() {
        seen += 1;
        if seen > FOLDERS_MAX {
            break;
        }
        // A folder that cannot be read has no modules.
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let mut entries: Vec<_> = entries.flatten().map(|e| (e.file_name(), e)).collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, entry) in entries {
            let name = name.to_string_lossy().into_owned();
            let Ok(kind) = entry.file_type() else { continue };
            if name.starts_with('.') || found.len() >= limit {
                continue;
            }
            if kind.is_dir() && deep {
                folders.push((entry.path(), format!("{prefix}{name}.")));
            } else if let Some(stem) = name.strip_suffix(".ds").filter(|_| kind.is_file()) {
                found.insert(format!("{prefix}{stem}"));
            }
        }
    }
    found
}

/// What the compiler may ask for beside the texts.
pub struct Disk<'r> {
    pub place: &'r Place,
    pub modules: &'r BTreeSet<String>,
    pub hooks: Hooks,
}

impl Sources for Disk<'_> {
    fn read(&self, _path: &str) -> Option<(String, Vec<u8>)> {
        None
    }

    fn script(&self, module: &str, name: &str) -> Result<Script, ScriptProblem> {
        match self.place {
            Place::Folder(folder) => (self.hooks.script)(folder, module, name),
            Place::Loose(_) | Place::Library => Err(ScriptProblem::Missing(name.to_owned())),
        }
    }

    fn paths(&self) -> Vec<String> {
        self.modules.iter().map(|m| file_of(m)).collect()
    }
}
