//! Random programs that keep much for long and change it all the time, from a seed: what memory is tested with.
//!
//! A program has a world of lists, maps, sets, texts and lists of lists, whose objects say in each part of theirs which number they
//! have. Beside each stands a model, a list of these numbers, that everything is done to as well, on another way: numbers
//! are no references, so nothing that goes wrong with those hurts it. Functions in which all ways of changing a collection
//! are mixed, in hot loops and recursion, with objects made and dropped between, are called again and again; then the world is
//! compared with its model. So such a program finds by itself what is wrong, and engines can be compared on it as well.

mod changes;
mod kinds;
mod lists;

use crate::random::Random;
use kinds::{KEYS, KINDS, Kind, LIGHT, PRELUDE};
use std::fmt::Write;

/// A program and the memory it is to be run with.
pub struct Program {
    pub source: String,
    pub memory: &'static str,
    /// Whether it goes on until that is full, and traps.
    pub fills_memory: bool,
}

/// What the world keeps.
#[derive(Clone, Copy)]
enum Shape {
    List,
    Rows,
    /// With the row of its keys and how many there are.
    Map(usize, usize),
    Set(usize, usize),
    Log,
    Field,
}

#[derive(Clone, Copy)]
struct Part {
    shape: Shape,
    kind: usize,
    name: usize,
    /// Elements that it is to have at most.
    most: usize,
}

impl Part {
    /// How much longer than its number an entry of a log is.
    fn width(self) -> usize {
        self.most.saturating_sub(20)
    }
}

/// The program of a seed.
pub fn program(seed: u64) -> Program {
    let mut random = Random::new(seed ^ 0x6b65_7074);
    let (fills_memory, is_light) = (random.one_in(12), random.one_in(2));
    let memory = if fills_memory { "3MiB" } else { ["64MiB", "16MiB", "6MiB", "3MiB"][random.below(4)] };
    let mut writer = Writer {
        random,
        out: PRELUDE.to_owned(),
        parts: Vec::new(),
        names: 0,
        indent: 0,
        changes: 0,
        loops: 0,
        is_light,
        is_tight: false,
        focus: None,
    };
    writer.parts();
    writer.kinds();
    let functions = 2 + writer.random.below(4);
    for index in 0..functions {
        writer.function(index);
    }
    writer.check();
    writer.task(functions, fills_memory);
    Program { source: writer.out, memory, fills_memory }
}

struct Writer {
    random: Random,
    out: String,
    parts: Vec<Part>,
    names: usize,
    indent: usize,
    /// What is left to write into a function.
    changes: usize,
    loops: usize,
    /// Little but machine code is needed for what it does.
    is_light: bool,
    /// So does the function that is written, which never goes to the interpreter but to collect.
    is_tight: bool,
    /// What that changes most.
    focus: Option<Part>,
}

