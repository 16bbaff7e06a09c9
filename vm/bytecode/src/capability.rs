//! Capabilities: what a program may do outside, as text that images declare, policies allow and `@Needs` names.
//! This file holds their one grammar and the table of their kinds; what these mean is said where natives are declared.
//!
//! ```text
//! capability = "*" | kind { ":" part }           at least one part
//! kind       = lower-case letter { lower-case letter | digit | "-" }
//! part       = { character | "*" | escape }      not empty
//! escape     = "\:"  "\*"  "\\"                  the character itself
//!            | "\n"  "\t"  "\r"  "\u{1F}"        a control or invisible character
//!            | "\e"                              a part that is the empty text, alone in its part
//! ```
//!
//! `*` stands for any text within its part, the empty one too: `exec:/usr/lib/checks/*`, `snmp:set:10.0.*`.
//! A *last* part that is only `*` stands for one or more parts: `file:*` is all of `file:read:...` and
//! `file:write:...`; and `*` alone is everything. Otherwise both sides have the same number of parts.
//!
//! Every capability has one canonical form, which `Display` writes: characters are escaped only where they must be,
//! `**` is `*`. Characters that a terminal would act on or hide (controls, direction marks, zero widths)
//! are always escaped, so that what an operator reads is what is meant.

use std::borrow::Cow;
use std::fmt;

/// Of one capability as text.
pub const CAPABILITY_BYTES_MAX: usize = 4096;

/// A kind of capabilities, and what may stand behind it.
pub struct Kind {
    pub name: &'static str,
    /// What it is about is said by one of these words; where there are none, by any text.
    pub words: &'static [&'static str],
}

/// All kinds that there are.
pub const KINDS: &[Kind] = &[
    Kind { name: "env", words: &["read"] },
    Kind { name: "exec", words: &[] },
    Kind { name: "file", words: &["read", "temp", "write"] },
    Kind { name: "http", words: &[] },
    Kind { name: "logpool", words: &["read", "write"] },
    Kind { name: "net", words: &["connect", "resolve"] },
    Kind { name: "process", words: &["kill", "read"] },
    Kind { name: "script", words: &[] },
    Kind { name: "service", words: &["control", "read"] },
    Kind { name: "snmp", words: &["get", "set"] },
    Kind { name: "system", words: &["read"] },
];

/// A capability or a pattern of capabilities; there is no difference but whether it has a `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Capability {
    parts: Vec<Part>,
}

type Part = Vec<Piece>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Piece {
    Char(char),
    /// Any text.
    Any,
}

/// What is wrong with the text of a capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapabilityError {
    pub text: String,
    /// Of `text`, where it went wrong.
    pub byte: usize,
    pub what: Cow<'static, str>,
}

impl fmt::Display for CapabilityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.text.chars().take(80).flat_map(char::escape_debug).collect();
        write!(f, "bad capability `{shown}`: {} (at byte {})", self.what, self.byte)
    }
}

impl std::error::Error for CapabilityError {}

impl Capability {
    /// The capability of doing just this: `Capability::exact("exec", &["/bin/ls"])`. Nothing in `parts` is special.
    pub fn exact(kind: &str, parts: &[&str]) -> Capability {
        let part = |text: &&str| text.chars().map(Piece::Char).collect();
        Capability { parts: std::iter::once(&kind).chain(parts).map(part).collect() }
    }

    pub fn parse(text: &str) -> Result<Capability, CapabilityError> {
        let error = |byte: usize, what: &'static str| {
            Err(CapabilityError { text: text.into(), byte, what: what.into() })
        };
        if text.len() > CAPABILITY_BYTES_MAX {
            return error(CAPABILITY_BYTES_MAX, "it is longer than 4096 bytes");
        }
        let mut parts = Vec::new();
        let mut part = Part::new();
        // An empty part is good only where it is written `\e`.
        let mut empty_marked = false;
        let mut chars = text.char_indices();
        loop {
            let next = chars.next();
            let at = next.map_or(text.len(), |(at, _)| at);
            if empty_marked && next.is_some_and(|(_, c)| c != ':') {
                return error(at, "`\\e` stands alone in its part");
            }
            match next {
                None | Some((_, ':')) => {
                    if part.is_empty() && !empty_marked {
                        return error(at, "a part is empty; an empty text is written `\\e`");
                    }
                    parts.push(std::mem::take(&mut part));
                    empty_marked = false;
                    if next.is_none() {
                        break;
                    }
                }
                Some((_, '*')) => {
                    if part.last() != Some(&Piece::Any) {
                        part.push(Piece::Any);
                    }
                }
                Some((_, '\\')) => match unescape(&mut chars) {
                    Ok(Some(c)) => part.push(Piece::Char(c)),
                    Ok(None) if part.is_empty() => empty_marked = true,
                    Ok(None) => return error(at, "`\\e` stands alone in its part"),
                    Err(what) => return error(at, what),
                },
                Some((_, c)) if is_hidden(c) => {
                    return error(at, "a control or invisible character must be escaped, as in `\\u{1F}`");
                }
                Some((_, c)) => part.push(Piece::Char(c)),
            }
        }
        let all = parts.len() == 1 && is_any(&parts[0]);
        if !all && !is_kind(&parts[0]) {
            return error(0, "its kind must be a word of lower-case letters, digits and `-`, such as `exec`");
        }
        if !all && parts.len() == 1 {
            return error(text.len(), "after its kind it needs `:` and what is allowed, or `:*`");
        }
        Ok(Capability { parts })
    }

    /// As `parse`, of what somebody writes by hand: its kind must be one that there is, and so must the word behind it.
    /// An image may hold others, which this version does not know.
    pub fn parse_known(text: &str) -> Result<Capability, CapabilityError> {
        let capability = Capability::parse(text)?;
        let error =
            |byte: usize, what: String| Err(CapabilityError { text: text.into(), byte, what: what.into() });
        if is_any(&capability.parts[0]) {
            return Ok(capability);
        }
        let name = capability.kind();
        let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            return error(0, format!("there is no kind `{name}`; {}", instead(&name, &names)));
        };
        let part = &capability.parts[1];
        let is_word = |word: &&str| part_covers(part, &word.chars().map(Piece::Char).collect::<Part>());
        if !kind.words.is_empty() && !kind.words.iter().any(is_word) {
            let written: String =
                part.iter().map(|piece| if let Piece::Char(c) = piece { *c } else { '*' }).collect();
            let what = format!("`{name}` has no `{written}`; {}", instead(&written, kind.words));
            return error(name.len() + 1, what);
        }
        Ok(capability)
    }

    /// The first part: `exec`; `*` for the capability of everything.
    pub fn kind(&self) -> String {
        self.parts[0].iter().map(|piece| if let Piece::Char(c) = piece { *c } else { '*' }).collect()
    }

    /// Whether it names one thing only, not a pattern.
    pub fn is_exact(&self) -> bool {
        !self.parts.iter().flatten().any(|piece| *piece == Piece::Any)
    }

    /// Whether everything that `wanted` stands for is allowed by `self`.
    pub fn covers(&self, wanted: &Capability) -> bool {
        let last = |parts: &[Part], i: usize| i + 1 == parts.len();
        for (i, pattern) in self.parts.iter().enumerate() {
            let Some(part) = wanted.parts.get(i) else { return false };
            if last(&self.parts, i) && is_any(pattern) {
                return true;
            }
            // A closing `*` of `wanted` stands for any number of parts, which only another one covers.
            if last(&wanted.parts, i) && is_any(part) || !part_covers(pattern, part) {
                return false;
            }
        }
        self.parts.len() == wanted.parts.len()
    }
}

