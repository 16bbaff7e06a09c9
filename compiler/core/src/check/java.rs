//! What Java calls otherwise: the name here, and what to do, for names that D-Script does not know.

use super::Checker;
use super::stmt::strip;
use crate::defs::{Def, FnId, TypeDefId};
use crate::names::{Found, lookup};
use crate::types::TyKind;
use dscript_grammar::ast::{Arg, Expr, ExprKind, Ident, Lambda, LambdaBody};
use dscript_grammar::codes;
use dscript_grammar::diagnostic::{Diagnostic, Edit};
use dscript_grammar::span::{Span, Symbol};
use dscript_grammar::walk::Node;

/// A receiver's type, a member of Java's, what stands for it here (empty where it is nothing so short), and what to do.
type Row = (&'static str, &'static str, &'static str, &'static str);

const MEMBERS: &[Row] = &[
    ("String", "equals", "", "`==` compares the contents: write `a == b`"),
    ("String", "size", "length", "a text has a `length()`"),
    ("String", "strip", "trim", "it is called `trim` here"),
    ("String", "toUpperCase", "toUpper", "it is called `toUpper` here"),
    ("String", "toLowerCase", "toLower", "it is called `toLower` here"),
    ("String", "toCharArray", "chars", "`s.chars()` are its code points"),
    ("String", "codePoints", "chars", "`s.chars()` are its code points"),
    ("List", "length", "size", "a list has a `size()`"),
    ("List", "push", "add", "it is called `add` here"),
    ("List", "append", "add", "it is called `add` here"),
    ("List", "stream", "", "lists have `map`, `filter`, `reduce` and the like themselves"),
    ("List", "each", "", "write `for (var x : xs) { ... }`"),
    ("List", "equals", "", "`==` compares the contents: write `a == b`"),
    ("Set", "length", "size", "a set has a `size()`"),
    ("Map", "length", "size", "a map has a `size()`"),
    ("String", "stripLeading", "trimStart", "it is called `trimStart` here"),
    ("String", "stripTrailing", "trimEnd", "it is called `trimEnd` here"),
    ("String", "lstrip", "trimStart", "it is called `trimStart` here"),
    ("String", "rstrip", "trimEnd", "it is called `trimEnd` here"),
    ("String", "getBytes", "toBytes", "it is called `toBytes` here"),
    ("String", "padStart", "padLeft", "it is called `padLeft` here"),
    ("String", "padEnd", "padRight", "it is called `padRight` here"),
    ("String", "splitLines", "lines", "it is called `lines` here"),
    ("String", "splitlines", "lines", "it is called `lines` here"),
    ("String", "codePointAt", "charAt", "it is called `charAt` here"),
    ("String", "replaceAll", "replace", "it is called `replace` here"),
    ("String", "compareToIgnoreCase", "", "write `a.toLower().compareTo(b.toLower())`"),
    ("String", "matches", "", "write `new Regex(r\"...\").matches(s)`"),
    ("String", "concat", "", "texts are joined by `+`, or in `\"${...}\"`"),
    ("String", "hashCode", "", "texts are compared by `==`, and are keys of maps as they are"),
    ("String", "toInt", "", "write `Int.parse(s)`, an `int?`"),
    ("String", "toDouble", "", "write `Double.parse(s)`, a `double?`"),
    ("String", "join", "", "write `list.join(\", \")`"),
    ("List", "getFirst", "first", "it is called `first` here"),
    ("List", "getLast", "last", "it is called `last` here"),
    ("List", "subList", "slice", "it is called `slice` here"),
    ("List", "anyMatch", "any", "it is called `any` here"),
    ("List", "allMatch", "all", "it is called `all` here"),
    ("List", "findFirst", "find", "it is called `find` here"),
    ("List", "limit", "take", "it is called `take` here"),
    ("List", "skip", "drop", "it is called `drop` here"),
    ("List", "joinToString", "join", "it is called `join` here"),
    ("List", "fold", "reduce", "it is called `reduce` here"),
    ("List", "removeLast", "", "write `xs.removeAt(xs.size() - 1)`"),
    ("List", "pop", "", "write `xs.removeAt(xs.size() - 1)`"),
    ("List", "removeFirst", "", "write `xs.removeAt(0)`"),
    ("List", "noneMatch", "", "write `!xs.any(...)`"),
    ("List", "none", "", "write `!xs.any(...)`"),
    ("List", "average", "", "write `(double) xs.sum() / xs.size()`"),
    ("List", "enumerate", "", "write `for (int i : 0..xs.size())`"),
    ("List", "partition", "groupBy", "`groupBy` puts what gives true and what gives false into two lists"),
    ("List", "toList", "copy", "it is a list already; another one with the same items is `xs.copy()`"),
    ("Set", "toList", "values", "it is called `values` here"),
    ("Set", "difference", "minus", "it is called `minus` here"),
    ("Set", "removeAll", "minus", "it is called `minus` here"),
    ("Set", "retainAll", "intersection", "it is called `intersection` here"),
    ("Set", "intersect", "intersection", "it is called `intersection` here"),
    ("Set", "stream", "", "sets have `map`, `filter`, `reduce` and the like themselves"),
    ("Map", "has", "contains", "it is called `contains` here"),
    (
        "Map",
        "merge",
        "update",
        "`m.update(key, 0, v -> v + 1)` changes the value, or what stands for one that is missing",
    ),
    (
        "Map",
        "compute",
        "update",
        "`m.update(key, 0, v -> v + 1)` changes the value, or what stands for one that is missing",
    ),
    (
        "Map",
        "computeIfAbsent",
        "getOrPut",
        "it is called `getOrPut` here, and its lambda takes nothing: `m.getOrPut(key, () -> [])`",
    ),
    ("Map", "addAll", "putAll", "it is called `putAll` here"),
    ("Map", "items", "entries", "it is called `entries` here"),
    ("Map", "set", "put", "write `m[key] = value`"),
    (
        "Map",
        "computeIfPresent",
        "update",
        "`m.update(key, 0, v -> v + 1)` changes the value, or what stands for one that is missing",
    ),
    ("Map", "containsValue", "", "write `m.values().contains(value)`"),
    ("Duration", "toMillis", "millis", "it is called `millis` here"),
    ("Duration", "toNanos", "nanos", "it is called `nanos` here"),
    ("Duration", "toSeconds", "seconds", "it is called `seconds` here"),
    ("Duration", "toMinutes", "minutes", "it is called `minutes` here"),
    ("Duration", "toHours", "hours", "it is called `hours` here"),
    ("Duration", "toDays", "days", "it is called `days` here"),
    ("Duration", "getSeconds", "seconds", "it is called `seconds` here"),
    ("Duration", "isNegative", "", "write `d < 0s`"),
    ("Duration", "isZero", "", "write `d == 0s`"),
    ("Duration", "plus", "", "write `a + b`"),
    ("Duration", "minus", "", "write `a - b`"),
    ("Time", "toEpochMilli", "millis", "it is called `millis` here"),
    ("Time", "epochMillis", "millis", "it is called `millis` here"),
    ("Time", "epochSeconds", "seconds", "it is called `seconds` here"),
    ("Time", "getEpochSecond", "seconds", "it is called `seconds` here"),
    ("Time", "plus", "", "write `t + 5s`"),
    ("Time", "minus", "", "write `t - 5s`"),
    ("Time", "isBefore", "", "write `a < b`"),
    ("Time", "isAfter", "", "write `a > b`"),
    ("Bytes", "size", "length", "it is called `length` here"),
    ("Bytes", "decode", "toText", "it is called `toText` here"),
    ("Bytes", "toUtf8", "toText", "it is called `toText` here"),
    ("Random", "choice", "pick", "it is called `pick` here"),
    ("Map", "keySet", "keys", "it is called `keys` here"),
    ("Map", "entrySet", "entries", "it is called `entries` here"),
];

