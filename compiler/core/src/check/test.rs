//! Tests: their bodies, what `given` and `verify` speak of, and the answers of a `given`.
//!
//! A `given` names a lowlevel function, or a Command, with arguments that must be equal or `_`. What it finds goes
//! to [`StandInFact`] by the statement's node; arguments and answers are ordinary expressions.

use super::ops::has_equality;
use super::stmt::strip;
use super::{Checker, Context, Ending};
use crate::defs::{Body, Def, FnId, Intrinsic, TestId, TypeDefId, TypeKind};
use crate::facts::{Made, Replaced, StandInFact};
use crate::types::{Ty, TyKind};
use dscript_grammar::ast::{Arg, Expr, ExprKind, GivenAnswer, Stmt, UnaryOp};
use dscript_grammar::codes;
use dscript_grammar::span::Span;

/// Functions of std that a run of tests has and no other; without a name, all of that type.
const FOR_TESTS: [(&str, Option<&str>); 4] = [
    ("Subprocess", Some("running")),
    ("Subprocess", Some("failed")),
    ("LogPool", Some("standIn")),
    ("Scenario", None),
];

/// A target with its arguments, where they are written.
struct Named<'a> {
    what: What,
    args: Option<&'a [Arg]>,
    span: Span,
}

#[derive(Clone, Copy)]
enum What {
    Fn(FnId),
    Command(Made),
}

