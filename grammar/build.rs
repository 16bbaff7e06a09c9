//! Generates the parser from `src/dscript.lalrpop`.
//!
//! The generated tables are driven by `src/driver.rs` instead of lalrpop's own driver, which knows only one kind of
//! recovery; the one call that starts a driver is redirected here. So that the driver need not call code that only
//! moves a value (`Add = Mul`, a dozen times for each operand), those reductions are listed beside the tables.

use std::collections::HashSet;
use std::fmt::Write as _;
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
    write_if_changed(&out.join("passing.rs"), &passing(&generated))?;
    Ok(())
}

/// The table `PASSING`: by number of the reduction, the nonterminal it makes of the one value it takes, if that stays as
/// it is.
fn passing(generated: &str) -> String {
    let functions = || generated.split("\n    fn __reduce").skip(1).filter_map(|f| f.split_once('<'));
    let unchanged = actions_that_return_their_argument(generated);
    let mut table = Vec::new();
    for (number, body) in functions() {
        let Ok(number) = number.parse::<usize>() else { continue };
        let body = body.split("\n    }").next().unwrap_or_default();
        assert_eq!(number, table.len(), "lalrpop numbers reductions in order");
        table.push(passed(body, &unchanged));
    }
    assert!(table.iter().flatten().count() > 10, "the levels of expressions pass values on");
    let mut text = format!("const PASSING: [Option<u16>; {}] = [\n", table.len());
    for entry in table {
        let _ = writeln!(text, "    {entry:?},");
    }
    text + "];\n"
}

/// Numbers of the actions whose body is their one value.
fn actions_that_return_their_argument(generated: &str) -> HashSet<&str> {
    let actions = generated.split("\nfn __action").skip(1).filter_map(|f| f.split_once('<'));
    actions
        .filter(|(_, body)| {
            let body = body.split("\n}").next().unwrap_or_default();
            body.split_once("\n{\n").is_some_and(|(_, block)| block.trim() == "__0")
        })
        .map(|(number, _)| number)
        .collect()
}

/// The nonterminal, if the reduction takes one symbol of a kind, and puts it back as the same kind unchanged.
fn passed(body: &str, unchanged: &HashSet<&str>) -> Option<u16> {
    let lines: Vec<&str> = body.lines().map(str::trim).collect();
    let kind = lines
        .iter()
        .find_map(|l| l.strip_prefix("let __sym0 = __pop_Variant")?.strip_suffix("(__symbols);"))?;
    let action = lines
        .iter()
        .find_map(|l| l.strip_prefix("let __nt = super::__action")?.split_once("::<>(cx, __sym0);"))?;
    let puts_back = format!("__symbols.push((__start, __Symbol::Variant{kind}(__nt), __end));");
    if !unchanged.contains(action.0) || !lines.contains(&puts_back.as_str()) {
        return None;
    }
    lines.iter().find_map(|l| l.strip_prefix("(1, ")?.strip_suffix(')')?.parse().ok())
}

fn write_if_changed(path: &Path, text: &str) -> std::io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text)
}