const TIMING: &str =
    "the time is `System.now()`, a `Time`; what lies between two, `System.now() - begin`, is a `Duration`";

const STATICS: &[Row] = &[
    ("String", "valueOf", "", "a value becomes text in `\"${...}\"`"),
    ("String", "join", "", "write `list.join(\", \")`"),
    ("System", "out", "", "write `print(...)`"),
    ("System", "err", "", "write `print(...)`"),
    ("System", "exit", "", "a task ends by `return true;`, `return false;` or `fail \"...\";`"),
    ("System", "currentTimeMillis", "now().millis", TIMING),
    ("System", "nanoTime", "now().nanos", TIMING),
    ("System", "getenv", "env", "it is called `env` here"),
    ("Math", "sign", "signum", "it is called `signum` here"),
    ("Int", "toHexString", "toHex", "it is called `toHex` here"),
    ("Int", "toBinaryString", "toBinary", "it is called `toBinary` here"),
    (
        "Int",
        "toString",
        "toText",
        "a value becomes text in `\"${...}\"`, in the digits of a radix by `Int.toText(n, 16)`",
    ),
    ("Json", "stringify", "text", "it is called `text` here"),
    ("Json", "write", "text", "it is called `text` here"),
    ("Json", "toJson", "text", "it is called `text` here"),
    ("Regex", "compile", "of", "it is called `of` here"),
    ("Regex", "escape", "quote", "it is called `quote` here"),
    ("File", "readText", "read", "it is called `read` here"),
    ("File", "readString", "read", "it is called `read` here"),
    ("File", "readAllLines", "lines", "it is called `lines` here"),
    ("File", "readLines", "lines", "it is called `lines` here"),
    ("File", "delete", "remove", "it is called `remove` here"),
    ("File", "mkdir", "createDirectory", "it is called `createDirectory` here"),
    ("File", "rename", "move", "it is called `move` here"),
    ("File", "writeString", "write", "it is called `write` here"),
    ("File", "writeText", "write", "it is called `write` here"),
    ("Time", "ofEpochSecond", "ofSeconds", "it is called `ofSeconds` here"),
    ("Time", "ofEpochMilli", "ofMillis", "it is called `ofMillis` here"),
    ("Math", "random", "", "make a `new Random(seed)`, and ask it"),
    ("Math", "trunc", "", "write `(int) x`"),
    ("Int", "MAX_VALUE", "MAX", "it is called `MAX` here"),
    ("Int", "MIN_VALUE", "MIN", "it is called `MIN` here"),
    ("Double", "MAX_VALUE", "MAX", "it is called `MAX` here"),
    ("Double", "POSITIVE_INFINITY", "INFINITY", "it is called `INFINITY` here"),
    ("Double", "NEGATIVE_INFINITY", "", "write `-Double.INFINITY`"),
    ("Double", "NaN", "NAN", "it is called `NAN` here"),
    ("Duration", "ZERO", "", "a Duration is written `0s`"),
    ("Duration", "between", "", "write `b - a`"),
    ("Time", "now", "", "the time is `System.now()`"),
    ("File", "size", "stat", "write `(try File.stat(path)).size`"),
    ("File", "modified", "stat", "write `(try File.stat(path)).modified`"),
    ("Net", "isOpen", "ping", "`Net.ping(host, port)` tries to connect"),
    (
        "Service",
        "reload",
        "",
        "run the manager's own command, as `new Command(\"systemctl\", \"reload\", unit).run()`",
    ),
    ("List", "of", "", "a list is written `[a, b]`"),
    ("Set", "of", "", "make it by `new Set<T>()` and `add`"),
    ("Map", "of", "", "a map is written `{key: value}`"),
    ("Int", "parseInt", "", "it is `Int.parse(text)`, an `int?`"),
    ("Int", "valueOf", "", "it is `Int.parse(text)`, an `int?`"),
    ("Double", "parseDouble", "", "it is `Double.parse(text)`, a `double?`"),
    ("Double", "valueOf", "", "it is `Double.parse(text)`, a `double?`"),
];

