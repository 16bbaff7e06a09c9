//! Changes of what a program keeps, each of the collection and of its model.

use super::kinds::{KEYS, KINDS};
use super::lists::Target;
use super::{Part, Shape, Writer, maybe};

impl Writer {
    /// A number from the random ones of the program, below what an expression says.
    pub(super) fn below(&mut self, end: &str) -> String {
        let bits = 2 + self.random.below(12);
        format!("(r >> {bits}) % {end}")
    }

    /// When a change is done: always, or as the random number says.
    fn often(&mut self) -> String {
        let (mask, bits) = (self.pick(&[1, 3, 3, 7, 31]), self.random.below(8));
        format!("if (((r >> {bits}) & {mask}) == {})", self.random.below(mask + 1).min(1))
    }

    /// Any change, or objects that are made and dropped.
    pub(super) fn change(&mut self, aliases: &[(String, String, usize)]) {
        self.changes = self.changes.saturating_sub(1);
        let head = match self.random.below(8) {
            0 => String::new(),
            1 => {
                self.line("r = next(r);");
                self.often()
            }
            _ => self.often(),
        };
        if self.random.one_in(if self.is_light { 3 } else { 5 }) {
            return self.storm();
        }
        if let Some(part) = self.focus
            && !self.random.one_in(3)
        {
            return self.block(&head, |this| this.list(&this.target(part)));
        }
        if !aliases.is_empty() && self.random.one_in(2) {
            let (list, model, kind) = aliases[self.random.below(aliases.len())].clone();
            let most = self.pick(&[5, 40, 200]);
            return self.block(&head, |this| this.list(&Target { list, model, kind, most }));
        }
        let all = self.parts.clone();
        let part = self.pick(&all);
        self.block(&head, |this| this.part(part));
    }

    fn part(&mut self, part: Part) {
        let Part { shape, kind, name, most } = part;
        let (list, model) = (format!("w.a{name}"), format!("w.m{name}"));
        match shape {
            Shape::List if !self.is_tight && self.random.one_in(5) => self.whole(&list, &model, kind, most),
            Shape::List => self.list(&self.target(part)),
            Shape::Rows => self.rows(&list, &model, kind, most),
            Shape::Map(keys, count) => self.map(&list, &model, kind, keys, count),
            Shape::Set(keys, count) => self.set(&list, &model, keys, count),
            Shape::Log => self.log(&list, &model, part.width()),
            Shape::Field => self.field(name, kind),
        }
    }

    /// A short loop around what is written, sometimes.
    pub(super) fn some_times(&mut self, inner: impl FnOnce(&mut Self)) {
        if self.loops < 2 && self.random.one_in(4) {
            let (i, times) = (self.name("i"), self.pick(&[2, 5, 40]));
            self.loops += 1;
            self.block(&format!("for (int {i} = 0; {i} < {times}; {i}++)"), |this| {
                this.line("r = next(r);");
                inner(this);
            });
            self.loops -= 1;
        } else {
            inner(self);
        }
    }

    /// What makes an object, in the place where it is needed.
    pub(super) fn inline_make(&mut self, kind: usize, id: &str) -> String {
        let text = KINDS[kind].make.to_owned();
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("id") {
            let before = rest[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric());
            let after = rest[at + 2..].chars().next().is_some_and(|c| c.is_alphanumeric());
            out += &rest[..at];
            out += if before || after { "id" } else { id };
            rest = &rest[at + 2..];
        }
        out += rest;
        format!("({out})")
    }

    fn map(&mut self, l: &str, m: &str, kind: usize, keys: usize, count: usize) {
        self.some_times(|this| this.map_once(l, m, kind, keys, count));
    }

