//! How tests went, for people, as JSON lines, and as JUnit XML.

use super::scenario::Played;
use super::stage::Run;
use crate::report::print_line;
use serde_json::json;
use std::fmt::Write;
use std::io::IsTerminal;

pub struct Case {
    pub file: String,
    pub line: u32,
    pub name: String,
    pub outcome: Outcome,
}

pub enum Outcome {
    Run(Run),
    /// The file has errors; the first of them.
    NotCompiled(String),
}

impl Case {
    fn passed(&self) -> bool {
        matches!(&self.outcome, Outcome::Run(run) if run.failure.is_none())
    }
}

pub struct Report {
    json: bool,
    /// Prints nothing for people: standard output is somebody else's.
    quiet: bool,
    color: bool,
    all: Vec<Case>,
}

impl Report {
    pub fn new(json: bool, quiet: bool) -> Report {
        let color =
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Report { json, quiet, color, all: Vec::new() }
    }

    /// Says how a test went, and keeps it.
    pub fn case(&mut self, case: Case) -> Result<(), String> {
        if let Outcome::Run(run) = &case.outcome {
            for (place, text) in &run.unused {
                eprintln!("warning: `given {text}` answered nothing in \"{}\"\n  at {place}", case.name);
            }
            if self.json {
                print_line(&json_line(&case, run))?;
            } else if !self.quiet {
                print_line(text(&case, run, self.color).trim_end())?;
            }
        }
        self.all.push(case);
        Ok(())
    }

    /// A file with errors, which were shown.
    pub fn not_compiled(&mut self, file: &str, error: String) -> Result<(), String> {
        if self.json {
            print_line(&json!({"file": file, "status": "error", "reason": error}).to_string())?;
        }
        let outcome = Outcome::NotCompiled(error);
        self.all.push(Case { file: file.to_owned(), line: 1, name: "compiles".into(), outcome });
        Ok(())
    }

    pub fn not_compiled_count(&self) -> usize {
        self.all.iter().filter(|c| matches!(c.outcome, Outcome::NotCompiled(_))).count()
    }

    /// Tests that were run.
    pub fn cases(&self) -> usize {
        self.all.len() - self.not_compiled_count()
    }

    pub fn failed(&self) -> bool {
        !self.all.iter().all(Case::passed)
    }

    /// The last line for people.
    pub fn summary(&self) -> Result<(), String> {
        if self.json || self.quiet {
            return Ok(());
        }
        let passed = self.all.iter().filter(|c| c.passed()).count();
        let failed = self.cases() - passed;
        print_line(&format!("{passed} passed, {failed} failed"))
    }

    pub fn junit(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
        let mut rest = &self.all[..];
        while let Some(first) = rest.first() {
            let end = rest.iter().position(|c| c.file != first.file).unwrap_or(rest.len());
            let (suite, others) = rest.split_at(end);
            junit_suite(&mut text, suite);
            rest = others;
        }
        text.push_str("</testsuites>\n");
        text
    }
}

fn seconds(case: &Case) -> f64 {
    match &case.outcome {
        Outcome::Run(run) => run.time.as_secs_f64(),
        Outcome::NotCompiled(_) => 0.0,
    }
}

