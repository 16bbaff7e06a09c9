//! Changes of lists, each of the list and of its model.

use super::kinds::{KINDS, LINK, NODE};
use super::{Part, Writer, maybe};

/// A list that may be changed, its model, its kind and how long it is to be at most.
pub(super) struct Target {
    pub list: String,
    pub model: String,
    pub kind: usize,
    pub most: usize,
}

impl Writer {
    /// A list of the world.
    pub(super) fn target(&self, part: Part) -> Target {
        let Part { kind, name, most, .. } = part;
        // Elements of long ones are moved by the interpreter.
        let most = if self.is_tight { most.min(50) } else { most };
        Target { list: format!("w.a{name}"), model: format!("w.m{name}"), kind, most }
    }

    /// Adds to a list, takes elements out, and makes objects meanwhile.
    pub(super) fn queue(&mut self, part: Part) {
        let Target { list: l, model: m, kind, most } = self.target(part);
        let id = self.name("id");
        self.line(&format!("int {id} = w.fresh();"));
        self.line(&format!("{l}.add(make{kind}({id}));"));
        self.line(&format!("{m}.add({id});"));
        self.storm();
        let at = self.pick(&["0", "(r >> 5) % ({m}.size() / 2 + 1)"]).replace("{m}", &m);
        self.block(&format!("if ({m}.size() > {})", most / 2), |this| {
            this.line(&format!("int at{id} = {at};"));
            this.line(&format!("{l}.removeAt(at{id});"));
            this.line(&format!("{m}.removeAt(at{id});"));
        });
    }

    pub(super) fn list(&mut self, target: &Target) {
        self.some_times(|this| this.list_once(target));
    }