    fn map_once(&mut self, l: &str, m: &str, kind: usize, keys: usize, count: usize) {
        let (key_ty, key) = KEYS[keys];
        let ty = KINDS[kind].ty;
        let (k, id, x) = (self.name("k"), self.name("id"), self.name("x"));
        let number = self.below(&count.to_string());
        let key = key_of(key, &k);
        let wrong = format!("{{ tell(w, \"{l} has another\"); }}");
        self.line(&format!("int {k} = {number};"));
        self.line(&format!("int {id} = w.fresh();"));
        let set = format!("{m}[{k}] = {id};");
        match self.random.below(17) {
            0..3 => {
                self.line(&format!("{l}[{key}] = make{kind}({id});"));
                self.line(&set);
            }
            3 => {
                self.line(&format!("{l}.put({key}, make{kind}({id}));"));
                self.line(&set);
            }
            4..6 => {
                self.line(&format!("{} {x} = {l}.remove({key});", maybe(ty)));
                self.line(&format!("if ({x} == null ? {m}[{k}] >= 0 : !fits{kind}({x}, {m}[{k}])) {wrong}"));
                self.line(&format!("{m}[{k}] = -1;"));
            }
            6..8 => {
                self.line(&format!("{} {x} = {l}[{key}];", maybe(ty)));
                self.line(&format!("if ({x} == null ? {m}[{k}] >= 0 : !fits{kind}({x}, {m}[{k}])) {wrong}"));
            }
            8 => {
                self.line(&format!("{ty} {x} = {l}.getOrPut({key}, () -> make{kind}({id}));"));
                self.line(&format!("if ({m}[{k}] < 0) {{ {set} }}"));
                self.line(&format!("if (!fits{kind}({x}, {m}[{k}])) {wrong}"));
            }
            9 => {
                self.line(&format!(
                    "if ({l}.putIfAbsent({key}, make{kind}({id})) != ({m}[{k}] < 0)) {wrong}"
                ));
                self.line(&format!("if ({m}[{k}] < 0) {{ {set} }}"));
            }
            10 => {
                self.line(&format!("{l}.update({key}, make{kind}({id}), x -> make{kind}({id}));"));
                self.line(&set);
            }
            11 => {
                let chance = if self.loops > 0 { "r % 16 < 2" } else { "true" };
                let i = self.name("i");
                self.block(&format!("if ({chance})"), |this| {
                    this.line(&format!("{l}.clear();"));
                    this.line(&format!("for (int {i} = 0; {i} < {count}; {i}++) {{ {m}[{i}] = -1; }}"));
                });
            }
            15 if self.loops < 2 => {
                self.block(&format!("for (int {x} = 0; {x} < {count}; {x} += 3)"), |this| {
                    let (key, new) = (key_of(KEYS[keys].1, &x), this.name("id"));
                    this.line(&format!("int {new} = w.fresh();"));
                    this.line(&format!("{l}[{key}] = make{kind}({new});"));
                    this.line(&format!("{m}[{x}] = {new};"));
                })
            }
            12 if self.loops < 2 => {
                let (rest, i) = (self.random.below(7), self.name("i"));
                if self.random.one_in(2) {
                    self.line(&format!("{l}.removeIf((key, x) -> key{kind}(x) == {rest});"));
                } else {
                    self.line(&format!("{l} = {l}.filter((key, x) -> key{kind}(x) != {rest});"));
                }
                self.line(&format!(
                    "for (int {i} = 0; {i} < {count}; {i}++) {{ if ({m}[{i}] >= 0 && ofId{kind}({m}[{i}]) == {rest}) {{ {m}[{i}] = -1; }} }}"
                ));
            }
            13 if self.loops < 2 => {
                let e = self.name("e");
                self.loops += 1;
                self.block(&format!("for (Entry<{key_ty}, {ty}> {e} : {l})"), |this| {
                    if this.random.one_in(2) {
                        this.storm();
                    }
                    this.line(&format!("if (!({l}.contains({e}.key)) || key{kind}({e}.value) < 0) {wrong}"));
                });
                self.loops -= 1;
            }
            14 if self.loops < 2 => self.line(&format!("{l} = {l}.copy();")),
            _ => {
                self.line(&format!("List<{key_ty}> {x} = {l}.keys();"));
                self.line(&format!("List<{ty}> v{x} = {l}.values();"));
                self.storm();
                self.line(&format!(
                    "if ({x}.size() > 0 && key{kind}({l}[{x}[0]] ?? v{x}[0]) != key{kind}(v{x}[0])) {wrong}"
                ));
            }
        }
    }

    fn set(&mut self, l: &str, m: &str, keys: usize, count: usize) {
        let (key_ty, key) = KEYS[keys];
        let (k, x) = (self.name("k"), self.name("x"));
        let number = self.below(&count.to_string());
        let key = key_of(key, &k);
        self.line(&format!("int {k} = {number};"));
        let wrong = format!("{{ tell(w, \"{l} has another\"); }}");
        match self.random.below(8) {
            0..3 => {
                self.line(&format!("if ({l}.add({key}) != ({m}[{k}] < 0)) {wrong}"));
                self.line(&format!("{m}[{k}] = 1;"));
            }
            3..5 => {
                self.line(&format!("if ({l}.remove({key}) != ({m}[{k}] >= 0)) {wrong}"));
                self.line(&format!("{m}[{k}] = -1;"));
            }
            5 => self.line(&format!("if ({l}.contains({key}) != ({m}[{k}] >= 0)) {wrong}")),
            6 if self.loops < 2 => {
                self.loops += 1;
                self.block(&format!("for ({key_ty} {x} : {l})"), |this| {
                    this.storm();
                    this.line(&format!("if (!{l}.contains({x})) {wrong}"));
                });
                self.loops -= 1;
            }
            _ if self.loops < 2 => {
                let way = self.pick(&[".copy()", ".values().toSet()", ".union(w.a)", ".filter(x -> true)"]);
                self.line(&format!("{l} = {l}{};", way.replace("w.a", l)));
            }
            _ => self.storm(),
        }
    }

