//! What is wrong at a token, in a sentence: the one place that words the parser's messages.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::expected::{Expected, describe};
use crate::foreign;
use crate::nesting::{is_close, is_open};
use crate::span::Span;
use crate::token::{Kw, Tok, Token};
use crate::tree::Cx;

pub const OUTSIDE_SWITCH: &str = "stands inside a `switch` only";

/// Speaks about the token at `at`.
pub struct Explain<'c, 'a> {
    pub cx: &'c Cx<'a>,
    pub at: usize,
}

impl Explain<'_, '_> {
    /// Whether a line ends before the next token, or a block or the file does.
    pub fn at_line_end(&self, before: Option<Token>, found: Option<Token>) -> bool {
        match (before, found) {
            (_, None) => true,
            (_, Some(Token { tok: Tok::RBrace, .. })) => true,
            (Some(before), Some(found)) => self.cx.damage.text
                [before.end as usize..(found.start as usize).max(before.end as usize)]
                .contains('\n'),
            (None, _) => true,
        }
    }

    /// A bracket as it is written: one that was read as another kind is not told by that.
    fn describe(&self, token: Token) -> String {
        let written = &self.cx.damage.text[token.start as usize..token.end as usize];
        if (is_open(token.tok) || is_close(token.tok)) && matches!(written, "(" | ")" | "[" | "]" | "{" | "}")
        {
            return format!("`{written}`");
        }
        describe(token.tok)
    }

    pub fn reserved(&self, token: Token, word: Kw) -> Diagnostic {
        let text = word.text();
        let diagnostic = self.cx.error(
            codes::RESERVED_WORD,
            token.span(),
            format!("`{text}` is a reserved word and can't be a name"),
        );
        match foreign::advice(word) {
            Some(help)
                if !matches!(
                    self.cx.tokens.get(self.at + 1),
                    Some(Token { tok: Tok::Assign | Tok::Semi, .. })
                ) =>
            {
                diagnostic.help(help)
            }
            _ => diagnostic.help(format!("choose another name, such as `{text}_`")),
        }
    }

    pub fn missing_semicolon(&self, end: u32) -> Diagnostic {
        let span = Span::new(end, end);
        self.cx.error(codes::MISSING_SEMICOLON, span, "expected `;`").edit(span, ";")
    }

    /// A placeholder stands for something that was left out.
    pub fn missing(
        &self,
        what: Tok,
        found: Option<Token>,
        before: Option<Token>,
        expected: &Expected,
    ) -> Diagnostic {
        let general = self.explain(found, before, expected);
        if general.code != codes::SYNTAX
            || !general.message.starts_with("expected ")
            || self.known(found, before, expected).is_some()
        {
            return general;
        }
        let what = match what {
            Tok::BadExpr => "an expression",
            Tok::BadType => "a type",
            _ => "a name",
        };
        let message = match found {
            Some(token) if !self.at_line_end(before, found) => {
                format!("expected {what}, found {}", self.describe(token))
            }
            _ => format!("expected {what}"),
        };
        let span = match (found, before) {
            (_, Some(before)) if self.at_line_end(Some(before), found) => Span::new(before.end, before.end),
            (Some(found), _) => found.span(),
            (None, _) => general.span,
        };
        self.cx.error(codes::SYNTAX, span, message)
    }

    /// `a + b;`, `x;`
    pub fn not_a_statement(&self, found: Option<Token>, expected: &Expected) -> bool {
        let alone = found.is_some_and(|t| matches!(t.tok, Tok::Semi | Tok::Coalesce) || is_operator(t.tok));
        alone && expected.has("+=") && expected.has("++") && !expected.has(";")
    }

