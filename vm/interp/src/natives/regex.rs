//! Regex, over a crate that finds a match in time linear in the text. A program's value holds the pattern; the compiled form
//! is kept in a small cache of the thread, so it is no part of the heap and none of the image.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Done, natives};
use crate::native::{Body, Failure, NativeDef, OutsideCall, PureCall, Trapped};
use crate::text::code_points;
use crate::value::{ErrorValue, Fault, Value, text_bytes};
use crate::vm::trapped;
use dscript_bytecode::trap::TrapKind;
use regex::{Captures, Regex, RegexBuilder};

/// Bytes of a compiled pattern, and of what it keeps while it searches.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Bytes of a pattern.
const PATTERN_BYTES_MAX: usize = 64 << 10;
/// Groups within each other; the crate walks them on the stack.
const NEST_MAX: u32 = 50;
/// Compiled patterns of a thread.
const CACHE_MAX: usize = 32;

/// Those that take and give owned values.
pub(super) const OWNED: &[NativeDef] = &[
    NativeDef { name: "Regex.check", signature: "(String) -> void!", body: Body::Outside(check) },
    NativeDef {
        name: "Regex.search",
        signature: "(String, String, int) -> List<Match>",
        body: Body::Outside(search),
    },
];

natives! {
    "Regex.flaw" "(String) -> String" |call| {
        let pattern = call.text(0);
        call.give_text(compile(&pattern).err().unwrap_or_default().as_str())
    };
    "Regex.isWhole" "(String, String) -> boolean" |call| {
        let (regex, text) = arguments(call)?;
        call.give_bool(regex.whole.is_match(&text))
    };
    "Regex.found" "(String, String) -> boolean" |call| {
        let (regex, text) = arguments(call)?;
        call.give_bool(regex.any.is_match(&text))
    };
    "Regex.replaced" "(String, String, String, int) -> String" replaced;
    "Regex.parts" "(String, String, int) -> List<String>" |call| {
        let pattern = call.text(0);
        call.spend(call.str(1).len() / 4);
        let regex = compile(&pattern).map_err(|what| bad(&pattern, &what))?;
        let limit = usize::try_from(call.int(2)).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let (lateness, mut late) = (call.vm.lateness(), false);
        let done = call.give_pieces(1, |text, most, pieces| {
            let mut at = 0;
            for found in Finds::new(&regex.any, text).take(limit.min(most) - 1) {
                late = lateness.is_late();
                if late {
                    return;
                }
                let whole = found.get_match();
                pieces.push((at as u32, whole.start() as u32));
                at = whole.end();
            }
            pieces.push((at as u32, text.len() as u32));
        });
        if late { Err(too_long()) } else { done }
    };
    "Regex.quote" "(String) -> String" |call| {
        let text = call.text(0);
        call.give_text(&regex::escape(&text))
    };
}

/// A compiled pattern: anywhere in a text, and for a text as a whole.
struct Compiled {
    any: Regex,
    whole: Regex,
}

thread_local! {
    /// The last used comes last.
    static CACHE: RefCell<Vec<(String, Rc<Compiled>)>> = const { RefCell::new(Vec::new()) };
}

fn compile(pattern: &str) -> Result<Rc<Compiled>, String> {
    CACHE.with_borrow_mut(|cache| {
        if let Some(at) = cache.iter().rposition(|(known, _)| known == pattern) {
            let found = cache.remove(at);
            let compiled = Rc::clone(&found.1);
            cache.push(found);
            return Ok(compiled);
        }
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!("a pattern has at most {PATTERN_BYTES_MAX} bytes"));
        }
        let any = build(pattern, NEST_MAX)?;
        // A comment at the end of a pattern with `(?x)` would take the parenthesis with it.
        let whole = build(&format!(r"\A(?:{pattern})\z"), NEST_MAX + 2)
            .or_else(|_| build(&format!("\\A(?:{pattern}\n)\\z"), NEST_MAX + 2))?;
        let compiled = Rc::new(Compiled { any, whole });
        if cache.len() == CACHE_MAX {
            cache.remove(0);
        }
        cache.push((pattern.to_owned(), Rc::clone(&compiled)));
        Ok(compiled)
    })
}

fn build(pattern: &str, nest_max: u32) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX).nest_limit(nest_max);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("compiled, it has more than {limit} bytes"),
        error => {
            // The crate draws the pattern first; the last line says what is wrong.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    })
}

fn bad(pattern: &str, what: &str) -> Trapped {
    trapped(TrapKind::Argument, format!("`{pattern}` is no pattern: {what}"))
}

/// All matches take time that is quadratic in the text, where each search goes on far beyond what it finds. So whoever looks for
/// them looks at the clock, too.
fn too_long() -> Trapped {
    trapped(TrapKind::Timeout, "it takes too long to find all matches")
}

fn arguments(call: &mut PureCall<'_>) -> Result<(Rc<Compiled>, String), Trapped> {
    let (pattern, text) = (call.text(0), call.text(1));
    // The time of a match is linear in the text, but with the pattern as its factor.
    call.spend(text.len() / 4);
    let compiled = compile(&pattern).map_err(|what| bad(&pattern, &what))?;
    Ok((compiled, text))
}

fn check(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let pattern = call.string(0);
    match compile(pattern) {
        Ok(_) => Ok(Value::Null),
        Err(what) => Err(Failure::Error(ErrorValue {
            code: "regex".into(),
            message: format!("`{pattern}` is no pattern: {what}"),
            fault: vec![Fault::User],
            cause: None,
            data: Vec::new(),
        })),
    }
}