    fn list_once(&mut self, target: &Target) {
        let Target { list: l, model: m, kind, most } = target;
        let (ty, distinct) = (KINDS[*kind].ty, KINDS[*kind].distinct);
        let (at, other) = (self.below(&format!("{m}.size()")), self.below(&format!("{m}.size()")));
        let some = format!("if ({m}.size() > 0)");
        let id = self.name("id");
        let fresh = format!("int {id} = w.fresh();");
        let make = format!("make{kind}({id})");
        let make = if self.random.one_in(3) { self.inline_make(*kind, &id) } else { make };
        let way = match self.random.below(25) {
            way if self.is_tight => [0, 1, 5, 6, 7, 8, 10, 18, 19][way % 9],
            way => way,
        };
        if way > 10 {
            self.line(&format!("w.work += {m}.size() >> 3;"));
        }
        match way {
            0..4 => self.block(&format!("if ({m}.size() < {most})"), |this| {
                this.line(&fresh);
                this.line(&format!("{l}.add({make});"));
                this.line(&format!("{m}.add({id});"));
            }),
            4 => self.block(&format!("if ({m}.size() < {most})"), |this| {
                let at = match this.random.below(3) {
                    0 => "0".into(),
                    1 => format!("{m}.size()"),
                    _ => this.below(&format!("({m}.size() + 1)")),
                };
                this.line(&format!("int at{id} = {at};"));
                this.line(&fresh);
                this.line(&format!("{l}.insert(at{id}, {make});"));
                this.line(&format!("{m}.insert(at{id}, {id});"));
            }),
            5..8 => {
                let at = match self.random.below(4) {
                    0 => at,
                    1 => format!("{m}.size() - 1"),
                    _ => "0".into(),
                };
                let again = self.random.one_in(3);
                self.block(&some, |this| {
                    this.line(&format!("int at{id} = {at};"));
                    this.line(&format!("{ty} x{id} = {l}.removeAt(at{id});"));
                    this.line(&format!("int {id} = {m}.removeAt(at{id});"));
                    if again {
                        this.line(&format!("{l}.add(x{id});"));
                        this.line(&format!("{m}.add({id});"));
                    }
                    this.line(&format!("if (!fits{kind}(x{id}, {id})) {{ tell(w, \"taken out of {l}\"); }}"));
                });
            }
            8..10 => self.block(&some, |this| {
                this.line(&format!("int at{id} = {at};"));
                this.line(&fresh);
                if this.random.one_in(2) {
                    this.line(&format!("{l}[at{id}] = {make};"));
                } else {
                    this.line(&format!("{l}.set(at{id}, {make});"));
                }
                this.line(&format!("{m}[at{id}] = {id};"));
            }),
            10 => self.block(&some, |this| {
                this.line(&format!("int at{id} = {at};"));
                this.line(&format!("int to{id} = {other};"));
                this.line(&format!("{ty} x{id} = {l}[at{id}];"));
                this.line(&format!("{l}[at{id}] = {l}[to{id}];"));
                this.line(&format!("{l}[to{id}] = x{id};"));
                this.line(&format!("int {id} = {m}[at{id}];"));
                this.line(&format!("{m}[at{id}] = {m}[to{id}];"));
                this.line(&format!("{m}[to{id}] = {id};"));
            }),
            11 => {
                for of in [l, m] {
                    match self.loops {
                        0 => self.line(&format!("{of}.clear();")),
                        _ => self.line(&format!("if (r % 16 < 3) {{ {of}.clear(); }}")),
                    }
                }
            }
            12 => {
                let cut = if self.random.one_in(2) {
                    format!(".slice({m}.size() / 3, {m}.size())")
                } else {
                    String::new()
                };
                self.block(&format!("if ({m}.size() * 2 < {most})"), |this| {
                    this.line(&format!("{l}.addAll({l}{cut});"));
                    this.line(&format!("{m}.addAll({m}{cut});"));
                });
            }
            13 => [l, m].into_iter().for_each(|of| self.line(&format!("{of}.reverse();"))),
            14 => {
                let by = if self.is_light { "" } else { self.pick(&["", "k"]) };
                let text = |of: &str| if by.is_empty() { of.to_owned() } else { format!("\"k${{{of}}}\"") };
                self.line(&format!("{l}.sortBy(x -> {});", text(&format!("key{kind}(x)"))));
                self.line(&format!("{m}.sortBy(id -> {});", text(&format!("ofId{kind}(id)"))));
            }
            15 => {
                self.line(&format!("{l}.sortWith((x, y) -> key{kind}(y) - key{kind}(x));"));
                self.line(&format!("{m}.sortWith((x, y) -> ofId{kind}(y) - ofId{kind}(x));"));
            }
            16 => {
                let rest = self.random.below(7);
                self.line(&format!("{l}.removeIf(x -> key{kind}(x) == {rest});"));
                self.line(&format!("{m}.removeIf(id -> ofId{kind}(id) == {rest});"));
            }
            17 if distinct => self.block(&some, |this| {
                this.line(&format!("int at{id} = {at};"));
                this.line(&format!("{ty} x{id} = {l}[at{id}];"));
                this.line(&format!(
                    "if ({l}.indexOf(x{id}) != {m}.indexOf({m}[at{id}])) {{ tell(w, \"index in {l}\"); }}"
                ));
                if this.random.one_in(2) {
                    this.line(&format!("{m}.remove({m}[at{id}]);"));
                    this.line(&format!("{l}.remove(x{id});"));
                }
            }),
            17 | 18 => self.look(target),
            19 if *kind == NODE => self.node(l, m),
            19 if *kind == LINK => self.link(l, m),
            19 => self.between(target),
            20 => self.between(target),
            21..24 => self.hot(target),
            _ => self.held(target),
        }
    }

    /// Goes through a list, and may make objects meanwhile.
    fn look(&mut self, target: &Target) {
        let Target { list: l, model: m, kind, .. } = target;
        let (x, at) = (self.name("x"), self.name("at"));
        if self.loops > 1 {
            let place = self.below(&format!("{m}.size()"));
            self.block(&format!("if ({m}.size() > 0)"), |this| {
                this.line(&format!("int {at} = {place};"));
                this.line(&format!(
                    "if (!fits{kind}({l}[{at}], {m}[{at}])) {{ tell(w, \"{l} at ${{{at}}}\"); }}"
                ));
            });
            return;
        }
        self.line(&format!("int {at} = 0;"));
        self.loops += 1;
        self.block(&format!("for ({} {x} : {l})", KINDS[*kind].ty), |this| {
            if this.random.one_in(3) {
                this.storm();
            }
            this.line(&format!("if (!fits{kind}({x}, {m}[{at}])) {{ tell(w, \"in {l} at ${{{at}}}\"); }}"));
            this.line(&format!("{at}++;"));
        });
        self.loops -= 1;
    }