    /// What is wrong at the next token.
    pub fn explain(&self, found: Option<Token>, before: Option<Token>, expected: &Expected) -> Diagnostic {
        let Some(found) = found else {
            let end = before.map_or(0, |t| t.end);
            let message = format!("the file ends where {} was expected", expected.list());
            return self.cx.error(codes::SYNTAX, Span::new(end, end), message);
        };
        if let Some(diagnostic) = self.known(Some(found), before, expected) {
            return diagnostic;
        }
        if let Some(habit) = self.habit(found, before) {
            return self.cx.error(habit.code, habit.at.span(), habit.message).help(habit.help);
        }
        if let Tok::Kw(word) = found.tok {
            if let Some(help) = foreign::advice(word) {
                let message = format!("D-Script has no `{}`", word.text());
                return self.cx.error(codes::JAVA_WORD, found.span(), message).help(help);
            }
            match word {
                Kw::Else => {
                    let d = self.cx.error(codes::SYNTAX, found.span(), "this `else` has no `if` before it");
                    return d;
                }
                Kw::Import if !expected.has("import") && expected.has("while") => {
                    return self.cx.error(
                        codes::SYNTAX,
                        found.span(),
                        "imports stand at the top of the file",
                    );
                }
                Kw::Case | Kw::Default if expected.has("while") => {
                    let message = format!("`{}` {OUTSIDE_SWITCH}", word.text());
                    return self.cx.error(codes::SYNTAX, found.span(), message);
                }
                _ => {}
            }
        }
        let comparison = matches!(found.tok, Tok::Lt | Tok::Le | Tok::Gt | Tok::Ge | Tok::Kw(Kw::InstanceOf));
        if comparison && expected.has("&&") {
            return self
                .cx
                .error(codes::SYNTAX, found.span(), "comparisons do not chain")
                .help("join two comparisons: `a < b && b < c`");
        }
        if self.not_a_statement(Some(found), expected) {
            return self
                .cx
                .error(codes::NOT_A_STATEMENT, found.span(), "an expression alone is not a statement")
                .help("statements are calls, assignments and steps; keep the value in a variable, or leave it out");
        }
        if let Some(before) = before
            && before.tok.is_primitive()
            && expected.has(".")
            && !expected.has("name")
        {
            let message = format!("expected an expression, found {}", self.describe(before));
            return self.cx.error(codes::SYNTAX, before.span(), message);
        }
        // What one word or bracket lacks is missing at the end of the line before.
        let lacks = ["while", "{", "("].into_iter().find(|word| expected.only(word));
        if let (Some(before), Some(word)) = (before, lacks)
            && self.at_line_end(Some(before), Some(found))
        {
            let at = Span::new(before.end, before.end);
            let report = self.cx.error(codes::SYNTAX, at, format!("expected `{word}`"));
            return match word {
                "while" => report.help("`do { ... }` ends with `while (condition);`"),
                _ => report,
            };
        }
        if matches!(found.tok, Tok::LBracket | Tok::LParen) && expected.has("{") && !expected.has("[") {
            let message = format!("expected `{{`, found {}", self.describe(found));
            return self
                .cx
                .error(codes::SYNTAX, found.span(), message)
                .help("a block stands in braces, `{ ... }`");
        }
        let written = &self.cx.damage.text[found.start as usize..found.end as usize];
        let message = if expected.has("name") && written.starts_with(|c: char| c.is_ascii_digit()) {
            format!("a name begins with a letter, and this is `{written}`")
        } else {
            format!("expected {}, found {}", expected.list(), self.describe(found))
        };
        let diagnostic = self.cx.error(codes::SYNTAX, found.span(), message);
        if found.tok.is_ident() && expected.has("monitor") && expected.has("on") {
            return diagnostic.help(
                "a step begins with its role: `monitor`, `analyze`, `recover` or `respond TASK(...);`",
            );
        }
        if expected.has("called") {
            return diagnostic.help("`verify` counts calls: `verify f called 1;`");
        }
        match before {
            Some(Token { tok: Tok::Kw(word @ (Kw::If | Kw::While | Kw::For | Kw::Switch)), .. }) => {
                diagnostic.help(format!("write `{} (...)`, with parentheses", word.text()))
            }
            Some(Token { tok: Tok::RParen, .. }) => match self.block_word() {
                Some(word) => diagnostic.help(format!("`{word} (...)` needs a block, `{{ ... }}`")),
                None => diagnostic,
            },
            _ => diagnostic,
        }
    }

