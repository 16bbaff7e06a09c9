//! A tree as text: one line for a declaration or statement, expressions in brackets that show how they nest.
#![allow(dead_code)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use dscript_grammar::ast::*;
use dscript_grammar::span::{Interner, Symbol};
use dscript_grammar::{Parsed, SourceMap, parse, render};

/// xorshift64*
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound.max(1)
    }
}

pub struct Read {
    pub parsed: Parsed,
    pub interner: Interner,
    pub sources: SourceMap,
}

pub fn read(name: &str, text: &str) -> Read {
    let mut interner = Interner::default();
    let mut sources = SourceMap::default();
    let file = sources.add(name, text);
    let parsed = parse(file, text, &mut interner);
    Read { parsed, interner, sources }
}

impl Read {
    pub fn dump(&self) -> String {
        let mut dump = Dump { interner: &self.interner, out: String::new(), depth: 0 };
        dump.module(&self.parsed.module);
        dump.out
    }

    pub fn diagnostics(&self) -> String {
        self.parsed
            .diagnostics
            .iter()
            .map(|d| render::text(d, &self.sources, false))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// `LINE:COL CODE message` of each.
    pub fn short(&self) -> Vec<String> {
        self.parsed
            .diagnostics
            .iter()
            .map(|d| {
                let (line, column) = self.sources.get(d.file).line_col(d.span.start);
                format!("{line}:{column} {} {}", d.code.name(), d.message)
            })
            .collect()
    }
}

/// The expression of `x = EXPR;` as the dump shows it.
pub fn expression(text: &str) -> String {
    let read = read("e.ds", &format!("x = {text};"));
    if !read.parsed.diagnostics.is_empty() {
        return read.short().join("\n");
    }
    let dump = read.dump();
    dump.trim()
        .strip_prefix("script\n  expr (= x ")
        .and_then(|d| d.strip_suffix(')'))
        .unwrap_or(&dump)
        .to_owned()
}

/// Compares each row's two sides and shows every one that differs.
#[derive(Default)]
pub struct Rows {
    failures: Vec<String>,
}

impl Rows {
    pub fn same<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(
        &mut self,
        text: &str,
        actual: T,
        wanted: U,
    ) {
        if actual != wanted {
            self.failures.push(format!("`{text}`\n   gives {actual:?}\n  wanted {wanted:?}"));
        }
    }

    pub fn finish(self) {
        assert!(
            self.failures.is_empty(),
            "{} rows differ\n{}",
            self.failures.len(),
            self.failures.join("\n")
        );
    }
}

pub fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Compares with the file beside the input; `UPDATE=1` rewrites it.
pub fn snapshot(path: &Path, actual: &str, failures: &mut Vec<String>) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, actual).expect("the snapshot can be written");
        return;
    }
    let wanted = fs::read_to_string(path).unwrap_or_default();
    if wanted != actual {
        failures.push(format!("{} differs; got:\n{actual}", path.display()));
    }
}

/// The `.ds` files of a folder of tests, in order.
pub fn inputs(folder: &str) -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(here().join(folder))
        .expect("the folder is there")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "ds"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("UTF-8");
            (path, text)
        })
        .collect()
}

struct Dump<'a> {
    interner: &'a Interner,
    out: String,
    depth: usize,
}