impl Writer {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}{text}", "    ".repeat(self.indent));
    }

    /// Lines one level deeper than those that begin and end them.
    fn block(&mut self, head: &str, inner: impl FnOnce(&mut Self)) {
        self.line(&format!("{head} {{"));
        self.indent += 1;
        inner(self);
        self.indent -= 1;
        self.line("}");
    }

    fn name(&mut self, of: &str) -> String {
        self.names += 1;
        format!("{of}{}", self.names)
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.random.below(all.len())]
    }

    fn parts(&mut self) {
        // Few kinds, so that several collections are of the same.
        let all = if self.is_light { LIGHT } else { KINDS.len() };
        let kinds: Vec<usize> = (0..2 + self.random.below(2)).map(|_| self.random.below(all)).collect();
        for name in 0..3 + self.random.below(5) {
            let kind = self.pick(&kinds);
            let keys = if self.is_light { 0 } else { self.random.below(KEYS.len()) };
            let shape = match self.random.below(13) {
                0..5 => Shape::List,
                5 => Shape::Rows,
                // The value of a key that is not there is null, too.
                6..9 if !KINDS[kind].ty.ends_with('?') => Shape::Map(keys, self.pick(&[5, 40, 300])),
                6..10 => Shape::Set(keys, self.pick(&[5, 40, 300])),
                10..12 if !self.is_light => Shape::Log,
                _ => Shape::Field,
            };
            let most = self.pick(&[3, 20, 70, 300]);
            self.parts.push(Part { shape, kind, name, most });
        }
        self.block("class World", |this| {
            for line in [
                "int made = 0;",
                "int work = 0;",
                "int wrong = 0;",
                "Item? last = null;",
                "Light? light = null;",
            ] {
                this.line(line);
            }
            for part in this.parts.clone() {
                let (ty, name) = (KINDS[part.kind].ty, part.name);
                match part.shape {
                    Shape::List => {
                        this.line(&format!("List<{}> a{name} = [];", ty));
                        this.line(&format!("List<int> m{name} = [];"));
                    }
                    Shape::Rows => {
                        this.line(&format!("List<List<{}>> a{name} = [];", ty));
                        this.line(&format!("List<List<int>> m{name} = [];"));
                    }
                    Shape::Map(keys, count) => {
                        this.line(&format!("Map<{}, {ty}> a{name} = {{:}};", KEYS[keys].0));
                        this.line(&format!("List<int> m{name} = List.filled({count}, -1);"));
                    }
                    Shape::Set(keys, count) => {
                        this.line(&format!("Set<{0}> a{name} = new Set<{0}>();", KEYS[keys].0));
                        this.line(&format!("List<int> m{name} = List.filled({count}, -1);"));
                    }
                    Shape::Log => {
                        this.line(&format!("String a{name} = \"\";"));
                        this.line(&format!("List<int> m{name} = [];"));
                    }
                    Shape::Field => {
                        this.line(&format!("{ty} a{name} = make{}(1);", part.kind));
                        this.line(&format!("{ty} b{name} = make{}(1);", part.kind));
                        this.line(&format!("int m{name} = 1;"));
                        this.line(&format!("int n{name} = 1;"));
                    }
                }
            }
            this.line("int fresh() { made++; return made; }");
        });
        self.line("");
    }

    /// What is done with the kinds that the program keeps.
    fn kinds(&mut self) {
        let mut used: Vec<usize> = self.parts.iter().map(|part| part.kind).collect();
        used.sort_unstable();
        used.dedup();
        for number in used {
            let Kind { ty, make, fits, key, of_id, .. } = KINDS[number];
            let _ = write!(
                self.out,
                "{ty} make{number}(int id) {{ return {make}; }}

() -> {ty} holder{number}({ty} x) {{ return () -> x; }}

boolean fits{number}({ty} x, int id) {{ return {fits}; }}

int key{number}({ty} x) {{ return {key}; }}

int ofId{number}(int id) {{ return {of_id}; }}

void checkList{number}(World w, String what, List<{ty}> l, List<int> m) {{
    if (l.size() != m.size()) {{ tell(w, \"${{what}} has ${{l.size()}}, not ${{m.size()}}\"); return; }}
    w.work += m.size() >> 2;
    for (int i = 0; i < m.size(); i++) {{
        if (!fits{number}(l[i], m[i])) {{ tell(w, \"${{what}} at ${{i}}, which is to be ${{m[i]}}\"); }}
    }}
}}

"
            );
        }
    }

    /// A function that does some changes again and again.
    fn function(&mut self, index: usize) {
        self.block(&format!("void step{index}(World w, int seed, int depth)"), |this| {
            this.line("int r = seed;");
            this.changes = if this.is_light { 1 + this.random.below(5) } else { 3 + this.random.below(14) };
            this.loops = 0;
            this.is_tight = this.is_light && this.random.one_in(2);
            let lists = this.lists();
            this.focus =
                (!lists.is_empty() && (this.is_tight || this.random.one_in(2))).then(|| this.pick(&lists));
            let aliases = this.aliases();
            if this.random.one_in(3) {
                this.change(&aliases);
            }
            let times =
                if this.is_light { this.pick(&[8, 60, 300, 2000]) } else { this.pick(&[1, 8, 60, 300]) };
            let n = this.name("n");
            this.block(&format!("for (int {n} = 0; {n} < {times}; {n}++)"), |this| {
                this.line("r = next(r);");
                this.line("w.work++;");
                this.loops = if times > 10 { 2 } else { 1 };
                if let (true, Some(queue)) = (this.is_tight, this.focus) {
                    this.queue(queue);
                }
                while this.changes > 0 {
                    this.change(&aliases);
                }
                if this.random.one_in(3) {
                    this.line(&format!(
                        "if (depth > 0 && (r & 127) == 5) {{ step{index}(w, r, depth - 1); }}"
                    ));
                }
            });
            for (list, model, kind) in aliases {
                this.line(&format!("checkList{kind}(w, \"{list} of step{index}\", {list}, {model});"));
            }
        });
        self.line("");
    }

    fn lists(&self) -> Vec<Part> {
        self.parts.iter().copied().filter(|part| matches!(part.shape, Shape::List)).collect()
    }

    /// Lists that a function has under names of its own: some are its own, some may be one and the same.
    fn aliases(&mut self) -> Vec<(String, String, usize)> {
        let mut all = Vec::new();
        for part in self.parts.clone() {
            let ty = KINDS[part.kind].ty;
            let mut others = self.lists();
            others.retain(|other| other.kind == part.kind);
            let (list, model) = (self.name("l"), self.name("m"));
            let (l, m) = match (part.shape, self.random.below(5)) {
                (Shape::List, 0) => (format!("w.a{}", part.name), format!("w.m{}", part.name)),
                (Shape::List, 1) => {
                    let other = self.pick(&others).name;
                    let one = part.name;
                    (
                        format!("(seed & 64) == 0 ? w.a{one} : w.a{other}"),
                        format!("(seed & 64) == 0 ? w.m{one} : w.m{other}"),
                    )
                }
                (Shape::List | Shape::Rows | Shape::Map(..), 2) => ("[]".into(), "[]".into()),
                _ => continue,
            };
            self.line(&format!("List<{ty}> {list} = {l};"));
            self.line(&format!("List<int> {model} = {m};"));
            all.push((list, model, part.kind));
        }
        all
    }

    /// A function that compares the whole world with its model, and prints what there is.
    fn check(&mut self) {
        self.block("void check(World w)", |this| {
            this.line("int sum = w.wrong;");
            for part in this.parts.clone() {
                let Part { shape, kind, name, .. } = part;
                match shape {
                    Shape::List => {
                        this.line(&format!("checkList{kind}(w, \"a{name}\", w.a{name}, w.m{name});"));
                        this.line(&format!("for (int id : w.m{name}) {{ sum = (sum * 31 + id) & 0xFFFFFFF; }}"));
                    }
                    Shape::Rows => {
                        this.line(&format!(
                            "if (w.a{name}.size() != w.m{name}.size()) {{ tell(w, \"rows of a{name}\"); }}"
                        ));
                        this.block(&format!("for (int i = 0; i < w.m{name}.size(); i++)"), |this| {
                            this.line(&format!("checkList{kind}(w, \"row ${{i}} of a{name}\", w.a{name}[i], w.m{name}[i]);"));
                            this.line(&format!("for (int id : w.m{name}[i]) {{ sum = (sum * 31 + id) & 0xFFFFFFF; }}"));
                        });
                    }
                    Shape::Map(keys, count) => {
                        let (key_ty, key) = KEYS[keys];
                        let ty = KINDS[kind].ty;
                        this.block("if (true)", |this| {
                            this.line("int size = 0;");
                            this.block(&format!("for (int k = 0; k < {count}; k++)"), |this| {
                                this.line(&format!("int id = w.m{name}[k];"));
                                this.line("if (id >= 0) { size++; }");
                                this.line(&format!(
                                    "if (w.a{name}.contains({key}) != (id >= 0)) {{ tell(w, \"key ${{k}} of a{name}\"); }}"
                                ));
                                this.line(&format!("{} x = w.a{name}[{key}];", maybe(ty)));
                                this.line(&format!(
                                    "if (x != null && !fits{kind}(x, id)) {{ tell(w, \"value ${{k}} of a{name}, which is to be ${{id}}\"); }}"
                                ));
                            });
                            this.line(&format!("if (w.a{name}.size() != size) {{ tell(w, \"size of a{name}\"); }}"));
                            this.block(&format!("for (Entry<{key_ty}, {ty}> e : w.a{name})"), |this| {
                                this.line("size--;");
                                this.line(&format!("sum = (sum * 31 + key{kind}(e.value)) & 0xFFFFFFF;"));
                            });
                            this.line(&format!("if (size != 0) {{ tell(w, \"entries of a{name}\"); }}"));
                        });
                    }
                    Shape::Set(keys, count) => {
                        let (key_ty, key) = KEYS[keys];
                        this.block("if (true)", |this| {
                            this.line("int size = 0;");
                            this.block(&format!("for (int k = 0; k < {count}; k++)"), |this| {
                                this.line(&format!("boolean has = w.m{name}[k] >= 0;"));
                                this.line("if (has) { size++; }");
                                this.line(&format!(
                                    "if (w.a{name}.contains({key}) != has) {{ tell(w, \"item ${{k}} of a{name}\"); }}"
                                ));
                            });
                            this.line(&format!("if (w.a{name}.size() != size) {{ tell(w, \"size of a{name}\"); }}"));
                            this.block(&format!("for ({key_ty} key : w.a{name})"), |this| {
                                this.line("size--;");
                                this.line("for (int code : \"${key}\".chars()) { sum = (sum * 31 + code) & 0xFFFFFFF; }");
                            });
                            this.line(&format!("if (size != 0) {{ tell(w, \"items of a{name}\"); }}"));
                        });
                    }
                    Shape::Log => {
                        let width = part.width();
                        this.line(&format!(
                            "if (w.a{name} != w.m{name}.map(id -> entryOf(id, {width})).join(\"\")) {{ tell(w, \"a{name}\"); }}"
                        ));
                        this.line(&format!("sum = (sum * 31 + w.a{name}.length()) & 0xFFFFFFF;"));
                    }
                    Shape::Field => {
                        this.line(&format!("if (!fits{kind}(w.a{name}, w.m{name})) {{ tell(w, \"a{name}\"); }}"));
                        this.line(&format!("if (!fits{kind}(w.b{name}, w.n{name})) {{ tell(w, \"b{name}\"); }}"));
                    }
                }
            }
            this.line("print(\"${w.made} ${sum} ${w.wrong}\");");
        });
        self.line("");
    }

    fn task(&mut self, functions: usize, fills_memory: bool) {
        let (work, every) = (self.pick(&[5_000, 20_000, 80_000]), self.pick(&[3, 10, 40]));
        let seed = self.random.below(1 << 20);
        self.block("task Main()", |this| {
            this.line("World w = new World();");
            this.line(&format!("int r = {seed};"));
            this.block(&format!("for (int round = 0; round < 800 && w.work < {work}; round++)"), |this| {
                for index in 0..functions {
                    this.line("r = next(r);");
                    let depth = this.random.below(3);
                    let call = format!("step{index}(w, r, {depth});");
                    match this.random.below(6) {
                        0 => this.line(&format!("if (r % 3 == 0) {{ {call} }}")),
                        1 => {
                            let i = this.name("i");
                            this.line(&format!(
                                "for (int {i} = 0; {i} < 12; {i}++) {{ r = next(r); {call} }}"
                            ));
                        }
                        2 => this.line(&format!("within (1h) {{ {call} }} else {{ fail \"late\"; }}")),
                        _ => this.line(&call),
                    }
                }
                this.fibers();
                this.line(&format!("if (round % {every} == 0) {{ check(w); }}"));
            });
            this.line("check(w);");
            if fills_memory {
                this.line("List<List<Item>> all = [];");
                let many = this.pick(&[1, 30, 2000]);
                this.block("while (true)", |this| {
                    this.line("List<Item> some = [];");
                    this.line(&format!(
                        "for (int i = 0; i < {many}; i++) {{ some.add(new Item(i, textOf(i))); }}"
                    ));
                    this.line("all.add(some);");
                });
            }
            if !fills_memory {
                this.line("return w.wrong == 0;");
            }
        });
    }

    /// Several fibers that look at a list at once while they make objects.
    fn fibers(&mut self) {
        let lists = self.lists();
        if lists.is_empty() || !self.random.one_in(3) {
            return;
        }
        let Part { kind, name, .. } = self.pick(&lists);
        let keys = self.name("keys");
        let limit = 1 + self.random.below(5);
        self.line("w.work += 100;");
        self.line(&format!(
            "List<int> {keys} = parallel(w.a{name}.copy().take(40), {limit}, x -> {{ int d = deep(key{kind}(x), new Item(1, \"n1\")); System.sleep(0ms); return deep(d, new Item(2, \"n2\")) == d + 1 ? key{kind}(x) : -9; }});"
        ));
        self.line(&format!(
            "if ({keys} != w.m{name}.take(40).map(id -> ofId{kind}(id))) {{ tell(w, \"fibers on a{name}\"); }}"
        ));
    }
}

/// The type that is also null.
fn maybe(ty: &str) -> String {
    if ty.ends_with('?') {
        return ty.to_owned();
    }
    if ty.contains("->") { format!("({ty})?") } else { format!("{ty}?") }
}