    /// Goes through a list by index and changes it.
    fn hot(&mut self, target: &Target) {
        let Target { list: l, model: m, kind, most } = target;
        let ty = KINDS[*kind].ty;
        let (i, x, id) = (self.name("i"), self.name("x"), self.name("id"));
        let count = self.name("count");
        self.line(&format!("int {count} = {m}.size();"));
        match self.random.below(9) {
            // What is above a smaller one moves behind it.
            0 => self.block(&format!("for (int {i} = 1; {i} < {count}; {i}++)"), |this| {
                this.block(&format!("if (key{kind}({l}[{i} - 1]) > key{kind}({l}[{i}]))"), |this| {
                    this.swap(l, ty, &x, &format!("{i} - 1"), &i);
                    this.swap(m, "int", &id, &format!("{i} - 1"), &i);
                });
            }),
            1 => self.block(&format!("for (int {i} = 0; {i} < {count} - 1 - {i}; {i}++)"), |this| {
                this.swap(l, ty, &x, &i, &format!("{count} - 1 - {i}"));
                this.swap(m, "int", &id, &i, &format!("{count} - 1 - {i}"));
            }),
            2 => self.block(&format!("if ({count} > 0)"), |this| {
                this.line(&format!("{ty} {x} = {l}[0];"));
                this.line(&format!("for (int {i} = 1; {i} < {count}; {i}++) {{ {l}[{i} - 1] = {l}[{i}]; }}"));
                this.line(&format!("{l}[{count} - 1] = {x};"));
                this.line(&format!("{m}.add({m}.removeAt(0));"));
            }),
            3 if self.loops < 2 => self.block(&format!("for (int {i} = 0; {i} < {count}; {i}++)"), |this| {
                this.line(&format!("int {id} = w.fresh();"));
                this.line(&format!("{l}[{i}] = make{kind}({id});"));
                this.line(&format!("{m}[{i}] = {id};"));
            }),
            3 | 4 => {
                self.line(&format!("int {x} = 0;"));
                self.block(&format!("for (int {i} = 0; {i} < {l}.size(); {i}++)"), |this| {
                    this.line(&format!("{x} += key{kind}({l}[{i}]) - ofId{kind}({m}[{i}]);"));
                });
                self.line(&format!("if ({x} != 0) {{ tell(w, \"sum of {l}\"); }}"));
            }
            5 => {
                self.line(&format!("List<{ty}> {x} = [];"));
                self.line(&format!("List<int> {id} = [];"));
                self.block(&format!("for (int {i} = {count} - 1; {i} >= 0; {i}--)"), |this| {
                    this.line(&format!("{x}.add({l}[{i}]);"));
                    this.line(&format!("{id}.add({m}[{i}]);"));
                });
                self.line(&format!("{l}.clear();"));
                self.line(&format!("{m}.clear();"));
                self.line(&format!("{l}.addAll({x});"));
                self.line(&format!("{m}.addAll({id});"));
            }
            6 => {
                self.line(&format!("List<{ty}> {x} = {l}.copy();"));
                self.line(&format!("List<int> {id} = {m}.copy();"));
                self.block(&format!("for (int {i} = 0; {i} < {count}; {i}++)"), |this| {
                    this.line(&format!("{l}[{i}] = {x}[({i} * 7 + 3) % {count}];"));
                    this.line(&format!("{m}[{i}] = {id}[({i} * 7 + 3) % {count}];"));
                });
            }
            7 => self.block(&format!("while ({l}.size() > {})", most / 4), |this| {
                let at = this.pick(&["0", "{l}.size() - 1", "{l}.size() / 2"]).replace("{l}", l);
                this.line(&format!("int {id} = {m}.removeAt({});", at.replace(l.as_str(), m)));
                this.line(&format!(
                    "if (!fits{kind}({l}.removeAt({at}), {id})) {{ tell(w, \"taken off {l}\"); }}"
                ));
            }),
            _ if self.loops < 2 => self.block(&format!("while ({l}.size() < {})", most / 2), |this| {
                this.line(&format!("int {id} = w.fresh();"));
                this.line(&format!("{l}.add(make{kind}({id}));"));
                this.line(&format!("{m}.add({id});"));
            }),
            _ => self.storm(),
        }
    }

    fn swap(&mut self, of: &str, ty: &str, name: &str, a: &str, b: &str) {
        self.line(&format!("{ty} {name} = {of}[{a}];"));
        self.line(&format!("{of}[{a}] = {of}[{b}];"));
        self.line(&format!("{of}[{b}] = {name};"));
    }

