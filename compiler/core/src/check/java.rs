//! What Java calls otherwise: the name here, and what to do, for names that D-Script does not know.

use super::Checker;
use crate::defs::TypeDefId;

/// A receiver's type, a member of Java's, the name here (empty where it is no other name), and what to do.
type Row = (&'static str, &'static str, &'static str, &'static str);

const MEMBERS: &[Row] = &[
    ("String", "equals", "", "`==` compares the contents: write `a == b`"),
    ("String", "size", "length", "a text has a `length()`"),
    ("String", "isBlank", "", "write `s.trim().isEmpty()`"),
    ("String", "strip", "trim", "it is called `trim` here"),
    ("String", "toUpperCase", "toUpper", "it is called `toUpper` here"),
    ("String", "toLowerCase", "toLower", "it is called `toLower` here"),
    ("String", "toCharArray", "", "code points are read by `s.charAt(i)`"),
    ("List", "length", "size", "a list has a `size()`"),
    ("List", "push", "add", "it is called `add` here"),
    ("List", "append", "add", "it is called `add` here"),
    ("List", "stream", "", "lists have `map`, `filter`, `reduce` and the like themselves"),
    ("List", "forEach", "", "write `for (var x : xs) { ... }`"),
    ("List", "each", "", "write `for (var x : xs) { ... }`"),
    ("List", "equals", "", "`==` compares the contents: write `a == b`"),
    ("Set", "length", "size", "a set has a `size()`"),
    ("Map", "length", "size", "a map has a `size()`"),
    ("Map", "put", "", "write `m[key] = value`"),
    ("Map", "getOrDefault", "", "write `m[key] ?? value`"),
    ("Map", "keySet", "keys", "it is called `keys` here"),
    ("Map", "entrySet", "entries", "it is called `entries` here"),
    ("Map", "forEach", "", "write `for (var entry : map) { ... }`"),
];

const STATICS: &[Row] = &[
    ("String", "valueOf", "", "a value becomes text in `\"${...}\"`"),
    ("String", "join", "", "write `list.join(\", \")`"),
    ("System", "out", "", "write `print(...)`"),
    ("System", "err", "", "write `print(...)`"),
    ("System", "exit", "", "a task ends by `return true;`, `return false;` or `fail \"...\";`"),
    ("System", "currentTimeMillis", "now", "the time is `System.now()`, a `Time`"),
    ("System", "nanoTime", "now", "the time is `System.now()`, a `Time`"),
    ("System", "getenv", "env", "it is called `env` here"),
    ("List", "of", "", "a list is written `[a, b]`"),
    ("Set", "of", "", "make it by `new Set<T>()` and `add`"),
    ("Map", "of", "", "a map is written `{key: value}`"),
    ("Int", "parseInt", "parse", "it is `Int.parse(text)`, an `int?`"),
    ("Int", "valueOf", "parse", "it is `Int.parse(text)`, an `int?`"),
    ("Double", "parseDouble", "parse", "it is `Double.parse(text)`, a `double?`"),
    ("Double", "valueOf", "parse", "it is `Double.parse(text)`, a `double?`"),
    ("Duration", "ofSeconds", "", "a Duration is written `5s`, or `1s * n`"),
    ("Duration", "ofMillis", "", "a Duration is written `250ms`, or `1ms * n`"),
    ("Duration", "ofMinutes", "", "a Duration is written `10m`, or `1m * n`"),
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
    ("printf", "", "write `print(String.format(...))`"),
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
}