fn text(case: &Case, run: &Run, color: bool) -> String {
    let paint = |code: &str, word: &str| {
        if color { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
    };
    let Some(why) = &run.failure else {
        return format!("{} {} {}ms", paint("32", "ok"), one_line(&case.name), run.time.as_millis());
    };
    let mut text = format!("{} {}\n", paint("31;1", "FAILED"), one_line(&case.name));
    let mut indented = |lines: &str| {
        for line in lines.lines() {
            text.push_str("    ");
            text.push_str(line);
            text.push('\n');
        }
    };
    indented(&why.whole());
    for note in &run.notes {
        indented(&format!("the task {note}"));
    }
    for scenario in &run.scenarios {
        indented(&format!("the scenario {}", scenario.line()));
    }
    if !run.printed.is_empty() {
        indented("printed:");
        for line in &run.printed {
            indented(&format!("  | {line}"));
        }
    }
    text
}

/// A name may have line ends; its report is a line.
fn one_line(name: &str) -> String {
    name.replace('\n', "\\n")
}

fn json_line(case: &Case, run: &Run) -> String {
    let unused: Vec<_> =
        run.unused.iter().map(|(place, text)| json!({"place": place, "given": text})).collect();
    let path = |played: &Played| -> Vec<_> {
        let seconds = |at: i64| at as f64 / 1e9;
        played.path.iter().map(|(at, state)| json!({"state": state, "at": seconds(*at)})).collect()
    };
    let scenarios: Vec<_> = run
        .scenarios
        .iter()
        .map(|played| json!({"name": played.name, "end": played.end, "path": path(played)}))
        .collect();
    let mut line = json!({
        "name": case.name, "file": case.file, "line": case.line,
        "status": if run.failure.is_none() { "ok" } else { "failed" },
        "ms": u64::try_from(run.time.as_millis()).unwrap_or(u64::MAX),
        "printed": run.printed, "notes": run.notes, "unused": unused,
        "scenarios": scenarios,
    });
    if let Some(why) = &run.failure {
        line["reason"] = json!(why.text);
        line["stack"] = json!(why.stack);
    }
    line.to_string()
}

fn junit_suite(text: &mut String, suite: &[Case]) {
    let count = |test: fn(&Outcome) -> bool| suite.iter().filter(|c| test(&c.outcome)).count();
    let failures = count(|o| matches!(o, Outcome::Run(run) if run.failure.is_some()));
    let errors = count(|o| matches!(o, Outcome::NotCompiled(_)));
    let file = escape(&suite[0].file);
    let time: f64 = suite.iter().map(seconds).sum();
    let tests = suite.len();
    // A write to a String cannot fail.
    let _ = writeln!(
        text,
        "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{time:.3}\">"
    );
    for case in suite {
        let (name, time) = (escape(&case.name), seconds(case));
        let _ = write!(
            text,
            "    <testcase classname=\"{file}\" name=\"{name}\" file=\"{file}\" line=\"{}\" time=\"{time:.3}\"",
            case.line
        );
        let body = junit_body(case);
        if body.is_empty() {
            text.push_str("/>\n");
        } else {
            let _ = write!(text, ">\n{body}    </testcase>\n");
        }
    }
    text.push_str("  </testsuite>\n");
}

fn junit_body(case: &Case) -> String {
    let mut body = String::new();
    let run = match &case.outcome {
        Outcome::NotCompiled(error) => {
            return format!("      <error message=\"{}\"/>\n", escape(error));
        }
        Outcome::Run(run) => run,
    };
    if let Some(why) = &run.failure {
        let message = why.text.lines().next().unwrap_or_default();
        let mut details = why.whole();
        for note in &run.notes {
            let _ = write!(details, "\nthe task {note}");
        }
        for scenario in &run.scenarios {
            let _ = write!(details, "\nthe scenario {}", scenario.line());
        }
        let _ =
            writeln!(body, "      <failure message=\"{}\">{}</failure>", escape(message), escape(&details));
    }
    if !run.printed.is_empty() {
        let _ = writeln!(body, "      <system-out>{}</system-out>", escape(&run.printed.join("\n")));
    }
    body
}

/// For text and attributes; characters that XML cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::stage::Why;
    use std::time::Duration;

    #[test]
    fn junit_is_escaped() {
        let mut report = Report::new(true, false);
        let why = Why { text: "a < b && \"c\"\nsecond\u{1b}".into(), stack: vec!["f (a.ds:1:2)".into()] };
        let run = Run {
            failure: Some(why),
            printed: vec!["]]> done".into()],
            time: Duration::from_millis(1500),
            ..Run::default()
        };
        report.all.push(Case {
            file: "a.ds".into(),
            line: 3,
            name: "x > \"y\"".into(),
            outcome: Outcome::Run(run),
        });
        let error = Outcome::NotCompiled("E0001: <oops>".into());
        report.all.push(Case { file: "b.ds".into(), line: 1, name: "compiles".into(), outcome: error });
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="a.ds" tests="1" failures="1" errors="0" time="1.500">
    <testcase classname="a.ds" name="x &gt; &quot;y&quot;" file="a.ds" line="3" time="1.500">
      <failure message="a &lt; b &amp;&amp; &quot;c&quot;">a &lt; b &amp;&amp; &quot;c&quot;&#10;second�&#10;  at f (a.ds:1:2)</failure>
      <system-out>]]&gt; done</system-out>
    </testcase>
  </testsuite>
  <testsuite name="b.ds" tests="1" failures="0" errors="1" time="0.000">
    <testcase classname="b.ds" name="compiles" file="b.ds" line="1" time="0.000">
      <error message="E0001: &lt;oops&gt;"/>
    </testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(report.junit(), expected);
    }
}
