//! Links dsvm so that it starts fast: at a fixed address, because relocating the tables of its crates takes as long as
//! all else that it does to start a short program; with gcc's unwinder in it, which is a library less to load; and with
//! the functions that starting calls in one place, where they would be in every corner of 14 MB (`tools/order`).

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let cargo = |key: &str| env::var(key).unwrap_or_default();
    if cargo("CARGO_CFG_TARGET_OS") == "linux" && cargo("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
        if cargo("HOST") == cargo("TARGET") {
            let out = PathBuf::from(cargo("OUT_DIR"));
            if let Some(unwinder) = static_unwinder() {
                link_instead_of_libgcc_s(&unwinder, &out)?;
            }
            if cargo("PROFILE") == "release" {
                let list = PathBuf::from(cargo("CARGO_MANIFEST_DIR")).join("startup.order");
                println!("cargo:rerun-if-changed={}", list.display());
                link_in_order(&list, &out)?;
            }
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

/// Has the linker lay out functions as they are listed, where it can do that: by a script that adds a section before all
/// other code. Behind the listed ones come those that differ from them only in the hash that rustc ends a name with: it
/// is another where the code has changed. Names that there are not are skipped.
fn link_in_order(list: &Path, out: &Path) -> io::Result<()> {
    let names = fs::read_to_string(list)?;
    let without_hash = |name: &str| name.rfind("17h").map(|at| format!("{}17h*", &name[..at]));
    let mut patterns: Vec<String> = names.lines().map(str::to_owned).collect();
    let mut known = HashSet::new();
    patterns.extend(names.lines().filter_map(without_hash).filter(|pattern| known.insert(pattern.clone())));
    let sections: String =
        patterns.iter().map(|pattern| format!("    *(.text.{pattern} .text.unlikely.{pattern})\n")).collect();
    let script = out.join("startup.ld");
    fs::write(
        &script,
        format!("SECTIONS {{\n  .text.startup_order : {{\n{sections}  }}\n}} INSERT BEFORE .text;\n"),
    )?;
    let argument = format!("-Wl,-T,{}", script.display());
    let (source, program) = (out.join("probe.rs"), out.join("probe"));
    fs::write(&source, "fn main() {}\n")?;
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let mut probe = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
    probe.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut argument = OsString::from("linker=");
        argument.push(linker);
        probe.arg("-C").arg(argument);
    }
    probe.arg("-C").arg(format!("link-arg={argument}")).arg("-o").args([&program, &source]);
    if probe.output()?.status.success() && Command::new(&program).status()?.success() {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    Ok(())
}
