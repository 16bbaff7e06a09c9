//! Arguments and the parameters that they are for.

use super::Checker;
use super::expr::count;
use super::stmt::strip;
use crate::defs::{Body, FnId, ModuleId, ParamSig};
use crate::names::suggest;
use dscript_grammar::ast::{Arg, ExprKind};
use dscript_grammar::codes;
use dscript_grammar::span::Span;

impl<'a, 'c> Checker<'a, 'c> {
    /// For each argument the parameter it is for; `None` after a report.
    pub(super) fn match_args(
        &mut self,
        whole: Span,
        span: Span,
        id: FnId,
        args: &[Arg],
    ) -> Option<Vec<usize>> {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        if def.is_doubtful {
            return None;
        }
        let name = self.callee_name(id);
        self.match_params(whole, span, name, &def.params, (def.module, def.span), args)
    }

    /// The name that a call of the function says.
    pub(super) fn callee_name(&self, id: FnId) -> &'c str {
        let def = &self.defs.fns[id.index()];
        match (def.body, def.owner) {
            (Body::Constructor(_) | Body::Record(_), Some(owner)) => {
                self.text(self.defs.types[owner.index()].name)
            }
            _ => self.text(def.name),
        }
    }

    /// As `match_args`, of a function or task by its name, its parameters, and where it is declared.
    pub(super) fn match_params(
        &mut self,
        whole: Span,
        span: Span,
        name: &str,
        params: &[ParamSig<'a>],
        declared: (ModuleId, Span),
        args: &[Arg],
    ) -> Option<Vec<usize>> {
        let declared_in = self.defs.modules[declared.0.index()].file;
        if params.iter().any(|p| self.text(p.name) == "?") {
            return None; // nobody knows which parameters were meant
        }
        let mut places = Vec::new();
        let mut named = false;
        for (index, arg) in args.iter().enumerate() {
            let place = match arg.name {
                Some(word) => {
                    named = true;
                    match params.iter().position(|p| p.name == word.name) {
                        Some(place) => place,
                        None => {
                            let text = self.text(word.name);
                            let near = suggest(text, params.iter().map(|p| self.interner.name(p.name)));
                            let mut report = self.diagnostic(
                                codes::ARGUMENTS,
                                word.span,
                                format!("`{name}` has no parameter `{text}`"),
                            );
                            if let Some(near) = near {
                                report = report.help(format!("did you mean `{near}`?")).edit(word.span, near);
                            }
                            self.diagnostics.push(report);
                            return None;
                        }
                    }
                }
                None if named => {
                    let message = "an argument without a name cannot follow one with a name";
                    self.error(codes::ARGUMENTS, arg.value.span, message);
                    return None;
                }
                None if index >= params.len() => {
                    let takes = match params.len() {
                        0 => "no arguments".to_string(),
                        n => count(n, "argument"),
                    };
                    let message = format!("`{name}` takes {takes}, not {}", args.len());
                    let mut report = self.diagnostic(codes::ARGUMENTS, arg.value.span, message).label_in(
                        declared_in,
                        declared.1,
                        "declared here",
                    );
                    if self.is_chained(declared) && args.iter().all(|a| a.name.is_none()) {
                        report =
                            report.help(format!("write one call for each: `.{name}(...).{name}(...)`")).edit(
                                Span::new(args[0].value.span.end, arg.value.span.start),
                                format!(").{name}("),
                            );
                        for pair in args[index..].windows(2) {
                            let between = Span::new(pair[0].value.span.end, pair[1].value.span.start);
                            report = report.edit(between, format!(").{name}("));
                        }
                    }
                    if let Some(other) = self.sibling(declared, name, args) {
                        report = report.help(format!("`{other}` takes such a lambda")).edit(span, other);
                    }
                    self.diagnostics.push(report);
                    return None;
                }
                None => index,
            };
            if places.contains(&place) {
                let text = self.text(params[place].name);
                self.error(
                    codes::ARGUMENTS,
                    arg.value.span,
                    format!("the parameter `{text}` has a value already"),
                );
                return None;
            }
            places.push(place);
        }
        let missing = (0..params.len()).find(|p| !places.contains(p) && params[*p].default.is_none());
        if let Some(missing) = missing {
            let text = self.text(params[missing].name);
            let ty = self.show(params[missing].ty);
            let end = Span::new(whole.end.saturating_sub(1), whole.end);
            let at = if args.is_empty() { span } else { end };
            let report = self
                .diagnostic(
                    codes::ARGUMENTS,
                    at,
                    format!("`{name}` also needs the parameter `{text}`, a `{ty}`"),
                )
                .label_in(declared_in, declared.1, "declared here");
            self.diagnostics.push(report);
            return None;
        }
        Some(places)
    }

    /// The method beside the one declared there that is `name` with more to it, as `sortBy` is, and takes the lambda.
    fn sibling(&self, declared: (ModuleId, Span), name: &str, args: &[Arg]) -> Option<&'c str> {
        let is_lambda = |arg: &Arg| matches!(strip(&arg.value).kind, ExprKind::Lambda(_));
        if !args.iter().any(is_lambda) {
            return None;
        }
        let called = self.defs.fns.iter().find(|f| f.module == declared.0 && f.span == declared.1)?;
        let others = self.defs.types[called.owner?.index()].methods.values().filter(|id| {
            let other = &self.defs.fns[id.index()];
            let more = self.text(other.name).strip_prefix(name);
            more.is_some_and(|more| more.starts_with(char::is_uppercase))
                && !other.is_private
                && other.is_method == called.is_method
                && self.fitted(**id, args).is_some_and(|edits| edits.is_empty())
        });
        others.map(|id| self.text(self.defs.fns[id.index()].name)).min()
    }

    /// Whether the method declared there takes one thing and gives what it was called on, to be called again.
    fn is_chained(&self, declared: (ModuleId, Span)) -> bool {
        let found = self.defs.fns.iter().find(|f| f.module == declared.0 && f.span == declared.1);
        found.is_some_and(|f| {
            let own = self.types.nominal_parts(f.ret).filter(|(_, args)| args.is_empty());
            f.params.len() == 1 && f.is_method && own.map(|(def, _)| def) == f.owner
        })
    }
}