impl Dump<'_> {
    fn line(&mut self, text: String) {
        let _ = writeln!(self.out, "{}{text}", "  ".repeat(self.depth));
    }

    fn inside(&mut self, walk: impl FnOnce(&mut Self)) {
        self.depth += 1;
        walk(self);
        self.depth -= 1;
    }

    fn sym(&self, symbol: Symbol) -> String {
        self.interner.name(symbol).to_owned()
    }

    fn name(&self, name: &Ident) -> String {
        self.sym(name.name)
    }

    fn module(&mut self, module: &Module) {
        for import in &module.imports {
            let path: Vec<String> = import.path.iter().map(|n| self.name(n)).collect();
            self.line(format!("import {}{}", path.join("."), if import.all { ".*" } else { "" }));
        }
        for item in &module.items {
            self.item(item);
        }
        if !module.script.is_empty() {
            self.line("script".into());
            self.inside(|d| d.stmts(&module.script));
        }
    }

    fn item(&mut self, item: &Item) {
        let mut head = String::new();
        for annotation in &item.annotations {
            let _ = write!(head, "@{}({}) ", self.name(&annotation.name), self.args(&annotation.args));
        }
        let m = &item.modifiers;
        for (span, word) in [
            (m.private, "private "),
            (m.static_, "static "),
            (m.final_, "final "),
            (m.lowlevel, "lowlevel "),
            (m.native, "native "),
            (m.sealed, "sealed "),
            (m.default, "default "),
        ] {
            if span.is_some() {
                head.push_str(word);
            }
        }
        match &item.kind {
            ItemKind::Function(f) => {
                let text = format!(
                    "{head}function{} {}({}) -> {}{}",
                    self.type_params(&f.type_params),
                    self.name(&f.name),
                    self.params(&f.params),
                    self.ty(&f.ret),
                    if f.body.is_none() { ";" } else { "" }
                );
                self.line(text);
                if let Some(body) = &f.body {
                    self.block(body);
                }
            }
            ItemKind::Task(t) => {
                let role = t.role.map_or(String::new(), |r| format!("{r:?} ").to_lowercase());
                self.line(format!("{head}{role}task {}({})", self.name(&t.name), self.params(&t.params)));
                self.block(&t.body);
                if let Some(undo) = &t.undo {
                    self.line("undo".into());
                    self.block(undo);
                }
            }
            ItemKind::Scenario(s) => self.scenario(&head, s),
            ItemKind::Test(t) => {
                self.line(format!("{head}test {}", self.expr(&t.name)));
                self.block(&t.body);
            }
            ItemKind::Record(r) => {
                let text = format!(
                    "{head}record {}{}({}){}",
                    self.name(&r.name),
                    self.type_params(&r.type_params),
                    self.params(&r.components),
                    self.types(" implements ", &r.implements)
                );
                self.line(text);
                self.items(&r.members);
            }
            ItemKind::Class(c) => {
                let text = format!(
                    "{head}class {}{}{}",
                    self.name(&c.name),
                    self.type_params(&c.type_params),
                    self.types(" implements ", &c.implements)
                );
                self.line(text);
                self.items(&c.members);
            }
            ItemKind::Enum(e) => {
                self.line(format!(
                    "{head}enum {}{}",
                    self.name(&e.name),
                    self.types(" implements ", &e.implements)
                ));
                self.inside(|d| {
                    for constant in &e.constants {
                        d.line(format!("{}({})", d.name(&constant.name), d.args(&constant.args)));
                    }
                });
                self.items(&e.members);
            }
            ItemKind::Interface(i) => {
                let text = format!(
                    "{head}interface {}{}{}{}",
                    self.name(&i.name),
                    self.type_params(&i.type_params),
                    self.types(" extends ", &i.extends),
                    self.types(" permits ", &i.permits)
                );
                self.line(text);
                self.items(&i.members);
            }
            ItemKind::Field(f) => {
                let init = f.init.as_ref().map_or(String::new(), |e| format!(" = {}", self.expr(e)));
                self.line(format!("{head}field {} {}{init}", self.ty(&f.ty), self.name(&f.name)));
            }
            ItemKind::Constructor(c) => {
                self.line(format!("{head}constructor {}({})", self.name(&c.name), self.params(&c.params)));
                self.block(&c.body);
            }
            ItemKind::CompactConstructor(c) => {
                self.line(format!("{head}compact constructor {}", self.name(&c.name)));
                self.block(&c.body);
            }
            ItemKind::Error => self.line(format!("{head}ERROR")),
        }
    }

    fn items(&mut self, items: &[Item]) {
        self.inside(|d| items.iter().for_each(|i| d.item(i)));
    }

    fn scenario(&mut self, head: &str, s: &Scenario) {
        let on = s.selector.as_ref().map_or(String::new(), |e| format!(" on {}", self.expr(e)));
        self.line(format!("{head}scenario {}({}){on}", self.name(&s.name), self.params(&s.params)));
        self.inside(|d| {
            for rule in &s.guard {
                let per = rule.per.as_ref().map_or(String::new(), |e| format!(" per {}", d.expr(e)));
                let percent = if rule.percent { "%" } else { "" };
                let recovering = if rule.recovering { " recovering" } else { "" };
                d.line(format!("guard {}{percent}{recovering}{per}", d.expr(&rule.count)));
            }
            for state in &s.states {
                let initial = if state.initial { "initial " } else { "" };
                let final_ = if state.final_ { "final " } else { "" };
                d.line(format!("{initial}{final_}state {}", d.name(&state.name)));
                d.inside(|d| state.clauses.iter().for_each(|c| d.clause(c)));
            }
        });
    }

    fn clause(&mut self, clause: &Clause) {
        let text = match &clause.kind {
            ClauseKind::Step { role, task, args, options } => {
                let mut text = format!(
                    "{} {}({})",
                    format!("{role:?}").to_lowercase(),
                    self.name(task),
                    self.args(args)
                );
                for option in options {
                    text.push(' ');
                    text.push_str(&match &option.kind {
                        StepOptionKind::Every(e) => format!("[every {}]", self.expr(e)),
                        StepOptionKind::Failing(e) => format!("[failing {}]", self.expr(e)),
                        StepOptionKind::Within(e) => format!("[within {}]", self.expr(e)),
                        StepOptionKind::Retry { times, every } => {
                            let every =
                                every.as_ref().map_or(String::new(), |e| format!(" every {}", self.expr(e)));
                            format!("[retry {}{every}]", self.expr(times))
                        }
                        StepOptionKind::Verify { task, args, for_ } => {
                            let for_ =
                                for_.as_ref().map_or(String::new(), |e| format!(" for {}", self.expr(e)));
                            format!("[verify {}({}){for_}]", self.name(task), self.args(args))
                        }
                        StepOptionKind::At(name) => format!("[at {}]", self.name(name)),
                        StepOptionKind::WithApproval => "[with approval]".into(),
                    });
                }
                text
            }
            ClauseKind::When { key, aggregate, field, over, op, value, go } => {
                let field = field.as_ref().map_or(String::new(), |f| self.name(f));
                format!(
                    "when log {} {}({field}) over {} {op:?} {} go {}",
                    self.expr(key),
                    self.name(aggregate),
                    self.expr(over),
                    self.expr(value),
                    self.name(go)
                )
            }
            ClauseKind::On { success, go, after } => {
                let after = after.as_ref().map_or(String::new(), |e| format!(" after {}", self.expr(e)));
                format!("on {} go {}{after}", if *success { "success" } else { "failure" }, self.name(go))
            }
            ClauseKind::Error => "ERROR".into(),
        };
        self.line(text);
    }

    fn type_params(&self, params: &[TypeParam]) -> String {
        if params.is_empty() {
            return String::new();
        }
        let params: Vec<String> = params
            .iter()
            .map(|p| format!("{}{}", self.name(&p.name), self.types(" extends ", &p.bounds)))
            .collect();
        format!("<{}>", params.join(", "))
    }

    fn types(&self, before: &str, types: &[TypeExpr]) -> String {
        if types.is_empty() {
            return String::new();
        }
        format!("{before}{}", types.iter().map(|t| self.ty(t)).collect::<Vec<_>>().join(", "))
    }

    fn params(&self, params: &[Param]) -> String {
        let one = |p: &Param| {
            let final_ = if p.final_ { "final " } else { "" };
            let default = p.default.as_ref().map_or(String::new(), |e| format!(" = {}", self.expr(e)));
            format!("{final_}{} {}{default}", self.ty(&p.ty), self.name(&p.name))
        };
        params.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn ty(&self, ty: &TypeExpr) -> String {
        match &ty.kind {
            TypeExprKind::Named { name, args } if args.is_empty() => self.name(name),
            TypeExprKind::Named { name, args } => format!("{}<{}>", self.name(name), self.types("", args)),
            TypeExprKind::Nullable(inner) => format!("{}?", self.suffixed(inner)),
            TypeExprKind::Fallible(inner) => format!("{}!", self.suffixed(inner)),
            TypeExprKind::Function { params, ret } => {
                format!("({}) -> {}", self.types("", params), self.ty(ret))
            }
            TypeExprKind::Error => "ERROR".into(),
        }
    }

    fn suffixed(&self, ty: &TypeExpr) -> String {
        match ty.kind {
            TypeExprKind::Function { .. } => format!("({})", self.ty(ty)),
            _ => self.ty(ty),
        }
    }

    fn block(&mut self, block: &Block) {
        self.inside(|d| d.stmts(&block.stmts));
    }

    fn stmts(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            self.stmt(stmt);
        }
    }

    fn body(&mut self, stmt: &Stmt) {
        self.inside(|d| d.stmt(stmt));
    }

    fn local(&self, local: &Local) -> String {
        let mut text = String::from(if local.final_ { "final " } else { "" });
        text.push_str(&local.ty.as_ref().map_or("var".into(), |t| self.ty(t)));
        for (i, var) in local.vars.iter().enumerate() {
            let init = var.init.as_ref().map_or(String::new(), |e| format!(" = {}", self.expr(e)));
            let _ = write!(text, "{} {}{init}", if i > 0 { "," } else { "" }, self.name(&var.name));
        }
        text
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Local(local) => self.line(format!("local {}", self.local(local))),
            StmtKind::Expr(e) => self.line(format!("expr {}", self.expr(e))),
            StmtKind::If { cond, then, else_ } => {
                self.line(format!("if {}", self.expr(cond)));
                self.body(then);
                if let Some(else_) = else_ {
                    self.line("else".into());
                    self.body(else_);
                }
            }
            StmtKind::While { cond, body } => {
                self.line(format!("while {}", self.expr(cond)));
                self.body(body);
            }
            StmtKind::DoWhile { body, cond } => {
                self.line(format!("do-while {}", self.expr(cond)));
                self.body(body);
            }
            StmtKind::For { init, cond, update, body } => {
                let cond = cond.as_ref().map_or("-".into(), |e| self.expr(e));
                let update: Vec<String> = update.iter().map(|e| self.expr(e)).collect();
                self.line(format!("for {cond}; {}", update.join(", ")));
                self.inside(|d| {
                    d.stmts(init);
                    d.line("do".into());
                    d.body(body);
                });
            }
            StmtKind::ForEach { var, iter, body } => {
                let final_ = if var.final_ { "final " } else { "" };
                let ty = var.ty.as_ref().map_or("var".into(), |t| self.ty(t));
                self.line(format!("for-each {final_}{ty} {} : {}", self.name(&var.name), self.expr(iter)));
                self.body(body);
            }
            StmtKind::Labeled { label, body } => {
                self.line(format!("label {}", self.name(label)));
                self.body(body);
            }
            StmtKind::Break(label) => {
                self.line(format!("break {}", label.map_or(String::new(), |l| self.name(&l))))
            }
            StmtKind::Continue(label) => {
                self.line(format!("continue {}", label.map_or(String::new(), |l| self.name(&l))));
            }
            StmtKind::Return(value) => {
                self.line(format!("return {}", value.as_ref().map_or(String::new(), |e| self.expr(e))));
            }
            StmtKind::Block(block) => {
                self.line("block".into());
                self.block(block);
            }
            StmtKind::Assert { cond, message } => {
                let message = message.as_ref().map_or(String::new(), |e| format!(" : {}", self.expr(e)));
                self.line(format!("assert {}{message}", self.expr(cond)));
            }
            StmtKind::Switch(switch) => self.line(self.switch(switch)),
            StmtKind::Yield(e) => self.line(format!("yield {}", self.expr(e))),
            StmtKind::Fail(e) => self.line(format!("fail {}", self.expr(e))),
            StmtKind::Every { period, body } => {
                self.line(format!("every {}", self.expr(period)));
                self.block(body);
            }
            StmtKind::Within { limit, body, else_ } => {
                self.line(format!("within {}", self.expr(limit)));
                self.block(body);
                if let Some(else_) = else_ {
                    self.line("else".into());
                    self.block(else_);
                }
            }
            StmtKind::Retry { times, pause, body, else_ } => {
                self.line(format!("retry {} {}", self.expr(times), self.expr(pause)));
                self.block(body);
                if let Some(else_) = else_ {
                    let error = else_.error.as_ref().map_or(String::new(), |(_, ty, name)| {
                        format!(" ({} {})", self.ty(ty), self.name(name))
                    });
                    self.line(format!("else{error}"));
                    self.block(&else_.body);
                }
            }
            StmtKind::Given { target, answers } => {
                let mut said = Vec::new();
                let mut last = "";
                for answer in answers {
                    let word = match answer {
                        GivenAnswer::Returns(_) => "returns ",
                        GivenAnswer::Fails(_) => "fails ",
                    };
                    let shown = if word == last { "" } else { word };
                    said.push(format!("{shown}{}", self.expr(answer.operand())));
                    last = word;
                }
                self.line(format!("given {} {}", self.expr(target), said.join(", ")));
            }
            StmtKind::Verify { target, times, with } => {
                let with = with.as_ref().map_or(String::new(), |args| format!(" with ({})", self.args(args)));
                self.line(format!("verify {} called {}{with}", self.expr(target), self.expr(times)));
            }
            StmtKind::Item(item) => {
                self.line("item".into());
                self.inside(|d| d.item(item));
            }
            StmtKind::Empty => self.line("empty".into()),
            StmtKind::Error => self.line("ERROR".into()),
        }
    }

    fn exprs(&self, exprs: &[Expr]) -> String {
        exprs.iter().map(|e| self.expr(e)).collect::<Vec<_>>().join(", ")
    }

    fn args(&self, args: &[Arg]) -> String {
        let one = |arg: &Arg| {
            let name = arg.name.map_or(String::new(), |n| format!("{}: ", self.name(&n)));
            format!("{name}{}", self.expr(&arg.value))
        };
        args.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// Blocks inside expressions stand on one line.
    fn flat(&self, block: &Block) -> String {
        let mut inner = Dump { interner: self.interner, out: String::new(), depth: 0 };
        inner.stmts(&block.stmts);
        let lines: Vec<&str> = inner.out.lines().map(str::trim).collect();
        format!("{{{}}}", lines.join("; "))
    }

    fn switch(&self, switch: &Switch) -> String {
        let mut text = format!("(switch {}", self.expr(&switch.subject));
        for arm in &switch.arms {
            let labels: Vec<String> = arm
                .labels
                .iter()
                .map(|label| match label {
                    SwitchLabel::Default(_) => "default".into(),
                    SwitchLabel::Null(_) => "null".into(),
                    SwitchLabel::Value(e) => self.expr(e),
                    SwitchLabel::Pattern(p) => format!("<{}>", self.pattern(p)),
                })
                .collect();
            let guard = arm.guard.as_ref().map_or(String::new(), |e| format!(" when {}", self.expr(e)));
            let body = match &arm.body {
                ArmBody::Expr(e) => self.expr(e),
                ArmBody::Block(b) => self.flat(b),
            };
            let _ = write!(text, " [{}{guard} -> {body}]", labels.join(", "));
        }
        text.push(')');
        text
    }

    fn pattern(&self, pattern: &Pattern) -> String {
        match &pattern.kind {
            PatternKind::Type { ty, name } => {
                let ty = ty.as_ref().map_or("var".into(), |t| self.ty(t));
                name.as_ref().map_or(ty.clone(), |n| format!("{ty} {}", self.name(n)))
            }
            PatternKind::Record { ty, parts } => {
                let parts: Vec<String> = parts.iter().map(|p| self.pattern(p)).collect();
                format!("{}({})", self.ty(ty), parts.join(", "))
            }
        }
    }

    fn expr(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Int(v) => v.to_string(),
            ExprKind::Double(v) => format!("{v:?}d"),
            ExprKind::Bool(v) => v.to_string(),
            ExprKind::Null => "null".into(),
            ExprKind::Char(v) => format!("'{v}'"),
            ExprKind::Duration(v) => format!("{v}ns"),
            ExprKind::Str(parts) => {
                let parts: Vec<String> = parts
                    .iter()
                    .map(|part| match part {
                        StrPart::Text(text) => format!("{text:?}"),
                        StrPart::Expr(e) => format!("${{{}}}", self.expr(e)),
                    })
                    .collect();
                if parts.is_empty() { "\"\"".into() } else { parts.join("~") }
            }
            ExprKind::Name(name) => self.sym(*name),
            ExprKind::This => "this".into(),
            ExprKind::Paren(inner) => format!("(paren {})", self.expr(inner)),
            ExprKind::Field { receiver, name } => format!("{}.{}", self.expr(receiver), self.name(name)),
            ExprKind::Index { receiver, index } => format!("{}[{}]", self.expr(receiver), self.expr(index)),
            ExprKind::Call { callee, args } => format!("{}({})", self.expr(callee), self.args(args)),
            ExprKind::New { ty, args } => format!("(new {}({}))", self.ty(ty), self.args(args)),
            ExprKind::Unary { op, operand } => format!("({op:?} {})", self.expr(operand)),
            ExprKind::Step { target, delta, prefix } => {
                let op = if *delta > 0 { "++" } else { "--" };
                let target = self.expr(target);
                if *prefix { format!("({op}{target})") } else { format!("({target}{op})") }
            }
            ExprKind::Binary { op, left, right, .. } => {
                format!("({op:?} {} {})", self.expr(left), self.expr(right))
            }
            ExprKind::Chain { first, rest } => {
                let mut text = format!("(chain {}", self.expr(first));
                for link in rest {
                    let _ = write!(text, " {:?} {}", link.op, self.expr(&link.operand));
                }
                text + ")"
            }
            ExprKind::Assign { op, target, value, .. } => {
                let op = op.map_or(String::new(), |op| format!("{op:?}"));
                format!("({op}= {} {})", self.expr(target), self.expr(value))
            }
            ExprKind::Conditional { cond, then, else_ } => {
                format!("(? {} {} {})", self.expr(cond), self.expr(then), self.expr(else_))
            }
            ExprKind::Coalesce { left, right } => format!("(?? {} {})", self.expr(left), self.expr(right)),
            ExprKind::Lambda(lambda) => {
                let params: Vec<String> = lambda
                    .params
                    .iter()
                    .map(|p| {
                        let ty = p.ty.as_ref().map_or(String::new(), |t| format!("{} ", self.ty(t)));
                        format!("{ty}{}", self.name(&p.name))
                    })
                    .collect();
                let body = match &lambda.body {
                    LambdaBody::Expr(e) => self.expr(e),
                    LambdaBody::Block(b) => self.flat(b),
                };
                format!("(\\{} -> {body})", params.join(", "))
            }
            ExprKind::Cast { ty, operand } => format!("(cast {} {})", self.ty(ty), self.expr(operand)),
            ExprKind::InstanceOf { operand, pattern } => {
                format!("(instanceof {} {})", self.expr(operand), self.pattern(pattern))
            }
            ExprKind::Switch(switch) => self.switch(switch),
            ExprKind::Try(inner) => format!("(try {})", self.expr(inner)),
            ExprKind::Fail(inner) => format!("(fail {})", self.expr(inner)),
            ExprKind::List(items) => format!("[{}]", self.exprs(items)),
            ExprKind::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(k, v)| format!("{}: {}", self.expr(k), self.expr(v))).collect();
                format!("{{{}}}", entries.join(", "))
            }
            ExprKind::ClassOf(ty) => format!("(class {})", self.ty(ty)),
            ExprKind::Range { low, high } => format!("(range {} {})", self.expr(low), self.expr(high)),
            ExprKind::ScenarioRef { name, args } => {
                format!("(scenario {}({}))", self.name(name), self.args(args))
            }
            ExprKind::Error => "ERROR".into(),
        }
    }
}
