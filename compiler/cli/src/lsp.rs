//! `dsc lsp`: the language server, over standard input and output.

use crate::graph;
use crate::scenario::Shown;
use dscript_bytecode::image::Image;
use dscript_lsp::{End, Hooks};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Serve an editor: the Language Server Protocol over standard input and output
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  dsc lsp                       started by an editor, not by hand\n  \
    :lua vim.lsp.start{cmd={'dsc','lsp'}}   in Neovim; see editors/ for VS Code, Neovim and Helix\n\n\
    Exit status: 0 ended as agreed, 1 ended without `shutdown`, 2 no connection")]
pub struct Args {
    /// Standard input and output, which is the only way there is: editors may say it
    #[arg(long)]
    stdio: bool,
}

pub fn run(_args: &Args) -> Result<ExitCode, String> {
    let hooks = Hooks { script: crate::files::script, scenarios };
    let end = dscript_lsp::stdio(hooks).map_err(|e| format!("the connection to the editor: {e}"))?;
    Ok(ExitCode::from(u8::from(end == End::Broken)))
}

/// The scenarios of a program as `dsc inspect --json` has them, with their graphs.
fn scenarios(image: &Image) -> Value {
    let rows: Vec<Value> = Shown::all(image).map(Shown::to_json).collect();
    json!({
        "scenarios": rows,
        "mermaid": graph::draw(image, graph::Format::Mermaid),
        "dot": graph::draw(image, graph::Format::Dot),
    })
}
