//! Random well-typed programs from a seed: what engines are compared on.
//!
//! A program has functions of every kind of parameter that call those before them, and themselves up to a depth;
//! loops are bounded. Numbers are mostly kept small, so that most programs come to their end, and yet some overflow,
//! divide by zero or miss a list: a trap's report is compared as well.

use std::fmt::Write;

/// A small generator of random numbers: the same on every machine.
pub(crate) struct Random(u64);

impl Random {
    /// That of a seed; seeds beside each other have nothing in common.
    pub fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..16 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ty {
    Int,
    Double,
    Bool,
    Text,
    Ints,
    Doubles,
    Flags,
    Point,
    Cell,
    Shape,
    MaybeInt,
    MaybeCell,
    Function,
}

const TYPES: [Ty; 13] = [
    Ty::Int,
    Ty::Double,
    Ty::Bool,
    Ty::Text,
    Ty::Ints,
    Ty::Doubles,
    Ty::Flags,
    Ty::Point,
    Ty::Cell,
    Ty::Shape,
    Ty::MaybeInt,
    Ty::MaybeCell,
    Ty::Function,
];

impl Ty {
    fn name(self) -> &'static str {
        match self {
            Ty::Int => "int",
            Ty::Double => "double",
            Ty::Bool => "boolean",
            Ty::Text => "String",
            Ty::Ints => "List<int>",
            Ty::Doubles => "List<double>",
            Ty::Flags => "List<boolean>",
            Ty::Point => "Point",
            Ty::Cell => "Cell",
            Ty::Shape => "Shape",
            Ty::MaybeInt => "int?",
            Ty::MaybeCell => "Cell?",
            Ty::Function => "(int) -> int",
        }
    }
}

struct Declared {
    params: Vec<Ty>,
    result: Ty,
}

struct Local {
    name: String,
    ty: Ty,
    /// Whether it may be assigned.
    variable: bool,
}

struct Writer {
    random: Random,
    out: String,
    functions: Vec<Declared>,
    locals: Vec<Local>,
    /// The function being written, which may call itself with its first parameter less one.
    own: Option<usize>,
    names: usize,
    indent: usize,
    loops: usize,
    /// What may still be written into this function.
    room: i32,
}

const PRELUDE: &str = "\
record Point(int x, double y) {
    Point moved(int by) { return new Point((x ^ by) & 0xFFFF, y + 0.5); }
    Point turned() { return new Point(-x, -y); }
    Point mixed(Point o) { return moved(o.x).turned().larger(new Point(o.x & 0xFF, y * o.y)); }
    Point larger(Point o) { return x >= o.x ? this : o; }
}

class Cell {
    int n;
    double d;
    boolean flag;
    Cell? next;
    List<int> items;

    Cell(int n, Cell? next) {
        this.n = n;
        this.d = 0.5;
        this.flag = false;
        this.next = next;
        this.items = [n];
    }
}

interface Shape {
    int area(int k);
}

record Square(int side) implements Shape {
    int area(int k) { return (side * side + k) & 0xFFFF; }
}

class Counter implements Shape {
    int count;
    Counter(int count) { this.count = count; }
    int area(int k) {
        count = (count + k) & 0xFFF;
        return count;
    }
}

int known(int? n) {
    return n == null ? -1 : n;
}

int length(Cell? cell) {
    int n = 0;
    Cell? at = cell;
    while (at != null && n < 50) {
        n++;
        at = at.next;
    }
    return n;
}

";

/// The program of a seed.
pub fn program(seed: u64) -> String {
    let mut writer = Writer {
        random: Random::new(seed),
        out: PRELUDE.to_owned(),
        functions: Vec::new(),
        locals: Vec::new(),
        own: None,
        names: 0,
        indent: 0,
        loops: 0,
        room: 0,
    };
    let count = 3 + writer.random.below(5);
    for _ in 0..count {
        writer.function();
    }
    writer.task();
    writer.out
}

