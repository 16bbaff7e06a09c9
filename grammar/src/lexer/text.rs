//! What a literal's source text means: escapes, and the indentation of text blocks.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};
use crate::token::TextId;

/// A piece of a text block: source bytes, and where its meaning goes.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub start: usize,
    pub end: usize,
    pub text: TextId,
}

/// Where mistakes in literals go.
pub struct Report<'a> {
    pub file: FileId,
    pub diagnostics: &'a mut Vec<Diagnostic>,
}

impl Report<'_> {
    fn mistake(&mut self, start: usize, end: usize, message: impl Into<String>) -> &mut Diagnostic {
        let span = Span::new(start as u32, end as u32);
        self.diagnostics.push(Diagnostic::error(codes::BAD_ESCAPE, self.file, span, message));
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }
}

/// Appends what `source[start..end]` means, escapes resolved. It holds no line end.
pub fn unescape(source: &str, start: usize, end: usize, out: &mut String, report: &mut Report<'_>) {
    let mut at = start;
    while at < end {
        let rest = &source[at..end];
        let Some(slash) = rest.find('\\') else {
            out.push_str(rest);
            return;
        };
        out.push_str(&rest[..slash]);
        at += slash;
        at = escape(source, at, end, out, report);
    }
}

/// Reads the escape at `at` and gives the place after it.
fn escape(source: &str, at: usize, end: usize, out: &mut String, report: &mut Report<'_>) -> usize {
    let Some(c) = source[at + 1..end].chars().next() else {
        report.mistake(at, end, "a `\\` at the end of a line is an escape of text blocks only");
        return end;
    };
    let after = at + 1 + c.len_utf8();
    match c {
        'b' => out.push('\u{8}'),
        's' => out.push(' '),
        't' => out.push('\t'),
        'n' => out.push('\n'),
        'f' => out.push('\u{C}'),
        'r' => out.push('\r'),
        '"' | '\'' | '\\' | '$' => out.push(c),
        '0'..='7' => {
            let max = if c <= '3' { 3 } else { 2 };
            let digits =
                source[at + 1..end].bytes().take(max).take_while(|b| (b'0'..=b'7').contains(b)).count();
            let text = &source[at + 1..at + 1 + digits];
            out.push(char::from(u8::from_str_radix(text, 8).unwrap_or(0)));
            return at + 1 + digits;
        }
        'u' => return unicode(source, at, end, out, report),
        _ => {
            let found = &source[at..after];
            let d = report.mistake(at, after, format!("`{found}` is not an escape"));
            d.help.push(match c {
                'd' | 'w' | 'S' | 'D' | 'W' | 'B' | '.' | '(' | ')' | '[' | ']' | '*' | '+' | '?' => {
                    "a regular expression is best written as a raw text, `r\"...\"`".to_owned()
                }
                'x' => "write a code point as `\\u{1F600}`".to_owned(),
                _ => "the escapes are \\b \\s \\t \\n \\f \\r \\\" \\' \\\\ \\$ \\u0041 \\u{1F600} and octal \\101".to_owned(),
            });
            out.push(c);
        }
    }
    after
}