    /// Changes an object that a list holds.
    fn node(&mut self, l: &str, m: &str) {
        let (x, id, at) = (self.name("x"), self.name("id"), self.below(&format!("{m}.size()")));
        let other = self.below(&format!("{m}.size()"));
        self.block(&format!("if ({m}.size() > 0)"), |this| {
            this.line(&format!("Node {x} = {l}[{at}];"));
            match this.random.below(4) {
                0 => this.line(&format!(
                    "if ({x}.parts.size() < 50) {{ {x}.parts.add({x}.serial + {x}.parts.size()); }}"
                )),
                1 => this.line(&format!("{x}.next = {l}[{other}];")),
                2 => this.line(&format!("{x}.next = null;")),
                _ => {
                    this.line(&format!("int {id} = w.fresh();"));
                    this.line(&format!("{x}.item = new Item({id}, textOf({id}));"));
                    this.line(&format!("{x}.text = {x}.item.text;"));
                    this.line(&format!("{x}.now = {id};"));
                }
            }
        });
    }

    fn link(&mut self, l: &str, m: &str) {
        let (x, id, at) = (self.name("x"), self.name("id"), self.below(&format!("{m}.size()")));
        let other = self.below(&format!("{m}.size()"));
        self.block(&format!("if ({m}.size() > 0)"), |this| {
            this.line(&format!("Link {x} = {l}[{at}];"));
            match this.random.below(4) {
                0 => this.line(&format!("{x}.next = {l}[{other}];")),
                1 => this.line(&format!("{x}.next = null;")),
                _ => {
                    this.line(&format!("int {id} = w.fresh();"));
                    this.line(&format!("{x}.light = new Light({id}, 2 * {id});"));
                    this.line(&format!("{x}.now = {id};"));
                }
            }
        });
    }

    /// Moves or copies elements to another list of the kind.
    fn between(&mut self, target: &Target) {
        let Target { list: l, model: m, kind, most } = target;
        let mut others = self.lists();
        others.retain(|other| other.kind == *kind);
        if others.is_empty() {
            return self.storm();
        }
        let name = self.pick(&others).name;
        match self.random.below(4) {
            0 => self.block(&format!("if (w.m{name}.size() > 0 && {m}.size() < {most})"), |this| {
                this.line(&format!("{l}.add(w.a{name}.removeAt(0));"));
                this.line(&format!("{m}.add(w.m{name}.removeAt(0));"));
            }),
            1 => self.block(&format!("if (w.m{name}.size() + {m}.size() < {most})"), |this| {
                this.line(&format!("{l}.addAll(w.a{name});"));
                this.line(&format!("{m}.addAll(w.m{name});"));
            }),
            2 => self.block(&format!("if (w.m{name}.size() <= {m}.size())"), |this| {
                let i = this.name("i");
                this.block(&format!("for (int {i} = 0; {i} < w.m{name}.size(); {i}++)"), |this| {
                    this.line(&format!("{l}[{i}] = w.a{name}[{i}];"));
                    this.line(&format!("{m}[{i}] = w.m{name}[{i}];"));
                });
            }),
            _ => self.block(&format!("if (w.m{name}.size() > 0 && {m}.size() > 0)"), |this| {
                let (end, at, from) = (
                    this.name("end"),
                    this.below(&format!("{m}.size()")),
                    this.below(&format!("w.m{name}.size()")),
                );
                this.line(&format!("int {end} = {from};"));
                this.line(&format!("{l}[{at}] = w.a{name}[{end}];"));
                this.line(&format!("{m}[{at}] = w.m{name}[{end}];"));
            }),
        }
    }

    /// Holds some elements in other ways while objects are made.
    fn held(&mut self, target: &Target) {
        let Target { list: l, model: m, kind, .. } = target;
        let (ty, x, id, at) =
            (KINDS[*kind].ty, self.name("x"), self.name("id"), self.below(&format!("{m}.size()")));
        self.block(&format!("if ({m}.size() > 0)"), |this| {
            let (way, count) = (this.random.below(7), 1 + this.random.below(90));
            this.line(&format!("int {id} = {m}[{at}];"));
            match way {
                0 => this.line(&format!("{} {x} = {l}.get({at});", maybe(ty))),
                1 => this.line(&format!("() -> {ty} {x} = holder{kind}({l}[{at}]);")),
                2 => this.line(&format!("List<{ty}> {x} = {l}.slice({at}, {m}.size());")),
                3 => this.line(&format!("{ty} {x} = {l}[{at}];")),
                4 => this.line(&format!("Map<int, List<{ty}>> {x} = {l}.groupBy(y -> key{kind}(y));")),
                5 => this.line(&format!("List<List<{ty}>> {x} = {l}.chunks({count});")),
                _ => this.line(&format!("List<{ty}> {x} = List.filled({count}, {l}[{at}]);")),
            }
            this.storm();
            let wrong = format!("{{ tell(w, \"held of {l}\"); }}");
            match way {
                0 if ty.ends_with('?') => this.line(&format!("if (!fits{kind}({x}, {id})) {wrong}")),
                0 => this.line(&format!("if ({x} == null || !fits{kind}({x}, {id})) {wrong}")),
                1 => this.line(&format!("if (!fits{kind}({x}(), {id})) {wrong}")),
                2 => this.line(&format!("if (!fits{kind}({x}[0], {id})) {wrong}")),
                3 => this.line(&format!("if (!fits{kind}({x}, {id})) {wrong}")),
                4 => this.line(&format!(
                    "if ({x}.values().map(y -> y.size()).sum() != {m}.size() || !({x}[ofId{kind}({id})] ?? []).any(y -> fits{kind}(y, {id}))) {wrong}"
                )),
                5 => this.line(&format!("if ({x}.flatMap(y -> y).size() != {m}.size() || !fits{kind}({x}[0][0], {m}[0])) {wrong}")),
                _ => this.line(&format!("if (!{x}.all(y -> fits{kind}(y, {id}))) {wrong}")),
            }
        });
    }