/// Whether everything that `wanted` stands for is allowed by `pattern`.
pub fn covers(pattern: &Capability, wanted: &Capability) -> bool {
    pattern.covers(wanted)
}

/// `text` as a part that means just this text.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    if text.is_empty() {
        out.push_str("\\e");
    }
    text.chars().for_each(|c| push_escaped(&mut out, c));
    out
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        for (i, part) in self.parts.iter().enumerate() {
            if i > 0 {
                out.push(':');
            }
            if part.is_empty() {
                out.push_str("\\e");
            }
            for piece in part {
                match piece {
                    Piece::Char(c) => push_escaped(&mut out, *c),
                    Piece::Any => out.push('*'),
                }
            }
        }
        f.write_str(&out)
    }
}

impl std::str::FromStr for Capability {
    type Err = CapabilityError;
    fn from_str(text: &str) -> Result<Capability, CapabilityError> {
        Capability::parse(text)
    }
}

/// What to write instead of a word that is none of these.
fn instead(word: &str, words: &[&str]) -> String {
    match words.iter().map(|known| (strsim::osa_distance(word, known), known)).min() {
        Some((1..=2, near)) => format!("did you mean `{near}`?"),
        _ => format!("there is {}", words.join(", ")),
    }
}

fn is_any(part: &[Piece]) -> bool {
    part == [Piece::Any]
}

fn is_kind(part: &[Piece]) -> bool {
    let word = |piece: &Piece| matches!(piece, Piece::Char('a'..='z' | '0'..='9' | '-'));
    matches!(part.first(), Some(Piece::Char('a'..='z'))) && part.iter().all(word)
}

/// Characters that do not show, or change how others show.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        ':' | '*' | '\\' => out.extend(['\\', c]),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        c if is_hidden(c) => out.push_str(&format!("\\u{{{:X}}}", u32::from(c))),
        c => out.push(c),
    }
}

/// What follows a `\`: a character, or `None` for the empty text.
fn unescape(chars: &mut std::str::CharIndices<'_>) -> Result<Option<char>, &'static str> {
    let unknown = "after `\\` only `:`, `*`, `\\`, `n`, `t`, `r`, `e` and `u{...}` may stand";
    let code = "`\\u` needs the hexadecimal code of a character in braces, as in `\\u{1F}`";
    match chars.next().map(|(_, c)| c) {
        Some(c @ (':' | '*' | '\\')) => Ok(Some(c)),
        Some('n') => Ok(Some('\n')),
        Some('t') => Ok(Some('\t')),
        Some('r') => Ok(Some('\r')),
        Some('e') => Ok(None),
        Some('u') => {
            let rest = chars.as_str().strip_prefix('{').ok_or(code)?;
            let (digits, _) = rest.split_once('}').ok_or(code)?;
            if digits.len() > 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(code);
            }
            let value = u32::from_str_radix(digits, 16).map_err(|_| code)?;
            // The digits and both braces are ASCII, so that many characters are that many steps.
            chars.nth(digits.len() + 1);
            char::from_u32(value).map(Some).ok_or(code)
        }
        _ => Err(unknown),
    }
}

/// Whether every text of the glob `part` is one of the glob `pattern`. A `*` in `part` is matched as if it were a
/// character that only a `*` matches, which is exact: the text could hold a character that `pattern` lacks, and
/// what a `*` of `pattern` takes in may be replaced by any other text.
fn part_covers(pattern: &[Piece], part: &[Piece]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last `*` of the pattern stands, and up to where it takes in.
    let mut star: Option<(usize, usize)> = None;
    while t < part.len() {
        if pattern.get(p) == Some(&Piece::Any) {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&part[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            p = at + 1;
            t = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|piece| *piece == Piece::Any)
}
