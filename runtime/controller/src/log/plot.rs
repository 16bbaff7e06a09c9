//! Numbers over time, drawn in the terminal with braille dots: each cell is two dots wide and four high.
//!
//! What belongs together is a line: of an aggregation, an aggregate of a group; of records, a field of a pool, key
//! and node. On a terminal the lines share one chart, each in a colour; elsewhere each has a chart of its own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{self, IsTerminal};

use dscript_logpool::{FieldValue, Record, value_text};
use dscript_protocol::message::LogStats;

use crate::out;

/// Lines of one chart: as many as there are colours.
const LINES_MAX: usize = 6;
/// ANSI colours, bright enough on dark and light.
const COLOURS: [u8; LINES_MAX] = [36, 33, 35, 32, 31, 34];
const HEIGHT: usize = 12;
const WIDTH_MAX: usize = 160;
const WIDTH_OF_FILES: usize = 100;
/// A chart of less time shows milliseconds.
const SHORT_NS: i64 = 60_000_000_000;

#[derive(Debug, PartialEq)]
pub struct Line {
    pub name: String,
    /// By time, in nanoseconds since 1970.
    pub points: Vec<(i64, f64)>,
}

pub fn plot(records: &[Record], stats: Option<&LogStats>) -> Result<(), String> {
    needs_windows("--plot", stats)?;
    let lines = lines(records, stats);
    if lines.is_empty() {
        return Err("there is no number to draw".into());
    }
    if lines.len() > LINES_MAX {
        let names: Vec<&str> = lines.iter().take(LINES_MAX).map(|line| &line.name[..]).collect();
        return Err(format!(
            "{} lines are too many for a chart ({} ...): choose with --stats 'avg(us)' --every 1m, --node or --where",
            lines.len(),
            names.join(", ")
        ));
    }
    let terminal = io::stdout().is_terminal();
    let colours = terminal && std::env::var_os("NO_COLOR").is_none();
    let width = if terminal {
        comfy_table::Table::new().width().map_or(80, usize::from).min(WIDTH_MAX)
    } else {
        WIDTH_OF_FILES
    };
    let mut text = String::new();
    if colours {
        text.push_str(&chart(&lines, width, true));
    } else {
        for line in &lines {
            text.push_str(&chart(std::slice::from_ref(line), width, false));
        }
    }
    out::print(&text)
}

pub fn needs_windows(option: &str, stats: Option<&LogStats>) -> Result<(), String> {
    match stats {
        Some(LogStats { every: None, .. }) => {
            Err(format!("{option} draws over time: add --every, such as --every 1m"))
        }
        _ => Ok(()),
    }
}

pub fn lines(records: &[Record], stats: Option<&LogStats>) -> Vec<Line> {
    let mut lines: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    // The fields in front say which group it is.
    let by = stats
        .map_or(0, |stats| if stats.by.trim().is_empty() { 0 } else { stats.by.matches(',').count() + 1 });
    for record in records {
        let group: Vec<String> = match stats {
            Some(_) => record.fields.iter().take(by).map(|(_, value)| value_text(value)).collect(),
            None => vec![record.node.to_string(), record.key.to_string()],
        };
        for (name, value) in record.fields.iter().skip(by) {
            if let Some((value, unit)) = number(value) {
                let name = format!("{name}{unit}");
                let name = group.iter().chain([&name]).map(String::as_str).collect::<Vec<_>>().join(" ");
                lines.entry(name).or_default().push((record.time, value));
            }
        }
    }
    // Records come in the order that was asked for.
    let by_time = |(name, mut points): (String, Vec<(i64, f64)>)| {
        points.sort_by_key(|(time, _)| *time);
        Line { name, points }
    };
    lines.into_iter().map(by_time).collect()
}

/// What is drawn of a value, and what its line's name says of the unit.
fn number(value: &FieldValue) -> Option<(f64, &'static str)> {
    match value {
        FieldValue::Int(value) => Some((*value as f64, "")),
        FieldValue::Double(value) if value.is_finite() => Some((*value, "")),
        FieldValue::Duration(value) => Some((*value as f64 / 1e9, " (s)")),
        _ => None,
    }
}

