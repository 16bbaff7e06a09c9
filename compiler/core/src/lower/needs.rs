//! The capabilities that calls need.

use super::Lowerer;
use crate::constants;
use crate::defs::FnId;
use crate::facts::{ArgSource, CallFact, Res};
use dscript_bytecode::capability::{self, Capability};
use dscript_grammar::ast::{Arg, Expr, ExprKind, StrPart};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::Span;

impl<'a, 'c> Lowerer<'a, 'c> {
    /// Enters what a call needs into the program's capabilities.
    pub(super) fn needs(&mut self, id: FnId, fact: &CallFact, args: &'a [Arg], span: Span) {
        let def = &self.defs.fns[id.index()];
        if def.is_lowlevel && !def.is_private {
            let name = self.qualified(id);
            self.lowlevel.insert(name);
        }
        let Some(needs) = &def.needs else { return };
        let user_code = !self.defs.modules[self.cx.module.index()].is_std;
        let needs = needs.clone();
        if self.cx.needs.is_some() {
            let all: Vec<_> = needs.iter().map(|pattern| self.fill(id, pattern, fact, args)).collect();
            self.left_out(all.iter().map(|filled| (filled.wide.as_str(), filled.open)), span);
            return;
        }
        for pattern in needs {
            let Filled { wide: capability, narrow, open } = self.fill(id, &pattern, fact, args);
            // One for what a body needs: there is one place to say more of it.
            let body = (self.cx.module, self.cx.body, capability.clone());
            if open && user_code && self.warned.insert((self.cx.module, span)) && self.told_wide.insert(body)
            {
                let file = self.defs.modules[self.cx.module.index()].file;
                let message = format!("the program will need `{capability}`: the argument is not constant");
                let declared = match narrow == capability {
                    true => "\"...\"".to_owned(),
                    false => constants::written(&narrow),
                };
                let help = match self.cx.is_script {
                    true => format!(
                        "make it a literal or a `static final`, or put it into a lowlevel function that says what it needs: `@Needs({declared})`"
                    ),
                    false => format!(
                        "make it a literal or a `static final`, or say what the function needs: `@Needs({declared})`"
                    ),
                };
                self.diagnostics
                    .push(Diagnostic::warning(codes::WIDE_CAPABILITY, file, span, message).help(help));
            }
            // One way to write each: `exec:**` is `exec:*`.
            let canonical = Capability::parse(&capability).map_or(capability, |c| c.to_string());
            match self.qualified(id).as_str() {
                POOL_OPEN => self.pools.insert(canonical),
                _ => self.capabilities.insert(canonical),
            };
        }
    }

    /// Enters what opened pools need, now that it is known whether the program puts into pools and reads from them.
    pub(super) fn pool_needs(&mut self) {
        let (mut puts, mut reads) = (false, false);
        for native in self.image.natives.iter().filter(|native| native.name.starts_with(POOL)) {
            match native.name.as_str() {
                POOL_OPEN => {}
                POOL_PUT => puts = true,
                _ => reads = true,
            }
        }
        let pools = std::mem::take(&mut self.pools);
        // What is opened and no more is opened for reading.
        let kept = |need: &String| if need.starts_with(POOL_WRITE) { puts } else { reads || !puts };
        self.capabilities.extend(pools.into_iter().filter(kept));
    }

    /// Enters what a task declares: operators give its parameters, so these may be anything.
    pub(super) fn declared_needs(&mut self, patterns: &[String]) {
        self.capabilities
            .extend(patterns.iter().filter_map(|text| super::bound(text)).map(|c| c.to_string()));
    }

    /// Warns where the `@Needs` around a call says nothing of what the call needs, each with whether it is open.
    pub(super) fn left_out<'t>(&mut self, all: impl IntoIterator<Item = (&'t str, bool)>, span: Span) {
        let module = self.cx.module;
        let Some(needs) = self.cx.needs.filter(|_| !self.defs.modules[module.index()].is_std) else { return };
        let bounds: Vec<Capability> = needs.iter().filter_map(|text| super::bound(text)).collect();
        let mut first = None;
        for (text, open) in all {
            let Ok(wanted) = Capability::parse(text) else { return };
            // One of several may be enough: whoever may write a pool may open it.
            if open || bounds.iter().any(|bound| bound.covers(&wanted)) {
                return;
            }
            first.get_or_insert(wanted);
        }
        let Some(wanted) = first.filter(|_| self.warned.insert((module, span))) else { return };
        let file = self.defs.modules[module.index()].file;
        let message = format!("`{wanted}` will be denied: the `@Needs` of this function leaves it out");
        let help = format!("add {} to it", constants::written(&wanted.to_string()));
        self.diagnostics.push(Diagnostic::warning(codes::LEFT_OUT, file, span, message).help(help));
    }

    /// A pattern of `@Needs` with `{parameter}` replaced by the constant argument, or by `*`.
    fn fill(&mut self, id: FnId, pattern: &str, fact: &CallFact, args: &'a [Arg]) -> Filled {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let mut filled = Filled { wide: String::new(), narrow: String::new(), open: false };
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push(before);
            let Some((word, tail)) = after.split_once('}') else { break };
            rest = tail;
            let place = def.params.iter().position(|p| self.interner.name(p.name) == word);
            let source = place.and_then(|place| fact.params.get(place)).map(|(_, source)| *source);
            let constant = match source {
                Some(ArgSource::Given(index)) => self.constant_text(&args[index as usize].value),
                Some(ArgSource::Default) => {
                    place.and_then(|place| def.params[place].default).and_then(constants::literal)
                }
                None => None,
            };
            match constant {
                Some(text) => filled.push(&capability::escape(&text)),
                None => {
                    filled.open = true;
                    if let Some(ArgSource::Given(index)) = source {
                        let begins = constant_beginning(&args[index as usize].value);
                        if !begins.is_empty() {
                            filled.narrow.push_str(&capability::escape(begins));
                        }
                    }
                    filled.push("*");
                }
            }
        }
        filled.push(rest);
        filled
    }

    /// Only literals and `static final` constants count as constant.
    pub(super) fn constant_text(&self, expr: &Expr) -> Option<String> {
        if let Some(text) = constants::literal(expr) {
            return Some(text);
        }
        match self.facts[self.cx.module.index()].res(expr.id) {
            Res::Const(id) => constants::constant(self.defs, id),
            _ => None,
        }
    }
}

/// The natives of pools: whoever may write a pool or read it may open it.
const POOL: &str = "LogPool.";
const POOL_OPEN: &str = "LogPool.open";
const POOL_PUT: &str = "LogPool.put";
const POOL_WRITE: &str = "logpool:write:";

/// A capability that a call needs.
struct Filled {
    wide: String,
    /// With what is known of texts that are put together.
    narrow: String,
    /// Arguments are not constant.
    open: bool,
}

impl Filled {
    fn push(&mut self, text: &str) {
        self.wide.push_str(text);
        self.narrow.push_str(text);
    }
}

/// The constant text that a value begins with: `/var/log/` of `"/var/log/${name}"`.
fn constant_beginning(expr: &Expr) -> &str {
    match &expr.kind {
        ExprKind::Paren(inner) => constant_beginning(inner),
        ExprKind::Chain { first, .. } => constant_beginning(first),
        ExprKind::Str(parts) => match parts.first() {
            Some(StrPart::Text(text)) => text,
            _ => "",
        },
        _ => "",
    }
}
