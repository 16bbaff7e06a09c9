//! Links dsvm so that it starts fast: at a fixed address, because relocating the tables of its crates takes as long as
//! all else that it does to start a short program, and with gcc's unwinder in it, which is a library less to load.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let cargo = |key: &str| env::var(key).unwrap_or_default();
    if cargo("CARGO_CFG_TARGET_OS") == "linux" && cargo("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
        if cargo("HOST") == cargo("TARGET")
            && let Some(unwinder) = static_unwinder()
        {
            link_instead_of_libgcc_s(&unwinder, &PathBuf::from(cargo("OUT_DIR")))?;
        }
    }
    Ok(())
}

/// Where the compiler that links has `libgcc_eh.a`, if anywhere.
fn static_unwinder() -> Option<PathBuf> {
    let asked = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output().ok()?;
    let path = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim());
    path.is_absolute().then_some(path).filter(|path| path.is_file())
}

/// The standard library asks for `-lgcc_s`, which is then found here first: a linker script that names the unwinder.
fn link_instead_of_libgcc_s(unwinder: &Path, out: &Path) -> io::Result<()> {
    let folder = out.join("unwinder");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("libgcc_s.so"), format!("INPUT(\"{}\")\n", unwinder.display()))?;
    println!("cargo:rustc-link-arg-bins=-L{}", folder.display());
    Ok(())
}