/// Dots of one line: for each column of cells and each row a pattern.
struct Canvas {
    width: usize,
    cells: Vec<u8>,
}

/// The bit of a dot in a braille pattern, by its column and row in the cell.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

impl Canvas {
    fn new(width: usize) -> Canvas {
        Canvas { width, cells: vec![0; width * HEIGHT] }
    }

    /// `y` counts from the top.
    fn dot(&mut self, x: usize, y: usize) {
        self.cells[y / 4 * self.width + x / 2] |= DOTS[x % 2][y % 4];
    }

    fn line(&mut self, (x0, y0): (usize, usize), (x1, y1): (usize, usize)) {
        let steps = x0.abs_diff(x1).max(y0.abs_diff(y1)).max(1);
        let between = |a: usize, b: usize, step: usize| {
            (a as f64 + (b as f64 - a as f64) * step as f64 / steps as f64).round() as usize
        };
        for step in 0..=steps {
            self.dot(between(x0, x1, step), between(y0, y1, step));
        }
    }
}

fn chart(lines: &[Line], width: usize, colours: bool) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let (first, last) = points().fold((i64::MAX, i64::MIN), |(a, b), (time, _)| (a.min(time), b.max(time)));
    let (least, most) =
        points().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), (_, value)| (a.min(value), b.max(value)));
    let (bottom, top) = if least == most { (least - 1.0, most + 1.0) } else { (least, most) };
    let labels = labels([top, (top + bottom) / 2.0, bottom]);
    let margin = labels.iter().map(String::len).max().unwrap_or(0);
    let cells = width.saturating_sub(margin + 2).max(10);
    let place = |(time, value): (i64, f64)| {
        let across = (time.saturating_sub(first)) as f64 / (last.saturating_sub(first)).max(1) as f64;
        let up = (value - bottom) / (top - bottom);
        let x = (across * (cells * 2 - 1) as f64).round() as usize;
        let y = ((1.0 - up) * (HEIGHT * 4 - 1) as f64).round() as usize;
        (x.min(cells * 2 - 1), y.min(HEIGHT * 4 - 1))
    };
    let canvases: Vec<Canvas> = lines
        .iter()
        .map(|line| {
            let mut canvas = Canvas::new(cells);
            let mut places = line.points.iter().map(|point| place(*point));
            if let Some(mut before) = places.next() {
                canvas.dot(before.0, before.1);
                for next in places {
                    canvas.line(before, next);
                    before = next;
                }
            }
            canvas
        })
        .collect();
    let mut text = String::new();
    for (nth, line) in lines.iter().enumerate() {
        let mark =
            if colours { format!("\x1b[{}m●\x1b[0m ", COLOURS[nth % LINES_MAX]) } else { String::new() };
        let latest = line.points.last().map_or(0.0, |(_, value)| *value);
        let _ = writeln!(text, "{mark}{}  {}", line.name, short(latest));
    }
    for row in 0..HEIGHT {
        let label = match row {
            0 => &labels[0],
            row if row == HEIGHT / 2 => &labels[1],
            row if row == HEIGHT - 1 => &labels[2],
            _ => "",
        };
        let _ = write!(text, "{label:>margin$} ┤");
        let mut drawn = String::new();
        for column in 0..cells {
            let at = row * cells + column;
            // The last line that has dots in a cell gives it its colour.
            let dots = canvases.iter().fold(0, |all, canvas| all | canvas.cells[at]);
            let owner = canvases.iter().rposition(|canvas| canvas.cells[at] != 0);
            let cell = if dots == 0 { ' ' } else { char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' ') };
            match owner.filter(|_| colours) {
                Some(owner) => {
                    let _ = write!(drawn, "\x1b[{}m{cell}\x1b[0m", COLOURS[owner % LINES_MAX]);
                }
                None => drawn.push(cell),
            }
        }
        let _ = writeln!(text, "{}", drawn.trim_end());
    }
    let digits = if last.saturating_sub(first) < SHORT_NS { 3 } else { 0 };
    let (from, to) = (out::short_time(first, digits), out::short_time(last, digits));
    let gap = cells.saturating_sub(from.len() + to.len()).max(1);
    let _ = writeln!(
        text,
        "{:margin$} └{}\n{:margin$}  {from}{}{to}\n",
        "",
        "─".repeat(cells),
        "",
        " ".repeat(gap)
    );
    text
}

