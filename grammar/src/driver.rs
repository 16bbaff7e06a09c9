//! Runs the generated tables over a file's tokens, and finds a way on after every mistake.
//!
//! After a mistake the tables themselves say which repair works: each is tried on the stack of states alone, and taken
//! if what follows can be read. In order: one or two tokens put in (a semicolon, a placeholder for an expression or
//! name), one taken out, a reserved word read as a name; else the smallest part around the mistake is replaced by a
//! placeholder, first an expression, then a statement or declaration, ever further out. Brackets match already, so a
//! part never reaches beyond its brackets.

use lalrpop_util::state_machine::{
    ParseResult, ParserAction, ParserDefinition, SimulatedReduce, SymbolTriple,
};

use crate::diagnostic::Diagnostic;
use crate::expected::Expected;
use crate::explain::{Explain, OUTSIDE_SWITCH};
use crate::nesting::{Nesting, is_close, is_open};
use crate::span::Span;
use crate::token::{Kw, Tok, Token};
use crate::tree::Cx;

include!(concat!(env!("OUT_DIR"), "/passing.rs"));

/// Tokens that must be readable after a repair, unless a statement ends before.
const AHEAD: usize = 4;
/// Places to go on that are tried for one part.
const RESUME_MAX: usize = 12;

/// Called by the generated parser in place of lalrpop's driver; the tokens come from `cx`.
pub(crate) fn drive<D, I>(cx: &Cx<'_>, definition: D, _tokens: I) -> ParseResult<D>
where
    D: ParserDefinition<Location = u32, Token = Tok, ReduceIndex = i16, NonterminalIndex = usize>,
{
    let states = vec![definition.start_state()];
    let mut driver = Driver {
        cx,
        definition,
        states,
        symbols: Vec::new(),
        at: 0,
        nesting: None,
        last_mistake: None,
        quiet_until: None,
    };
    driver.run()
}

struct Driver<'c, 'a, D: ParserDefinition> {
    cx: &'c Cx<'a>,
    definition: D,
    states: Vec<D::StateIndex>,
    symbols: Vec<SymbolTriple<D>>,
    /// The next token.
    at: usize,
    /// Made at the first mistake.
    nesting: Option<Nesting>,
    /// Where the last mistake was.
    last_mistake: Option<usize>,
    /// Up to here mistakes are likely to come from an earlier one.
    quiet_until: Option<usize>,
}

enum Fed<D: ParserDefinition> {
    Shifted,
    Mistake,
    Done(ParseResult<D>),
}

/// A stack of states as it would be: the first `kept` of the real one, and more.
struct Trial<'s, S> {
    real: &'s [S],
    kept: usize,
    more: Vec<S>,
}

impl<S: Copy> Trial<'_, S> {
    fn top(&self) -> S {
        self.more.last().copied().unwrap_or_else(|| self.real[self.kept - 1])
    }

    fn pop(&mut self, count: usize) {
        let own = self.more.len().min(count);
        self.more.truncate(self.more.len() - own);
        self.kept -= count - own;
    }
}

