//! Brackets made to match, before anything looks at structure; `${ }` is a bracket too.
//!
//! A file whose brackets match is left alone. In any other, missing partners are put in and extra ones taken out
//! where the text suggests it: at a semicolon, before a block, and for braces by indentation. So the parser sees
//! matching brackets only, and one missing brace costs one diagnostic. Nesting beyond the limit is cut out here.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};
use crate::token::{Kw, Tok, Token};

/// Deepest nesting of brackets.
pub const NESTING_MAX: usize = 256;

/// Opening token of each closing one and the other way round, by index; other tokens have themselves.
pub type Partners = Vec<u32>;

pub struct Balanced {
    pub tokens: Vec<Token>,
    pub partners: Partners,
}

/// Places where the lexer lost text.
pub struct Damage<'a> {
    pub text: &'a str,
    pub spans: &'a [Span],
    pub lost_end: bool,
}

impl Damage<'_> {
    /// What stands at `offset` follows lost text on its line: a mistake there is no news.
    pub fn covers(&self, offset: u32) -> bool {
        let before = self.spans.partition_point(|s| s.start <= offset);
        self.spans[..before]
            .last()
            .is_some_and(|s| !self.text[s.start as usize..offset as usize].contains('\n'))
            || (self.lost_end && self.text.len() == offset as usize)
    }
}

pub fn balance(
    file: FileId,
    tokens: Vec<Token>,
    damage: &Damage<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Balanced {
    let (partners, depth) = match pair(&tokens) {
        Some(found) => found,
        None => {
            let mut repair = Repair::new(file, &tokens, damage, diagnostics);
            repair.run();
            let tokens = repair.out;
            let Some((partners, depth)) = pair(&tokens) else { unreachable!("repaired brackets match") };
            return cut(file, tokens, partners, depth, diagnostics);
        }
    };
    cut(file, tokens, partners, depth, diagnostics)
}

fn closer(open: Tok) -> Option<Tok> {
    Some(match open {
        Tok::LParen => Tok::RParen,
        Tok::LBracket => Tok::RBracket,
        Tok::LBrace => Tok::RBrace,
        Tok::InterpStart => Tok::InterpEnd,
        _ => return None,
    })
}

fn is_closer(tok: Tok) -> bool {
    matches!(tok, Tok::RParen | Tok::RBracket | Tok::RBrace | Tok::InterpEnd)
}

/// The partners and the deepest nesting, if all brackets match.
fn pair(tokens: &[Token]) -> Option<(Partners, usize)> {
    let mut partners: Partners = (0..tokens.len() as u32).collect();
    let mut stack: Vec<usize> = Vec::new();
    let mut deepest = 0;
    for (index, token) in tokens.iter().enumerate() {
        if closer(token.tok).is_some() {
            stack.push(index);
            deepest = deepest.max(stack.len());
        } else if is_closer(token.tok) {
            let open = stack.pop()?;
            if closer(tokens[open].tok) != Some(token.tok) {
                return None;
            }
            partners[open] = index as u32;
            partners[index] = open as u32;
        }
    }
    stack.is_empty().then_some((partners, deepest))
}

/// Takes out what lies deeper than the limit.
fn cut(
    file: FileId,
    tokens: Vec<Token>,
    partners: Partners,
    deepest: usize,
    diagnostics: &mut Vec<Diagnostic>,
) -> Balanced {
    if deepest <= NESTING_MAX {
        return Balanced { tokens, partners };
    }
    let mut out = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    let mut reported = false;
    while at < tokens.len() {
        let token = tokens[at];
        out.push(token);
        at += 1;
        if is_closer(token.tok) {
            depth -= 1;
        } else if closer(token.tok).is_some() {
            depth += 1;
            if depth > NESTING_MAX {
                let close = partners[at - 1] as usize;
                if !reported {
                    reported = true;
                    diagnostics.push(too_deep(file, token.span()));
                }
                if token.tok != Tok::LBrace {
                    let span = Span::new(token.end, tokens[close].start);
                    out.push(Token::new(span, Tok::BadExpr));
                }
                at = close;
            }
        }
    }
    let Some((partners, _)) = pair(&out) else { unreachable!("whole bracket pairs were cut out") };
    Balanced { tokens: out, partners }
}

pub fn too_deep(file: FileId, span: Span) -> Diagnostic {
    Diagnostic::error(codes::NESTING, file, span, "this is nested too deeply").help(format!(
        "at most {NESTING_MAX} levels of brackets can be nested; give parts a name of their own"
    ))
}

/// An open bracket.
struct Open {
    token: Token,
    /// The token before it.
    before: Option<Tok>,
    /// White space at the beginning of its line.
    indent: usize,
    semicolons: u32,
}

struct Repair<'a> {
    file: FileId,
    tokens: &'a [Token],
    damage: &'a Damage<'a>,
    diagnostics: &'a mut Vec<Diagnostic>,
    stack: Vec<Open>,
    out: Vec<Token>,
    /// Braces that are missing (above zero) or too many in the rest of the file.
    missing: i64,
    /// The token before the bracket that was closed last.
    closed_before: Option<Tok>,
}

