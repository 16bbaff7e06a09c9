//! Shows diagnostics: text for people on stderr, JSON lines for programs on stdout.

use clap::ValueEnum;
use dscript_compiler::Compilation;
use dscript_grammar::diagnostic::Severity;
use dscript_grammar::render;
use std::collections::HashSet;
use std::io::{IsTerminal, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// With an excerpt of the source, on stderr
    Text,
    /// One JSON object a line, on stdout
    Json,
}

/// Collects what was said, and says each thing once.
pub struct Reporter {
    format: MessageFormat,
    deny_warnings: bool,
    color: bool,
    seen: HashSet<String>,
    pub errors: usize,
    pub warnings: usize,
}

impl Reporter {
    pub fn new(format: MessageFormat, deny_warnings: bool) -> Self {
        let color =
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { format, deny_warnings, color, seen: HashSet::new(), errors: 0, warnings: 0 }
    }

    pub fn show(&mut self, compilation: &Compilation) -> Result<(), String> {
        for diagnostic in &compilation.diagnostics {
            let line = render::json(diagnostic, &compilation.map);
            if !self.seen.insert(line.clone()) {
                continue;
            }
            match diagnostic.severity {
                Severity::Error => self.errors += 1,
                Severity::Warning => self.warnings += 1,
            }
            match self.format {
                MessageFormat::Json => print_line(&line)?,
                MessageFormat::Text => {
                    eprintln!("{}\n", render::text(diagnostic, &compilation.map, self.color).trim_end());
                }
            }
        }
        Ok(())
    }

    pub fn failed(&self) -> bool {
        self.errors > 0 || self.deny_warnings && self.warnings > 0
    }

    /// The last line for people.
    pub fn summary(&self, what: &str) {
        if self.format == MessageFormat::Json || self.errors + self.warnings == 0 {
            return;
        }
        let count = |n: usize, word: &str| match n {
            0 => None,
            1 => Some(format!("1 {word}")),
            n => Some(format!("{n} {word}s")),
        };
        let counts = [count(self.errors, "error"), count(self.warnings, "warning")];
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        eprintln!("dsc: {what}: {}", counts.join(", "));
    }
}

/// A line of data; a reader that has gone is not an error of ours.
pub fn print_line(line: &str) -> Result<(), String> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}"))
        }
        _ => Ok(()),
    }
}