impl<'a> Checker<'a, '_> {
    pub fn test(&mut self, id: TestId) {
        let def = &self.defs.tests[id.index()];
        let result = self.types.fallible(Ty::VOID);
        self.cx = Context {
            module: def.module,
            ending: Ending::Returns(result),
            effects: true,
            is_test: true,
            ..Context::default()
        };
        self.cx.scopes.push(0);
        self.block(def.body);
        self.close_scope();
        self.judge_captures();
    }

    pub(super) fn given(&mut self, stmt: &'a Stmt, target: &'a Expr, answer: &'a GivenAnswer) {
        if !self.in_test(stmt.span, "`given` stands") {
            return;
        }
        let Some(named) = self.replaced(target) else {
            return self.answers_alone(answer);
        };
        let places = self.patterns(&named, named.args);
        let replaced = match named.what {
            What::Fn(id) => self.answers(named.span, id, answer),
            What::Command(made) => self.command_answers(made, answer),
        };
        if let (Some(places), Some(replaced)) = (places, replaced) {
            self.facts().stand_ins.insert(stmt.id, StandInFact { replaced, places });
        }
    }

    pub(super) fn verify(
        &mut self,
        stmt: &'a Stmt,
        target: &'a Expr,
        times: &'a Expr,
        with: Option<&'a [Arg]>,
    ) {
        if !self.in_test(stmt.span, "`verify` stands") {
            return;
        }
        self.expr_to(times, Ty::INT);
        if is_negative(times) {
            let report = self.diagnostic(codes::STAND_IN, times.span, "nothing is called less than 0 times");
            self.diagnostics.push(report.help("`called 0` says that it is not called"));
        }
        let Some(named) = self.replaced(target) else { return };
        let args = match (named.args, with) {
            (Some(_), Some(with)) => {
                let span = with.first().map_or(target.span, |a| a.value.span);
                self.error(codes::STAND_IN, span, "the arguments are written twice");
                return;
            }
            (own, with) => own.or(with),
        };
        let places = self.patterns(&named, args);
        let replaced = match named.what {
            What::Fn(id) => Replaced::Fn(id),
            What::Command(made) => Replaced::Command { made, run: true, start: true },
        };
        if let Some(places) = places {
            self.facts().stand_ins.insert(stmt.id, StandInFact { replaced, places });
        }
    }

    pub(super) fn in_test(&mut self, span: Span, what: &str) -> bool {
        if !self.cx.is_test {
            self.error(codes::TEST_ONLY, span, format!("{what} in a test only"));
        }
        self.cx.is_test
    }

    /// What makes values for tests is for tests.
    pub(super) fn test_only(&mut self, span: Span, id: FnId) {
        let def = &self.defs.fns[id.index()];
        let Some(owner) = def.owner.filter(|_| self.defs.modules[def.module.index()].is_std) else { return };
        let (owner, name) = (self.text(self.defs.types[owner.index()].name), self.text(def.name));
        let here = self.defs.modules[self.cx.module.index()].is_std;
        if !here && FOR_TESTS.iter().any(|&(ty, one)| ty == owner && one.is_none_or(|one| one == name)) {
            self.in_test(span, &format!("`{owner}.{name}` stands"));
        }
    }

    // ---- targets ----

    fn replaced(&mut self, target: &'a Expr) -> Option<Named<'a>> {
        let (callee, args) = match &target.kind {
            ExprKind::Call { callee, args } => (&**callee, Some(&args[..])),
            _ => (target, None),
        };
        let (id, span) = match &callee.kind {
            ExprKind::Name(name) => match self.lookup(*name, callee.span)? {
                Def::Fn(id) => (id, callee.span),
                Def::Type(id) if self.defs.known.command == Some(id) => {
                    // A bare `Command` is any.
                    let made = if args.is_some() { Made::Program } else { Made::Either };
                    return Some(Named { what: What::Command(made), args, span: callee.span });
                }
                Def::Task(_) => {
                    let message = format!("`{}` is a task: it is not replaced but run", self.text(*name));
                    let report = self.diagnostic(codes::STAND_IN, callee.span, message);
                    self.diagnostics.push(report.help("replace the Low-Level Scripts that it calls"));
                    return None;
                }
                _ => {
                    let message = format!("`{}` is no lowlevel function", self.text(*name));
                    self.error(codes::STAND_IN, callee.span, message);
                    return None;
                }
            },
            ExprKind::Field { receiver, name } => {
                let Some(owner) = self.type_receiver(receiver) else {
                    let report = self
                        .diagnostic(codes::STAND_IN, receiver.span, "a method is replaced for every object")
                        .help("name its type: `Subprocess.kill()`");
                    self.diagnostics.push(report);
                    return None;
                };
                let id = self.method(owner, *name)?;
                if self.defs.fns[id.index()].intrinsic == Some(Intrinsic::Script) {
                    return Some(Named { what: What::Command(Made::Script), args, span: name.span });
                }
                (id, name.span)
            }
            _ => {
                self.error(codes::STAND_IN, callee.span, "a lowlevel function is named here");
                return None;
            }
        };
        self.replaceable(id, span).then_some(Named { what: What::Fn(id), args, span })
    }

    fn method(&mut self, owner: TypeDefId, name: dscript_grammar::ast::Ident) -> Option<FnId> {
        let decl = &self.defs.types[owner.index()];
        let Some(&id) = decl.methods.get(&name.name) else {
            let params = decl.type_params.clone();
            let args: Vec<Ty> = params.iter().map(|&p| self.types.intern(TyKind::Param(p))).collect();
            let ty = self.types.nominal(owner, &args);
            self.unknown_member(owner, ty, name, Some(Span::new(name.span.end, name.span.end)));
            return None;
        };
        let sig = &self.defs.fns[id.index()];
        if sig.is_private && sig.module != self.cx.module {
            let message = format!("`{}` is private to its module", self.text(name.name));
            self.error(codes::PRIVATE, name.span, message);
            return None;
        }
        Some(id)
    }

    fn replaceable(&mut self, id: FnId, span: Span) -> bool {
        let def = &self.defs.fns[id.index()];
        let name = self.text(def.name);
        let abstract_method =
            def.owner.is_some_and(|o| self.defs.types[o.index()].kind == TypeKind::Interface)
                && matches!(def.body, Body::None);
        let types = &self.types;
        let message = if !def.is_lowlevel {
            format!("`{name}` is pure: only what reaches outside can be replaced")
        } else if abstract_method {
            format!("`{name}` has no body here: replace it in the class that has one")
        } else if def.type_params.iter().any(|&p| mentions(types, def.ret, p)) {
            format!("`{name}` gives a value of a type parameter: wrap it in a lowlevel function of your own")
        } else {
            return true;
        };
        let report = self.diagnostic(codes::STAND_IN, span, message).label_in(
            self.defs.modules[def.module.index()].file,
            def.span,
            "declared here",
        );
        self.diagnostics.push(report);
        false
    }

    // ---- arguments ----

    /// The parameter each argument must equal; no arguments at all is any call.
    fn patterns(&mut self, named: &Named<'a>, args: Option<&'a [Arg]>) -> Option<Vec<Option<usize>>> {
        let Some(args) = args else { return Some(Vec::new()) };
        let defs = self.defs;
        match named.what {
            What::Command(made) => Some(self.command_patterns(named.span, args, made == Made::Script)),
            What::Fn(id) => {
                let def = &defs.fns[id.index()];
                let places = self.match_args(named.span, named.span, id, args)?;
                let mut wanted = Vec::new();
                for (arg, &place) in args.iter().zip(&places) {
                    let ty = def.params[place].ty;
                    if self.is_any(&arg.value) {
                        wanted.push(None);
                        continue;
                    }
                    let open = def.type_params.iter().any(|&p| mentions(self.types, ty, p));
                    if open || !has_equality(self.types, defs, ty) {
                        let shown = self.show(ty);
                        let report = self
                            .diagnostic(
                                codes::STAND_IN,
                                arg.value.span,
                                format!("a `{shown}` cannot be compared"),
                            )
                            .help("`_` matches anything");
                        self.diagnostics.push(report);
                    } else {
                        self.expr_to(&arg.value, ty);
                    }
                    wanted.push(Some(place));
                }
                Some(wanted)
            }
        }
    }

    fn command_patterns(&mut self, span: Span, args: &'a [Arg], is_script: bool) -> Vec<Option<usize>> {
        if args.is_empty() {
            let what = if is_script { "script's" } else { "program's" };
            self.error(codes::ARGUMENTS, span, format!("a Command needs the {what} name"));
        }
        let string = self.string();
        let mut wanted = Vec::new();
        for (place, arg) in args.iter().enumerate() {
            if let Some(name) = arg.name {
                self.error(codes::ARGUMENTS, name.span, "the arguments of a Command have no names");
            }
            if self.is_any(&arg.value) {
                wanted.push(None);
                continue;
            }
            let ty = self.expr(&arg.value, None);
            let ty = self.types.resolve(ty);
            if place == 0 {
                self.require(&arg.value, ty, string);
                if is_script && ty == string {
                    self.script(&arg.value);
                }
            } else {
                self.require_text(&arg.value, ty);
            }
            wanted.push(Some(place));
        }
        wanted
    }

    /// `_`
    fn is_any(&self, expr: &Expr) -> bool {
        self.is_word(expr, "_")
    }

    /// A word that means itself, where no variable has its name.
    fn is_word(&self, expr: &Expr, word: &str) -> bool {
        match strip(expr).kind {
            ExprKind::Name(name) => self.text(name) == word && self.local_index(name).is_none(),
            _ => false,
        }
    }

    // ---- answers ----

    fn answers(&mut self, span: Span, id: FnId, answer: &'a GivenAnswer) -> Option<Replaced> {
        let def = &self.defs.fns[id.index()];
        let ret = def.ret;
        let params: Vec<Ty> = def
            .params
            .iter()
            .map(|p| p.ty)
            .filter(|&ty| !def.type_params.iter().any(|&p| mentions(self.types, ty, p)))
            .collect();
        match answer {
            GivenAnswer::Returns(values) => {
                for value in values {
                    self.answer(id, value, &params, ret);
                }
            }
            GivenAnswer::Fails(error) => {
                let can = self.types.fallible_inner(ret).is_some();
                let subprocess = self.is_subprocess(ret);
                self.error_operand(error, subprocess);
                if !can && !subprocess {
                    let shown = self.show(ret);
                    let message = format!("`{}` cannot fail: it gives a `{shown}`", self.text(def.name));
                    let report = self.diagnostic(codes::ANSWER, span, message).label_in(
                        self.defs.modules[def.module.index()].file,
                        def.span,
                        "declared here",
                    );
                    self.diagnostics.push(report);
                }
            }
        }
        Some(Replaced::Fn(id))
    }

    /// One value, `ok`, or a lambda that computes it from the arguments.
    fn answer(&mut self, id: FnId, value: &'a Expr, params: &[Ty], ret: Ty) {
        let nothing = ret == Ty::VOID || self.types.fallible_inner(ret) == Some(Ty::VOID);
        if self.is_word(value, "ok") {
            if !nothing {
                let shown = self.show(ret);
                let message = format!("`ok` is no answer here: a `{shown}` is wanted");
                self.error(codes::ANSWER, value.span, message);
            }
            return;
        }
        if let ExprKind::Lambda(lambda) = &strip(value).kind {
            if lambda.params.len() != params.len() {
                let name = self.text(self.defs.fns[id.index()].name);
                let message = format!(
                    "the answer to `{name}` takes its {}, not {}",
                    super::expr::count(params.len(), "argument"),
                    lambda.params.len()
                );
                self.error(codes::ANSWER, value.span, message);
                return;
            }
            let wanted = self.types.function(params, ret);
            self.expr_to(value, wanted);
            return;
        }
        let found = self.expr(value, Some(ret));
        let found = self.types.resolve(found);
        if found == Ty::VOID || !self.fits(found, ret) || ret == Ty::VOID && found != Ty::POISON {
            let (want, shown) = (self.show(ret), self.show(found));
            let name = self.text(self.defs.fns[id.index()].name);
            let message = format!("`{name}` gives a `{want}`, this is `{shown}`");
            let mut report = self.diagnostic(codes::ANSWER, value.span, message);
            if nothing {
                report =
                    report.help("the answer of a function without a value is `ok`").edit(value.span, "ok");
            }
            self.diagnostics.push(report);
        }
    }

    /// What a Command is answered with says whether it is run to its end or started.
    fn command_answers(&mut self, made: Made, answer: &'a GivenAnswer) -> Option<Replaced> {
        let GivenAnswer::Returns(values) = answer else {
            self.answers_alone(answer);
            return Some(Replaced::Command { made, run: true, start: true });
        };
        let string = self.string();
        let list = self.defs.known.list.map_or(Ty::POISON, |list| self.types.nominal(list, &[string]));
        let output = self.output_type();
        let fallible = self.types.fallible(output);
        let mut found: Option<bool> = None;
        for value in values {
            let ty = if matches!(strip(value).kind, ExprKind::Lambda(_)) {
                let fresh = self.types.fresh();
                let wanted = self.types.function(&[string, list], fresh);
                let ty = self.expr(value, Some(wanted));
                let ty = self.types.resolve(ty);
                match self.types.kind(ty) {
                    TyKind::Function(_, ret) => *ret,
                    _ => ty,
                }
            } else {
                self.expr(value, Some(fallible))
            };
            let ty = self.types.resolve(ty);
            let starts = self.is_subprocess(ty);
            if ty == Ty::POISON {
                continue;
            }
            if !starts && (ty == Ty::VOID || !self.fits(ty, fallible)) {
                let shown = self.show(ty);
                let report = self
                    .diagnostic(codes::ANSWER, value.span, format!("a Command does not give a `{shown}`"))
                    .help(
                        "its answer is an Output, such as `Output.of(\"text\")`, or `Subprocess.running()`",
                    );
                self.diagnostics.push(report);
                return None;
            }
            if found.is_some_and(|first| first != starts) {
                let message = "one answer is for a Command that is run, the other for one that is started";
                self.error(codes::ANSWER, value.span, message);
                return None;
            }
            found = Some(starts);
        }
        let starts = found.unwrap_or(false);
        Some(Replaced::Command { made, run: !starts, start: starts })
    }

    /// What `Command.run` gives: an Output.
    fn output_type(&mut self) -> Ty {
        let run = self.defs.known.command.and_then(|command| {
            let name = self.interner.get("run")?;
            self.defs.types[command.index()].methods.get(&name).copied()
        });
        let ret = run.map_or(Ty::POISON, |id| self.defs.fns[id.index()].ret);
        self.types.fallible_inner(ret).unwrap_or(ret)
    }

    /// Looks at answers for their own mistakes.
    fn answers_alone(&mut self, answer: &'a GivenAnswer) {
        match answer {
            GivenAnswer::Returns(values) => {
                for value in values {
                    if !self.is_word(value, "ok") && !matches!(strip(value).kind, ExprKind::Lambda(_)) {
                        self.expr(value, Some(Ty::POISON));
                    }
                }
            }
            GivenAnswer::Fails(error) => self.error_operand(error, false),
        }
    }

    fn error_operand(&mut self, value: &'a Expr, text_only: bool) {
        let ty = self.expr(value, None);
        let ty = self.types.resolve(ty);
        let error = self.error_type();
        let good = self.is_string(ty) || ty == error && !text_only || ty == Ty::POISON;
        if !good {
            let shown = self.show(ty);
            let takes = if text_only { "a String" } else { "a String or an Error" };
            self.error(codes::ANSWER, value.span, format!("`fails` takes {takes}, not `{shown}`"));
        }
    }
}

/// Whether a type parameter occurs in a type.
pub(crate) fn mentions(types: &crate::types::Types, ty: Ty, param: crate::defs::TypeParamId) -> bool {
    match types.kind(ty) {
        TyKind::Param(p) => *p == param,
        TyKind::Nominal(_, args) => args.iter().any(|&t| mentions(types, t, param)),
        TyKind::Nullable(t) | TyKind::Fallible(t) | TyKind::Class(t) => mentions(types, *t, param),
        TyKind::Function(params, ret) => {
            mentions(types, *ret, param) || params.iter().any(|&t| mentions(types, t, param))
        }
        _ => false,
    }
}

/// `-1`
fn is_negative(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Paren(inner) => is_negative(inner),
        ExprKind::Unary { op: UnaryOp::Neg, operand } => {
            matches!(operand.kind, ExprKind::Int(value) if value > 0)
        }
        _ => false,
    }
}
