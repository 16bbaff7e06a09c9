//! The state graphs of an image's scenarios as Mermaid or DOT: states with their tasks, ways with what leads along
//! them. Every text of the image is escaped, so that none is taken for a part of the drawing.

use crate::scenario::Shown;
use clap::ValueEnum;
use dscript_bytecode::image::Image;
use dscript_bytecode::scenario::{State, StateId, Work};
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A state diagram, as Markdown viewers draw it
    Mermaid,
    /// For Graphviz: dsc inspect care.dsb --graph dot | dot -Tsvg
    Dot,
}

/// The graphs of all scenarios, as one drawing.
pub fn draw(image: &Image, format: Format) -> String {
    match format {
        Format::Mermaid => mermaid(image),
        Format::Dot => dot(image),
    }
}

fn is_final(state: &State) -> bool {
    matches!(state.work, Work::Final { .. })
}

/// No text of the image is part of it.
fn id(scenario: usize, state: StateId) -> String {
    format!("s{scenario}_{}", state.0)
}

fn ids(shown: Shown<'_>) -> impl Iterator<Item = (StateId, &State)> {
    shown.scenario.states.iter().enumerate().map(|(index, state)| (StateId(index as u32), state))
}

// ---- Mermaid ----

fn mermaid(image: &Image) -> String {
    let mut out = String::from("stateDiagram-v2\n");
    for (number, shown) in Shown::all(image).enumerate() {
        line(&mut out, format_args!("    state \"{}\" as s{number} {{", mermaid_text(&shown.title())));
        line(&mut out, format_args!("        [*] --> {}", id(number, shown.scenario.initial)));
        for (state, row) in ids(shown) {
            let own = id(number, state);
            line(&mut out, format_args!("        state \"{}\" as {own}", mermaid_text(&row.name)));
            for task in shown.tasks(row) {
                line(&mut out, format_args!("        {own} : {}", mermaid_text(&task)));
            }
        }
        for (state, row) in ids(shown) {
            let own = id(number, state);
            for way in shown.ways(row) {
                let to = id(number, way.to);
                line(&mut out, format_args!("        {own} --> {to} : {}", mermaid_text(&way.label())));
            }
            if is_final(row) {
                line(&mut out, format_args!("        {own} --> [*]"));
            }
        }
        out.push_str("    }\n");
    }
    out
}

/// Letters, digits and harmless marks as they are, all else by number.
fn mermaid_text(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || " _.,()+*/=$?!'".contains(c) {
            out.push(c);
        } else if c.is_control() {
            out.push(' ');
        } else {
            line_part(&mut out, format_args!("#{};", u32::from(c)));
        }
    }
    out
}

// ---- DOT ----

fn dot(image: &Image) -> String {
    let name = dot_text(&image.manifest.name);
    let mut out = format!("digraph \"{name}\" {{\n    node [shape=box, style=rounded];\n");
    for (number, shown) in Shown::all(image).enumerate() {
        line(&mut out, format_args!("    subgraph cluster_{number} {{"));
        let mut title = dot_text(&shown.title());
        for rule in &shown.scenario.guard {
            line_part(&mut title, format_args!("\\n{}", dot_text(&shown.guard(rule))));
        }
        line(&mut out, format_args!("        label=\"{title}\";"));
        line(&mut out, format_args!("        start_{number} [shape=point, width=0.15, label=\"\"];"));
        for (state, row) in ids(shown) {
            let mut label = dot_text(&row.name);
            for task in shown.tasks(row) {
                line_part(&mut label, format_args!("\\n{}", dot_text(&task)));
            }
            let double = if is_final(row) { ", peripheries=2" } else { "" };
            line(&mut out, format_args!("        {} [label=\"{label}\"{double}];", id(number, state)));
        }
        let initial = id(number, shown.scenario.initial);
        line(&mut out, format_args!("        start_{number} -> {initial};"));
        for (state, row) in ids(shown) {
            for way in shown.ways(row) {
                let (from, to) = (id(number, state), id(number, way.to));
                line(
                    &mut out,
                    format_args!("        {from} -> {to} [label=\"{}\"];", dot_text(&way.label())),
                );
            }
        }
        out.push_str("    }\n");
    }
    out.push_str("}\n");
    out
}

/// Inside a quoted string of DOT, where `\` begins an escape.
fn dot_text(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn line(out: &mut String, args: std::fmt::Arguments<'_>) {
    line_part(out, args);
    out.push('\n');
}

fn line_part(out: &mut String, args: std::fmt::Arguments<'_>) {
    out.write_fmt(args).expect("writing to a String never fails");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(mermaid_text("a:b;#\"x\" --> [*]"), "a#58;b#59;#35;#34;x#34; #45;#45;#62; #91;*#93;");
        assert_eq!(mermaid_text("wa > 60 {größe}\n"), "wa #62; 60 #123;größe#125; ");
        assert_eq!(dot_text("say \"a\\n\"\n"), "say \\\"a\\\\n\\\" ");
    }
}
