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
    /// Braces matched as they stood: no bracket was looked for outside of them.
    pub braces_matched: bool,
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
    let (tokens, (partners, depth), braces_matched) = match pair(&tokens) {
        Some(found) => (tokens, found, true),
        None => {
            let mut repair = Repair::new(file, &tokens, damage, diagnostics);
            repair.run();
            let repaired = repair.out;
            // What indentation suggests may contradict itself: then brackets alone decide.
            let (repaired, (partners, depth), local) = match pair(&repaired) {
                Some(found) => (repaired, found, braces_match(&tokens)),
                None => {
                    let tokens = repaired;
                    let tokens = by_brackets_alone(tokens);
                    let Some(found) = pair(&tokens) else { unreachable!("every open bracket was closed") };
                    (tokens, found, false)
                }
            };
            (repaired, (partners, depth), local)
        }
    };
    let (tokens, partners) = cut(file, tokens, partners, depth, diagnostics);
    Balanced { tokens, partners, braces_matched }
}

/// Whether braces match, whatever other brackets do between them.
fn braces_match(tokens: &[Token]) -> bool {
    let mut open = 0;
    tokens.iter().all(|token| {
        match token.tok {
            Tok::LBrace => open += 1,
            Tok::RBrace => open -= 1,
            _ => {}
        }
        open >= 0
    }) && open == 0
}