    /// A text that is added to at its end and cut off at its begin.
    fn log(&mut self, l: &str, m: &str, width: usize) {
        let (id, i) = (self.name("id"), self.name("i"));
        match self.random.below(7) {
            // Entries that need no object of their own.
            5.. => {
                let times = if self.loops < 2 { 300 } else { 5 };
                self.line(&format!("w.work += {};", times / 5));
                self.block(&format!("for (int {i} = 0; {i} < {times} && {m}.size() < 600; {i}++)"), |this| {
                    this.line(&format!("{l} = {l} + \";\";"));
                    this.line(&format!("{m}.add(-1);"));
                });
            }
            way @ 0..3 => {
                let times = if way == 0 && self.loops < 2 { 60 } else { 1 };
                self.block(&format!("for (int {i} = 0; {i} < {times} && {m}.size() < 200; {i}++)"), |this| {
                    this.line(&format!("int {id} = w.fresh();"));
                    match this.random.below(3) {
                        0 => this.line(&format!("{l} += \"${{entryOf({id}, {width})}}\";")),
                        1 => this.line(&format!("{l} = {l} + entryOf({id}, {width});")),
                        _ => this.line(&format!("{l} = \"${{{l}}}n${{{id}}}${{\"-\".repeat({width})}};\";")),
                    }
                    this.line(&format!("{m}.add({id});"));
                });
            }
            3 => self.block(&format!("if ({m}.size() > 0)"), |this| {
                let most = this.pick(&["1", "{m}.size() / 2", "{m}.size()"]).replace("{m}", m);
                this.line(&format!("int {id} = 0;"));
                this.block(&format!("for (int {i} = {most}; {i} > 0; {i}--)"), |this| {
                    this.line(&format!("{id} = {l}.indexOf(\";\", {id}) + 1;"));
                    this.line(&format!("{m}.removeAt(0);"));
                });
                this.line(&format!("{l} = {l}.substring({id}, {l}.length());"));
            }),
            _ => self.line(&format!(
                "if ({l}.split(\";\").size() != {m}.size() + 1) {{ tell(w, \"parts of {l}\"); }}"
            )),
        }
    }

    fn field(&mut self, name: usize, kind: usize) {
        let (id, x) = (self.name("id"), self.name("x"));
        if self.random.one_in(3) {
            self.line(&format!("{} {x} = w.a{name};", KINDS[kind].ty));
            self.line(&format!("w.a{name} = w.b{name};"));
            self.line(&format!("w.b{name} = {x};"));
            self.line(&format!("int {id} = w.m{name};"));
            self.line(&format!("w.m{name} = w.n{name};"));
            self.line(&format!("w.n{name} = {id};"));
            return;
        }
        let (field, model) = self.pick(&[("a", "m"), ("b", "n")]);
        self.line(&format!("int {id} = w.fresh();"));
        self.line(&format!("w.{field}{name} = make{kind}({id});"));
        self.line(&format!("w.{model}{name} = {id};"));
    }

