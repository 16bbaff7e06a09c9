//! The states of a scenario as a table: what happens in each, and where it leads.

use crate::escape;
use crate::highlight::highlight;
use crate::names::Names;
use crate::signature::one_line;
use dscript_grammar::ast::{ClauseKind, Expr, Ident, Scenario, State};

pub(crate) fn states(names: &Names<'_>, module: usize, scenario: &Scenario) -> String {
    let table = Table { names, module };
    let mut html = String::new();
    if !scenario.guard.is_empty() {
        let source = &names.sources[module].text;
        let rules = scenario.guard.iter().map(|rule| one_line(source, rule.span));
        let rules: Vec<String> = rules.map(|rule| format!("<code>{}</code>", escape(&rule))).collect();
        html.push_str(&format!("<p>Guard: {}</p>\n", rules.join(" ")));
    }
    html.push_str("<table>\n<tr><th>state</th><th>does</th><th>leads to</th></tr>\n");
    for state in &scenario.states {
        html.push_str(&table.row(state));
    }
    html.push_str("</table>\n");
    html
}

struct Table<'n, 'a> {
    names: &'n Names<'a>,
    module: usize,
}

impl Table<'_, '_> {
    fn row(&self, state: &State) -> String {
        let mut name = format!("<b>{}</b>", escape(self.names.text(state.name.name)));
        for (word, is_so) in [("initial", state.initial), ("final", state.final_)] {
            if is_so {
                name.push_str(&format!("<br><span class=\"badge\">{word}</span>"));
            }
        }
        let (mut does, mut leads) = (Vec::new(), Vec::new());
        for clause in &state.clauses {
            let text = one_line(&self.names.sources[self.module].text, clause.span);
            match &clause.kind {
                ClauseKind::Step { task, .. } => does.push(self.step(&text, *task)),
                ClauseKind::When { go, .. } => {
                    let condition = text.rsplit_once(" go ").map_or(text.as_str(), |(before, _)| before);
                    leads.push(self.way(&format!("<code>{}</code>", highlight(condition)), *go, None));
                }
                ClauseKind::On { success, go, after } => {
                    let word = if *success { "success" } else { "failure" };
                    leads.push(self.way(word, *go, after.as_ref()));
                }
                ClauseKind::Error => {}
            }
        }
        format!("<tr><td>{name}</td><td>{}</td><td>{}</td></tr>\n", does.join("<br>"), leads.join("<br>"))
    }

    /// The clause, with its task linked.
    fn step(&self, text: &str, task: Ident) -> String {
        let text = text.trim_end_matches(';').trim_end();
        let name = self.names.text(task.name);
        let address = self.names.address(self.module, None, name);
        match (address, text.split_once(name)) {
            (Some(address), Some((before, after))) => format!(
                "<code>{}<a href=\"{}\">{}</a>{}</code>",
                highlight(before),
                escape(&address),
                escape(name),
                highlight(after)
            ),
            _ => format!("<code>{}</code>", highlight(text)),
        }
    }

    fn way(&self, when: &str, go: Ident, after: Option<&Expr>) -> String {
        let after = after.map_or_else(String::new, |after| {
            format!(" after {}", escape(&one_line(&self.names.sources[self.module].text, after.span)))
        });
        format!("{when} → <b>{}</b>{after}", escape(self.names.text(go.name)))
    }
}
