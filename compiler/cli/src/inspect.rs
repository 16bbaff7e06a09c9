//! `dsc inspect`: what a program does, needs and is made of.

use crate::graph;
use crate::report::print_line;
use crate::scenario::{Shown, params, role_word};
use dscript_bytecode::asm::{disassemble, type_name};
use dscript_bytecode::file::read_file;
use dscript_bytecode::image::{Image, Task};
use dscript_bytecode::verify::verify;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show a program's tasks, scenarios, Low-Level Scripts, capabilities and signers
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  dsc inspect watch.dsb\n  dsc inspect watch.dsb --json | jq .capabilities\n  \
    dsc inspect watch.dsb --asm\n  dsc inspect care.dsb --graph dot | dot -Tsvg > care.svg\n\n\
    Exit status: 0 shown, 2 the image is damaged or was refused"
)]
pub struct Args {
    /// The program image
    file: PathBuf,
    /// Show the code
    #[arg(long, conflicts_with = "json")]
    asm: bool,
    /// Show everything but the code as JSON
    #[arg(long)]
    json: bool,
    /// Draw the states of its scenarios
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with_all = ["json", "asm"])]
    graph: Option<graph::Format>,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let shown = args.file.display();
    let bytes = read_file(&args.file).map_err(|e| format!("{shown}: {e}"))?;
    let image = Image::from_bytes(&bytes).map_err(|e| format!("{shown}: {e}"))?;
    verify(&image).map_err(|e| format!("{shown}: {e}"))?;
    let text = if let Some(format) = args.graph {
        if image.manifest.scenarios.is_empty() {
            return Err(format!("{shown}: the program has no scenario to draw"));
        }
        graph::draw(&image, format)
    } else if args.asm {
        disassemble(&image)
    } else if args.json {
        to_json(&image).to_string()
    } else {
        describe(&image)
    };
    print_line(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn role(task: &Task) -> &'static str {
    match task.role {
        Some(role) => role_word(role),
        None if task.script => "script",
        None => "task",
    }
}

fn hash(image: &Image) -> String {
    hex(&image.content_hash())
}

fn to_json(image: &Image) -> serde_json::Value {
    let manifest = &image.manifest;
    let tasks: Vec<_> = manifest
        .tasks
        .iter()
        .map(|task| {
            let params: Vec<_> = task
                .params
                .iter()
                .map(|p| json!({"name": p.name, "type": type_name(image, p.ty), "has_default": p.default.is_some()}))
                .collect();
            json!({
                "name": task.name, "kind": role(task), "params": params, "undo": task.undo.is_some(),
                "dcase": task.dcase, "doc": task.doc,
            })
        })
        .collect();
    let scenarios: Vec<_> = Shown::all(image).map(Shown::to_json).collect();
    let sources: Vec<_> =
        manifest.sources.iter().map(|s| json!({"path": s.path, "blake3": hex(&s.hash)})).collect();
    let signers: Vec<_> =
        image.signatures.iter().map(|s| json!({"scheme": s.scheme, "key": hex(&s.key)})).collect();
    let scripts: Vec<_> = image
        .scripts
        .iter()
        .map(|s| json!({"name": s.name, "bytes": s.bytes.len(), "blake3": hex(&s.hash())}))
        .collect();
    json!({
        "name": manifest.name, "hash": hash(image), "tasks": tasks, "scenarios": scenarios,
        "lowlevel": manifest.lowlevel, "capabilities": manifest.capabilities, "sources": sources,
        "scripts": scripts,
        "signers": signers,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn describe(image: &Image) -> String {
    let manifest = &image.manifest;
    let mut text = format!("program {}\n  hash {}\n", manifest.name, hash(image));
    text.push_str("\ntasks\n");
    for task in &manifest.tasks {
        text.push_str(&format!("  {} {}({})", role(task), task.name, params(image, &task.params)));
        if task.undo.is_some() {
            text.push_str(" with undo");
        }
        if let Some(dcase) = &task.dcase {
            text.push_str(&format!(" [D-Case {dcase}]"));
        }
        text.push('\n');
        if let Some(first) = task.doc.as_ref().and_then(|d| d.lines().next()) {
            text.push_str(&format!("      {first}\n"));
        }
    }
    if !manifest.scenarios.is_empty() {
        text.push_str("\nscenarios\n");
        Shown::all(image).for_each(|shown| text.push_str(&shown.describe()));
    }
    section(&mut text, "Low-Level Scripts", manifest.lowlevel.iter().cloned());
    section(&mut text, "capabilities", manifest.capabilities.iter().cloned());
    section(
        &mut text,
        "sources",
        manifest.sources.iter().map(|s| format!("{} {}", &hex(&s.hash)[..16], s.path)),
    );
    if !image.scripts.is_empty() {
        section(
            &mut text,
            "scripts",
            image
                .scripts
                .iter()
                .map(|s| format!("{} {} ({} bytes)", &hex(&s.hash())[..16], s.name, s.bytes.len())),
        );
    }
    section(&mut text, "signers", image.signatures.iter().map(|s| format!("{} {}", s.scheme, hex(&s.key))));
    text
}

fn section(text: &mut String, title: &str, rows: impl Iterator<Item = String>) {
    text.push_str(&format!("\n{title}\n"));
    let mut any = false;
    for row in rows {
        any = true;
        text.push_str(&format!("  {row}\n"));
    }
    if !any {
        text.push_str("  none\n");
    }
}