impl Writer {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}{text}", "    ".repeat(self.indent));
    }

    fn name(&mut self, of: &str) -> String {
        self.names += 1;
        format!("{of}{}", self.names)
    }

    fn any_type(&mut self) -> Ty {
        if self.random.one_in(2) {
            [Ty::Int, Ty::Double, Ty::Bool, Ty::Ints][self.random.below(4)]
        } else {
            TYPES[self.random.below(TYPES.len())]
        }
    }

    fn function(&mut self) {
        let index = self.functions.len();
        let mut params = vec![Ty::Int];
        for _ in 0..self.random.below(5) {
            params.push(self.any_type());
        }
        let result = self.any_type();
        self.locals = params
            .iter()
            .enumerate()
            .map(|(i, ty)| Local { name: format!("p{i}"), ty: *ty, variable: i > 0 })
            .collect();
        let list: Vec<String> =
            self.locals.iter().map(|local| format!("{} {}", local.ty.name(), local.name)).collect();
        self.line(&format!("{} f{index}({}) {{", result.name(), list.join(", ")));
        self.functions.push(Declared { params, result });
        self.indent = 1;
        let base = self.value(result, 1);
        self.line(&format!("if (p0 <= 0) {{ return {base}; }}"));
        self.own = Some(index);
        self.room = 14;
        self.block();
        let value = self.value(result, 3);
        self.line(&format!("return {value};"));
        self.own = None;
        self.indent = 0;
        self.line("}");
        self.line("");
    }

    fn task(&mut self) {
        self.line("task Main() {");
        self.indent = 1;
        self.locals = Vec::new();
        self.room = 10;
        self.block();
        for index in 0..self.functions.len() {
            // Often enough that what is hot is compiled meanwhile.
            let times = [1, 3, 400][self.random.below(3)];
            let step = self.name("i");
            self.line(&format!("for (int {step} = 0; {step} < {times}; {step}++) {{"));
            self.indent += 1;
            let locals = self.locals.len();
            self.locals.push(Local { name: step, ty: Ty::Int, variable: false });
            let call = self.call(index, 2);
            let result = self.functions[index].result;
            let kept = self.name("r");
            self.line(&format!("{} {kept} = {call};", result.name()));
            self.locals.push(Local { name: kept.clone(), ty: result, variable: false });
            self.show(&kept, result);
            self.locals.truncate(locals);
            self.indent -= 1;
            self.line("}");
        }
        self.line("return true;");
        self.indent = 0;
        self.line("}");
    }

    /// Prints a value of any type.
    fn show(&mut self, name: &str, ty: Ty) {
        let text = match ty {
            Ty::Cell => format!("${{{name}.n}} ${{{name}.d}} ${{{name}.flag}} ${{{name}.items}}"),
            Ty::Shape => format!("${{{name}.area(3)}}"),
            Ty::MaybeInt => format!("${{known({name})}}"),
            Ty::MaybeCell => format!("${{length({name})}}"),
            Ty::Function => format!("${{{name}(5)}}"),
            _ => format!("${{{name}}}"),
        };
        self.line(&format!("print(\"{text}\");"));
    }

    fn block(&mut self) {
        let locals = self.locals.len();
        for _ in 0..1 + self.random.below(5) {
            if self.room <= 0 {
                break;
            }
            self.room -= 1;
            self.statement();
        }
        if self.indent > 1 {
            self.locals.truncate(locals);
        }
    }

    fn statement(&mut self) {
        match self.random.below(13) {
            0..3 => {
                let ty = self.any_type();
                let value = self.value(ty, 3);
                let name = self.name("v");
                self.line(&format!("{} {name} = {value};", ty.name()));
                self.locals.push(Local { name, ty, variable: true });
            }
            3..6 => {
                let variables: Vec<(String, Ty)> =
                    self.locals.iter().filter(|l| l.variable).map(|l| (l.name.clone(), l.ty)).collect();
                if let Some((name, ty)) = variables.get(self.random.below(variables.len().max(1))) {
                    let value = self.value(*ty, 3);
                    self.line(&format!("{name} = {value};"));
                }
            }
            6 => {
                let condition = self.value(Ty::Bool, 2);
                // A constant condition may make what follows unreachable.
                self.line(&format!("if ({condition}) {{"));
                self.inner();
                if self.random.one_in(2) {
                    self.line("} else {");
                    self.inner();
                }
                self.line("}");
            }
            7..9 if self.loops < 2 => {
                let times = [2, 7, 30][self.random.below(3)];
                let name = self.name("i");
                self.line(&format!("for (int {name} = 0; {name} < {times}; {name}++) {{"));
                self.loops += 1;
                let locals = self.locals.len();
                self.locals.push(Local { name, ty: Ty::Int, variable: false });
                self.inner();
                self.locals.truncate(locals);
                self.loops -= 1;
                self.line("}");
            }
            9 => {
                let list = self.value(Ty::Ints, 1);
                let name = self.name("e");
                self.line(&format!("for (int {name} : {list}) {{"));
                self.loops += 1;
                let locals = self.locals.len();
                self.locals.push(Local { name, ty: Ty::Int, variable: false });
                self.inner();
                self.locals.truncate(locals);
                self.loops -= 1;
                self.line("}");
            }
            10 => self.mutation(),
            11 => self.within(),
            _ => {
                if let Some((name, ty)) = self.some_local() {
                    self.show(&name, ty);
                }
            }
        }
    }

    /// A `within`: one that comes to its end or is left, one whose time is up before it begins, or one with an endless loop, which
    /// has assigned something by then.
    fn within(&mut self) {
        let endless = self.loops == 0 && self.random.one_in(3);
        let limit = match self.random.below(6) {
            _ if endless => "1ms",
            0 => "0s",
            _ => "1h",
        };
        self.line(&format!("within ({limit}) {{"));
        self.indent += 1;
        if endless {
            // Nothing interrupts it before there were many rounds.
            self.simple_assignment();
            self.line("for (;;) {");
            self.indent += 1;
            self.simple_assignment();
            self.simple_assignment();
            self.indent -= 1;
            self.line("}");
        } else {
            self.block();
            self.way_out();
        }
        self.indent -= 1;
        self.line("} else {");
        self.inner();
        self.line("}");
    }

    fn simple_assignment(&mut self) {
        let simple = |l: &&Local| l.variable && matches!(l.ty, Ty::Int | Ty::Double | Ty::Text);
        let all: Vec<(String, Ty)> =
            self.locals.iter().filter(simple).map(|l| (l.name.clone(), l.ty)).collect();
        if let Some((name, ty)) = all.get(self.random.below(all.len().max(1))) {
            let value = self.leaf(*ty);
            self.line(&format!("{name} = {value};"));
        }
    }

    /// Leaves the loop or the function, sometimes.
    fn way_out(&mut self) {
        let condition = self.value(Ty::Bool, 2);
        match (self.random.below(4), self.own) {
            (0, Some(own)) => {
                let value = self.value(self.functions[own].result, 1);
                self.line(&format!("if ({condition}) {{ return {value}; }}"));
            }
            (1, _) if self.loops > 0 => self.line(&format!("if ({condition}) {{ break; }}")),
            (2, _) if self.loops > 0 => self.line(&format!("if ({condition}) {{ continue; }}")),
            _ => {}
        }
    }

    fn inner(&mut self) {
        self.indent += 1;
        self.block();
        self.indent -= 1;
    }

    fn some_local(&mut self) -> Option<(String, Ty)> {
        let index = self.random.below(self.locals.len().max(1));
        self.locals.get(index).map(|local| (local.name.clone(), local.ty))
    }

    fn local_of(&mut self, ty: Ty) -> Option<String> {
        let all: Vec<String> = self.locals.iter().filter(|l| l.ty == ty).map(|l| l.name.clone()).collect();
        let index = self.random.below(all.len().max(1));
        all.get(index).cloned()
    }

    /// Changes something behind a reference.
    fn mutation(&mut self) {
        let index = self.value(Ty::Int, 1);
        match self.random.below(6) {
            0 => {
                if let Some(list) = self.local_of(Ty::Ints) {
                    let value = self.value(Ty::Int, 2);
                    // Lists are kept short, and most indices inside.
                    self.line(&format!("if ({list}.size() < 40) {{ {list}.add({value}); }}"));
                    self.line(&format!("{list}[({index}) & 0] = {list}.size();"));
                }
            }
            1 => {
                if let Some(list) = self.local_of(Ty::Flags) {
                    let value = self.value(Ty::Bool, 2);
                    self.line(&format!("if ({list}.size() < 40) {{ {list}.add({value}); }}"));
                }
            }
            2 => {
                if let Some(list) = self.local_of(Ty::Doubles) {
                    let value = self.value(Ty::Double, 2);
                    self.line(&format!("if ({list}.size() < 40) {{ {list}.add({value}); }}"));
                }
            }
            3 | 4 => {
                if let Some(cell) = self.local_of(Ty::Cell) {
                    let value = self.value(Ty::Int, 2);
                    let flag = self.value(Ty::Bool, 2);
                    self.line(&format!("{cell}.n = {value};"));
                    self.line(&format!("{cell}.flag = {flag};"));
                    if let Some(next) = self.local_of(Ty::MaybeCell) {
                        self.line(&format!("{cell}.next = {next};"));
                    }
                }
            }
            _ => {
                if let Some(list) = self.local_of(Ty::Ints) {
                    let value = self.value(Ty::Int, 2);
                    let bound = if self.random.one_in(30) { "0x7" } else { "0" };
                    self.line(&format!("{list}[({index}) & {bound}] = {value};"));
                }
            }
        }
    }

    fn call(&mut self, index: usize, depth: usize) -> String {
        let params = self.functions[index].params.clone();
        let mut args = vec![if self.own == Some(index) {
            "p0 - 1".to_owned()
        } else if self.own.is_some() {
            "p0 & 1".to_owned()
        } else {
            (1 + self.random.below(4)).to_string()
        }];
        for ty in &params[1..] {
            args.push(self.value(*ty, depth.saturating_sub(1)));
        }
        format!("f{index}({})", args.join(", "))
    }

    /// A call of a function with such a result, where calls do not multiply.
    fn call_of(&mut self, ty: Ty, depth: usize) -> Option<String> {
        if self.loops > 1 || self.loops > 0 && !self.random.one_in(3) || self.room < -4 {
            return None;
        }
        let all: Vec<usize> = (0..self.functions.len())
            .filter(|i| self.functions[*i].result == ty && (self.own.is_some() || !self.random.one_in(3)))
            .collect();
        let index = *all.get(self.random.below(all.len().max(1)))?;
        self.room -= 3;
        Some(self.call(index, depth))
    }

    fn value(&mut self, ty: Ty, depth: usize) -> String {
        if self.random.one_in(3)
            && let Some(local) = self.local_of(ty)
        {
            return local;
        }
        if depth > 1
            && self.random.one_in(6)
            && let Some(call) = self.call_of(ty, depth - 1)
        {
            return call;
        }
        if depth == 0 {
            return self.leaf(ty);
        }
        let d = depth - 1;
        match ty {
            Ty::Int => self.int(d),
            Ty::Double => self.double(d),
            Ty::Bool => self.bool(d),
            Ty::Text => match self.random.below(3) {
                0 => format!("\"<${{{}}}>\"", self.plain(Ty::Int, d)),
                1 => format!("(${{}}\"{}\")", self.random.below(10)).replace("${}", ""),
                _ => format!("({} + \"{}\").substring(0, 1)", self.plain(Ty::Text, d), self.random.below(10)),
            },
            Ty::Ints => format!("[{}, {}]", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            Ty::Doubles => format!("[{}, 1.5]", self.value(Ty::Double, d)),
            Ty::Flags => format!("[{}, true]", self.value(Ty::Bool, d)),
            Ty::Point => match self.random.below(6) {
                0 => format!("{}.moved({})", self.value(Ty::Point, d), self.value(Ty::Int, d)),
                1 => format!("{}.mixed({})", self.value(Ty::Point, d), self.value(Ty::Point, d)),
                2 => format!("{}.larger({}).turned()", self.value(Ty::Point, d), self.value(Ty::Point, d)),
                _ => format!("(new Point({}, {}))", self.value(Ty::Int, d), self.value(Ty::Double, d)),
            },
            Ty::Cell => format!("new Cell({}, {})", self.value(Ty::Int, d), self.value(Ty::MaybeCell, d)),
            Ty::Shape if self.random.one_in(2) => format!("new Square(({}) & 0xFF)", self.value(Ty::Int, d)),
            Ty::Shape => format!("new Counter(({}) & 0xFF)", self.value(Ty::Int, d)),
            Ty::MaybeInt => self.value(Ty::Int, d),
            Ty::MaybeCell => self.value(Ty::Cell, d),
            Ty::Function => {
                let name = self.name("x");
                // What a lambda takes in must never be assigned, so it sees its parameter alone.
                let locals = std::mem::take(&mut self.locals);
                let (own, room) = (self.own.take(), std::mem::replace(&mut self.room, -100));
                self.locals.push(Local { name: name.clone(), ty: Ty::Int, variable: false });
                let body = self.value(Ty::Int, d.min(2));
                (self.locals, self.own, self.room) = (locals, own, room);
                format!("{name} -> ({body}) & 0xFFFF")
            }
        }
    }

    /// A value without quotes and braces, for what stands in a text.
    fn plain(&mut self, ty: Ty, depth: usize) -> String {
        let value = self.value(ty, depth);
        if value.contains('"') || value.contains('{') { self.leaf(ty) } else { value }
    }

    fn leaf(&mut self, ty: Ty) -> String {
        match ty {
            Ty::Int => match self.random.below(40) {
                0 => "9223372036854775807".into(),
                1 => "(-9223372036854775807)".into(),
                2 => "0".into(),
                _ => self.random.below(100).to_string(),
            },
            Ty::Double => ["0.5", "1.25", "3.0", "(-2.5)", "1e10"][self.random.below(5)].into(),
            Ty::Bool => match self.local_of(Ty::Int) {
                Some(local) => format!("({local} > {})", self.random.below(50)),
                None => "true".into(),
            },
            Ty::Text => ["\"a\"", "\"zz\"", "\"été\""][self.random.below(3)].into(),
            Ty::Ints => ["[1, 2, 3]", "[7]", "[0, 0]"][self.random.below(3)].into(),
            Ty::Doubles => "[2.5, 0.25]".into(),
            Ty::Flags => "[false, true]".into(),
            Ty::Point => "(new Point(1, 2.0))".into(),
            Ty::Cell => "new Cell(4, null)".into(),
            Ty::Shape => "new Square(3)".into(),
            Ty::MaybeInt | Ty::MaybeCell => "null".into(),
            Ty::Function => format!("{0} -> {0} ^ 3", self.name("x")),
        }
    }

    fn int(&mut self, d: usize) -> String {
        match self.random.below(17) {
            0 => format!("({} + {})", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            1 => format!("({} - {})", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            2 => format!("(({} & 0xFFFF) * ({} & 0xFFF))", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            3 => format!("({} / ({} | 1))", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            4 => format!("({} % ({} | 1))", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            5 => format!("(({} & 0xFF) << ({} & 7))", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            6 => format!("({} >> ({} & 63))", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            7 => format!("({} >>> ({} & 63))", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            8 => format!("({} ^ {})", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            9 => {
                let condition = self.value(Ty::Bool, d);
                format!("({condition} ? {} : {})", self.value(Ty::Int, d), self.value(Ty::Int, d))
            }
            10 => match self.local_of(Ty::Ints) {
                Some(list) if self.random.one_in(20) => format!("{list}[{}]", self.value(Ty::Int, d)),
                Some(list) => format!("{list}[{list}.size() - 1]"),
                None => self.leaf(Ty::Int),
            },
            11 => match self.local_of(Ty::Cell) {
                Some(cell) => format!("({cell}.n & 0xFFFFF)"),
                None => self.leaf(Ty::Int),
            },
            12 => match self.local_of(Ty::Shape) {
                Some(shape) => format!("{shape}.area({} & 0xFF)", self.value(Ty::Int, d)),
                None => self.leaf(Ty::Int),
            },
            13 => match self.local_of(Ty::Function) {
                Some(function) => format!("{function}({})", self.value(Ty::Int, d)),
                None => self.leaf(Ty::Int),
            },
            14 => match self.local_of(Ty::MaybeInt) {
                Some(maybe) => format!("known({maybe})"),
                None => format!("length({})", self.value(Ty::MaybeCell, d)),
            },
            15 => format!("{}.x", self.value(Ty::Point, d)),
            _ => match self.local_of(Ty::Double) {
                Some(double) => format!("(int) Math.max(-1000.0, Math.min(1000.0, {double}))"),
                None => self.leaf(Ty::Int),
            },
        }
    }

    fn double(&mut self, d: usize) -> String {
        match self.random.below(8) {
            0 => format!("({} + {})", self.value(Ty::Double, d), self.value(Ty::Double, d)),
            1 => format!("({} - {})", self.value(Ty::Double, d), self.value(Ty::Double, d)),
            2 => format!("({} * {})", self.value(Ty::Double, d), self.value(Ty::Double, d)),
            3 => format!("({} / {})", self.value(Ty::Double, d), self.value(Ty::Double, d)),
            4 => format!("({} % 7.5)", self.value(Ty::Double, d)),
            5 => match self.local_of(Ty::Doubles) {
                Some(list) => format!("{list}[{list}.size() - 1]"),
                None => self.leaf(Ty::Double),
            },
            6 => format!("{}.y", self.value(Ty::Point, d)),
            _ => format!("(double) {}", self.value(Ty::Int, d.min(1))),
        }
    }

    fn bool(&mut self, d: usize) -> String {
        match self.random.below(9) {
            0 => format!("({} < {})", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            1 => format!("({} == {})", self.value(Ty::Int, d), self.value(Ty::Int, d)),
            2 => format!("({} <= {})", self.value(Ty::Double, d), self.value(Ty::Double, d)),
            3 => format!("!({} > {})", self.value(Ty::Double, d), self.value(Ty::Double, d)),
            4 => format!("({} && {})", self.value(Ty::Bool, d), self.value(Ty::Bool, d)),
            5 => format!("({} || {})", self.value(Ty::Bool, d), self.value(Ty::Bool, d)),
            6 => match (self.local_of(Ty::Text), self.local_of(Ty::Point)) {
                (Some(text), _) => format!("({text} == \"a\")"),
                (None, Some(point)) => format!("({point} == new Point({}, 2.0))", self.value(Ty::Int, d)),
                (None, None) => self.leaf(Ty::Bool),
            },
            7 => match self.local_of(Ty::Shape) {
                Some(shape) => format!("({shape} instanceof Square)"),
                None => self.leaf(Ty::Bool),
            },
            _ => match self.local_of(Ty::Flags) {
                Some(flags) => format!("{flags}[0]"),
                None => self.leaf(Ty::Bool),
            },
        }
    }
}