/// `\u0041`, `\u{1F600}`, or two halves of a surrogate pair.
fn unicode(source: &str, at: usize, end: usize, out: &mut String, report: &mut Report<'_>) -> usize {
    let mut digits = at + 1;
    while source[digits..end].starts_with('u') {
        digits += 1;
    }
    if source[digits..end].starts_with('{') {
        let body = &source[digits + 1..end];
        let len = body.bytes().take_while(u8::is_ascii_hexdigit).count();
        let close = digits + 1 + len;
        if !source[close..end].starts_with('}') || len == 0 {
            report.mistake(at, close, "`\\u{` needs hexadecimal digits and a `}`");
            return close;
        }
        let value = u32::from_str_radix(&body[..len], 16).unwrap_or(u32::MAX);
        match char::from_u32(value) {
            Some(c) => out.push(c),
            None if (0xD800..0xE000).contains(&value) => {
                report.mistake(at, close + 1, "half of a surrogate pair is not a character");
            }
            None => {
                report.mistake(at, close + 1, "code points end at 10FFFF");
            }
        }
        return close + 1;
    }
    let Some(value) = four_digits(source, digits, end) else {
        let len = source[digits..end].bytes().take(4).take_while(u8::is_ascii_hexdigit).count();
        report
            .mistake(at, digits + len, "`\\u` needs four hexadecimal digits")
            .help
            .push("other code points are written `\\u{1F600}`".to_owned());
        return digits + len;
    };
    let after = digits + 4;
    if let Some(c) = char::from_u32(value) {
        out.push(c);
        return after;
    }
    if value < 0xDC00 && source[after..end].starts_with("\\u") {
        let mut low_digits = after + 1;
        while source[low_digits..end].starts_with('u') {
            low_digits += 1;
        }
        if let Some(low) = four_digits(source, low_digits, end)
            && (0xDC00..0xE000).contains(&low)
        {
            let code = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
            out.extend(char::from_u32(code));
            return low_digits + 4;
        }
    }
    report.mistake(at, after, "half of a surrogate pair is not a character");
    after
}

fn four_digits(source: &str, at: usize, end: usize) -> Option<u32> {
    let text = source[at..end].get(..4)?;
    text.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(text, 16).ok())?
}

/// The texts of a block's segments, in order: indentation stripped as in Java, then escapes resolved.
/// Between two segments stands an interpolation.
pub fn strip_block(source: &str, segments: &[Segment], raw: bool, report: &mut Report<'_>) -> Vec<String> {
    let indent = common_indent(source, segments);
    let mut texts = Vec::with_capacity(segments.len());
    for (index, &Segment { start, end, .. }) in segments.iter().enumerate() {
        let mut out = String::new();
        let last_segment = index + 1 == segments.len();
        let mut at = start;
        let mut at_line_start = index == 0;
        while at <= end {
            let newline = source[at..end].find('\n').map(|i| at + i);
            let mut line_end = newline.unwrap_or(end);
            let mut line = at;
            if at_line_start {
                let blank = source[line..line_end]
                    .bytes()
                    .take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | 0xC))
                    .count();
                line += blank.min(indent);
            }
            if newline.is_some() || last_segment {
                let kept = source[line..line_end].trim_end_matches([' ', '\t', '\r', '\u{C}']).len();
                line_end = line + kept;
            }
            let continued = newline.is_some() && !raw && ends_in_open_slash(&source[line..line_end]);
            if continued {
                line_end -= 1;
            }
            if raw {
                out.push_str(&source[line..line_end]);
            } else {
                unescape(source, line, line_end, &mut out, report);
            }
            let Some(newline) = newline else { break };
            if !continued {
                out.push('\n');
            }
            at = newline + 1;
            at_line_start = true;
        }
        texts.push(out);
    }
    texts
}

fn ends_in_open_slash(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// The smallest indentation of the lines that are not blank, and of the last one.
fn common_indent(source: &str, segments: &[Segment]) -> usize {
    let mut smallest = usize::MAX;
    let mut width = 0;
    let mut blank = true;
    for (index, &Segment { start, end, .. }) in segments.iter().enumerate() {
        if index > 0 && blank {
            // An interpolation is the first thing on its line.
            smallest = smallest.min(width);
            blank = false;
        }
        for byte in source[start..end].bytes() {
            match byte {
                b'\n' => {
                    width = 0;
                    blank = true;
                }
                b' ' | b'\t' | b'\r' | 0xC if blank => width += 1,
                _ if blank => {
                    smallest = smallest.min(width);
                    blank = false;
                }
                _ => {}
            }
        }
    }
    if blank {
        smallest = smallest.min(width);
    }
    if smallest == usize::MAX { 0 } else { smallest }
}
