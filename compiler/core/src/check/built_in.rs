//! Calls of what the language itself knows: `ignore`, `format`, `new Command` and their like.

use super::Checker;
use super::expr::count;
use crate::constants;
use crate::defs::{FnId, Intrinsic, TypeKind};
use crate::facts::{ArgSource, CallFact, Target};
use crate::format::{self, Piece, Takes};
use crate::types::Ty;
use dscript_grammar::ast::{Arg, Expr};
use dscript_grammar::codes;

impl<'a, 'c> Checker<'a, 'c> {
    /// A bare `with(x: 1)` of a record or `toString()`, in the type's own methods.
    pub(super) fn own_built_in(&mut self, expr: &'a Expr, name: &str, args: &'a [Arg]) -> Option<Ty> {
        let this = self.cx.this.filter(|_| !self.cx.in_constructor)?;
        let (def, _) = self.types.nominal_parts(this)?;
        match name {
            "with" if self.defs.types[def.index()].kind == TypeKind::Record => {
                self.capture_this();
                Some(self.call_with(expr, this, args))
            }
            "toString" if args.is_empty() && super::ops::has_text(self.types, self.defs, this) => {
                self.capture_this();
                Some(self.call_text(expr))
            }
            _ => None,
        }
    }

    pub(super) fn call_intrinsic(
        &mut self,
        expr: &'a Expr,
        intrinsic: Intrinsic,
        id: FnId,
        args: &'a [Arg],
    ) -> Ty {
        let name = self.text(self.defs.fns[id.index()].name);
        let wanted = match intrinsic {
            Intrinsic::Print | Intrinsic::IsError | Intrinsic::Ignore => Some(1),
            Intrinsic::IntOrDouble => Some(self.defs.fns[id.index()].params.len()),
            Intrinsic::NewCommand | Intrinsic::Script | Intrinsic::Format | Intrinsic::Run => None,
        };
        if let Some(named) = args.iter().find_map(|a| a.name) {
            self.error(codes::ARGUMENTS, named.span, format!("the arguments of `{name}` have no names"));
            self.facts().meant.insert(expr.id, id);
            return self.poison_args(args);
        }
        if let Some(wanted) = wanted
            && args.len() != wanted
        {
            let message = format!("`{name}` takes {}, not {}", count(wanted, "argument"), args.len());
            self.error(codes::ARGUMENTS, expr.span, message);
            self.facts().meant.insert(expr.id, id);
            return self.poison_args(args);
        }
        let mut params = Vec::new();
        let ret = match intrinsic {
            Intrinsic::Print => {
                let ty = self.expr(&args[0].value, None);
                let ty = self.types.resolve(ty);
                self.require_text(&args[0].value, ty);
                Ty::VOID
            }
            Intrinsic::IsError => self.is_error(&args[0].value),
            Intrinsic::Ignore => self.ignore(&args[0].value),
            Intrinsic::IntOrDouble => self.int_or_double(args),
            Intrinsic::NewCommand => self.new_command(expr, args, false),
            Intrinsic::Script => self.new_command(expr, args, true),
            Intrinsic::Format => self.format(expr, args),
            Intrinsic::Run => self.run_call(expr, args),
        };
        for (index, arg) in args.iter().enumerate() {
            let ty = self.facts().ty(arg.value.id);
            params.push((ty, ArgSource::Given(index as u32)));
        }
        let fact = CallFact { target: Target::Intrinsic(intrinsic, id), type_args: Vec::new(), params };
        self.facts().calls.insert(expr.id, fact);
        ret
    }

    fn is_error(&mut self, arg: &'a Expr) -> Ty {
        let ty = self.whole_failure(arg);
        let good = self.types.fallible_inner(ty).is_some() || self.is_subprocess(ty);
        let error = self.error_type();
        if !good && !matches!(ty, Ty::POISON | Ty::NEVER) {
            let shown = self.show(ty);
            let message = if ty == error {
                "this is an error for certain here: it was tested before".to_string()
            } else {
                format!("a `{shown}` cannot be an error")
            };
            let report = self.diagnostic(codes::CANNOT_FAIL, arg.span, message);
            let report = self.offer_call(report, arg, ty);
            self.diagnostics.push(report);
        }
        Ty::BOOL
    }

    fn ignore(&mut self, arg: &'a Expr) -> Ty {
        let ty = self.whole_failure(arg);
        let good = super::ops::holds_failures(self.types, self.defs, ty) || self.may_be_failure(ty);
        if !good && !matches!(ty, Ty::POISON | Ty::NEVER) {
            let shown = self.show(ty);
            let message = format!("a `{shown}` cannot fail: there is nothing to ignore");
            let report = self.diagnostic(codes::CANNOT_FAIL, arg.span, message);
            let report = self.offer_call(report, arg, ty);
            self.diagnostics.push(report);
        }
        Ty::VOID
    }