/// Names that stand alone: the name here, and what to do.
const NAMES: &[(&str, &str, &str)] = &[
    ("Integer", "Int", "functions over ints are in `Int`"),
    ("Long", "Int", "functions over ints are in `Int`"),
    ("Float", "Double", "functions over doubles are in `Double`"),
    ("Thread", "System", "a task waits by `System.sleep(1s)`"),
    ("Arrays", "", "a list is written `[a, b]`, and has its own methods"),
    ("Collections", "", "lists, maps and sets have their own methods"),
    ("Objects", "", "`==` compares contents, and only a `T?` may be null"),
    ("Optional", "", "what may be missing is a `T?`"),
    ("Files", "File", "functions over files are in `File`"),
    ("Instant", "Time", "points in time are `Time`"),
    ("println", "print", "write `print(...)`"),
    ("sleep", "", "a task waits by `System.sleep(1s)`"),
    ("echo", "print", "write `print(...)`"),
    ("puts", "print", "write `print(...)`"),
    ("console", "", "write `print(...)`"),
    ("log", "", "write `print(...)`: what a task prints is kept in the log of its run"),
    ("logger", "", "write `print(...)`: what a task prints is kept in the log of its run"),
    ("len", "", "a text has a `length()`, a collection a `size()`"),
    ("str", "", "a value becomes text in `\"${...}\"`"),
    ("range", "", "a range is written `0..n`: `for (int i : 0..n)`"),
    ("exit", "", "a task ends by `return true;`, `return false;` or `fail \"...\";`"),
    ("None", "null", "it is called `null` here"),
    ("nil", "null", "it is called `null` here"),
    ("undefined", "null", "it is called `null` here"),
    ("True", "true", "it is called `true` here"),
    ("False", "false", "it is called `false` here"),
    ("self", "this", "it is called `this` here"),
    ("os", "", "functions over the machine are in `System`, `File` and `Process`"),
    ("subprocess", "", "a command is run by `new Command(\"ls\", \"-l\").run()`"),
    ("Runtime", "", "a command is run by `new Command(\"ls\", \"-l\").run()`"),
    ("ProcessBuilder", "", "a command is run by `new Command(\"ls\", \"-l\").run()`"),
    ("NULL", "null", "what is missing is `null`"),
    ("yes", "true", "a boolean is `true` or `false`"),
    ("no", "false", "a boolean is `true` or `false`"),
    ("printf", "", "write `print(String.format(...))`"),
    ("listOf", "", "a list is written `[a, b]`"),
    ("mutableListOf", "", "a list is written `[a, b]`"),
    ("mapOf", "", "a map is written `{key: value}`"),
    ("setOf", "", "a set is made by `[a, b].toSet()`"),
    ("input", "", "a program has no input of its own: a task has parameters"),
    ("require", "", "modules are named by `import`; a condition that must hold by `assert`"),
    ("raise", "", "an expected failure is a value: write `fail \"text\";`"),
    ("panic", "", "an expected failure is a value: write `fail \"text\";`; a bug is found by `assert`"),
];