    /// Puts another list in the place of one.
    pub(super) fn whole(&mut self, l: &str, m: &str, kind: usize, most: usize) {
        let both = |this: &mut Self, way: &str| {
            [l, m].into_iter().for_each(|of| this.line(&format!("{of} = {of}{way};")))
        };
        let rest = self.random.below(7);
        self.line(&format!("w.work += {m}.size() >> 3;"));
        match self.random.below(9) {
            0 => both(self, ".copy()"),
            1 => both(self, ".reversed()"),
            2 => both(self, ".drop(1)"),
            3 => both(self, ".take(40)"),
            4 => {
                self.line(&format!("{l} = {l}.filter(x -> key{kind}(x) != {rest});"));
                self.line(&format!("{m} = {m}.filter(id -> ofId{kind}(id) != {rest});"));
            }
            5 => both(self, ".map(x -> x)"),
            6 => {
                self.line(&format!("{l} = {l}.sortedBy(x -> key{kind}(x));"));
                self.line(&format!("{m} = {m}.sortedBy(id -> ofId{kind}(id));"));
            }
            7 if KINDS[kind].distinct => both(self, ".distinct()"),
            7 => both(self, ".chunks(3).flatMap(c -> c)"),
            _ => {
                let id = self.name("id");
                self.line(&format!("int {id} = w.fresh();"));
                let count = self.below(&most.to_string());
                self.line(&format!("{l} = List.filled({count}, make{kind}({id}));"));
                self.line(&format!("{m} = List.filled({count}, {id});"));
            }
        }
    }

    pub(super) fn rows(&mut self, l: &str, m: &str, kind: usize, most: usize) {
        let (row, ids, at) = (self.name("row"), self.name("ids"), self.name("at"));
        let ty = KINDS[kind].ty;
        match self.random.below(6) {
            // Each row gets what the first begins with.
            5 => self.block(&format!("for (int {at} = 1; {at} < {m}.size(); {at}++)"), |this| {
                let j = this.name("j");
                this.block(
                    &format!("for (int {j} = 0; {j} < Math.min({m}[0].size(), {m}[{at}].size()); {j}++)"),
                    |this| {
                        this.line(&format!("{l}[{at}][{j}] = {l}[0][{j}];"));
                        this.line(&format!("{m}[{at}][{j}] = {m}[0][{j}];"));
                    },
                );
            }),
            0 => self.block(&format!("if ({m}.size() < 20)"), |this| {
                this.line(&format!("{l}.add([]);"));
                this.line(&format!("{m}.add([]);"));
            }),
            1 => self.block(&format!("if ({m}.size() > 5)"), |this| {
                let which = this.below(&format!("{m}.size()"));
                let which = if this.random.one_in(2) { "0".to_owned() } else { which };
                this.line(&format!("int {at} = {which};"));
                this.line(&format!("{l}.removeAt({at});"));
                this.line(&format!("{m}.removeAt({at});"));
            }),
            _ => self.block(&format!("if ({m}.size() > 0)"), |this| {
                let which = this.below(&format!("{m}.size()"));
                this.line(&format!("int {at} = {which};"));
                this.line(&format!("List<{ty}> {row} = {l}[{at}];"));
                this.line(&format!("List<int> {ids} = {m}[{at}];"));
                this.list(&Target { list: row, model: ids, kind, most: most.min(70) });
            }),
        }
    }
}
