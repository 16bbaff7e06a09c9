//! The graph of a scenario's states: that every one is reached, and that no way round is without a pause.

use super::Checker;
use crate::defs::ScenarioDef;
use dscript_grammar::codes;
use dscript_grammar::span::Span;

/// States of a way round that are shown.
const ROUND_SHOWN_MAX: usize = 8;

/// A way from one state to another.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub to: usize,
    /// The state's name in `go`.
    pub span: Span,
    /// Something waits on it, or before it.
    pub pauses: bool,
}

impl<'a> Checker<'a, '_> {
    pub(super) fn graph(&mut self, def: &ScenarioDef<'a>, ways: Option<Vec<Vec<Way>>>) {
        let Some(ways) = ways else { return };
        let states = &def.tree.states;
        if let Some(initial) = states.iter().position(|s| s.initial) {
            let mut reached = vec![false; states.len()];
            let mut open = Vec::new();
            for (index, _) in states.iter().enumerate().filter(|(_, s)| s.initial) {
                reached[index] = true;
                open.push(index);
            }
            while let Some(state) = open.pop() {
                for way in &ways[state] {
                    if !std::mem::replace(&mut reached[way.to], true) {
                        open.push(way.to);
                    }
                }
            }
            for (state, _) in states.iter().zip(&reached).filter(|(_, reached)| !**reached) {
                let message = format!("the state `{}` is never reached", self.text(state.name.name));
                let report = self
                    .diagnostic(codes::UNREACHED_STATE, state.name.span, message)
                    .label(states[initial].name.span, "no way leads there from here");
                self.diagnostics.push(report);
            }
        }
        for round in rounds(&ways) {
            let mut names: Vec<&str> = round
                .iter()
                .take(ROUND_SHOWN_MAX)
                .map(|&(state, _)| self.text(states[state].name.name))
                .collect();
            if round.len() > ROUND_SHOWN_MAX {
                names.push("...");
            }
            names.push(self.text(states[round[0].0].name.name));
            let Some((&(_, last), before)) = round.split_last() else { continue };
            let message = format!("this goes round without a pause: {}", names.join(" -> "));
            let mut report = self.diagnostic(codes::NO_PAUSE, last.span, message);
            for (_, way) in before.iter().take(ROUND_SHOWN_MAX) {
                report = report.label(way.span, "by this way");
            }
            let end = Span::new(last.span.end, last.span.end);
            let report = report.help("wait on the way, or watch with a monitor in one of the states");
            self.diagnostics.push(report.edit(end, " after 1m"));
        }
    }
}

/// Ways round on which nothing pauses: for each the states in order, with the way that leaves them. Of those that
/// end in the same state, one.
fn rounds(ways: &[Vec<Way>]) -> Vec<Vec<(usize, Way)>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; ways.len()];
    let mut told = vec![false; ways.len()];
    let mut found = Vec::new();
    for start in 0..ways.len() {
        // States on the way from `start`, each with the way that is tried.
        let mut path: Vec<(usize, usize)> = Vec::new();
        if marks[start] == Mark::New {
            marks[start] = Mark::Open;
            path.push((start, 0));
        }
        while let Some(&(state, next)) = path.last() {
            let Some(way) = ways[state].get(next) else {
                marks[state] = Mark::Done;
                path.pop();
                if let Some(last) = path.last_mut() {
                    last.1 += 1;
                }
                continue;
            };
            let skip = way.pauses || marks[way.to] != Mark::New;
            if !way.pauses && marks[way.to] == Mark::Open && !std::mem::replace(&mut told[way.to], true) {
                let from = path.iter().position(|&(s, _)| s == way.to).unwrap_or(0);
                found.push(path[from..].iter().map(|&(s, w)| (s, ways[s][w])).collect());
            }
            if let Some(last) = path.last_mut().filter(|_| skip) {
                last.1 += 1;
            } else {
                marks[way.to] = Mark::Open;
                path.push((way.to, 0));
            }
        }
    }
    found
}