/// Types of Java, and words of other languages that stand where a type does.
const TYPES: &[(&str, &str, &str)] = &[
    (
        "Object",
        "",
        "there is no type above all others: name the interface that is meant, or make the function generic",
    ),
    ("Exception", "", "an expected failure is a value: `Error`"),
    ("RuntimeException", "", "an expected failure is a value: `Error`"),
    ("Throwable", "", "an expected failure is a value: `Error`"),
    ("Void", "void", "nothing is `void`"),
    ("Optional", "", "what may be missing is a `T?`"),
    ("StringBuilder", "", "texts are joined by `+`, or by `list.join(\"\")`"),
    ("Function", "", "a function's type is written `(A) -> R`"),
    ("Supplier", "", "a function's type is written `() -> R`"),
    ("Consumer", "", "a function's type is written `(A) -> void`"),
    ("Predicate", "", "a function's type is written `(A) -> boolean`"),
    ("Runnable", "", "a function's type is written `() -> void`"),
    ("Iterable", "", "name the collection: `List<T>`, `Set<T>`, `Map<K, V>`"),
    ("Collection", "", "name the collection: `List<T>`, `Set<T>`, `Map<K, V>`"),
    ("Instant", "Time", "points in time are `Time`"),
    ("let", "var", "a local is declared by its type, or by `var`"),
    ("val", "final var", "a local is declared by its type, or by `final var`"),
    ("auto", "var", "a local is declared by its type, or by `var`"),
    ("str", "String", "it is called `String` here"),
    ("list", "List", "write `List<T>`"),
    ("dict", "Map", "write `Map<K, V>`"),
    ("monitor", "", "a task is declared by `monitor task NAME(...)`"),
    ("analyze", "", "a task is declared by `analyze task NAME(...)`"),
    ("recover", "", "a task is declared by `recover task NAME(...)`"),
    ("respond", "", "a task is declared by `respond task NAME(...)`"),
    ("def", "", "a function begins with the type of its result, or `void`"),
    ("fn", "", "a function begins with the type of its result, or `void`"),
    ("func", "", "a function begins with the type of its result, or `void`"),
    ("function", "", "a function begins with the type of its result, or `void`"),
];