/// Closes what is open when an outer bracket closes or the text ends, and drops closers of nothing.
fn by_brackets_alone(tokens: Vec<Token>) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len() + 8);
    let mut open: Vec<Tok> = Vec::new();
    let end = tokens.last().map_or(0, |t| t.end);
    for token in tokens {
        if closer(token.tok).is_some() {
            open.push(token.tok);
        } else if is_closer(token.tok) {
            let Some(at) = open.iter().rposition(|&o| closer(o) == Some(token.tok)) else { continue };
            let inner = open.drain(at + 1..).rev().filter_map(closer);
            out.extend(inner.map(|tok| Token::new(Span::new(token.start, token.start), tok)));
            open.pop();
        }
        out.push(token);
    }
    let rest = open.drain(..).rev().filter_map(closer);
    out.extend(rest.map(|tok| Token::new(Span::new(end, end), tok)));
    out
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
) -> (Vec<Token>, Partners) {
    if deepest <= NESTING_MAX {
        return (tokens, partners);
    }
    let mut out = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    // Where brackets are missing, how deep they are is a consequence.
    let mut reported = diagnostics.iter().any(|d| d.code == codes::BRACKET);
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
                let span = Span::new(token.end, tokens[close].start);
                out.push(Token::new(
                    span,
                    if token.tok == Tok::LBrace { Tok::BadItem } else { Tok::BadExpr },
                ));
                at = close;
            }
        }
    }
    let Some((partners, _)) = pair(&out) else { unreachable!("whole bracket pairs were cut out") };
    (out, partners)
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
    /// It opens the parameters of a declaration: a name stands before it, and a type or word before that.
    declares: bool,
    /// It opens the rules of a `guard`.
    guard: bool,
    /// White space before the statement or declaration it belongs to.
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
    part_indent: Option<usize>,
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
            part_indent: None,
        }
    }

    fn run(&mut self) {
        for index in 0..self.tokens.len() {
            let token = self.tokens[index];
            self.start_part(token);
            self.missing_opening_brace(index);
            match token.tok {
                Tok::LBrace => {
                    if self.block_in_parens(index) {
                        self.close_parens();
                    } else if self.stack.last().is_some_and(|o| o.guard) {
                        // A guard holds no blocks.
                        self.missing_brace();
                    }
                    self.open(token);
                }
                tok if closer(tok).is_some() => {
                    self.end_of_line(index);
                    self.open(token);
                }
                Tok::Semi => {
                    self.semicolon();
                    self.out.push(token);
                }
                Tok::RBrace => self.close_brace(token),
                tok if is_closer(tok) => self.close(token),
                _ => {
                    self.end_of_line(index);
                    self.out.push(token);
                }
            }
        }
        self.close_all();
    }

    fn open(&mut self, token: Token) {
        let back = |n: usize| self.out.len().checked_sub(n).map(|i| self.out[i].tok);
        let typed = |tok: Tok| {
            tok.is_primitive() || matches!(tok, Tok::Ident(_) | Tok::Gt | Tok::Question | Tok::Not)
        };
        let declares = back(1).is_some_and(Tok::is_ident) && back(2).is_some_and(typed);
        let indent = self.part_indent.unwrap_or(0);
        let guard = token.tok == Tok::LBrace && self.out.last().is_some_and(|t| self.text_of(*t) == "guard");
        self.stack.push(Open { token, before: back(1), declares, guard, indent, semicolons: 0 });
        self.out.push(token);
    }

    fn text_of(&self, token: Token) -> &str {
        &self.damage.text[token.start as usize..token.end as usize]
    }

    fn line_indent(&self, token: Token) -> usize {
        let line = self.damage.text[..token.start as usize].rfind('\n').map_or(0, |i| i + 1);
        self.indent_at(line)
    }

    fn first_on_line(&self, token: Token) -> bool {
        let before = self.damage.text[..token.start as usize].trim_end_matches([' ', '\t']);
        before.is_empty() || before.ends_with('\n') || before.ends_with('\u{FEFF}')
    }

    /// Keeps track of how far the statement or declaration being read is indented, and ends blocks that its
    /// indentation says are over.
    fn start_part(&mut self, token: Token) {
        let in_block = self.stack.last().is_none_or(|o| o.token.tok == Tok::LBrace);
        let Some(before) = self.out.last().map(|t| t.tok) else {
            self.part_indent = Some(self.line_indent(token));
            return;
        };
        let starts =
            matches!(before, Tok::Semi | Tok::LBrace) || (before == Tok::RBrace && self.first_on_line(token));
        if !in_block || !starts {
            return;
        }
        let indent = self.line_indent(token);
        if self.first_on_line(token) && token.tok != Tok::RBrace {
            while self.missing > 0
                && self.stack.last().is_some_and(|o| o.token.tok == Tok::LBrace && o.indent >= indent)
                && !self.same_line(token)
            {
                self.missing_brace();
            }
        }
        self.part_indent = Some(indent);
    }

    /// A deeper line begins where a block should have: its `}` comes, at the indentation of what it belongs to.
    fn missing_opening_brace(&mut self, index: usize) {
        let token = self.tokens[index];
        let (Some(part), Some(before)) = (self.part_indent, self.out.last().copied()) else { return };
        let in_block = self.stack.last().is_none_or(|o| o.token.tok == Tok::LBrace);
        let head_ends =
            matches!(before.tok, Tok::Ident(_) | Tok::RParen | Tok::Gt | Tok::Kw(Kw::Else | Kw::Do));
        if self.missing >= 0 || !in_block || !head_ends || !self.first_on_line(token) {
            return;
        }
        let begins = token.tok.is_ident() || matches!(token.tok, Tok::Kw(_) | Tok::At);
        let goes_on = matches!(token.tok, Tok::Kw(Kw::Implements | Kw::Extends | Kw::Throws))
            || matches!(self.text_of(token), "on" | "guard" | "permits");
        if !begins || goes_on || self.line_indent(token) <= part {
            return;
        }
        let next = self.tokens[index + 1..]
            .iter()
            .find(|t| self.first_on_line(**t) && self.line_indent(**t) <= part);
        if !next.is_some_and(|t| t.tok == Tok::RBrace && self.line_indent(*t) == part) {
            return;
        }
        self.missing += 1;
        let here = Span::new(before.end, before.end);
        let diagnostic = Diagnostic::error(codes::BRACKET, self.file, here, "expected `{`").edit(here, " {");
        self.report(diagnostic);
        self.open(Token::new(here, Tok::LBrace));
        self.part_indent = Some(self.line_indent(token));
    }

    /// A `)` without its `(`: puts it behind the word or name that needs one, if there is such a place.
    fn missing_opening_paren(&mut self) -> bool {
        let mut depth = 0;
        for at in (1..self.out.len()).rev() {
            let (first, second) = (self.out[at - 1], self.out[at]);
            depth += i32::from(is_closer(second.tok)) - i32::from(closer(second.tok).is_some());
            if depth < 0 || (depth == 0 && matches!(second.tok, Tok::Semi | Tok::LBrace | Tok::RBrace)) {
                return false;
            }
            let head = matches!(first.tok, Tok::Kw(Kw::If | Kw::While | Kw::For | Kw::Switch))
                && second.tok != Tok::LParen;
            let value = second.tok.is_primitive()
                || matches!(
                    second.tok,
                    Tok::Int(_)
                        | Tok::Double(_)
                        | Tok::Duration(_)
                        | Tok::Char(_)
                        | Tok::Str(_)
                        | Tok::StrStart
                );
            if depth == 0 && (head || (first.tok.is_ident() && value)) {
                let here = Span::new(first.end, first.end);
                let diagnostic =
                    Diagnostic::error(codes::BRACKET, self.file, here, "expected `(`").edit(here, "(");
                self.report(diagnostic);
                self.out.insert(at, Token::new(here, Tok::LParen));
                return true;
            }
        }
        false
    }

    /// The innermost open bracket is on the token's line.
    fn same_line(&self, token: Token) -> bool {
        self.stack
            .last()
            .is_some_and(|o| !self.damage.text[o.token.start as usize..token.start as usize].contains('\n'))
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
            if open.token.tok == Tok::LBrace {
                self.part_indent = Some(open.indent);
            }
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
            // A parameter that was begun is none.
            let comma = self.out.last().filter(|t| t.tok == Tok::Comma && open.declares);
            let mut diagnostic =
                Diagnostic::error(codes::BRACKET, self.file, here, format!("expected `{text}`"))
                    .label(open.token.span(), format!("this `{opener}` is not closed"));
            // Behind an operator more is missing than the bracket.
            let whole = |t: &Token| {
                t.tok.ends_operand()
                    || is_closer(t.tok)
                    || closer(t.tok).is_some()
                    || matches!(t.tok, Tok::Comma | Tok::Semi | Tok::PlusPlus | Tok::MinusMinus)
            };
            if self.out.last().is_none_or(whole) {
                diagnostic = diagnostic.edit(comma.map_or(here, |t| t.span()), text);
            }
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
        let declares = self.stack.last().is_some_and(|o| o.declares);
        if (before.tok == Tok::LParen || before.tok == Tok::Comma && declares)
            && let Some(after) = self.tokens.get(index + 1)
        {
            let line_ends = self.damage.text[brace.end as usize..after.start as usize].contains('\n');
            return line_ends || after.tok == Tok::RBrace;
        }
        let switch = before.tok == Tok::RParen && self.closed_before == Some(Tok::Kw(Kw::Switch));
        let ends = before.tok.ends_operand() || matches!(before.tok, Tok::PlusPlus | Tok::MinusMinus);
        self.top_is_paren() && ends && !switch
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
    fn end_of_line(&mut self, index: usize) {
        let token = self.tokens[index];
        let (Some(before), Some(open)) = (self.out.last().copied(), self.stack.last()) else { return };
        let call = open.token.tok == Tok::LParen && matches!(open.before, Some(Tok::Ident(_)));
        let begins = matches!(token.tok, Tok::Ident(_)) || statement_word(token.tok);
        let between = &self.damage.text[before.end as usize..token.start as usize];
        if !call || !begins || !between.contains('\n') {
            return;
        }
        let declares = open.declares;
        // What is no further in than a declaration is none of its parameters.
        let next = declares && self.line_indent(token) <= open.indent && !self.is_closed(index);
        if !(before.tok.ends_operand() || next && matches!(before.tok, Tok::LParen | Tok::Comma)) {
            return;
        }
        self.close_parens();
        if declares && !next {
            return;
        }
        let end = before.end;
        self.out.push(Token::new(Span::new(end, end), Tok::Semi));
        if declares {
            return;
        }
        if let Some(last) = self.diagnostics.last_mut()
            && last.code == codes::BRACKET
            && last.span.start == end
        {
            last.message = "expected `);`".to_owned();
            last.edits.push(crate::diagnostic::Edit { span: Span::new(end, end), text: ";".to_owned() });
        }
    }

    /// Whether the parenthesis that is open before the token closes before a statement or block could be over.
    fn is_closed(&self, index: usize) -> bool {
        let mut depth = 0;
        for token in &self.tokens[index..] {
            match token.tok {
                Tok::LParen => depth += 1,
                Tok::RParen if depth == 0 => return true,
                Tok::RParen => depth -= 1,
                Tok::Semi | Tok::LBrace | Tok::RBrace => return false,
                _ => {}
            }
        }
        false
    }

    fn close(&mut self, token: Token) {
        let matching =
            self.stack.iter().rposition(|o| closer(o.token.tok) == Some(token.tok)).filter(|&at| {
                token.tok == Tok::InterpEnd
                    || self.stack[at..].iter().all(|o| !matches!(o.token.tok, Tok::LBrace | Tok::InterpStart))
            });
        let Some(at) = matching else {
            if token.tok == Tok::RParen && self.missing_opening_paren() {
                return self.out.push(token);
            }
            return self.drop_closer(token);
        };
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
        let indent = self.line_indent(token);
        let first_on_line = self.first_on_line(token);
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