/// The matches from left to right, as Java finds them: an empty one may stand right behind another.
struct Finds<'t> {
    regex: &'t Regex,
    text: &'t str,
    /// Where the next one begins at the earliest.
    from: Option<usize>,
}

impl<'t> Finds<'t> {
    fn new(regex: &'t Regex, text: &'t str) -> Self {
        Self { regex, text, from: Some(0) }
    }
}

impl<'t> Iterator for Finds<'t> {
    type Item = Captures<'t>;

    fn next(&mut self) -> Option<Captures<'t>> {
        let found = self.regex.captures_at(self.text, self.from?)?;
        let whole = found.get_match();
        self.from = match whole.is_empty() {
            // Behind an empty match the search goes on a character later.
            true => self.text[whole.end()..].chars().next().map(|next| whole.end() + next.len_utf8()),
            false => Some(whole.end()),
        };
        Some(found)
    }
}

/// The matches, at most so many unless that is 0, as records.
fn search(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let text = std::mem::replace(&mut call.args[1], Value::Null);
    let (pattern, Value::String(text)) = (call.string(0), &text) else { panic!("the text is {text:?}") };
    let regex = compile(pattern).map_err(|what| Failure::Trap(bad(pattern, &what)))?;
    let most = usize::try_from(call.int(2)).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
    let names: Vec<Value> =
        regex.any.capture_names().map(|name| Value::String(name.unwrap_or_default().to_owned())).collect();
    // What is the same of each match: its fields, their names and those of the groups.
    let fields = size_of::<Value>() + 5 * (size_of::<(String, Value)>() + text_bytes("start"));
    let named = fields + regex.any.capture_names().flatten().map(text_bytes).sum::<usize>();
    let (mut all, mut bytes) = (Vec::new(), 0usize);
    // Bytes and code points up to where the last match began.
    let (mut at, mut points) = (0, 0);
    for found in Finds::new(&regex.any, text).take(most) {
        if call.vm().is_late() {
            return Err(Failure::Trap(too_long()));
        }
        let whole = found.get_match();
        points += i64::from(code_points(&text.as_bytes()[at..whole.start()]));
        at = whole.start();
        let length = i64::from(code_points(whole.as_str().as_bytes()));
        let group = |group: Option<regex::Match<'_>>| match group {
            Some(group) => Value::String(group.as_str().to_owned()),
            None => Value::Null,
        };
        // As many as there are, which `collect` does not see.
        let mut groups = Vec::with_capacity(names.len());
        groups.extend(found.iter().map(group));
        let texts = found.iter().flatten().map(|group| text_bytes(group.as_str())).sum::<usize>();
        bytes +=
            texts + text_bytes(whole.as_str()) + (groups.len() + names.len()) * size_of::<Value>() + named;
        call.make_room(bytes).map_err(Failure::Trap)?;
        all.push(Value::Record(vec![
            ("start".into(), Value::Int(points)),
            ("end".into(), Value::Int(points + length)),
            ("text".into(), Value::String(whole.as_str().to_owned())),
            ("groups".into(), Value::List(groups)),
            ("names".into(), Value::List(names.clone())),
        ]));
    }
    Ok(Value::List(all))
}

fn replaced(call: &mut PureCall<'_>) -> Done {
    let (regex, text) = arguments(call)?;
    let by = call.text(2);
    let by = replacement(&by, &regex.any).map_err(|what| trapped(TrapKind::Argument, what))?;
    let most = usize::try_from(call.int(3)).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
    let (mut out, mut at) = (String::new(), 0);
    for found in Finds::new(&regex.any, &text).take(most) {
        if call.vm.is_late() {
            return Err(too_long());
        }
        let whole = found.get_match();
        out.push_str(&text[at..whole.start()]);
        fill(&by, &found, &mut out);
        call.vm.check_size(out.len())?;
        at = whole.end();
    }
    out.push_str(&text[at..]);
    call.give_text(&out)
}

enum Piece {
    Text(String),
    Group(usize),
}

fn fill(by: &[Piece], found: &Captures<'_>, out: &mut String) {
    for piece in by {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Group(group) => out.push_str(found.get(*group).map_or("", |m| m.as_str())),
        }
    }
}

/// As in Java: `$1` and `${name}` are groups, `\` takes the next character as it is.
fn replacement(by: &str, regex: &Regex) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut plain) = (Vec::new(), String::new());
    let mut rest = by.chars().peekable();
    let count = regex.captures_len();
    while let Some(c) = rest.next() {
        match c {
            '\\' => plain.push(rest.next().ok_or("a replacement ends with `\\`")?),
            '$' => {
                let group = if rest.next_if_eq(&'{').is_some() {
                    let name: String = std::iter::from_fn(|| rest.next_if(|c| *c != '}')).collect();
                    rest.next().ok_or("`${` in a replacement does not end")?;
                    let found = regex.capture_names().position(|known| known == Some(&*name));
                    found.ok_or_else(|| format!("the pattern has no group `{name}`"))?
                } else {
                    let digit = |c: Option<&char>| c.and_then(|c| c.to_digit(10)).map(|d| d as usize);
                    let no_group = "`$` in a replacement is followed by a group: `$1`, `${name}`; write `\\$` for itself";
                    let mut group = digit(rest.peek()).ok_or(no_group)?;
                    rest.next();
                    if group >= count {
                        return Err(format!("the pattern has no group {group}"));
                    }
                    // More digits belong to it while there is such a group.
                    while let Some(next) = digit(rest.peek()).map(|d| group * 10 + d).filter(|g| *g < count) {
                        group = next;
                        rest.next();
                    }
                    group
                };
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Group(group));
            }
            c => plain.push(c),
        }
    }
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}