fn find(rows: &'static [Row], owner: &str, name: &str) -> Option<(&'static str, &'static str)> {
    rows.iter().find(|row| row.0 == owner && row.1 == name).map(|row| (row.2, row.3))
}

/// A name that stands alone.
pub(super) fn name(text: &str) -> Option<(&'static str, &'static str)> {
    NAMES.iter().find(|row| row.0 == text).map(|row| (row.1, row.2))
}

/// A name where a type stands.
pub(crate) fn type_name(text: &str) -> Option<(&'static str, &'static str)> {
    TYPES.iter().find(|row| row.0 == text).map(|row| (row.1, row.2))
}

impl Checker<'_, '_> {
    /// A member that Java has: its name here, empty where there is none, and what to do.
    pub(super) fn member_of_java(
        &self,
        owner: TypeDefId,
        name: &str,
        call: bool,
    ) -> Option<(&'static str, &'static str)> {
        let decl = &self.defs.types[owner.index()];
        let known = self.defs.modules[decl.module.index()].is_std && (call || name == "length");
        known.then(|| find(MEMBERS, self.text(decl.name), name)).flatten()
    }

    pub(super) fn static_of_java(
        &self,
        owner: TypeDefId,
        name: &str,
    ) -> Option<(&'static str, &'static str)> {
        let decl = &self.defs.types[owner.index()];
        let known = self.defs.modules[decl.module.index()].is_std;
        known.then(|| find(STATICS, self.text(decl.name), name)).flatten()
    }

    /// Offers the name of a member in place of Java's: of a call only where the arguments fit what it takes.
    pub(super) fn renamed(
        &self,
        report: Diagnostic,
        owner: TypeDefId,
        at: Span,
        better: &str,
        args: Option<&[Arg]>,
    ) -> Diagnostic {
        if better.is_empty() {
            return report;
        }
        let name = better.split('(').next().and_then(|name| self.interner.get(name));
        let method = name.and_then(|name| self.defs.types[owner.index()].methods.get(&name));
        let fitted = match (method, args) {
            (Some(&id), Some(args)) => self.fitted(id, args),
            _ => Some(Vec::new()),
        };
        let Some(fitted) = fitted else { return report };
        let mut report = report.edit(at, better);
        report.edits.extend(fitted);
        report
    }