    /// Mistakes that have a sentence of their own.
    fn known(&self, found: Option<Token>, before: Option<Token>, expected: &Expected) -> Option<Diagnostic> {
        let (found, before) = (found?, before?);
        let operator = found.tok == Tok::Coalesce || is_operator(found.tok);
        if operator && self.in_case_label() {
            return Some(
                self.cx
                    .error(
                        codes::SYNTAX,
                        found.span(),
                        "a case is a literal or a constant, not an expression",
                    )
                    .help("give the value a name: `static final`; or test it with `when`"),
            );
        }
        // Behind a call: `f() + 1;`.
        if operator && expected.has(";") && expected.has("(") && expected.has("[") {
            let report =
                self.cx.error(codes::NOT_A_STATEMENT, found.span(), "an expression alone is not a statement");
            return Some(match found.tok {
                Tok::Coalesce => report
                    .help("keep the value in a variable; a failure that does not matter is `ignore(...)`d"),
                _ => report.help("keep the value in a variable, or leave it out"),
            });
        }
        let general = || format!("expected {}, found {}", expected.list(), describe(found.tok));
        if found.tok == Tok::Comma && expected.has(":") && expected.has(";") {
            let report = self.cx.error(codes::SYNTAX, found.span(), general());
            return Some(report.help("the text of an `assert` stands behind `:`").edit(found.span(), " :"));
        }
        if found.tok == Tok::LBrace && before.tok.is_ident() && self.follows(Kw::Record) {
            let report = self.cx.error(codes::SYNTAX, found.span(), general());
            return Some(report.help("what a record holds stands in `( )`: `record Point(int x, int y)`"));
        }
        if found.tok == Tok::Kw(Kw::Implements) && expected.has("extends") && expected.has(">") {
            let report = self.cx.error(codes::SYNTAX, found.span(), general());
            return Some(report.edit(found.span(), "extends"));
        }
        if found.tok == Tok::Assign && before.tok.is_ident() && expected.has("name") {
            let name = &self.cx.damage.text[before.start as usize..before.end as usize];
            let report = self.cx.error(codes::SYNTAX, before.span(), format!("`{name}` has no type"));
            return Some(report.help("write its type before the name"));
        }
        if found.tok == Tok::Colon && expected.has("implements") {
            let report = self.cx.error(codes::SYNTAX, found.span(), general());
            return Some(
                report.help("interfaces stand behind `implements`").edit(found.span(), "implements"),
            );
        }
        if found.tok.is_ident() && matches!(before.tok, Tok::Str(_)) && before.end == found.start {
            let report = self.cx.error(codes::SYNTAX, found.span(), general());
            return Some(report.help("a quote within a text is written `\\\"`"));
        }
        if found.tok == Tok::Kw(Kw::Undo) {
            let message = "`undo` stands after the body of a `task`";
            return Some(self.cx.error(codes::SYNTAX, found.span(), message));
        }
        let declares = found.tok.is_primitive() || matches!(found.tok, Tok::Kw(Kw::Var | Kw::Final));
        let type_before = found.tok.is_ident() && (before.tok.is_ident() || before.tok.is_primitive());
        let (declares, head) = match type_before {
            true => (true, self.at.checked_sub(2).map(|i| self.cx.tokens[i])),
            false => (declares, Some(before)),
        };
        let alone = head.is_some_and(|t| match t.tok {
            Tok::Kw(Kw::Else | Kw::Do) => true,
            Tok::RParen => self.is_head(self.at - 1 - usize::from(type_before)),
            _ => false,
        });
        if declares && alone {
            let at = if type_before { before.span() } else { found.span() };
            return Some(
                self.cx
                    .error(codes::SYNTAX, at, "a declaration stands in a block")
                    .help("nobody could use the variable here: write `{ ... }` around the statements"),
            );
        }
        None
    }

    /// Whether the token before the one before is this word.
    fn follows(&self, word: Kw) -> bool {
        self.at.checked_sub(2).is_some_and(|at| self.cx.tokens[at].tok == Tok::Kw(word))
    }

    /// Whether a `)` closes the head of an `if` or a loop.
    fn is_head(&self, close: usize) -> bool {
        self.opening(close)
            .and_then(|open| open.checked_sub(1))
            .is_some_and(|at| matches!(self.cx.tokens[at].tok, Tok::Kw(Kw::If | Kw::While | Kw::For)))
    }

    /// The bracket that the one at `close` is the partner of.
    fn opening(&self, close: usize) -> Option<usize> {
        let tokens = self.cx.tokens;
        let mut depth = 0;
        let mut at = close;
        loop {
            depth += i32::from(is_close(tokens[at].tok)) - i32::from(is_open(tokens[at].tok));
            if depth == 0 {
                return Some(at);
            }
            at = at.checked_sub(1)?;
        }
    }

    /// Whether a `case` begins before this token, and its arrow has not come yet.
    fn in_case_label(&self) -> bool {
        let before = self.cx.tokens[..self.at].iter().rev();
        before
            .map(|t| t.tok)
            .take_while(|tok| {
                !matches!(tok, Tok::Arrow | Tok::LBrace | Tok::RBrace | Tok::Semi | Tok::Kw(Kw::When))
            })
            .any(|tok| tok == Tok::Kw(Kw::Case))
    }

    /// `every (5s)` and the like, which without a block was read as a call.
    fn block_word(&self) -> Option<&'static str> {
        let tokens = self.cx.tokens;
        let at = self.opening(self.at.checked_sub(1)?)?;
        let word = self.cx.soft_word(tokens[at.checked_sub(1)?].tok)?;
        matches!(word, Kw::Every | Kw::Within | Kw::Retry).then(|| word.text())
    }
}

fn is_operator(tok: Tok) -> bool {
    matches!(
        tok,
        Tok::Plus
            | Tok::Minus
            | Tok::Star
            | Tok::Slash
            | Tok::Percent
            | Tok::And
            | Tok::Or
            | Tok::Xor
            | Tok::AndAnd
            | Tok::OrOr
            | Tok::Shl
            | Tok::EqEq
            | Tok::NotEq
            | Tok::Le
            | Tok::Gt
            | Tok::Ge
            | Tok::DotDot
    )
}
