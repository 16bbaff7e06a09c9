//! `dsc test`: runs the tests of source files and says how they went.

mod natives;
mod report;
mod scenario;
mod stage;

use crate::files;
use crate::report::{MessageFormat, Reporter};
use dscript_compiler::{Compilation, Goal, Library};
use report::{Case, Outcome, Report};
use stage::Tests;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Run the tests in source files
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  dsc test care.ds\n  dsc test src/ --filter restart\n  \
    dsc test src/ --json | jq -r 'select(.status == \"failed\").name'\n  dsc test src/ --junit results.xml\n\n\
    A test never touches the machine: what reaches outside is replaced by a `given`, and time is virtual.\n\
    Exit status: 0 all passed, 1 a test failed or there are errors in the source, 2 it could not be done")]
pub struct Args {
    /// Source files, or folders with source files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Only tests with this text in their name
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// One JSON object for each test, and for each file with errors, on stdout
    #[arg(long)]
    json: bool,
    /// Write the results as JUnit XML too; with `-` to standard output, which gets nothing else then
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How long one test may take by the clock on the wall
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    limit: Duration,
}

fn duration(text: &str) -> Result<Duration, String> {
    match dscript_interp::parse_duration(text).map(u64::try_from) {
        Some(Ok(nanoseconds)) if nanoseconds > 0 => Ok(Duration::from_nanos(nanoseconds)),
        Some(_) => Err("a test needs some time: a duration above 0, such as `10s` or `500ms`".into()),
        None => Err("this is no duration such as `10s` or `500ms`".into()),
    }
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    args.junit.as_deref().map_or(Ok(()), files::spare_sources)?;
    let files = files::all(&args.paths)?;
    if files.is_empty() {
        return Err("no `.ds` files there".into());
    }
    let alone = args.junit.as_deref().is_some_and(dscript_files::is_stdout);
    if alone && args.json {
        return Err("--json and --junit - would both go to standard output: name a file with --junit".into());
    }
    let mut report = Report::new(args.json, alone);
    let mut reporter = Reporter::new(MessageFormat::Text, false);
    let mut found = 0;
    let library = Library::default();
    for path in &files {
        let shown = path.display().to_string();
        let root = files::open(path)?;
        let result = library.compile(&root.module, &root.shown, &root.bytes, &root, Goal::Test);
        if result.has_errors() {
            reporter.show(&result)?;
            report.not_compiled(&shown, first_error(&result))?;
            continue;
        }
        if let Some(image) = result.image {
            let tests = Tests::load(image).map_err(|e| format!("{shown}: {e}"))?;
            found += tests.list().len();
            run_file(args, &mut report, path, &tests)?;
        }
    }
    let failed = report.not_compiled_count();
    reporter.summary(&if files.len() == 1 { files[0].display().to_string() } else { files::counted(failed) });
    report.summary()?;
    if let Some(file) = &args.junit {
        dscript_files::write_whole(file, 0o666, |file| file.write_all(report.junit().as_bytes()))
            .map_err(|e| format!("{}: {e}", dscript_files::shown(file)))?;
    }
    if report.cases() == 0 && !report.failed() {
        match &args.filter {
            Some(filter) if found > 0 => return Err(format!("no test has `{filter}` in its name")),
            _ => eprintln!("dsc: there are no tests"),
        }
    }
    Ok(ExitCode::from(u8::from(report.failed())))
}

fn run_file(args: &Args, report: &mut Report, path: &Path, tests: &Tests) -> Result<(), String> {
    let file = path.display().to_string();
    for (index, (name, line)) in tests.list().into_iter().enumerate() {
        if args.filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        let run = tests.run(index, args.limit);
        report.case(Case { file: file.clone(), line, name, outcome: Outcome::Run(run) })?;
    }
    Ok(())
}

fn first_error(result: &Compilation) -> String {
    let error =
        result.diagnostics.iter().find(|d| d.severity == dscript_grammar::diagnostic::Severity::Error);
    error.map_or_else(String::new, |d| format!("{}: {}", d.code.name(), d.message))
}
