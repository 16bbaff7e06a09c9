//! The operator's commands: each asks the controller one thing and prints the answer.

pub mod nodes;
pub mod runs;
pub mod ship;
pub mod token;

/// The exit status of a command; why it could not be done goes to standard error.
pub fn done(result: Result<i32, String>) -> i32 {
    result.unwrap_or_else(|why| {
        eprintln!("dsctl: {why}");
        2
    })
}

/// An answer that this command did not ask for.
fn strange() -> String {
    "the controller gave an answer that does not fit the question; use the same release at both ends".into()
}
