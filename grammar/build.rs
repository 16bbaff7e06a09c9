//! Generates the parser from `src/dscript.lalrpop`.
//!
//! The generated tables are driven by `src/driver.rs` instead of lalrpop's own driver, which knows only one kind of
//! recovery; the one call that starts a driver is redirected here.

use std::path::{Path, PathBuf};
use std::{env, fs};

const CALL: &str = "__state_machine::Parser::drive(";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    lalrpop::Configuration::new()
        .set_in_dir("src")
        .set_out_dir(&out)
        .emit_rerun_directives(true)
        .process()?;
    let generated = fs::read_to_string(out.join("dscript.rs"))?;
    assert_eq!(generated.matches(CALL).count(), 1, "lalrpop starts its driver in one place");
    let redirected = generated.replace(CALL, "crate::driver::drive(cx, ");
    write_if_changed(&out.join("parser.rs"), &redirected)?;
    Ok(())
}

fn write_if_changed(path: &Path, text: &str) -> std::io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text)
}
