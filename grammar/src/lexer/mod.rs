//! Text to tokens, comments beside them. Knows words and literals, nothing of the grammar.
//!
//! logos cuts the plain tokens; numbers and texts are read by hand from where it found their beginning.
//! A text with `${}` comes out flat (`StrStart Text InterpStart ... InterpEnd Text StrEnd`); a stack of open
//! texts tells which `}` ends an interpolation. A mistake is a diagnostic and, where that makes sense, a token.

mod literals;
mod numbers;
mod text;

use logos::Logos;

use crate::codes::{self, Code};
use crate::comments::Comment;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Interner, Span};
use crate::token::{Tok, Token, Words};

pub use numbers::INT_MIN_MAGNITUDE;

/// What the lexer found in one file.
#[derive(Debug, Default)]
pub struct Lexed {
    pub tokens: Vec<Token>,
    /// Meaning of the literal texts, by `TextId`.
    pub texts: Vec<Box<str>>,
    pub comments: Vec<Comment>,
    pub diagnostics: Vec<Diagnostic>,
    /// Places where text was lost: the parser keeps quiet about what follows on the same line.
    pub damaged: Vec<Span>,
    /// A text or comment ran to the end of the file.
    pub lost_end: bool,
}

#[derive(Logos, Clone, Copy, Debug, PartialEq)]
#[logos(skip(r"[ \t\r\n\x0C]+"))]
enum Raw {
    #[regex(r"//[^\n]*", allow_greedy = true)]
    LineComment,
    #[token("/*")]
    BlockComment,
    #[regex(r"[\p{XID_Start}_$][\p{XID_Continue}$]*")]
    Word,
    #[regex(r"[0-9]")]
    Number,
    #[token("\"")]
    Quote,
    #[token("\"\"\"")]
    BlockQuote,
    #[regex("r#*\"")]
    HashQuote,
    #[token("r\"\"\"")]
    HashBlockQuote,
    #[token("'")]
    Apostrophe,
    #[token("(")]
    LParen,
    #[token(")")]
    RParen,
    #[token("[")]
    LBracket,
    #[token("]")]
    RBracket,
    #[token("{")]
    LBrace,
    #[token("}")]
    RBrace,
    #[token(";")]
    Semi,
    #[token(",")]
    Comma,
    #[token(".")]
    Dot,
    #[token("..")]
    DotDot,
    #[token("...")]
    Ellipsis,
    #[token("@")]
    At,
    #[token("::")]
    ColonColon,
    #[token(":")]
    Colon,
    #[token("->")]
    Arrow,
    #[token("=>")]
    FatArrow,
    #[token("?")]
    Question,
    #[token("??")]
    Coalesce,
    #[token("!")]
    Not,
    #[token("~")]
    Tilde,
    #[token("=")]
    Assign,
    #[token("+=")]
    PlusAssign,
    #[token("-=")]
    MinusAssign,
    #[token("*=")]
    StarAssign,
    #[token("/=")]
    SlashAssign,
    #[token("%=")]
    PercentAssign,
    #[token("&=")]
    AndAssign,
    #[token("|=")]
    OrAssign,
    #[token("^=")]
    XorAssign,
    #[token("<<=")]
    ShlAssign,
    #[token(">>=")]
    ShrAssign,
    #[token(">>>=")]
    UShrAssign,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("++")]
    PlusPlus,
    #[token("--")]
    MinusMinus,
    #[token("&")]
    And,
    #[token("|")]
    Or,
    #[token("^")]
    Xor,
    #[token("&&")]
    AndAnd,
    #[token("||")]
    OrOr,
    #[token("<<")]
    Shl,
    #[token("==")]
    EqEq,
    #[token("!=")]
    NotEq,
    #[token("<")]
    Lt,
    #[token(">")]
    Gt,
    #[token("<=")]
    Le,
    #[token(">=")]
    Ge,
}

/// An open text with an interpolation in progress.
enum Open {
    Line { start: usize },
    Block { start: usize, segments: Vec<text::Segment> },
}

struct OpenText {
    kind: Open,
    /// Braces open inside the interpolation.
    braces: u32,
    /// A line has ended inside the interpolation, and that was said.
    broken: bool,
}

struct Lexer<'a> {
    file: FileId,
    text: &'a str,
    raw: logos::Lexer<'a, Raw>,
    words: &'a Words,
    interner: &'a mut Interner,
    open: Vec<OpenText>,
    out: Lexed,
}

/// Lexes a file from `start` on.
pub fn lex(file: FileId, text: &str, start: usize, words: &Words, interner: &mut Interner) -> Lexed {
    let mut raw = Raw::lexer(text);
    raw.bump(start);
    if start == 0 && text.starts_with('\u{FEFF}') {
        raw.bump('\u{FEFF}'.len_utf8());
    }
    let out = Lexed { tokens: Vec::with_capacity((text.len() - start) / 2), ..Lexed::default() };
    let mut lexer = Lexer { file, text, raw, words, interner, open: Vec::new(), out };
    lexer.run();
    lexer.out
}

