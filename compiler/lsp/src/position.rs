//! Places in a text as the protocol has them: a line and a count of UTF-16 units, or of bytes where the client can.

use dscript_grammar::SourceFile;
use dscript_grammar::span::Span;
use serde_json::{Value, json};

/// What a `character` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    #[default]
    Utf16,
    Utf8,
}

impl Encoding {
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf16 => "utf-16",
            Encoding::Utf8 => "utf-8",
        }
    }

    fn units(self, text: &str) -> usize {
        match self {
            Encoding::Utf8 => text.len(),
            Encoding::Utf16 if text.is_ascii() => text.len(),
            Encoding::Utf16 => text.chars().map(char::len_utf16).sum(),
        }
    }

    /// The byte at a count of units; past the end it is the end, within a character its start.
    fn byte(self, text: &str, units: usize) -> usize {
        let mut count = 0;
        for (at, c) in text.char_indices() {
            let width = if self == Encoding::Utf8 { c.len_utf8() } else { c.len_utf16() };
            if count + width > units {
                return at;
            }
            count += width;
        }
        text.len()
    }
}

/// A text with its lines.
#[derive(Clone, Copy)]
pub struct Lines<'t> {
    pub text: &'t str,
    starts: &'t [u32],
    encoding: Encoding,
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t str, starts: &'t [u32], encoding: Encoding) -> Self {
        Self { text, starts, encoding }
    }

    pub fn of(file: &'t SourceFile, encoding: Encoding) -> Self {
        Self::new(file.text(), file.line_starts(), encoding)
    }

    /// A line without its end.
    pub fn line(&self, line: usize) -> &'t str {
        let start = self.starts.get(line).map_or(self.text.len(), |&s| s as usize);
        let end = self.starts.get(line + 1).map_or(self.text.len(), |&s| s as usize);
        self.text[start..end].trim_end_matches(['\r', '\n'])
    }

    pub fn line_of(&self, offset: u32) -> usize {
        self.starts.partition_point(|&s| s <= offset).max(1) - 1
    }

    pub fn line_start(&self, line: usize) -> u32 {
        self.starts.get(line).copied().unwrap_or(self.text.len() as u32)
    }

    pub fn position(&self, offset: u32) -> Value {
        let (line, character) = self.place(offset);
        json!({"line": line, "character": character})
    }

    pub fn place(&self, offset: u32) -> (usize, usize) {
        let mut at = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let line = self.line_of(at as u32);
        (line, self.encoding.units(&self.text[self.starts[line] as usize..at]))
    }

    pub fn range(&self, span: Span) -> Value {
        json!({"start": self.position(span.start), "end": self.position(span.end)})
    }

    /// How many units a part of the text has.
    pub fn length(&self, span: Span) -> usize {
        self.encoding.units(&self.text[span.start as usize..span.end as usize])
    }

    /// The byte at a position; whatever is beyond a line or the text is its end.
    pub fn offset(&self, position: &Value) -> Option<u32> {
        let line = usize::try_from(position.get("line")?.as_u64()?).unwrap_or(usize::MAX);
        let units = usize::try_from(position.get("character")?.as_u64()?).unwrap_or(usize::MAX);
        if line >= self.starts.len() {
            return Some(self.text.len() as u32);
        }
        Some(self.starts[line] + self.encoding.byte(self.line(line), units) as u32)
    }

    pub fn span(&self, range: &Value) -> Option<Span> {
        let (start, end) = (self.offset(range.get("start")?)?, self.offset(range.get("end")?)?);
        Some(Span::new(start.min(end), end.max(start)))
    }
}

/// Where the lines of a text begin.
pub fn line_starts(text: &str) -> Vec<u32> {
    let ends = text.bytes().enumerate().filter(|&(_, b)| b == b'\n').map(|(i, _)| i as u32 + 1);
    std::iter::once(0).chain(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, line: u64, character: u64, encoding: Encoding) -> u32 {
        let starts = line_starts(text);
        let lines = Lines::new(text, &starts, encoding);
        lines.offset(&json!({"line": line, "character": character})).unwrap()
    }

    #[test]
    fn units_are_counted_as_agreed() {
        let text = "a😀b\r\nü;\n";
        assert_eq!(at(text, 0, 3, Encoding::Utf16), 5);
        assert_eq!(at(text, 0, 5, Encoding::Utf8), 5);
        assert_eq!(at(text, 0, 2, Encoding::Utf16), 1, "within a character: its start");
        assert_eq!(at(text, 0, 99, Encoding::Utf16), 6, "past the line: before its end");
        assert_eq!(at(text, 1, 1, Encoding::Utf16), 10);
        assert_eq!(at(text, 9, 9, Encoding::Utf16), text.len() as u32);
        let starts = line_starts(text);
        let lines = Lines::new(text, &starts, Encoding::Utf16);
        assert_eq!(lines.place(5), (0, 3));
        assert_eq!(lines.place(10), (1, 1));
    }
}
