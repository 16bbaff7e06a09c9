//! How fast the compiler is, beside javac on the same program line by line.
//!
//! Generates a large module in both languages, runs `dsc compile` and a cold `javac` in turns, then the module of
//! twice the size, the first one with machine code, and `dsc check` of a small script; prints CPU time, lines per CPU second, memory and ratios.
//!
//! Exit status: 0 every target is met, 1 one is missed, 2 it could not be measured.

mod generate;
mod measure;

use clap::Parser;
use measure::{Cost, median, run};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Measure the compiler's speed, beside javac's
#[derive(Parser)]
#[command(after_help = "Examples:\n  tools/bench compile\n  tools/bench compile --lines 20000 --runs 3\n  \
    tools/bench compile --json figures.json --keep /tmp/sources")]
struct Args {
    /// Lines of the large module
    #[arg(long, default_value_t = 100_000)]
    lines: usize,
    /// How often each command runs; the median counts
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// The compiler to measure
    #[arg(long, value_name = "PATH", default_value = "target/release/dsc")]
    dsc: PathBuf,
    /// The Java compiler beside it
    #[arg(long, value_name = "PATH", default_value = "javac")]
    javac: PathBuf,
    /// Leave Java out
    #[arg(long)]
    no_java: bool,
    /// Write the figures there too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the generated sources to this folder and leave them there
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Only write the generated module to this file, and measure nothing
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// One command's figures.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    lines: usize,
    cpu_s: f64,
    wall_s: f64,
    lines_per_cpu_s: f64,
    memory_mib: f64,
}

impl Row {
    fn new(name: &'static str, lines: usize, costs: &[Cost]) -> Row {
        let cost = median(costs);
        let cpu_s = cost.cpu.as_secs_f64();
        Row {
            name,
            lines,
            cpu_s,
            wall_s: cost.wall.as_secs_f64(),
            lines_per_cpu_s: lines as f64 / cpu_s,
            memory_mib: cost.memory_bytes as f64 / f64::from(1 << 20),
        }
    }
}

/// A figure that must be reached.
#[derive(Serialize)]
struct Target {
    name: &'static str,
    value: f64,
    limit: f64,
    at_least: bool,
    met: bool,
}

impl Target {
    fn at_least(name: &'static str, value: f64, limit: f64) -> Target {
        Target { name, value, limit, at_least: true, met: value >= limit }
    }

    fn at_most(name: &'static str, value: f64, limit: f64) -> Target {
        Target { name, value, limit, at_least: false, met: value <= limit }
    }
}

#[derive(Serialize)]
struct Figures {
    java: Option<String>,
    rows: Vec<Row>,
    targets: Vec<Target>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(file) = &args.write {
        return match std::fs::write(file, generate::generate(args.lines).dscript) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("bench: {}: {error}", file.display());
                ExitCode::from(2)
            }
        };
    }
    match measure_all(&args) {
        Ok(figures) if figures.targets.iter().all(|t| t.met) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(message) => {
            eprintln!("bench: {message}");
            ExitCode::from(2)
        }
    }
}

fn measure_all(args: &Args) -> Result<Figures, String> {
    let scratch = tempfile::tempdir().map_err(|e| format!("a scratch folder: {e}"))?;
    let folder = args.keep.as_deref().unwrap_or(scratch.path());
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let one = generate::generate(args.lines);
    let two = generate::generate(args.lines * 2);
    let script = generate::script(100);
    let large = write(folder, "large.ds", &one.dscript)?;
    let larger = write(folder, "larger.ds", &two.dscript)?;
    let small = write(folder, "small.ds", &script)?;
    let java = write(folder, "Large.java", &one.java)?;

    let version = if args.no_java { None } else { Some(version(&args.javac)?) };
    let (mut ours, mut natives, mut doubled) = (vec![], vec![], vec![]);
    let (mut theirs, mut checks) = (vec![], vec![]);
    for round in 0..args.runs {
        eprintln!("round {} of {}", round + 1, args.runs);
        ours.push(timed(Command::new(&args.dsc).arg("compile").arg(&large))?);
        natives.push(timed(Command::new(&args.dsc).args(["compile", "--native"]).arg(&large))?);
        if version.is_some() {
            let classes = scratch.path().join("classes");
            let mut javac = Command::new(&args.javac);
            theirs.push(timed(javac.args(["-proc:none", "-d"]).arg(&classes).arg(&java))?);
            // A cold run writes every class anew.
            std::fs::remove_dir_all(&classes).map_err(|e| format!("{}: {e}", classes.display()))?;
        }
        doubled.push(timed(Command::new(&args.dsc).arg("compile").arg(&larger))?);
        for _ in 0..5 {
            checks.push(timed(Command::new(&args.dsc).arg("check").arg(&small))?);
        }
    }
    let mut rows = vec![
        Row::new("dsc compile", one.lines, &ours),
        Row::new("dsc compile, twice the lines", two.lines, &doubled),
        Row::new("dsc compile --native", one.lines, &natives),
        Row::new("dsc check, a script", script.lines().count(), &checks),
    ];
    // Machine code is made on top of what is done without.
    let machine_code_s = (rows[2].cpu_s - rows[0].cpu_s).max(f64::EPSILON);
    let machine_code = one.lines as f64 / machine_code_s;
    let mut targets = vec![
        Target::at_least("lines per CPU second", rows[0].lines_per_cpu_s, 150_000.0),
        Target::at_least("machine code, lines per CPU second", machine_code, 100_000.0),
        Target::at_most("memory, MiB", rows[0].memory_mib, 1_024.0),
        Target::at_most("time for twice the lines", rows[1].cpu_s / rows[0].cpu_s, 2.3),
        Target::at_most("check of a script, ms", rows[3].wall_s * 1e3, 20.0),
    ];
    if version.is_some() {
        let java = Row::new("javac, cold", one.lines, &theirs);
        let ratio = rows[0].lines_per_cpu_s / java.lines_per_cpu_s;
        targets.push(Target::at_least("lines per CPU second, javac's = 1", ratio, 8.0));
        rows.push(java);
    }
    let figures = Figures { java: version, rows, targets };
    show(&figures);
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&figures).map_err(|e| e.to_string())?;
        std::fs::write(path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(figures)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

fn timed(command: &mut Command) -> Result<Cost, String> {
    run(command).map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))
}

/// What the Java compiler calls itself.
fn version(javac: &Path) -> Result<String, String> {
    let output = Command::new(javac).arg("-version").output().map_err(|e| {
        format!("{}: {e}; `tools/setup java` installs it, `--no-java` leaves it out", javac.display())
    })?;
    let both = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&both).trim().to_string())
}

fn show(figures: &Figures) {
    println!(
        "{:<30}{:>9}{:>9}{:>9}{:>16}{:>13}",
        "", "lines", "CPU s", "wall s", "lines / CPU s", "memory MiB"
    );
    for row in &figures.rows {
        let Row { name, lines, cpu_s, wall_s, lines_per_cpu_s, memory_mib } = row;
        println!("{name:<30}{lines:>9}{cpu_s:>9.3}{wall_s:>9.3}{lines_per_cpu_s:>16.0}{memory_mib:>13.1}");
    }
    println!();
    for target in &figures.targets {
        let Target { name, value, limit, at_least, met } = target;
        let word = if *at_least { "at least" } else { "at most" };
        let met = if *met { "met" } else { "MISSED" };
        println!("{name:<39}{value:>9.2}   {word} {limit}: {met}");
    }
    if let Some(java) = &figures.java {
        println!("\n{java}");
    }
}