    fn int_or_double(&mut self, args: &'a [Arg]) -> Ty {
        let mut result = Ty::INT;
        for arg in args {
            let ty = self.expr(&arg.value, None);
            let ty = self.types.resolve(ty);
            match ty {
                Ty::INT => {}
                Ty::DOUBLE => result = Ty::DOUBLE,
                Ty::POISON | Ty::NEVER => return Ty::POISON,
                _ => {
                    self.require(&arg.value, ty, Ty::DOUBLE);
                    return Ty::POISON;
                }
            }
        }
        result
    }

    /// `String.format(pattern, args...)`.
    pub(super) fn format(&mut self, expr: &'a Expr, args: &'a [Arg]) -> Ty {
        let string = self.string();
        let Some((pattern, values)) = args.split_first() else {
            self.error(codes::ARGUMENTS, expr.span, "`format` needs a pattern");
            return string;
        };
        let span = pattern.value.span;
        let found = self.expr(&pattern.value, Some(string));
        self.require(&pattern.value, found, string);
        let mut types = Vec::new();
        for arg in values {
            let ty = self.expr(&arg.value, None);
            types.push(self.types.resolve(ty));
        }
        if found != string {
            return string;
        }
        let Some(constant) = self.constant_text(&pattern.value) else {
            let report = self
                .diagnostic(codes::ARGUMENTS, span, "the pattern of `format` must be a constant text")
                .help("write it here, or make it a `static final`; `${}` builds texts from parts");
            self.diagnostics.push(report);
            return string;
        };
        let pieces = match format::parse(&constant) {
            Ok(pieces) => pieces,
            Err(what) => {
                self.error(codes::ARGUMENTS, span, what);
                return string;
            }
        };
        let mut used = vec![false; values.len()];
        for piece in &pieces {
            let Piece::Value(spec) = piece else { continue };
            let (Some(arg), Some(&ty)) = (values.get(spec.arg), types.get(spec.arg)) else {
                let message = format!(
                    "`{}` writes argument {} after the pattern, and there are {}",
                    spec.written,
                    spec.arg + 1,
                    values.len()
                );
                self.error(codes::ARGUMENTS, span, message);
                return string;
            };
            used[spec.arg] = true;
            let (good, wanted) = match spec.takes {
                Takes::Int => (ty == Ty::INT, "an int"),
                Takes::Char => (ty == Ty::INT, "an int, the code point of a character"),
                Takes::Number => (matches!(ty, Ty::INT | Ty::DOUBLE), "a number"),
                Takes::Bool => (ty == Ty::BOOL, "a boolean"),
                Takes::Text => {
                    if !self.refuse_char(&arg.value) {
                        self.require_text(&arg.value, ty);
                    }
                    continue;
                }
            };
            if !good && !matches!(ty, Ty::POISON | Ty::NEVER) {
                let shown = self.show(ty);
                let mut report = self.diagnostic(
                    codes::MISMATCH,
                    arg.value.span,
                    format!("`{}` takes {wanted}, and this is a `{shown}`", spec.written),
                );
                if ty == Ty::DOUBLE && spec.takes == Takes::Int {
                    report = report.help("`%.0f` writes a double without its fraction");
                }
                self.diagnostics.push(report);
            }
        }
        if let Some(unused) = used.iter().position(|used| !used) {
            let span = values[unused].value.span;
            let report = self
                .diagnostic(codes::ARGUMENTS, span, "the pattern has no place for this argument")
                .help("a place is `%s` for any value, `%d` for an int, `%.2f` for a number with two digits");
            self.diagnostics.push(report);
        }
        string
    }

    /// What a text is that has been looked at: only literals and `static final` constants count as constant.
    pub(super) fn constant_text(&mut self, expr: &Expr) -> Option<String> {
        match self.facts().res(expr.id) {
            crate::facts::Res::Const(id) => constants::constant(self.defs, id),
            _ => constants::literal(expr),
        }
    }

    /// `new Command(program, ...)`, or `Command.script(name, ...)`.
    fn new_command(&mut self, expr: &'a Expr, args: &'a [Arg], is_script: bool) -> Ty {
        let Some(command) = self.defs.known.command else { return Ty::POISON };
        if args.is_empty() {
            let what = if is_script { "script's" } else { "program's" };
            self.error(codes::ARGUMENTS, expr.span, format!("a Command needs the {what} name"));
        }
        for (index, arg) in args.iter().enumerate() {
            if self.refuse_char(&arg.value) {
                continue;
            }
            let ty = self.expr(&arg.value, None);
            let ty = self.types.resolve(ty);
            if index == 0 {
                let string = self.string();
                self.require(&arg.value, ty, string);
                if is_script && ty == string {
                    self.script(&arg.value);
                }
            } else {
                self.require_text(&arg.value, ty);
            }
        }
        self.types.nominal(command, &[])
    }
}