impl<D> Driver<'_, '_, D>
where
    D: ParserDefinition<Location = u32, Token = Tok, ReduceIndex = i16, NonterminalIndex = usize>,
{
    fn run(&mut self) -> ParseResult<D> {
        loop {
            let fed = match self.cx.tokens.get(self.at) {
                Some(&token) => self.feed(token),
                None => {
                    // Once: after a repair it would be what follows that.
                    if let Some(expected) = &mut *self.cx.expected_at_end.borrow_mut()
                        && expected.is_empty()
                    {
                        *expected = self.definition.expected_tokens_from_states(&self.states);
                    }
                    self.feed_end()
                }
            };
            match fed {
                Fed::Shifted => self.at += 1,
                Fed::Done(result) => return result,
                Fed::Mistake => self.recover(),
            }
        }
    }

    fn feed(&mut self, token: Token) -> Fed<D> {
        let Some(index) = self.definition.token_to_index(&token.tok) else { return Fed::Mistake };
        loop {
            let action = self.definition.action(self.states[self.states.len() - 1], index);
            if let Some(state) = action.as_shift() {
                let symbol = self.definition.token_to_symbol(index, token.tok);
                self.states.push(state);
                self.symbols.push((token.start, symbol, token.end));
                return Fed::Shifted;
            }
            let Some(reduction) = action.as_reduce() else { return Fed::Mistake };
            if let Some(nonterminal) = PASSING[reduction as usize] {
                self.states.pop();
                let state = self.states[self.states.len() - 1];
                self.states.push(self.definition.goto(state, usize::from(nonterminal)));
                continue;
            }
            // Reducing on a token that turns out wrong would lose the state to recover in.
            if let Some(result) =
                self.definition.reduce(reduction, Some(&token.start), &mut self.states, &mut self.symbols)
            {
                return Fed::Done(result);
            }
        }
    }

    fn feed_end(&mut self) -> Fed<D> {
        loop {
            let action = self.definition.eof_action(self.states[self.states.len() - 1]);
            let Some(reduction) = action.as_reduce() else { return Fed::Mistake };
            if let Some(result) = self.definition.reduce(reduction, None, &mut self.states, &mut self.symbols)
            {
                return Fed::Done(result);
            }
        }
    }

    // ---- trials ----

    fn try_token(&self, trial: &mut Trial<'_, D::StateIndex>, tok: Tok) -> bool {
        let Some(index) = self.definition.token_to_index(&tok) else { return false };
        loop {
            let action = self.definition.action(trial.top(), index);
            if let Some(state) = action.as_shift() {
                trial.more.push(state);
                return true;
            }
            let Some(reduction) = action.as_reduce() else { return false };
            match self.definition.simulate_reduce(reduction) {
                SimulatedReduce::Reduce { states_to_pop, nonterminal_produced } => {
                    trial.pop(states_to_pop);
                    let state = self.definition.goto(trial.top(), nonterminal_produced);
                    trial.more.push(state);
                }
                SimulatedReduce::Accept => return false,
            }
        }
    }

    fn try_end(&self, trial: &mut Trial<'_, D::StateIndex>) -> bool {
        loop {
            let Some(reduction) = self.definition.eof_action(trial.top()).as_reduce() else { return false };
            match self.definition.simulate_reduce(reduction) {
                SimulatedReduce::Reduce { states_to_pop, nonterminal_produced } => {
                    trial.pop(states_to_pop);
                    let state = self.definition.goto(trial.top(), nonterminal_produced);
                    trial.more.push(state);
                }
                SimulatedReduce::Accept => return true,
            }
        }
    }

    /// With the first `kept` states, then `insert`, the tokens from `from` on can be read.
    fn works(&self, kept: usize, insert: &[Tok], from: usize, ahead: usize) -> bool {
        let mut trial = Trial { real: &self.states, kept, more: Vec::new() };
        if !insert.iter().all(|&tok| self.try_token(&mut trial, tok)) {
            return false;
        }
        for step in 0..ahead {
            let Some(token) = self.cx.tokens.get(from + step) else { return self.try_end(&mut trial) };
            if !self.try_token(&mut trial, token.tok) {
                return false;
            }
            match token.tok {
                Tok::Semi => return self.goes_on(trial, from + step + 1),
                Tok::LBrace | Tok::RBrace => return true,
                _ => {}
            }
        }
        true
    }

    /// Behind a `;` the next token can be read, or else any other statement could: that one has its own mistake.
    fn goes_on(&self, trial: Trial<'_, D::StateIndex>, next: usize) -> bool {
        let again = || Trial { real: trial.real, kept: trial.kept, more: trial.more.clone() };
        let read = match self.cx.tokens.get(next) {
            Some(token) => self.try_token(&mut again(), token.tok),
            None => self.try_end(&mut again()),
        };
        read || [Tok::BadItem, Tok::BadArm].iter().any(|&tok| self.try_token(&mut again(), tok))
    }

    fn tell(&self) -> Explain<'_, '_> {
        Explain { cx: self.cx, at: self.at }
    }

    fn expected(&self) -> Expected {
        Expected::new(self.definition.expected_tokens_from_states(&self.states))
    }

    // ---- recovery ----

    fn recover(&mut self) {
        let found = self.cx.tokens.get(self.at).copied();
        let before = self.at.checked_sub(1).map(|i| self.cx.tokens[i]);
        let expected = self.expected();
        let bad = |t: Option<Token>| {
            t.is_some_and(|t| matches!(t.tok, Tok::BadExpr | Tok::BadType | Tok::BadItem | Tok::BadArm))
        };
        let again = self.last_mistake.is_some_and(|last| self.at <= last + 1);
        // Brackets that were put in have been spoken of.
        let put_in = found.is_some_and(|t| t.start == t.end && is_close(t.tok));
        // A scenario whose head could not be read.
        let states = self.last_mistake.is_some()
            && expected.has("while")
            && found.is_some_and(|t| matches!(t.tok, Tok::Kw(Kw::State | Kw::Initial)));
        let end = found.is_none() && (self.last_mistake.is_some() || self.cx.damage.lost_end);
        let quiet = put_in
            || states
            || end
            || self.quiet_until.is_some_and(|until| self.at <= until)
            || bad(found)
            || bad(before)
            || again;
        self.last_mistake = Some(self.at);
        let diagnostic = match self.repair(found, before, &expected) {
            Some(diagnostic) => diagnostic,
            None => {
                let diagnostic = self.tell().explain(found, before, &expected);
                self.quiet_until = self.quiet_until.max(self.replace());
                diagnostic
            }
        };
        // Cases whose `switch` could not be read.
        let repeated = diagnostic.message.ends_with(OUTSIDE_SWITCH)
            && self.cx.diagnostics.borrow().last().is_some_and(|d| d.message.ends_with(OUTSIDE_SWITCH));
        if !quiet && !repeated {
            self.cx.report(diagnostic);
        }
    }

    fn insert(&mut self, toks: &[Tok]) {
        let place = self.at.checked_sub(1).map_or(0, |i| self.cx.tokens[i].end);
        for &tok in toks {
            // What was tried before does work.
            let _ = self.feed(Token { start: place, end: place, tok });
        }
    }

    /// A repair of one or two tokens; none for an expression that is no statement, which is left out as a whole.
    fn repair(
        &mut self,
        found: Option<Token>,
        before: Option<Token>,
        expected: &Expected,
    ) -> Option<Diagnostic> {
        if self.tell().not_a_statement(found, expected) {
            return None;
        }
        let kept = self.states.len();
        let line_end = self.tell().at_line_end(before, found);
        let name = Tok::Ident(self.cx.no_name);
        if let Some(Token { tok: Tok::Kw(word), .. }) = found
            && expected.has("name")
            && let Some(symbol) = self.cx.reserved_symbol(word)
            && self.name_wanted(before, line_end)
            && self.works(kept, &[Tok::Ident(symbol)], self.at + 1, AHEAD)
        {
            let diagnostic = self.tell().reserved(found?, word);
            let token = found?;
            let _ = self.feed(Token { tok: Tok::Ident(symbol), ..token });
            self.at += 1;
            return Some(diagnostic);
        }
        let here = before.map_or(0, |t| t.end);
        let semicolon = self.works(kept, &[Tok::Semi], self.at, AHEAD);
        if line_end && semicolon {
            self.insert(&[Tok::Semi]);
            return Some(self.tell().missing_semicolon(here));
        }
        let line: &[&[Tok]] = &[
            &[name, Tok::Semi],
            &[Tok::BadExpr, Tok::Semi],
            // `x.` at the end of a line is a call that is being written.
            &[name, Tok::LParen, Tok::RParen, Tok::Semi],
        ];
        let open: &[&[Tok]] = &[
            &[Tok::BadExpr],
            &[Tok::Comma],
            &[name],
            &[Tok::Arrow],
            &[Tok::Colon],
            &[Tok::Assign],
            &[Tok::BadType],
            &[Tok::LParen, Tok::RParen],
            &[Tok::Dot],
            &[Tok::BadType, name],
            &[Tok::BadExpr, Tok::Semi],
        ];
        for insert in line.iter().filter(|_| line_end).chain(open) {
            if *insert == [Tok::Assign] && !before.is_some_and(|t| t.tok.is_ident()) {
                continue;
            }
            if self.works(kept, insert, self.at, AHEAD) {
                let diagnostic = match insert {
                    [Tok::BadExpr, ..] | [Tok::BadType, ..] | [Tok::Ident(_), ..] => {
                        self.tell().missing(insert[0], found, before, expected)
                    }
                    _ => self.tell().explain(found, before, expected),
                };
                // What was read as the type of something without a name was its name, most likely.
                let unnamed = insert.contains(&name);
                self.cx.lost.borrow_mut().extend(before.filter(|_| unnamed).map(|t| t.span()));
                self.insert(insert);
                return Some(diagnostic);
            }
        }
        let deletable =
            found.is_some_and(|t| !matches!(t.tok, Tok::Semi) && !is_open(t.tok) && !is_close(t.tok));
        if deletable && self.works(kept, &[], self.at + 1, AHEAD) {
            let diagnostic = self.tell().explain(found, before, expected);
            self.cx.lost.borrow_mut().extend(found.map(|t| t.span()));
            self.at += 1;
            return Some(diagnostic);
        }
        if semicolon {
            self.insert(&[Tok::Semi]);
            return Some(self.tell().missing_semicolon(here));
        }
        None
    }

    /// A name stands between a type and what may follow it, so a word there was meant as one.
    fn name_wanted(&self, before: Option<Token>, line_end: bool) -> bool {
        let after_type = before.is_some_and(|t| {
            t.tok.is_primitive()
                || matches!(
                    t.tok,
                    Tok::Ident(_)
                        | Tok::Gt
                        | Tok::Question
                        | Tok::Not
                        | Tok::Dot
                        | Tok::Comma
                        | Tok::LParen
                        | Tok::LambdaParen
                )
                || matches!(
                    t.tok,
                    Tok::Kw(
                        Kw::Var
                            | Kw::Class
                            | Kw::Record
                            | Kw::Enum
                            | Kw::Interface
                            | Kw::Task
                            | Kw::State
                            | Kw::Go
                            | Kw::Break
                            | Kw::Continue
                    )
                )
        });
        after_type && !line_end
    }

    // ---- replacing a part ----

    /// Gives the place up to which nothing more is worth saying: the end of the parentheses around the mistake.
    fn replace(&mut self) -> Option<usize> {
        let nesting = self.nesting.take().unwrap_or_else(|| Nesting::new(self.cx.tokens));
        let tokens = self.cx.tokens;
        let mut from = self.at;
        let mut open = nesting.around(from);
        let quiet_until = match open {
            Some(open) if !matches!(tokens[open].tok, Tok::LBrace) => Some(nesting.partner[open] as usize),
            _ => None,
        };
        loop {
            let (inside, close, block) = match open {
                Some(open) => (
                    tokens[open].end,
                    nesting.partner[open] as usize,
                    matches!(tokens[open].tok, Tok::LBrace),
                ),
                None => (0, tokens.len(), true),
            };
            let floor = self.symbols.partition_point(|s| s.0 < inside);
            let mut resume = self.resume_points(&nesting, from, close, block);
            if from > self.at {
                // A whole bracket was given up; what comes right after it may be sound.
                resume.insert(
                    0,
                    Resume {
                        at: from,
                        expression: true,
                        item: tokens[from - 1].tok == Tok::RBrace,
                        semicolon: false,
                    },
                );
            }
            if self.replace_expression(floor, &resume, block) || self.replace_item(floor, &resume, block) {
                break;
            }
            let Some(opened) = open else {
                // Not reached: a file of nothing but a placeholder can be read. Going on would be safe too.
                self.at = tokens.len();
                break;
            };
            from = close + 1;
            open = nesting.parent[opened].map(|p| p as usize);
        }
        self.nesting = Some(nesting);
        quiet_until
    }

    /// Places at this level where reading may go on, in order.
    fn resume_points(&self, nesting: &Nesting, from: usize, close: usize, block: bool) -> Vec<Resume> {
        let tokens = self.cx.tokens;
        let mut points = Vec::new();
        let mut at = from;
        while at < close && points.len() < RESUME_MAX {
            let tok = tokens[at].tok;
            if block && at > from && self.begins_line(at) && begins_part(tok) {
                points.push(Resume { at, expression: false, item: true, semicolon: true });
            }
            match tok {
                Tok::Semi => {
                    points.push(Resume { at, expression: true, item: false, semicolon: false });
                    points.push(Resume { at: at + 1, expression: false, item: true, semicolon: false });
                }
                Tok::Comma | Tok::Colon | Tok::Question | Tok::Arrow => {
                    let item = tok == Tok::Comma;
                    points.push(Resume { at, expression: true, item, semicolon: false });
                }
                _ => {}
            }
            if is_open(tok) {
                let end = nesting.partner[at] as usize;
                if matches!(tok, Tok::LBrace) {
                    points.push(Resume { at, expression: true, item: false, semicolon: false });
                    let more = matches!(
                        tokens.get(end + 1),
                        Some(Token {
                            tok: Tok::Kw(Kw::Else | Kw::Undo | Kw::Catch | Kw::Finally) | Tok::ElseBlock,
                            ..
                        })
                    );
                    if !more {
                        points.push(Resume { at: end + 1, expression: false, item: true, semicolon: false });
                    }
                }
                at = end;
            }
            at += 1;
        }
        points.push(Resume { at: close, expression: true, item: true, semicolon: block });
        points
    }

    fn begins_line(&self, at: usize) -> bool {
        let tokens = self.cx.tokens;
        at == 0
            || self.cx.damage.text
                [tokens[at - 1].end as usize..(tokens[at].start as usize).max(tokens[at - 1].end as usize)]
                .contains('\n')
    }

    fn replace_expression(&mut self, floor: usize, resume: &[Resume], block: bool) -> bool {
        for point in resume {
            if block && point.item && !point.expression {
                // An expression does not reach over the end of a statement.
                return false;
            }
            let inserts: &[&[Tok]] = match (point.expression, point.semicolon) {
                (true, false) => &[&[Tok::BadExpr]],
                (true, true) => &[&[Tok::BadExpr, Tok::Semi], &[Tok::BadExpr]],
                (false, true) => &[&[Tok::BadExpr, Tok::Semi]],
                (false, false) => continue,
            };
            for insert in inserts {
                if self.resume_with(floor, insert, point.at, 2) {
                    return true;
                }
            }
            if block && point.semicolon {
                return false;
            }
        }
        false
    }

    fn replace_item(&mut self, floor: usize, resume: &[Resume], block: bool) -> bool {
        if !block {
            return false;
        }
        resume.iter().filter(|p| p.item).any(|point| {
            // Behind a statement's end reading goes on, even if the next one is bad too.
            let ahead = if point.expression || point.semicolon || point.at <= self.at { 2 } else { 0 };
            [Tok::BadItem, Tok::BadArm].iter().any(|&tok| self.resume_with(floor, &[tok], point.at, ahead))
        })
    }

    /// Drops as little of the stack as lets `insert` and what stands at `resume` be read, and does it. With nothing
    /// of what stands there looked at, a list of parts must be what is resumed.
    fn resume_with(&mut self, floor: usize, insert: &[Tok], resume: usize, ahead: usize) -> bool {
        if resume < self.at {
            return false;
        }
        let list = [insert[0], insert[0]];
        let tried = if ahead == 0 { &list[..] } else { insert };
        let found =
            (floor..=self.symbols.len()).rev().find(|&symbols| self.works(symbols + 1, tried, resume, ahead));
        let Some(symbols) = found else { return false };
        let tokens = self.cx.tokens;
        let end = resume.checked_sub(1).map_or(0, |i| tokens[i].end);
        let start = match self.symbols.get(symbols) {
            Some(symbol) => symbol.0,
            None => tokens.get(self.at).map_or(end, |t| t.start),
        };
        self.cx.lost.borrow_mut().push(Span::new(start.min(end), end));
        self.states.truncate(symbols + 1);
        self.symbols.truncate(symbols);
        for (i, &tok) in insert.iter().enumerate() {
            let start = if i == 0 { start.min(end) } else { end };
            let _ = self.feed(Token { start, end, tok });
        }
        self.at = resume;
        true
    }
}

/// A place where reading may go on.
struct Resume {
    at: usize,
    /// An expression may end before it.
    expression: bool,
    /// A statement or declaration may end before it.
    item: bool,
    /// A semicolon may have been forgotten before it.
    semicolon: bool,
}

/// Words that begin a statement, declaration, clause or arm when they stand first on a line.
fn begins_part(tok: Tok) -> bool {
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
                | Kw::Switch
                | Kw::Case
                | Kw::Default
                | Kw::Class
                | Kw::Record
                | Kw::Enum
                | Kw::Interface
                | Kw::Task
                | Kw::Scenario
                | Kw::State
                | Kw::Initial
                | Kw::Test
                | Kw::On
                | Kw::Monitor
                | Kw::Analyze
                | Kw::Recover
                | Kw::Respond
                | Kw::Given
                | Kw::Verify
                | Kw::Every
                | Kw::Within
                | Kw::Retry
                | Kw::Private
                | Kw::Static
                | Kw::Final
                | Kw::LowLevel
                | Kw::Native
                | Kw::Int
                | Kw::Double
                | Kw::Boolean
                | Kw::Void
                | Kw::Var
                | Kw::Fail
                | Kw::Import
        ) | Tok::At
    )
}
