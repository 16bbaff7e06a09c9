//! The verifier: a complete check of an image, before anything of it runs. Its time is linear in the image's size.
//!
//! What holds of a verified image, and what engines may therefore rely on:
//! - Every id, register, slot, label and count is in range; the limits of `limits` are kept.
//! - No two rows of the type table are the same structural type (all but records, classes, enums, interfaces and
//!   closures), so `String` is one id and types are equal where their ids are.
//! - A type that is not named (a list, a function ...) is finite and small when written down, so that engines may
//!   recurse on types down to named ones.
//! - A register holds at all times what its declared type says: scalars of its kind, references to an object of
//!   that type (for an interface one that implements it, for a function type a closure of it), null only where it is
//!   nullable. No register is read before it is written.
//! - Whatever an instruction dereferences is not nullable; slots and elements have the kind of the register.
//! - Every way through a function ends in `return`, `trap` or a jump to a head; what is live at a head is
//!   initialised on all ways to it.
//!
//! What it cannot know, and engines check: that a native of that name exists and has that signature; that a list or
//! code point index, a capacity, an enum's ordinal or a limit is in range (scalars are any value of their kind);
//! how deep objects nest that are compared or printed.
//!
//! Steps: counts; the type table and the shapes of its types (`types`); all other tables (`tables`, `scenario`); the head of every
//! function, then closures and implementations (`tables`), then every function's code: how registers are
//! initialised along its ways (`function`) and what each instruction asks of its operands (`rules`).

mod function;
mod rules;
mod scenario;
mod tables;
mod types;

use crate::image::Image;
use crate::limits::*;
use std::cell::Cell;
use std::fmt;
use types::Types;

/// Why an image is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// The function it is about, if it is about one.
    pub function: Option<String>,
    /// The instruction there.
    pub at: Option<u32>,
    /// One sentence, without its full stop.
    pub what: String,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(function) = &self.function {
            write!(f, "in function `{}`", function.escape_debug())?;
            if let Some(at) = self.at {
                write!(f, ", instruction {at}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for VerifyError {}

/// A check's result; the error is its sentence.
type Check<T = ()> = Result<T, String>;

/// Checks an image completely.
pub fn verify(image: &Image) -> Result<(), VerifyError> {
    let about_image = |what| VerifyError { function: None, at: None, what };
    counts(image).map_err(about_image)?;
    let types = Types::check(image).map_err(about_image)?;
    let cx = Context { image, types, work_left: Cell::new(work_max(image)) };
    tables::check(&cx).map_err(about_image)?;
    scenario::check(&cx).map_err(about_image)?;
    for f in &image.functions {
        function::check_head(&cx, f).map_err(|what| VerifyError {
            function: Some(f.name.clone()),
            at: None,
            what,
        })?;
    }
    tables::check_code_of_types(&cx).map_err(about_image)?;
    for f in &image.functions {
        function::check_code(&cx, f).map_err(|(at, what)| VerifyError {
            function: Some(f.name.clone()),
            at: Some(at as u32),
            what,
        })?;
    }
    Ok(())
}

/// What all checks share.
struct Context<'a> {
    image: &'a Image,
    types: Types<'a>,
    work_left: Cell<u64>,
}

impl Context<'_> {
    /// Pays for work that one row can make another row repeat, such as comparing what a head needs at every jump to it.
    /// Compilers stay far below the limit; it is what keeps a hostile image from taking more than linear time.
    fn spend(&self, steps: usize) -> Check {
        match self.work_left.get().checked_sub(steps as u64) {
            Some(left) => {
                self.work_left.set(left);
                Ok(())
            }
            None => Err("the image takes too long to check for its size".into()),
        }
    }
}

fn work_max(image: &Image) -> u64 {
    let per_function = |f: &crate::image::Function| {
        let heads: usize = f.heads.iter().map(|h| 1 + h.scalars.len() + h.refs.len()).sum();
        f.code.len() + f.params.len() + f.results.len() + heads
    };
    let functions: usize = image.functions.iter().map(per_function).sum();
    64 * (functions + image.types.len()) as u64 + (1 << 20)
}

fn counts(image: &Image) -> Check {
    let instructions = image.functions.iter().map(|f| f.code.len()).sum();
    for (what, count, max) in [
        ("types", image.types.len(), TYPES_MAX),
        ("constants", image.constants.len(), CONSTANTS_MAX),
        ("natives", image.natives.len(), NATIVES_MAX),
        ("statics", image.statics.len(), STATICS_MAX),
        ("functions", image.functions.len(), FUNCTIONS_MAX),
        ("instructions", instructions, INSTRUCTIONS_MAX),
        ("scripts", image.scripts.len(), SCRIPTS_MAX),
        ("signatures", image.signatures.len(), SIGNATURES_MAX),
    ] {
        if count > max {
            return Err(format!("the image has {count} {what}, {max} are allowed"));
        }
    }
    Ok(())
}

/// Names appear in reports, on terminals and in logs.
fn check_name(what: &str, name: &str) -> Check {
    if name.chars().any(char::is_control) {
        return Err(format!("the name of {what} has a control character: \"{}\"", name.escape_debug()));
    }
    Ok(())
}