    /// Objects that are made and soon dropped.
    pub(super) fn storm(&mut self) {
        let (i, x) = (self.name("i"), self.name("t"));
        let times = match self.loops {
            0 => self.pick(&[10, 100, 1000]),
            1 => self.pick(&[1, 10, 60]),
            _ if self.is_tight => self.pick(&[3, 12, 40]),
            _ => self.pick(&[1, 3]),
        };
        if times > 4 {
            self.line(&format!("w.work += {};", times / 5));
        }
        let each = format!("for (int {i} = 0; {i} < {times}; {i}++)");
        let depth = if self.loops == 0 { self.pick(&[60, 60, 1500]) } else { times.min(60) };
        if self.loops == 0 && self.random.one_in(6) {
            return self.large(&i, &x);
        }
        if self.is_light {
            return match self.random.below(if self.is_tight { 2 } else { 5 }) {
                0 | 1 => self.line(&format!("{each} {{ w.light = new Light({i}, 2 * {i}); }}")),
                2 => {
                    self.line(&format!("List<Light> {x} = [];"));
                    self.line(&format!("{each} {{ {x}.add(new Light({i}, 2 * {i})); }}"));
                }
                3 => self.line(&format!(
                    "if (low({}, new Light(1, 2)) < 0) {{ tell(w, \"what is held on the stack\"); }}",
                    depth
                )),
                _ => {
                    self.line(&format!("List<int> {x} = [];"));
                    self.line(&format!("{each} {{ {x}.add({i}); }}"));
                }
            };
        }
        match self.random.below(11) {
            9 if self.loops == 0 => {
                self.block("within (1ms)", |this| {
                    this.line(&format!(
                        "for (int {i} = 0; true; {i}++) {{ w.last = new Item({i}, textOf({i})); }}"
                    ));
                });
                self.block("else", |this| {
                    this.line(&format!("Item? {x} = w.last;"));
                    this.line(&format!("if ({x} != null && {x}.text != textOf({x}.id)) {{ tell(w, \"what was made last\"); }}"));
                });
            }
            10 => self.block(&each, |this| {
                this.line(&format!("Shelf.kept.add(new Item({i}, cutOf({i})));"));
                this.line(&format!("if (Shelf.kept.size() > 20) {{ Shelf.kept.removeAt({i} % 2); }}"));
                this.line(&format!("Item {x} = Shelf.kept[{i} % Shelf.kept.size()];"));
                this.line(&format!(
                    "if ({x}.text != textOf({x}.id)) {{ tell(w, \"what is on the shelf\"); }}"
                ));
            }),
            0 => self.line(&format!("{each} {{ w.last = new Item({i}, \"t${{{i}}}\"); }}")),
            1 => {
                self.line(&format!("List<Item> {x} = [];"));
                self.line(&format!("{each} {{ {x}.add(new Item({i}, \"t\")); }}"));
            }
            2 => {
                self.line(&format!("String {x} = \"\";"));
                self.line(&format!("{each} {{ {x} += \"${{{i}}},\"; }}"));
                self.line(&format!("if ({x}.length() < {times}) {{ tell(w, \"a text\"); }}"));
            }
            3 => {
                self.line(&format!("Map<int, String> {x} = {{:}};"));
                self.line(&format!("{each} {{ {x}[{i}] = \"t\"; }}"));
            }
            4 => {
                let size = self.pick(&[20, 600, 5000]);
                let size = if self.loops > 1 { size / 8 } else { size };
                self.line(&format!("List<int> {x} = List.filled({size} + (r & 15), r);"));
                self.line(&format!("if ({x}[{x}.size() - 1] != r) {{ tell(w, \"a filled list\"); }}"));
            }
            5 => self.line(&format!(
                "if (deep({}, new Item(1, textOf(1))) < 0) {{ tell(w, \"what is held on the stack\"); }}",
                depth
            )),
            6 => {
                self.line(&format!("List<List<int>> {x} = [];"));
                self.line(&format!("{each} {{ {x}.add([{i}, r]); }}"));
            }
            7 => {
                self.line(&format!("List<Item> {x} = [];"));
                self.block(&each, |this| {
                    this.line(&format!("{x}.add(new Item({i}, \"t\"));"));
                    this.line(&format!("if ({x}.size() > 4) {{ {x}.removeAt(0); }}"));
                    this.line(&format!("if ({x}[0].id != Math.max(0, {i} - 3)) {{ tell(w, \"a queue\"); }}"));
                });
            }
            _ => {
                let all: Vec<usize> = self.parts.iter().map(|part| part.kind).collect();
                let kind = self.pick(&all);
                self.block(&each, |this| {
                    this.line(&format!(
                        "if (!fits{kind}(make{kind}({i}), {i})) {{ tell(w, \"what was just made\"); }}"
                    ));
                });
            }
        }
    }

    /// A list that is too large to be young, of objects that are few.
    fn large(&mut self, i: &str, x: &str) {
        let (count, mask) = (self.pick(&[3000, 20_000]), self.pick(&[255, 2047]));
        self.line(&format!("List<Light?> {x} = [];"));
        self.block(&format!("for (int {i} = 0; {i} < {count}; {i}++)"), |this| {
            this.line(&format!("if (({i} & {mask}) == 7) {{ w.light = new Light({i}, 2 * {i}); }}"));
            this.line(&format!("{x}.add(w.light);"));
        });
        self.line("w.work += 1000;");
        if self.random.one_in(2) {
            self.line(&format!("{x}.addAll({x}.slice({count} / 2, {count}));"));
        }
        self.line(&format!(
            "if (!{x}.all(y -> y == null || y.twice == 2 * y.id)) {{ tell(w, \"a large list\"); }}"
        ));
    }
}

/// A key of a number that has a name.
pub(super) fn key_of(key: &str, k: &str) -> String {
    let mut out = String::new();
    let mut last = ' ';
    let all: Vec<char> = key.chars().collect();
    for (at, c) in all.iter().enumerate() {
        let next = all.get(at + 1).copied().unwrap_or(' ');
        let alone =
            *c == 'k' && !last.is_alphanumeric() && !next.is_alphanumeric() && last != '"' && last != '<';
        if alone {
            out += k
        } else {
            out.push(*c)
        }
        last = *c;
    }
    out
}
