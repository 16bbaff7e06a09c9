//! `dsctl log query --html FILE`: the chart of `--plot` as a page of its own, which needs nothing but a browser.

use std::io::Write;
use std::path::Path;

use dscript_logpool::Record;
use dscript_protocol::message::LogStats;
use serde_json::{Value, json};

use super::plot;

const PAGE: &str = include_str!("chart.html");
/// Where the data stand in the page.
const PLACE: &str = "/*DATA*/null";
const LINES_MAX: usize = 64;

pub fn write(path: &Path, title: &str, records: &[Record], stats: Option<&LogStats>) -> Result<(), String> {
    plot::needs_windows("--html", stats)?;
    let lines = plot::lines(records, stats);
    if lines.len() > LINES_MAX {
        let hint = "choose with --stats 'avg(us)' --every 1m, --node or --where";
        return Err(format!("{} lines are too many for a chart of at most {LINES_MAX}: {hint}", lines.len()));
    }
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            // Milliseconds, as browsers count; a record's own time may be finer.
            let points: Vec<Value> =
                line.points.iter().map(|(time, value)| json!([*time as f64 / 1e6, value])).collect();
            json!({ "name": line.name, "points": points })
        })
        .collect();
    if lines.is_empty() && !records.is_empty() {
        return Err("there is no number to draw".into());
    }
    let page = page(&json!({ "title": title, "lines": lines }));
    dscript_files::write_whole(path, 0o666, |file| file.write_all(page.as_bytes()))
        .map_err(|why| format!("cannot write to {}: {why}", dscript_files::shown(path)))
}

fn page(data: &Value) -> String {
    // Within a script no text may look like its end, or like a comment of HTML.
    PAGE.replace(PLACE, &data.to_string().replace('<', "\\u003c"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_stays_data() {
        assert_eq!(PAGE.matches(PLACE).count(), 1);
        assert!(!PAGE.contains("src=") && !PAGE.contains("href="), "the page needs nothing else");
        let hostile = json!({ "title": "</script><script>alert(1)</script><!--", "lines": [] });
        let page = page(&hostile);
        assert_eq!(page.matches("</script>").count(), 1);
        assert!(!page.contains("<!--"));
    }
}
