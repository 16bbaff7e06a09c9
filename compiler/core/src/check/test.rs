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
const FOR_TESTS: [(&str, Option<&str>); 6] = [
    ("Subprocess", Some("running")),
    ("Subprocess", Some("failed")),
    ("Lines", Some("of")),
    ("Connection", Some("of")),
    ("LogPool", Some("standIn")),
    ("Scenario", None),
];

/// A target with its arguments, where they are written.
struct Named<'a> {
    what: What,
    args: Option<&'a [Arg]>,
    span: Span,
    /// The type of the object, where one is written before the method.
    object: Option<Ty>,
}

/// What the arguments say: which parameters they must equal, and the type arguments, where all of them are known.
struct Patterns {
    places: Vec<Option<usize>>,
    type_args: Vec<Ty>,
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

    pub(super) fn given(&mut self, stmt: &'a Stmt, target: &'a Expr, answers: &'a [GivenAnswer]) {
        if !self.in_test(stmt.span, "`given` stands") {
            return;
        }
        let Some(named) = self.replaced(target) else {
            return self.answers_alone(answers);
        };
        let patterns = self.patterns(&named, named.args);
        let replaced = match (named.what, &patterns) {
            (What::Fn(id), Some(patterns)) => self.answers(named.span, id, &patterns.type_args, answers),
            (What::Fn(_), None) => {
                self.answers_alone(answers);
                None
            }
            (What::Command(made), _) => self.command_answers(made, answers),
        };
        if let (Some(patterns), Some(replaced)) = (patterns, replaced) {
            self.note(stmt, &named, patterns, replaced);
        }
    }

