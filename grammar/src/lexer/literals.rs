//! Texts and characters: where they end, what they mean, and what stands inside `${}`.

use super::text::{Report, Segment, strip_block, unescape};
use super::{Lexer, Open, OpenText};
use crate::codes;
use crate::diagnostic::Edit;
use crate::span::Span;
use crate::token::{TextId, Tok};

/// Lines in which the end of an interpolation is looked for.
const LINES_INSIDE_MAX: usize = 8;

/// How a piece of text ends.
enum PieceEnd {
    Quote,
    Interpolation,
    /// At the end of the line, or of the file in a block.
    Missing,
}

impl Lexer<'_> {
    fn add_text(&mut self, text: String) -> TextId {
        self.out.texts.push(text.into());
        TextId(self.out.texts.len() as u32 - 1)
    }

    fn unescaped(&mut self, start: usize, end: usize) -> TextId {
        let mut out = String::new();
        unescape(
            self.text,
            start,
            end,
            &mut out,
            &mut Report { file: self.file, diagnostics: &mut self.out.diagnostics },
        );
        self.add_text(out)
    }

    /// Scans from `start` to the next thing that ends a piece of text.
    fn piece(&self, start: usize, block: bool) -> (usize, PieceEnd) {
        let bytes = self.text.as_bytes();
        let mut at = start;
        while at < bytes.len() {
            match bytes[at] {
                // A line's end can be escaped in a block only.
                b'\\' if block || bytes.get(at + 1) != Some(&b'\n') => at += 1,
                b'"' if !block => return (at, PieceEnd::Quote),
                b'"' if bytes[at..].starts_with(b"\"\"\"") => return (at, PieceEnd::Quote),
                b'$' if bytes.get(at + 1) == Some(&b'{') => return (at, PieceEnd::Interpolation),
                b'\n' if !block => return (at, PieceEnd::Missing),
                _ => {}
            }
            at += 1;
        }
        (bytes.len(), PieceEnd::Missing)
    }

    pub(super) fn line_text(&mut self, start: usize) {
        let (end, how) = self.piece(start + 1, false);
        match how {
            PieceEnd::Quote => {
                self.skip_to(end + 1);
                let text = self.unescaped(start + 1, end);
                self.push(Tok::Str(text), start, end + 1);
            }
            PieceEnd::Interpolation => {
                self.push(Tok::StrStart, start, start + 1);
                let text = self.unescaped(start + 1, end);
                self.push(Tok::Text(text), start + 1, end);
                self.push(Tok::InterpStart, end, end + 2);
                self.skip_to(end + 2);
                self.open.push(OpenText { kind: Open::Line { start }, braces: 0, broken: false });
            }
            PieceEnd::Missing if self.closes_around() => self.close_around(start),
            PieceEnd::Missing if self.lines_of_text(start, end).is_some() => {
                let stop = self.lines_of_text(start, end).unwrap_or(end);
                self.error(codes::UNTERMINATED, start, end, "this text is not closed on its line")
                    .help
                    .push("a text of several lines stands in `\"\"\"`".to_owned());
                let text = self.add_text(String::new());
                self.push(Tok::Str(text), start, stop + 1);
                self.skip_to(stop + 1);
            }
            PieceEnd::Missing => {
                let end = self.plausible_end(start + 1, end);
                self.report_open_text(start, end);
                let text = self.unescaped(start + 1, end);
                self.push(Tok::Str(text), start, end);
                self.skip_to(end);
            }
        }
    }

    /// A quote that begins no text was meant to end the one around, whose `${` is not closed.
    fn closes_around(&self) -> bool {
        matches!(self.open.last(), Some(OpenText { kind: Open::Line { .. }, braces: 0, .. }))
    }

    fn close_around(&mut self, quote: usize) {
        self.open.pop();
        let opened = self.out.tokens.iter().rev().find(|t| t.tok == Tok::InterpStart);
        let opened = opened.map_or(Span::new(quote as u32, quote as u32), |t| t.span());
        // Behind a value a word begins what was meant as text.
        let inside = &self.text[opened.end as usize..quote];
        let ends_value = |c: char| c.is_alphanumeric() || matches!(c, '_' | ')' | ']');
        let value = inside.match_indices(' ').find(|&(at, _)| {
            inside[..at].ends_with(ends_value) && inside[at + 1..].starts_with(char::is_alphanumeric)
        });
        let close = value.map_or(quote, |(at, _)| opened.end as usize + at);
        let diagnostic = self.error(
            codes::UNTERMINATED,
            opened.start as usize,
            opened.end as usize,
            "this `${` is not closed in its text",
        );
        diagnostic.edits.push(Edit { span: Span::new(close as u32, close as u32), text: "}".to_owned() });
        self.out.damaged.push(opened);
        self.push(Tok::InterpEnd, quote, quote);
        self.push(Tok::StrEnd, quote, quote + 1);
        self.skip_to(quote + 1);
    }

    /// A line ends inside `${}` of a text of one line. Where the text goes on as if nothing had happened, only that
    /// is wrong; tells whether it does.
    pub(super) fn line_end_inside(&mut self, at: usize) -> bool {
        let rest: String = self.text[at..].lines().take(LINES_INSIDE_MAX).collect::<Vec<_>>().join("\n");
        let close = rest.find('}').filter(|&close| !rest[..close].contains([';', '"', '{']));
        let goes_on = close.is_some_and(|close| {
            let after = &rest[close..];
            let line = after.split('\n').next().unwrap_or(after);
            line.contains('"')
        });
        let Some(open) = self.open.last_mut().filter(|open| goes_on && open.braces == 0) else {
            return false;
        };
        if !std::mem::replace(&mut open.broken, true) {
            let last = at - self.text[..at].chars().next_back().map_or(0, char::len_utf8);
            self.error(codes::UNTERMINATED, last, at, "a line ends inside `${}`")
                .help
                .push("write it on one line, or use a text block, `\"\"\"`".to_owned());
            self.out.damaged.push(Span::new(last as u32, at as u32));
        }
        true
    }

    fn report_open_text(&mut self, start: usize, end: usize) {
        let same_line = |other: &Span| {
            let (a, b) = (start.min(other.start as usize), start.max(other.start as usize));
            !self.text[a..b].contains('\n')
        };
        let first = !self.out.damaged.last().is_some_and(same_line);
        if first {
            self.error(codes::UNTERMINATED, start, end, "this text is not closed on its line")
                .help
                .push("close it with `\"`; a text of several lines stands in `\"\"\"`".to_owned());
        }
        self.out.damaged.push(Span::new(start as u32, end as u32));
    }

    /// Where a text that was written over several lines ends: nothing like code stands at its line's end, and a line
    /// soon after has one quote too many.
    fn lines_of_text(&self, start: usize, line_end: usize) -> Option<usize> {
        let line = self.text[start..line_end].trim_end();
        if line.ends_with([')', ']', '}', ';', '{', ',']) || !self.open.is_empty() {
            return None;
        }
        let mut at = line_end + 1;
        for line in self.text.get(at..)?.split_inclusive('\n').take(LINES_INSIDE_MAX) {
            let quotes = line.matches('"').count();
            if quotes > 0 {
                let odd = quotes % 2 == 1 && !line.contains("\"\"\"") && !line.contains('\\');
                return odd.then(|| at + line.find('"').unwrap_or(0));
            }
            at += line.len();
        }
        None
    }

    /// Where an unclosed text probably ends: closing brackets and a semicolon at the line's end are code.
    fn plausible_end(&self, start: usize, line_end: usize) -> usize {
        let line = self.text[start..line_end].trim_end();
        let code = line.trim_end_matches([')', ']', '}', ';', '{', ',', ' ']);
        let tail = &line[code.len()..];
        if tail.contains([')', ';', '{', ']']) { start + code.len() } else { start + line.len() }
    }

    /// A text of one line was open at the line's end: ends it, and every one around it on that line.
    pub(super) fn abandon_line_texts(&mut self, at: usize) {
        while let Some(OpenText { kind: Open::Line { start }, .. }) = self.open.last() {
            let start = *start;
            self.open.pop();
            self.report_open_text(start, at.max(start + 1));
            self.push(Tok::InterpEnd, at, at);
            self.push(Tok::StrEnd, at, at);
        }
    }

    /// The `}` of an interpolation: the text around it goes on.
    pub(super) fn resume_text(&mut self, start: usize, end: usize) {
        self.push(Tok::InterpEnd, start, end);
        let Some(open) = self.open.pop() else { return };
        match open.kind {
            Open::Line { start: text_start } => {
                let (stop, how) = self.piece(end, false);
                let stop_at =
                    if matches!(how, PieceEnd::Missing) { self.plausible_end(end, stop) } else { stop };
                let text = self.unescaped(end, stop_at);
                self.push(Tok::Text(text), end, stop_at);
                match how {
                    PieceEnd::Quote => {
                        self.push(Tok::StrEnd, stop, stop + 1);
                        self.skip_to(stop + 1);
                    }
                    PieceEnd::Interpolation => {
                        self.push(Tok::InterpStart, stop, stop + 2);
                        self.skip_to(stop + 2);
                        self.open.push(OpenText {
                            kind: Open::Line { start: text_start },
                            braces: 0,
                            broken: false,
                        });
                    }
                    PieceEnd::Missing => {
                        self.report_open_text(text_start, stop_at);
                        self.push(Tok::StrEnd, stop_at, stop_at);
                        self.skip_to(stop_at);
                    }
                }
            }
            Open::Block { start: text_start, segments } => self.continue_block(text_start, end, segments),
        }
    }

    /// After `"""` nothing but white space may stand on the line; gives the place where the content begins.
    fn block_content(&mut self, start: usize, end: usize) -> usize {
        let rest = &self.text[end..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\u{C}']).len();
        if rest[blank..].starts_with('\n') {
            return end + blank + 1;
        }
        self.error(codes::UNTERMINATED, start, end, "the text after `\"\"\"` begins on the next line")
            .help
            .push("break the line after `\"\"\"`, or use `\"` for a text of one line".to_owned());
        end
    }

    /// A text between typographic quotes, as word processors make them, or backquotes: one mistake, not two.
    pub(super) fn curly_text(&mut self, start: usize, content: usize, quotes: &[char]) -> bool {
        let line = &self.text[content..];
        let line = &line[..line.find('\n').unwrap_or(line.len())];
        let Some(length) = line.find(quotes) else { return false };
        let width = line[length..].chars().next().map_or(0, char::len_utf8);
        let (content_end, end) = (content + length, content + length + width);
        let quotes = [Span::new(start as u32, content as u32), Span::new(content_end as u32, end as u32)];
        let diagnostic = self.error(codes::BAD_CHARACTER, start, end, "texts stand in plain quotes, `\"`");
        diagnostic.edits.extend(quotes.map(|span| Edit { span, text: "\"".to_owned() }));
        let text = self.unescaped(content, content_end);
        self.push(Tok::Str(text), start, end);
        self.skip_to(end);
        true
    }

    pub(super) fn block_text(&mut self, start: usize, end: usize) {
        let content = self.block_content(start, end);
        self.push(Tok::StrStart, start, end);
        self.continue_block(start, content, Vec::new());
    }

    fn continue_block(&mut self, start: usize, at: usize, mut segments: Vec<Segment>) {
        let (stop, how) = self.piece(at, true);
        // Its meaning depends on the whole block's indentation, so it is filled in at the end.
        let text = self.add_text(String::new());
        self.push(Tok::Text(text), at, stop);
        segments.push(Segment { start: at, end: stop, text });
        match how {
            PieceEnd::Interpolation => {
                self.push(Tok::InterpStart, stop, stop + 2);
                self.skip_to(stop + 2);
                self.open.push(OpenText { kind: Open::Block { start, segments }, braces: 0, broken: false });
            }
            PieceEnd::Quote => {
                self.finish_block(&segments, false);
                self.push(Tok::StrEnd, stop, stop + 3);
                self.skip_to(stop + 3);
            }
            PieceEnd::Missing => {
                self.error(codes::UNTERMINATED, start, start + 3, "this text block is never closed")
                    .help
                    .push("close it with `\"\"\"`".to_owned());
                self.out.lost_end = true;
                self.finish_block(&segments, false);
                self.push(Tok::StrEnd, stop, stop);
                self.skip_to(stop);
            }
        }
    }

    /// Fills in the texts of a block's segments.
    pub(super) fn finish_block(&mut self, segments: &[Segment], raw: bool) {
        let report = &mut Report { file: self.file, diagnostics: &mut self.out.diagnostics };
        let texts = strip_block(self.text, segments, raw, report);
        for (segment, text) in segments.iter().zip(texts) {
            self.out.texts[segment.text.0 as usize] = text.into();
        }
    }

    pub(super) fn raw_text(&mut self, start: usize, end: usize) {
        let hashes = end - start - 2;
        let line_end = self.text[end..].find('\n').map_or(self.text.len(), |i| end + i);
        let closing = format!("\"{}", "#".repeat(hashes));
        let (content_end, after) = match self.text[end..line_end].find(&closing) {
            Some(i) => (end + i, end + i + closing.len()),
            None => {
                let stop = self.plausible_end(end, line_end);
                self.error(codes::UNTERMINATED, start, stop, "this raw text is not closed on its line")
                    .help
                    .push(format!(
                        "close it with `{closing}`; a raw text of several lines stands in `r\"\"\"`"
                    ));
                self.out.damaged.push(Span::new(start as u32, stop as u32));
                (stop, stop)
            }
        };
        let text = self.text[end..content_end].to_owned();
        let id = self.add_text(text);
        self.push(Tok::Str(id), start, after);
        self.skip_to(after);
    }

    pub(super) fn raw_block(&mut self, start: usize, end: usize) {
        let content = self.block_content(start, end);
        let (content_end, after) = match self.text[content..].find("\"\"\"") {
            Some(i) => (content + i, content + i + 3),
            None => {
                self.error(codes::UNTERMINATED, start, end, "this text block is never closed")
                    .help
                    .push("close it with `\"\"\"`".to_owned());
                self.out.lost_end = true;
                (self.text.len(), self.text.len())
            }
        };
        let id = self.add_text(String::new());
        self.finish_block(&[Segment { start: content, end: content_end, text: id }], true);
        self.push(Tok::Str(id), start, after);
        self.skip_to(after);
    }

    pub(super) fn character(&mut self, start: usize) {
        let rest = &self.text[start + 1..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let mut close = None;
        let mut escaped = false;
        for (i, c) in line.char_indices() {
            if !escaped && c == '\'' {
                // `'''` is an apostrophe that should have been escaped.
                if i == 0 && line[1..].starts_with('\'') {
                    close = Some(1);
                } else {
                    close = Some(i);
                }
                break;
            }
            escaped = !escaped && c == '\\';
        }
        let Some(length) = close else {
            let end = start + 1 + line.chars().next().map_or(0, char::len_utf8);
            self.error(codes::UNTERMINATED, start, end, "this character is not closed on its line")
                .help
                .push("a character stands in `'`; a text in `\"`".to_owned());
            self.out.damaged.push(Span::new(start as u32, end as u32));
            self.skip_to(end);
            return self.push(Tok::Char(0), start, end);
        };
        let content_end = start + 1 + length;
        let end = content_end + 1;
        self.skip_to(end);
        let content = &self.text[start + 1..content_end];
        let before = self.out.diagnostics.len();
        let mut text = String::new();
        if content == "'" {
            text.push('\'');
            self.error(
                codes::BAD_CHARACTER_LITERAL,
                start,
                end,
                "an apostrophe as a character is written `'\\''`",
            );
        } else {
            let report = &mut Report { file: self.file, diagnostics: &mut self.out.diagnostics };
            unescape(self.text, start + 1, content_end, &mut text, report);
        }
        let mut characters = text.chars();
        let value = characters.next().map_or(0, u32::from);
        if self.out.diagnostics.len() == before {
            if content.is_empty() {
                self.error(
                    codes::BAD_CHARACTER_LITERAL,
                    start,
                    end,
                    "there is no character between the apostrophes",
                );
            } else if characters.next().is_some() {
                let quoted = format!("\"{}\"", content.replace('"', "\\\""));
                let diagnostic = self.error(
                    codes::BAD_CHARACTER_LITERAL,
                    start,
                    end,
                    "a character literal holds one character",
                );
                diagnostic.help.push("a text stands in `\"`".to_owned());
                diagnostic.edits.push(Edit { span: Span::new(start as u32, end as u32), text: quoted });
            }
        }
        self.push(Tok::Char(value), start, end);
    }
}
