//! What the commands print: tables for people, JSON for programs, times in words.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
pub use dscript_logpool::time_text as time;
use dscript_protocol::message::RunInfo;
use jiff::Timestamp;

/// A table with a heading; columns fit the terminal.
pub fn table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !io::stdout().is_terminal() {
        // What reads this is a program or a file: nothing is broken into lines.
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.set_header(heading.iter().map(|name| shown(name)));
    table
}

/// Adds a row, of which some cells may be texts that somebody else wrote.
pub fn add_row(table: &mut Table, cells: impl IntoIterator<Item = impl AsRef<str>>) {
    table.add_row(cells.into_iter().map(|cell| shown(cell.as_ref())));
}

/// A text as a terminal may have it: control characters are written as escapes.
pub fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// Writes to standard output; that nobody reads any more ends the command, and is no error.
pub fn print(text: &str) -> Result<(), String> {
    match write(text) {
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(why) => Err(format!("cannot write to standard output: {why}")),
        Ok(()) => Ok(()),
    }
}

/// As `print`, for who has to clean up before the end.
pub fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

pub fn print_table(table: &Table) -> Result<(), String> {
    let text: String = table
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end()))
        .collect();
    print(&text)
}

pub fn print_json(value: &serde_json::Value) -> Result<(), String> {
    print(&format!("{value}\n"))
}

/// For people: to the second, or the millisecond.
pub fn short_time(nanos: i64, digits: usize) -> String {
    match Timestamp::from_nanosecond(i128::from(nanos)) {
        Ok(time) => format!("{time:.digits$}"),
        Err(_) => nanos.to_string(),
    }
}

/// A run as JSON.
pub fn run_json(run: &RunInfo) -> serde_json::Value {
    let outcome = run.outcome.as_ref();
    serde_json::json!({
        "run": run.run.to_string(),
        "node": run.node,
        "label": run.label,
        "task": run.task,
        "image": run.hash.to_string(),
        "state": run.word(),
        "value": outcome.map(|outcome| outcome.ending == dscript_protocol::message::Ending::True),
        "reason": outcome.map(|outcome| outcome.reason.clone()),
        "lives": matches!(
            run.standing,
            dscript_protocol::message::Standing::Running | dscript_protocol::message::Standing::LivesOn
        ),
        "created": time(run.created),
        "started": run.started.map(time),
        "ended": outcome.map(|outcome| time(outcome.at)),
        "gone": run.gone.map(time),
        "duration_ns": run.duration(),
        "stop_asked": run.stop_asked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_a_cursor_is_escaped() {
        let mut rows = table(&["a\tb", "c"]);
        add_row(&mut rows, ["\u{1b}[31mred", "two\nlines"]);
        add_row(&mut rows, ["größer", "\u{9b}2J"]);
        let text: Vec<String> = rows.lines().collect();
        assert!(text.iter().all(|line| !line.contains(char::is_control)), "{text:?}");
        assert!(text.concat().contains("größer") && text.concat().contains("\\u{1b}[31mred"), "{text:?}");
        assert_eq!(text.len(), 3);
    }
}