/// Short ones, or with as many digits as tell them apart.
fn labels(values: [f64; 3]) -> [String; 3] {
    let differ = |texts: &[String; 3]| texts[0] != texts[1] && texts[1] != texts[2];
    let precise = |digits: usize| values.map(|value| format!("{value:.digits$}"));
    let usual = values.map(short);
    if differ(&usual) { usual } else { (1..=15).map(precise).find(differ).unwrap_or(usual) }
}

/// A number for an axis: three digits and a unit.
fn short(value: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    let size = value.abs();
    let (value, unit) = UNITS
        .iter()
        .find(|(from, _)| size >= *from)
        .map_or((value, ""), |(from, unit)| (value / from, *unit));
    let digits = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_values_apart() {
        assert_eq!(
            labels([2000.0, 1000.0, 0.0]),
            ["2000", "1000", "0"].map(|text| short(text.parse().unwrap()))
        );
        assert_eq!(labels([49.512, 49.506, 49.5]), ["49.512", "49.506", "49.500"]);
        assert_eq!(labels([1.0, 1.0, 1.0]).map(|text| text == short(1.0)), [true; 3]);
    }

    #[test]
    fn a_line_is_drawn_between_its_axes() {
        let points = (0..=10).map(|n| (n * 10_000_000_000, n as f64)).collect();
        let text = chart(&[Line { name: "web-1 us".into(), points }], 30, false);
        let expected = "\
web-1 us  10
10 ┤                        ⡠⠊
   ┤                     ⢀⡠⠊
   ┤                   ⢀⠔⠁
   ┤                 ⢀⠔⠁
   ┤               ⢀⠔⠁
   ┤             ⢀⠔⠁
 5 ┤          ⢀⡠⠒⠁
   ┤        ⢀⠔⠁
   ┤      ⢀⠔⠁
   ┤    ⢀⠔⠁
   ┤  ⡠⠊⠁
 0 ┤⡠⠊
   └──────────────────────────
    1970-01-01T00:00:00Z 1970-01-01T00:01:40Z

";
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers_of_axes() {
        for (value, text) in [
            (0.0, "0"),
            (12.0, "12"),
            (1.5, "1.50"),
            (12.34, "12.3"),
            (1234.0, "1.23k"),
            (-2e9, "-2G"),
            (0.125, "0.12"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn records_and_groups_become_lines() {
        let record = |node: &str, time, fields: &[(&str, FieldValue)]| Record {
            pool: "p".into(),
            key: "k".into(),
            node: node.into(),
            task: "t".into(),
            run: dscript_logpool::RunId(1),
            seq: 0,
            time,
            fields: fields.iter().cloned().collect(),
        };
        let records = [
            record("b", 1, &[("us", FieldValue::Int(1)), ("text", FieldValue::String("x".into()))]),
            record("a", 2, &[("us", FieldValue::Double(0.5))]),
            record("c", 2, &[("took", FieldValue::Duration(1_500_000_000))]),
            record("b", 3, &[("us", FieldValue::Int(2))]),
        ];
        let found = lines(&records, None);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1], Line { name: "b k us".into(), points: vec![(1, 1.0), (3, 2.0)] });
        assert_eq!(found[2], Line { name: "c k took (s)".into(), points: vec![(2, 1.5)] });
        let stats = LogStats { aggregates: "avg(us)".into(), by: "node".into(), every: Some(1) };
        let groups = [record(
            "",
            0,
            &[("node", FieldValue::String("b".into())), ("avg(us)", FieldValue::Double(1.5))],
        )];
        assert_eq!(lines(&groups, Some(&stats)), [Line { name: "b avg(us)".into(), points: vec![(0, 1.5)] }]);
    }
}