    fn note(&mut self, stmt: &Stmt, named: &Named<'a>, patterns: Patterns, replaced: Replaced) {
        let Patterns { places, type_args } = patterns;
        let of_object = named.object.is_some();
        let fact = StandInFact { replaced, places, type_args, of_object };
        self.facts().stand_ins.insert(stmt.id, fact);
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
        let patterns = self.patterns(&named, args);
        let replaced = match named.what {
            What::Fn(id) => Replaced::Fn(id),
            What::Command(made) => Replaced::Command { made, run: true, start: true },
        };
        if let Some(patterns) = patterns {
            self.note(stmt, &named, patterns, replaced);
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
        let mut object = None;
        let (id, span) = match &callee.kind {
            ExprKind::Name(name) => match self.lookup(*name, callee.span)? {
                Def::Fn(id) => (id, callee.span),
                Def::Type(id) if self.defs.known.command == Some(id) => {
                    // A bare `Command` is any.
                    let made = if args.is_some() { Made::Program } else { Made::Either };
                    return Some(Named { what: What::Command(made), args, span: callee.span, object });
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
                let owner = match self.type_receiver(receiver) {
                    Some(owner) => owner,
                    None => {
                        let (owner, ty) = self.object(receiver)?;
                        object = Some(ty);
                        owner
                    }
                };
                let id = self.method(owner, *name)?;
                let def = &self.defs.fns[id.index()];
                if def.intrinsic == Some(Intrinsic::Script) {
                    return Some(Named { what: What::Command(Made::Script), args, span: name.span, object });
                }
                if object.is_some() && !def.is_method {
                    let message = format!("`{}` is static: name its type", self.text(name.name));
                    self.error(codes::STAND_IN, receiver.span, message);
                    return None;
                }
                (id, name.span)
            }
            _ => {
                self.error(codes::STAND_IN, callee.span, "a lowlevel function is named here");
                return None;
            }
        };
        self.replaceable(id, span).then_some(Named { what: What::Fn(id), args, span, object })
    }

    /// An object whose method is replaced, for objects that equal it: its declared type, and its type.
    fn object(&mut self, receiver: &'a Expr) -> Option<(TypeDefId, Ty)> {
        let ty = self.expr(receiver, None);
        let ty = self.types.resolve(ty);
        if ty == Ty::POISON {
            return None;
        }
        let owner = self.types.nominal_parts(ty).map(|(owner, _)| owner);
        let Some(owner) = owner.filter(|_| has_equality(self.types, self.defs, ty)) else {
            let shown = self.show(ty);
            let message = format!("a method of a `{shown}` is not replaced for one object: name its type");
            self.error(codes::STAND_IN, receiver.span, message);
            return None;
        };
        Some((owner, ty))
    }

    fn method(&mut self, owner: TypeDefId, name: dscript_grammar::ast::Ident) -> Option<FnId> {
        let decl = &self.defs.types[owner.index()];
        let Some(&id) = decl.methods.get(&name.name) else {
            let params = decl.type_params.clone();
            let args: Vec<Ty> = params.iter().map(|&p| self.types.intern(TyKind::Param(p))).collect();
            let ty = self.types.nominal(owner, &args);
            self.unknown_member(owner, ty, name, Some((Span::new(name.span.end, name.span.end), None)));
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
        let message = if !def.is_lowlevel {
            format!("`{name}` is pure: only what reaches outside can be replaced")
        } else if abstract_method {
            format!("`{name}` has no body here: replace it in the class that has one")
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

    /// What the arguments say; no arguments at all is any call.
    fn patterns(&mut self, named: &Named<'a>, args: Option<&'a [Arg]>) -> Option<Patterns> {
        let defs = self.defs;
        let id = match named.what {
            What::Command(made) => {
                let places = args.map_or_else(Vec::new, |args| {
                    self.command_patterns(named.span, args, made == Made::Script)
                });
                return Some(Patterns { places, type_args: Vec::new() });
            }
            What::Fn(id) => id,
        };
        let def = &defs.fns[id.index()];
        let mut type_args = match named.object.and_then(|ty| self.types.nominal_parts(ty)) {
            Some((_, args)) => args.to_vec(),
            None => Vec::new(),
        };
        while type_args.len() < def.type_params.len() {
            let fresh = self.types.fresh();
            type_args.push(fresh);
        }
        let mut wanted = Vec::new();
        if let Some(args) = args {
            let params: Vec<Ty> = def
                .params
                .iter()
                .map(|p| self.types.substitute(p.ty, &def.type_params, &type_args))
                .collect();
            let places = self.match_args(named.span, named.span, id, args)?;
            for (arg, &place) in args.iter().zip(&places) {
                if self.is_any(&arg.value) {
                    wanted.push(None);
                    continue;
                }
                wanted.push(Some(place));
                let ty = self.types.resolve(params[place]);
                let is_class = matches!(self.types.kind(ty), TyKind::Class(_));
                if !is_class && !self.types.is_open(ty) && !has_equality(self.types, defs, ty) {
                    self.not_compared(&arg.value, ty);
                    continue;
                }
                let one = std::slice::from_ref(arg);
                let good = self.infer_args(id, one, &[place], (&params, &type_args), &[]);
                let ty = self.types.resolve(ty);
                if good && !is_class && !has_equality(self.types, defs, ty) {
                    self.not_compared(&arg.value, ty);
                }
            }
        }
        let type_args: Vec<Ty> = type_args.into_iter().map(|ty| self.types.resolve(ty)).collect();
        let known = !type_args.iter().any(|&ty| self.types.is_open(ty));
        Some(Patterns { places: wanted, type_args: if known { type_args } else { Vec::new() } })
    }

    fn not_compared(&mut self, value: &Expr, ty: Ty) {
        let shown = self.show(ty);
        let report = self.diagnostic(codes::STAND_IN, value.span, format!("a `{shown}` cannot be compared"));
        self.diagnostics.push(report.help("`_` matches anything"));
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

    fn answers(
        &mut self,
        span: Span,
        id: FnId,
        type_args: &[Ty],
        answers: &'a [GivenAnswer],
    ) -> Option<Replaced> {
        let defs = self.defs;
        let def = &defs.fns[id.index()];
        let is_open = |types: &crate::types::Types, ty: Ty| {
            type_args.is_empty() && def.type_params.iter().any(|&p| mentions(types, ty, p))
        };
        if is_open(self.types, def.ret) {
            let message = format!("`{}` gives a value of a type that is not said here", self.text(def.name));
            let is_class = |ty: Ty| matches!(self.types.kind(ty), TyKind::Class(_));
            let help = match def.params.iter().any(|p| is_class(p.ty)) {
                true => "write which it is, such as `int.class`",
                false => "write the argument that says it",
            };
            let file = defs.modules[def.module.index()].file;
            let report = self.diagnostic(codes::STAND_IN, span, message).help(help);
            self.diagnostics.push(report.label_in(file, def.span, "declared here"));
            self.answers_alone(answers);
            return None;
        }
        // A `T.class` is known from the instance.
        let seen = def
            .params
            .iter()
            .map(|p| p.ty)
            .filter(|&ty| !is_open(self.types, ty) && !matches!(self.types.kind(ty), TyKind::Class(_)));
        let seen: Vec<Ty> = seen.collect();
        let given = |types: &mut crate::types::Types, ty: Ty| match type_args {
            [] => ty,
            args => types.substitute(ty, &def.type_params, args),
        };
        let params: Vec<Ty> = seen.into_iter().map(|ty| given(self.types, ty)).collect();
        let ret = given(self.types, def.ret);
        let mut fails = false;
        for answer in answers {
            match answer {
                GivenAnswer::Returns(value) => self.answer(id, value, &params, ret),
                GivenAnswer::Fails(error) => {
                    self.error_operand(error, self.is_subprocess(ret));
                    fails = true;
                }
            }
        }
        if fails && self.types.fallible_inner(ret).is_none() && !self.is_subprocess(ret) {
            let shown = self.show(ret);
            let message = format!("`{}` cannot fail: it gives a `{shown}`", self.text(def.name));
            let report = self.diagnostic(codes::ANSWER, span, message).label_in(
                self.defs.modules[def.module.index()].file,
                def.span,
                "declared here",
            );
            self.diagnostics.push(report);
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
    fn command_answers(&mut self, made: Made, answers: &'a [GivenAnswer]) -> Option<Replaced> {
        let string = self.string();
        let list = self.defs.known.list.map_or(Ty::POISON, |list| self.types.nominal(list, &[string]));
        let output = self.output_type();
        let fallible = self.types.fallible(output);
        let mut found: Option<bool> = None;
        for answer in answers {
            let value = match answer {
                GivenAnswer::Returns(value) => value,
                GivenAnswer::Fails(error) => {
                    self.error_operand(error, false);
                    continue;
                }
            };
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
        // What only fails does so either way.
        let (run, start) = (found != Some(true), found != Some(false));
        Some(Replaced::Command { made, run, start })
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
    fn answers_alone(&mut self, answers: &'a [GivenAnswer]) {
        for answer in answers {
            match answer {
                GivenAnswer::Returns(value) => {
                    if !self.is_word(value, "ok") && !matches!(strip(value).kind, ExprKind::Lambda(_)) {
                        self.expr(value, Some(Ty::POISON));
                    }
                }
                GivenAnswer::Fails(error) => self.error_operand(error, false),
            }
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