impl Lexer<'_> {
    fn run(&mut self) {
        let mut before = self.raw.span().end;
        while let Some(next) = self.raw.next() {
            let span = self.raw.span();
            if matches!(self.open.last(), Some(OpenText { kind: Open::Line { .. }, .. }))
                && self.text[before..span.start].contains('\n')
                && !self.line_end_inside(before)
            {
                self.abandon_line_texts(before);
            }
            match next {
                Ok(raw) => self.token(raw, span.start, span.end),
                Err(()) => self.bad_character(span.start),
            }
            before = self.raw.span().end;
        }
        if !self.open.is_empty() {
            let innermost_block = self.open.iter().rposition(|o| matches!(o.kind, Open::Block { .. }));
            if innermost_block.is_none() {
                self.abandon_line_texts(before);
            }
            while let Some(open) = self.open.pop() {
                self.push(Tok::InterpEnd, before, before);
                let start = match open.kind {
                    Open::Line { start } => start,
                    Open::Block { start, segments } => {
                        self.finish_block(&segments, false);
                        start
                    }
                };
                self.push(Tok::StrEnd, before, before);
                if !self.out.lost_end {
                    self.error(codes::UNTERMINATED, start, start + 1, "this text is never closed");
                    self.out.lost_end = true;
                }
            }
        }
    }

    fn push(&mut self, tok: Tok, start: usize, end: usize) {
        self.out.tokens.push(Token { start: start as u32, end: end as u32, tok });
    }

    fn error(&mut self, code: Code, start: usize, end: usize, message: impl Into<String>) -> &mut Diagnostic {
        let span = Span::new(start as u32, end as u32);
        self.out.diagnostics.push(Diagnostic::error(code, self.file, span, message));
        let last = self.out.diagnostics.len() - 1;
        &mut self.out.diagnostics[last]
    }

    /// Moves on to `end`, past what was read by hand.
    fn skip_to(&mut self, end: usize) {
        let here = self.raw.span().end;
        self.raw.bump(end - here);
    }

    fn token(&mut self, raw: Raw, start: usize, end: usize) {
        let tok = match raw {
            Raw::LineComment => {
                let end = if self.text[..end].ends_with('\r') { end - 1 } else { end };
                return self.comment(start, end, true);
            }
            Raw::BlockComment => return self.block_comment(start, end),
            Raw::Word => {
                let symbol = self.interner.intern(&self.text[start..end]);
                self.words.token(symbol)
            }
            Raw::Number => {
                let end = start + numbers::length(&self.text[start..]);
                let end = self.word_end(end);
                self.skip_to(end);
                let span = Span::new(start as u32, end as u32);
                let (tok, diagnostic) = numbers::read(&self.text[start..end], self.file, span);
                self.out.diagnostics.extend(diagnostic);
                return self.push(tok, start, end);
            }
            Raw::Dot if self.text.as_bytes().get(end).is_some_and(u8::is_ascii_digit) => {
                return self.dot_number(start, end);
            }
            Raw::Quote => return self.line_text(start),
            Raw::BlockQuote => return self.block_text(start, end),
            Raw::HashQuote => return self.raw_text(start, end),
            Raw::HashBlockQuote => return self.raw_block(start, end),
            Raw::Apostrophe => return self.character(start),
            // What is meant by `=>` depends on where it stands: the pass over the tokens says it.
            Raw::FatArrow => Tok::Arrow,
            Raw::LBrace => {
                if let Some(open) = self.open.last_mut() {
                    open.braces += 1;
                }
                Tok::LBrace
            }
            Raw::RBrace => match self.open.last_mut() {
                Some(open) if open.braces == 0 => return self.resume_text(start, end),
                Some(open) => {
                    open.braces -= 1;
                    Tok::RBrace
                }
                None => Tok::RBrace,
            },
            other => plain(other),
        };
        self.push(tok, start, end);
    }

    /// `.5`
    fn dot_number(&mut self, start: usize, digits: usize) {
        let end = self.word_end(digits + numbers::length(&self.text[digits..]));
        self.skip_to(end);
        let span = Span::new(start as u32, end as u32);
        let text = format!("0{}", &self.text[start..end]);
        let (tok, _) = numbers::read(&text, self.file, span);
        let diagnostic = self.error(
            codes::BAD_NUMBER,
            start,
            end,
            format!("a `double` begins with a digit: write `{text}`"),
        );
        diagnostic.edits.push(crate::diagnostic::Edit { span, text });
        // Behind a number it is the rest of a bad one.
        let number = |t: &Token| matches!(t.tok, Tok::Int(_) | Tok::Double(_) | Tok::Duration(_));
        if !self.out.tokens.last().is_some_and(|t| number(t) && t.end as usize == start) {
            self.push(tok, start, end);
        }
    }

    /// Letters of other scripts right after a number belong to it too.
    fn word_end(&self, end: usize) -> usize {
        match self.text[end..].chars().next() {
            Some(c) if !c.is_ascii() && c.is_alphanumeric() => {
                end + self.text[end..].find(|c: char| !c.is_alphanumeric()).unwrap_or(self.text.len() - end)
            }
            _ => end,
        }
    }

    fn comment(&mut self, start: usize, end: usize, line: bool) {
        let text = &self.text[start..end];
        let doc = text.starts_with("/**") && text.len() > 4;
        self.out.comments.push(Comment { span: Span::new(start as u32, end as u32), doc, line });
    }

    fn block_comment(&mut self, start: usize, end: usize) {
        let end = match self.text[end..].find("*/") {
            Some(length) => end + length + 2,
            None => {
                self.error(codes::UNTERMINATED, start, end, "this comment is never closed")
                    .help
                    .push("close it with `*/`".to_owned());
                self.out.lost_end = true;
                self.text.len()
            }
        };
        self.skip_to(end);
        self.comment(start, end, false);
    }

    /// A line that begins with `#` is a comment of another language.
    fn hash_comment(&mut self, start: usize, after: usize) -> bool {
        let line = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        if !self.text[line..start].trim_matches(['\u{FEFF}', ' ', '\t']).is_empty() {
            return false;
        }
        let end = self.text[start..].find('\n').map_or(self.text.len(), |length| start + length);
        let diagnostic = self.error(codes::BAD_CHARACTER, start, after, "a comment begins with `//`");
        let span = Span::new(start as u32, after as u32);
        diagnostic.edits.push(crate::diagnostic::Edit { span, text: "//".to_owned() });
        self.skip_to(end);
        true
    }

    fn bad_character(&mut self, start: usize) {
        let c = self.text[start..].chars().next().unwrap_or(' ');
        // logos may stop inside a character or after several; one at a time is what a reader sees.
        let end = (start + c.len_utf8()).max(self.raw.span().end);
        self.skip_to(end);
        let is_curly = matches!(c, '\u{201C}' | '\u{201D}' | '\u{201E}');
        if is_curly && self.curly_text(start, end, &['\u{201C}', '\u{201D}'])
            || c == '`' && self.curly_text(start, end, &['`'])
            || c == '#' && self.hash_comment(start, end)
        {
            return;
        }
        let (name, help, replacement) = match c {
            '\u{201C}' | '\u{201D}' | '\u{201E}' => {
                ("a typographic quote", Some("texts stand in plain quotes, `\"`"), None)
            }
            '\u{2018}' | '\u{2019}' => {
                ("a typographic apostrophe", Some("characters stand in plain apostrophes, `'`"), None)
            }
            '\u{2013}' | '\u{2014}' | '\u{2212}' => {
                ("a dash", Some("minus is written `-`"), Some((Tok::Minus, "-")))
            }
            '\u{FEFF}' | '\u{200B}' | '\u{A0}' | '\u{2003}' => {
                ("an invisible character", Some("remove it, or write a plain space"), None)
            }
            '\\' => ("a `\\`", Some("escapes stand inside texts only"), None),
            '#' => ("a `#`", Some("comments begin with `//`"), None),
            '`' => ("a backquote", Some("texts stand in `\"`"), None),
            _ => ("", None, None),
        };
        let message = if name.is_empty() {
            format!("the character `{}` has no meaning here", c.escape_debug())
        } else {
            format!("{name} has no meaning here")
        };
        let diagnostic = self.error(codes::BAD_CHARACTER, start, end, message);
        diagnostic.help.extend(help.map(str::to_owned));
        if let Some((tok, text)) = replacement {
            diagnostic.edits.push(crate::diagnostic::Edit {
                span: Span::new(start as u32, end as u32),
                text: text.to_owned(),
            });
            self.push(tok, start, end);
        } else {
            self.out.damaged.push(Span::new(start as u32, end as u32));
        }
    }
}

fn plain(raw: Raw) -> Tok {
    macro_rules! same {
        ($($name:ident)*) => {
            match raw {
                $(Raw::$name => Tok::$name,)*
                Raw::LineComment | Raw::BlockComment | Raw::Word | Raw::Number | Raw::Quote | Raw::BlockQuote
                | Raw::HashQuote | Raw::HashBlockQuote | Raw::Apostrophe | Raw::FatArrow => unreachable!("read by hand"),
            }
        };
    }
    same! {
        LParen RParen LBracket RBracket LBrace RBrace Semi Comma Dot DotDot Ellipsis At ColonColon Colon Arrow Question
        Coalesce Not Tilde Assign PlusAssign MinusAssign StarAssign SlashAssign PercentAssign AndAssign OrAssign
        XorAssign ShlAssign ShrAssign UShrAssign Plus Minus Star Slash Percent PlusPlus MinusMinus And Or Xor AndAnd
        OrOr Shl EqEq NotEq Lt Gt Le Ge
    }
}