impl<'a> Repair<'a> {
    fn new(
        file: FileId,
        tokens: &'a [Token],
        damage: &'a Damage<'a>,
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Self {
        let count = |tok| tokens.iter().filter(|t| t.tok == tok).count() as i64;
        let missing = count(Tok::LBrace) - count(Tok::RBrace);
        Self {
            file,
            tokens,
            damage,
            diagnostics,
            stack: Vec::new(),
            out: Vec::with_capacity(tokens.len() + 8),
            missing,
            closed_before: None,
        }
    }

    fn run(&mut self) {
        for index in 0..self.tokens.len() {
            let token = self.tokens[index];
            match token.tok {
                Tok::LBrace => {
                    if self.block_in_parens(index) {
                        self.close_parens();
                    }
                    self.open(token);
                }
                tok if closer(tok).is_some() => {
                    self.end_of_line(token);
                    self.open(token);
                }
                Tok::Semi => {
                    self.semicolon();
                    self.out.push(token);
                }
                Tok::RBrace => self.close_brace(token),
                tok if is_closer(tok) => self.close(token),
                _ => {
                    self.end_of_line(token);
                    self.out.push(token);
                }
            }
        }
        self.close_all();
    }

    fn open(&mut self, token: Token) {
        let line = self.damage.text[..token.start as usize].rfind('\n').map_or(0, |i| i + 1);
        let indent = self.indent_at(line);
        self.stack.push(Open { token, before: self.out.last().map(|t| t.tok), indent, semicolons: 0 });
        self.out.push(token);
    }

    fn indent_at(&self, line: usize) -> usize {
        self.damage.text[line..].bytes().take_while(|b| matches!(b, b' ' | b'\t')).count()
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if !self.damage.covers(diagnostic.span.start) {
            self.diagnostics.push(diagnostic);
        }
    }

    fn pop_into(&mut self, close: Token) {
        if let Some(open) = self.stack.pop() {
            self.closed_before = open.before;
        }
        self.out.push(close);
    }

    /// Puts in the closing bracket of the innermost open one, after the last token.
    fn insert_closer(&mut self, say: bool) {
        let Some(open) = self.stack.last() else { return };
        let Some(tok) = closer(open.token.tok) else { return };
        let end = self.out.last().map_or(open.token.end, |t| t.end);
        let here = Span::new(end, end);
        if say {
            let (text, opener) = (tok.text().unwrap_or(""), open.token.tok.text().unwrap_or(""));
            let diagnostic = Diagnostic::error(codes::BRACKET, self.file, here, format!("expected `{text}`"))
                .label(open.token.span(), format!("this `{opener}` is not closed"))
                .edit(here, text);
            self.report(diagnostic);
        }
        self.pop_into(Token::new(here, tok));
    }

    fn top_is_paren(&self) -> bool {
        matches!(self.stack.last(), Some(Open { token: Token { tok: Tok::LParen | Tok::LBracket, .. }, .. }))
    }

    fn close_parens(&mut self) {
        let mut say = true;
        while self.top_is_paren() {
            self.insert_closer(say);
            say = false;
        }
    }

    /// The `{` that comes next can't stand inside the open parenthesis.
    fn block_in_parens(&self, index: usize) -> bool {
        let Some(before) = self.out.last() else { return false };
        let brace = self.tokens[index];
        if before.tok == Tok::LParen
            && let Some(after) = self.tokens.get(index + 1)
        {
            let line_ends = self.damage.text[brace.end as usize..after.start as usize].contains('\n');
            return line_ends || after.tok == Tok::RBrace;
        }
        let switch = before.tok == Tok::RParen && self.closed_before == Some(Tok::Kw(Kw::Switch));
        self.top_is_paren() && before.tok.ends_operand() && !switch
    }

    fn semicolon(&mut self) {
        if let Some(open) = self.stack.last_mut()
            && open.before == Some(Tok::Kw(Kw::For))
            && open.semicolons < 2
        {
            open.semicolons += 1;
            return;
        }
        self.close_parens();
    }

    /// A new line that begins a statement although a call's parenthesis is open.
    fn end_of_line(&mut self, token: Token) {
        let (Some(before), Some(open)) = (self.out.last().copied(), self.stack.last()) else { return };
        let call = open.token.tok == Tok::LParen && matches!(open.before, Some(Tok::Ident(_)));
        let begins = matches!(token.tok, Tok::Ident(_)) || statement_word(token.tok);
        if !call || !begins || !before.tok.ends_operand() {
            return;
        }
        let between = &self.damage.text[before.end as usize..token.start as usize];
        if !between.contains('\n') {
            return;
        }
        self.close_parens();
        let end = before.end;
        self.out.push(Token::new(Span::new(end, end), Tok::Semi));
        if let Some(last) = self.diagnostics.last_mut()
            && last.code == codes::BRACKET
            && last.span.start == end
        {
            last.message = "expected `);`".to_owned();
            last.edits.push(crate::diagnostic::Edit { span: Span::new(end, end), text: ";".to_owned() });
        }
    }

    fn close(&mut self, token: Token) {
        let matching =
            self.stack.iter().rposition(|o| closer(o.token.tok) == Some(token.tok)).filter(|&at| {
                token.tok == Tok::InterpEnd
                    || self.stack[at..].iter().all(|o| !matches!(o.token.tok, Tok::LBrace | Tok::InterpStart))
            });
        let Some(at) = matching else { return self.drop_closer(token) };
        let mut say = true;
        while self.stack.len() > at + 1 {
            self.insert_closer(say);
            say = false;
        }
        self.pop_into(token);
    }

    fn drop_closer(&mut self, token: Token) {
        let text = token.tok.text().unwrap_or("");
        let diagnostic = Diagnostic::error(
            codes::BRACKET,
            self.file,
            token.span(),
            format!("this `{text}` has no partner"),
        )
        .edit(token.span(), "");
        self.report(diagnostic);
    }

    fn close_brace(&mut self, token: Token) {
        // Inside an interpolation the lexer has matched braces already.
        let floor = self.stack.iter().rposition(|o| o.token.tok == Tok::InterpStart).map_or(0, |i| i + 1);
        if !self.stack[floor..].iter().any(|o| o.token.tok == Tok::LBrace) {
            self.missing += 1;
            return self.drop_closer(token);
        }
        self.close_parens();
        let line = self.damage.text[..token.start as usize].rfind('\n').map_or(0, |i| i + 1);
        let indent = self.indent_at(line);
        let first_on_line = line + indent == token.start as usize;
        if first_on_line && self.missing > 0 {
            let partner = self.stack.iter().rposition(|o| o.indent <= indent && o.token.tok == Tok::LBrace);
            if let Some(at) = partner
                && self.stack[at].indent == indent
            {
                while self.stack.len() > at + 1 && self.missing > 0 {
                    self.missing_brace();
                }
            }
        }
        if first_on_line && self.missing < 0 && self.stack.last().is_some_and(|o| o.indent < indent) {
            self.missing += 1;
            return self.drop_closer(token);
        }
        self.pop_into(token);
    }

    /// The innermost block ends here, though no brace says so.
    fn missing_brace(&mut self) {
        self.missing -= 1;
        if let Some(open) = self.stack.last() {
            let diagnostic =
                Diagnostic::error(codes::BRACKET, self.file, open.token.span(), "this `{` is never closed");
            self.report(diagnostic);
        }
        self.insert_closer(false);
    }

    fn close_all(&mut self) {
        if self.stack.iter().all(|o| o.token.tok != Tok::LBrace) {
            self.close_parens();
        }
        let Some(innermost) = self.stack.last() else { return };
        let opener = innermost.token.tok.text().unwrap_or("");
        let message = match self.stack.len() {
            1 => format!("this `{opener}` is never closed"),
            n => format!("this `{opener}` and {} around it are never closed", n - 1),
        };
        if !self.damage.lost_end {
            let mut diagnostic =
                Diagnostic::error(codes::BRACKET, self.file, innermost.token.span(), message);
            for around in self.stack.iter().rev().skip(1).take(3) {
                diagnostic = diagnostic.label(around.token.span(), "nor is this");
            }
            self.diagnostics.push(diagnostic);
        }
        while !self.stack.is_empty() {
            self.insert_closer(false);
        }
    }
}

fn statement_word(tok: Tok) -> bool {
    matches!(
        tok,
        Tok::Kw(
            Kw::If
                | Kw::While
                | Kw::For
                | Kw::Do
                | Kw::Return
                | Kw::Break
                | Kw::Continue
                | Kw::Assert
                | Kw::Int
                | Kw::Double
                | Kw::Boolean
                | Kw::Final
                | Kw::Fail
        )
    )
}