    /// What is to be changed in arguments for a function to take them, as far as their number and that of the
    /// parameters of lambdas tell; `None` where it takes others.
    pub(super) fn fitted(&self, id: FnId, args: &[Arg]) -> Option<Vec<Edit>> {
        let params = &self.defs.fns[id.index()].params;
        let needed = params.iter().filter(|p| p.default.is_none()).count();
        if args.iter().any(|arg| arg.name.is_some()) || !(needed..=params.len()).contains(&args.len()) {
            return None;
        }
        let mut edits = Vec::new();
        for (arg, param) in args.iter().zip(params) {
            let value = strip(&arg.value);
            let ExprKind::Lambda(lambda) = &value.kind else { continue };
            match self.types.kind(param.ty) {
                TyKind::Function(wanted, _) if wanted.len() == lambda.params.len() => {}
                TyKind::Function(wanted, _) if wanted.is_empty() => {
                    edits.push(self.without_parameters(value, lambda)?);
                }
                TyKind::Param(_) => {}
                _ => return None,
            }
        }
        Some(edits)
    }

    /// The edit that takes the parameters of a lambda away, where it uses none.
    fn without_parameters(&self, expr: &Expr, lambda: &Lambda) -> Option<Edit> {
        let is_parameter = |name: Symbol| lambda.params.iter().any(|p| p.name.name == name);
        let mut is_used = false;
        let body = match &lambda.body {
            LambdaBody::Expr(body) => Node::Expr(body),
            LambdaBody::Block(block) => Node::Block(block),
        };
        body.each(&mut |node| {
            is_used |=
                matches!(node, Node::Expr(Expr { kind: ExprKind::Name(name), .. }) if is_parameter(*name));
        });
        let end = lambda.params.last()?.name.span.end;
        let arrow = self.written(Span::new(end, expr.span.end)).find("->")?;
        let span = Span::new(expr.span.start, end + arrow as u32);
        (!is_used).then(|| Edit { span, text: "() ".to_string() })
    }

    /// A member of a type that has another name here: both are told at once.
    pub(super) fn offer_static(&mut self, receiver: &Expr, name: Ident, args: Option<&[Arg]>) {
        let is_renamed = |d: &mut Diagnostic| {
            d.code == codes::UNKNOWN_NAME && d.span == receiver.span && d.edits.len() == 1
        };
        let Some(mut told) = self.diagnostics.pop_if(is_renamed) else { return };
        let here = self.interner.get(&told.edits[0].text).map(|name| lookup(self.defs, self.cx.module, name));
        if let Some(Found::One(Def::Type(def))) = here {
            let decl = &self.defs.types[def.index()];
            let is_there = decl.methods.contains_key(&name.name) || decl.consts.contains_key(&name.name);
            if let Some((better, help)) = self.static_of_java(def, self.text(name.name)) {
                told = self.renamed(told.help(help), def, name.span, better, args);
            }
            if !is_there && told.edits.len() == 1 {
                told.edits.clear();
            }
        }
        self.diagnostics.push(told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoSources;
    use crate::session::Session;

    /// A row that names what exists is never asked for; one that leads to what does not, misleads.
    #[test]
    fn rows_lead_from_what_is_not_there_to_what_is() {
        Session::default().analyze(&NoSources, |a| {
            for (rows, is_static) in [(MEMBERS, false), (STATICS, true)] {
                for (owner, theirs, ours, _) in rows {
                    let ty = a.defs.types.iter().find(|t| a.name(t.name) == *owner).expect(owner);
                    let has = |name: &str| {
                        let method = ty.methods.iter().find(|(n, _)| a.name(**n) == name);
                        method.is_some_and(|(_, id)| a.defs.fns[id.index()].is_method != is_static)
                            || is_static && ty.consts.keys().any(|n| a.name(*n) == name)
                    };
                    assert!(!has(theirs), "{owner} has a `{theirs}`");
                    let ours = ours.split('(').next().unwrap_or_default();
                    assert!(ours.is_empty() || has(ours), "{owner} has no `{ours}`");
                }
            }
        });
    }
}
