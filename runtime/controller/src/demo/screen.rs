//! Samples as they come: on a terminal a table and a chart that are drawn again in place, else line by line.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use dscript_logpool::{FieldValue, Record, value_text};

use super::chart::{bytes, sparkline};
use crate::log::show;
use crate::out;

const ROWS: usize = 10;
const CHART_WIDTH: usize = 48;
/// Of a column where rows are not drawn again.
const LINE_WIDTH: usize = 5;
/// Fields of vmstat that are bytes.
const BYTES: [&str; 4] = ["swpd", "free", "buff", "cache"];

pub struct Screen {
    json: bool,
    terminal: bool,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    busy: Vec<f64>,
    free: Vec<f64>,
    /// Lines drawn that the next drawing replaces.
    drawn: usize,
}

impl Screen {
    pub fn new(json: bool) -> Self {
        Self {
            json,
            terminal: io::stdout().is_terminal(),
            columns: Vec::new(),
            rows: Vec::new(),
            busy: Vec::new(),
            free: Vec::new(),
            drawn: 0,
        }
    }

    pub fn count(&self) -> usize {
        self.rows.len()
    }

    pub fn add(&mut self, records: Vec<Record>) -> Result<(), String> {
        if records.is_empty() {
            return Ok(());
        }
        let before = self.rows.len();
        for record in &records {
            self.take(record);
        }
        if self.json {
            return write(&show::json_lines(&records));
        }
        if self.terminal {
            let text = self.drawing();
            let up = if self.drawn > 0 { format!("\x1b[{}A\r", self.drawn) } else { String::new() };
            self.drawn = text.lines().count();
            return write(&format!("{up}\x1b[J{text}"));
        }
        let widths = vec![LINE_WIDTH; self.columns.len()];
        let mut text = String::new();
        if before == 0 {
            let _ = writeln!(text, "{}", row_text(&self.columns, &widths));
        }
        for row in &self.rows[before..] {
            let _ = writeln!(text, "{}", row_text(row, &widths));
        }
        write(&text)
    }

    /// After the last sample.
    pub fn close(&mut self) -> Result<(), String> {
        if self.json || self.rows.is_empty() {
            return Ok(());
        }
        if self.terminal { write("\n") } else { write(&format!("{}\n", self.chart())) }
    }

    fn take(&mut self, record: &Record) {
        if self.columns.is_empty() {
            self.columns.push("time".into());
            self.columns.extend(record.fields.iter().map(|(name, _)| name.to_owned()));
        }
        let mut row = vec![clock(record.time)];
        row.extend(self.columns[1..].iter().map(|name| match record.field(name) {
            Some(value) if BYTES.contains(&name.as_str()) => number(value).map_or("-".into(), bytes),
            Some(value) => value_text(value),
            None => "-".into(),
        }));
        self.rows.push(row);
        if let Some(idle) = record.field("id").and_then(number) {
            self.busy.push(100.0 - idle);
        }
        if let Some(free) = record.field("free").and_then(number) {
            self.free.push(free);
        }
    }

    fn chart(&self) -> String {
        let mut text = String::new();
        if let Some(last) = self.busy.last() {
            let _ = writeln!(text, "cpu busy {} {last:.0}%", sparkline(&self.busy, 100.0, CHART_WIDTH));
        }
        if let Some(last) = self.free.last() {
            let top = self.free.iter().copied().fold(0.0, f64::max);
            let _ = writeln!(text, "mem free {} {}", sparkline(&self.free, top, CHART_WIDTH), bytes(*last));
        }
        text
    }

    /// What stands on the terminal: no line wraps, or going back up would miss.
    fn drawing(&self) -> String {
        let width = comfy_table::Table::new().width().map_or(80, usize::from);
        let shown = &self.rows[self.rows.len().saturating_sub(ROWS)..];
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|place| {
                let cells = shown.iter().chain([&self.columns]).filter_map(|row| row.get(place));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = format!("{}\n", row_text(&self.columns, &widths));
        for row in shown {
            let _ = writeln!(text, "{}", row_text(row, &widths));
        }
        let _ = write!(text, "\n{}", self.chart());
        text.lines()
            .map(|line| format!("{}\n", line.chars().take(width.saturating_sub(1)).collect::<String>()))
            .collect()
    }
}

fn row_text(cells: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let _ = write!(text, "{cell:>width$}  ");
    }
    text.trim_end().to_owned()
}

/// That nobody reads any more ends the demonstration like any other trouble: with everything cleaned up.
fn write(text: &str) -> Result<(), String> {
    out::write(text).map_err(|why| format!("cannot write to standard output: {why}"))
}

fn number(value: &FieldValue) -> Option<f64> {
    match value {
        FieldValue::Int(value) => Some(*value as f64),
        FieldValue::Double(value) => Some(*value),
        _ => None,
    }
}

/// Hours, minutes and seconds, UTC.
fn clock(nanos: i64) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default();
    time.strftime("%H:%M:%S").to_string()
}
