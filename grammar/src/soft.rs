//! Words and parentheses told apart, in one pass over balanced tokens, so that the grammar needs no lookahead.
//!
//! A soft word becomes a keyword only where it starts or continues its construct; everywhere else it stays a
//! name. `(` is marked where it opens a lambda's parameters, a cast or a function type, `{` where it opens a map.
//! What is Java's and not ours is reported and put right on the way (`foreign`).

use crate::balance::Balanced;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::lexer::INT_MIN_MAGNITUDE;
use crate::span::{FileId, Span, Symbol};
use crate::token::{Kw, Tok, Token, Words};

/// What an open bracket is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Inside `( )`, `[ ]` or `${ }`.
    Inner,
    Block,
    Map,
    Switch,
    Scenario,
    State,
    Guard,
    /// A block whose `else` is its own: `within`, `retry`.
    Limit,
    Interface,
}

/// The operations statement that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Given,
    Verify,
}

pub(crate) struct Frame {
    place: Place,
    /// What the next `{` of this frame opens.
    pending: Option<Place>,
    pub(crate) case_label: bool,
    step: Option<Step>,
    /// Where its opening token is in the output.
    opened_at: usize,
    /// In a map: the value of an entry is being read, its `:` was there.
    pub(crate) in_value: bool,
    /// What was said of another sign in the place of `:` in a map, or of `->` in a switch.
    pub(crate) sign_told: Option<usize>,
}

impl Frame {
    fn new(place: Place, opened_at: usize) -> Self {
        Self {
            place,
            pending: None,
            case_label: false,
            step: None,
            opened_at,
            in_value: false,
            sign_told: None,
        }
    }
}

pub(crate) struct Pass<'a> {
    pub(crate) file: FileId,
    pub(crate) text: &'a str,
    pub(crate) words: &'a Words,
    pub(crate) tokens: &'a [Token],
    pub(crate) partners: &'a [u32],
    pub(crate) at: usize,
    pub(crate) out: Vec<Token>,
    pub(crate) diagnostics: &'a mut Vec<Diagnostic>,
    pub(crate) frames: Vec<Frame>,
    /// The bracket closed last: its place, and where its opening token is in the output.
    pub(crate) closed: (Place, usize),
    /// The last token of the output stood where a statement or declaration may start.
    pub(crate) last_at_start: bool,
    /// The last `:` ended a label or an old-style case.
    label_colon: bool,
    /// Parentheses before this token belong to type arguments.
    pub(crate) types_until: usize,
    /// Before this token lies a class that was spoken of as abstract.
    pub(crate) abstract_until: usize,
    pub(crate) abstract_classes: Vec<Symbol>,
    /// The report that speaks of arrays in this statement.
    pub(crate) array_told: Option<usize>,
    /// The name `List`, and the one that stands where a name is missing.
    pub(crate) list_name: Symbol,
    pub(crate) no_name: Symbol,
    /// Text whose names nobody knows any more.
    pub(crate) lost: Vec<Span>,
    /// The `;` that ends a declaration whose body was written in another way, and what to read in its place.
    pub(crate) body_end: Option<(usize, BodyEnd)>,
}

/// What the `;` of a declaration becomes that has no body in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// The end of a statement and of the body around it.
    Close,
    /// A body that could not be read.
    Whole,
}

/// The tokens as the grammar reads them.
pub struct Marked {
    pub tokens: Vec<Token>,
    /// Text for which something else was put, and whose names are not known any more.
    pub lost: Vec<Span>,
}

/// Marks the tokens of a file.
pub fn mark(
    file: FileId,
    text: &str,
    balanced: &Balanced,
    words: &Words,
    (list_name, no_name): (Symbol, Symbol),
    diagnostics: &mut Vec<Diagnostic>,
) -> Marked {
    let mut pass = Pass {
        file,
        text,
        words,
        tokens: &balanced.tokens,
        partners: &balanced.partners,
        at: 0,
        out: Vec::with_capacity(balanced.tokens.len()),
        diagnostics,
        frames: vec![Frame::new(Place::Block, 0)],
        closed: (Place::Inner, 0),
        last_at_start: false,
        label_colon: false,
        types_until: 0,
        abstract_until: 0,
        abstract_classes: Vec::new(),
        array_told: None,
        list_name,
        no_name,
        lost: Vec::new(),
        body_end: None,
    };
    while pass.at < pass.tokens.len() {
        if !pass.foreign() {
            pass.token();
        }
    }
    Marked { tokens: pass.out, lost: pass.lost }
}

impl Pass<'_> {
    /// The token `ahead` places after the current one.
    pub(crate) fn peek(&self, ahead: usize) -> Option<Tok> {
        self.tokens.get(self.at + ahead).map(|t| t.tok)
    }

    pub(crate) fn next(&self, ahead: usize) -> Tok {
        self.peek(ahead).unwrap_or(Tok::Semi)
    }

    pub(crate) fn soft_at(&self, ahead: usize) -> Option<Kw> {
        self.words.soft(self.next(ahead))
    }

    pub(crate) fn before(&self) -> Option<Tok> {
        self.out.last().map(|t| t.tok)
    }

    pub(crate) fn frame(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Where the innermost bracket opens, in the output.
    pub(crate) fn opened_at(&self) -> usize {
        self.frames[self.frames.len() - 1].opened_at
    }

    pub(crate) fn place(&self) -> Place {
        self.frames[self.frames.len() - 1].place
    }

    pub(crate) fn push(&mut self, tok: Tok) {
        let token = self.tokens[self.at];
        self.last_at_start = self.starts();
        self.out.push(Token { tok, ..token });
        self.at += 1;
    }

    /// Outside all brackets.
    pub(crate) fn at_top(&self) -> bool {
        self.frames.len() == 1
    }

    /// The current token may begin a construct of its own.
    pub(crate) fn is_soft_word(&self) -> bool {
        self.soft_at(0).is_some()
    }

    /// A statement, declaration or clause may start with the current token.
    pub(crate) fn starts(&self) -> bool {
        let Some(before) = self.before() else { return true };
        match before {
            Tok::Semi | Tok::LBrace | Tok::BadItem | Tok::ElseBlock => true,
            Tok::RBrace => self.closed.0 != Place::Map,
            Tok::Colon => self.label_colon,
            Tok::Arrow => self.place() == Place::Switch,
            Tok::Kw(
                Kw::Else
                | Kw::Do
                | Kw::Private
                | Kw::Static
                | Kw::Final
                | Kw::LowLevel
                | Kw::Native
                | Kw::Default
                | Kw::Sealed,
            ) => true,
            Tok::RParen => self.after_head(),
            Tok::Ident(_) => self.out.len() >= 2 && self.out[self.out.len() - 2].tok == Tok::At,
            _ => false,
        }
    }

    /// The parenthesis closed last was the head of a statement, or an annotation's.
    fn after_head(&self) -> bool {
        let open = self.closed.1;
        let back = |n: usize| open.checked_sub(n).map(|i| self.out[i].tok);
        match back(1) {
            Some(Tok::Kw(Kw::If | Kw::While | Kw::For)) => true,
            Some(Tok::Ident(_)) => back(2) == Some(Tok::At),
            _ => false,
        }
    }

    fn token(&mut self) {
        let tok = self.tokens[self.at].tok;
        match tok {
            Tok::Ident(_) => {
                let tok = match self.words.soft(tok) {
                    Some(word) => self.soft(word).unwrap_or(tok),
                    None => tok,
                };
                self.push(tok);
            }
            Tok::LParen => {
                let tok = self.paren();
                self.open(tok, Place::Inner);
            }
            Tok::LBracket | Tok::InterpStart => self.open(tok, Place::Inner),
            Tok::LBrace => self.brace(),
            Tok::RBrace if self.in_brackets() => self.close(Tok::RBracket),
            Tok::RParen | Tok::RBracket | Tok::RBrace | Tok::InterpEnd => self.close(tok),
            Tok::Semi if self.body_end.is_some_and(|(at, _)| at == self.at) => self.end_body(),
            Tok::Semi => {
                let frame = self.frame();
                frame.pending = None;
                frame.step = None;
                frame.case_label = false;
                self.array_told = None;
                self.push(tok);
            }
            Tok::Colon => {
                let case = self.place() == Place::Switch && self.frame().case_label;
                let label = self.last_at_start && self.before().is_some_and(Tok::is_ident);
                if case {
                    self.frame().case_label = false;
                }
                self.label_colon = case || label;
                self.frame().in_value = true;
                self.push(tok);
            }
            Tok::Comma => {
                self.frame().in_value = false;
                self.push(tok);
            }
            Tok::Assign | Tok::Arrow if self.place() == Place::Map && !self.frame().in_value => {
                self.sign_of_entry();
            }
            Tok::Arrow => {
                self.fat_arrow();
                self.frame().case_label = false;
                self.push(tok);
            }
            Tok::Lt => {
                if self.before().is_some_and(Tok::is_ident) {
                    self.type_arguments();
                }
                self.push(tok);
            }
            Tok::Kw(word) => self.reserved(word),
            Tok::BadItem if self.place() == Place::Switch => self.push(Tok::BadArm),
            Tok::Int(INT_MIN_MAGNITUDE) | Tok::Duration(INT_MIN_MAGNITUDE) => self.smallest(tok),
            _ => self.push(tok),
        }
    }

    /// Opens the body of a declaration where other signs stand for its brace.
    pub(crate) fn open_body(&mut self, span: Span) {
        let opened_at = self.out.len();
        self.out.push(Token { start: span.start, end: span.end, tok: Tok::LBrace });
        self.frames.push(Frame::new(Place::Block, opened_at));
    }

    /// The `;` that ends a declaration without a body in braces.
    fn end_body(&mut self) {
        let Some((_, end)) = self.body_end.take() else { return };
        let token = self.tokens[self.at];
        if end == BodyEnd::Close {
            self.push(Tok::Semi);
            if let Some(frame) = self.frames.pop() {
                self.closed = (frame.place, frame.opened_at);
            }
        } else {
            self.closed = (Place::Block, self.out.len());
            self.out.push(Token { end: token.start, tok: Tok::LBrace, ..token });
            self.push(Tok::BadItem);
        }
        self.out.push(Token { start: token.end, end: token.end, tok: Tok::RBrace });
    }

    fn reserved(&mut self, word: Kw) {
        match word {
            Kw::Case => self.frame().case_label = true,
            Kw::Default if self.place() == Place::Switch => self.frame().case_label = true,
            Kw::Switch => self.frame().pending = Some(Place::Switch),
            Kw::Interface => self.frame().pending = Some(Place::Interface),
            Kw::Else if self.before() == Some(Tok::RBrace) && self.closed.0 == Place::Limit => {
                return self.push(Tok::ElseBlock);
            }
            _ => {}
        }
        self.push(Tok::Kw(word));
    }

    /// Whether `(int)` or `(double)` stands before the last so many tokens.
    fn ends_cast(&self, last: usize) -> bool {
        let before = &self.out[..self.out.len() - last];
        matches!(before, [.., open, _, close] if open.tok == Tok::CastParen && close.tok == Tok::RParen)
    }

    /// 2^63 is an int under a minus sign only.
    fn smallest(&mut self, tok: Tok) {
        let negated = self.before() == Some(Tok::Minus)
            && (self.ends_cast(1)
                || !self.out.len().checked_sub(2).is_some_and(|i| self.out[i].tok.ends_operand()))
            && !matches!(self.next(1), Tok::Dot | Tok::LBracket | Tok::LParen);
        if negated {
            return self.push(tok);
        }
        let span = self.tokens[self.at].span();
        let (what, zero) = match tok {
            Tok::Int(_) => ("an `int` goes up to 9223372036854775807", Tok::Int(0)),
            _ => ("a `Duration` is at most about 292 years", Tok::Duration(0)),
        };
        let message = format!("this number is out of range: {what}");
        self.diagnostics.push(Diagnostic::error(codes::NUMBER_RANGE, self.file, span, message));
        self.push(zero);
    }

    fn open(&mut self, tok: Tok, place: Place) {
        let opened_at = self.out.len();
        self.push(tok);
        self.frames.push(Frame::new(place, opened_at));
    }

    fn close(&mut self, tok: Tok) {
        let frame = if self.frames.len() > 1 { self.frames.pop() } else { None };
        self.push(tok);
        if let Some(frame) = frame {
            self.closed = (frame.place, frame.opened_at);
        }
        // A declaration or statement that was waiting for its block has it now.
        if tok == Tok::RBrace && self.frame().pending.is_none() {
            self.frame().step = None;
        }
    }

    fn brace(&mut self) {
        let place = match self.frame().pending.take() {
            Some(place) => {
                if place == Place::Guard {
                    self.frame().pending = Some(Place::Scenario);
                }
                place
            }
            None if self.is_map() => Place::Map,
            // A scenario whose head was not understood.
            None if self.soft_at(1) == Some(Kw::Initial) && self.soft_at(2) == Some(Kw::State) => {
                Place::Scenario
            }
            None => Place::Block,
        };
        if place == Place::Map {
            return self.map();
        }
        self.array_told = None;
        self.open(Tok::LBrace, place);
    }

    /// `{` here begins a value.
    fn is_map(&self) -> bool {
        let Some(before) = self.before() else { return false };
        match before {
            Tok::Arrow => self.next(1) == Tok::Colon && self.next(2) == Tok::RBrace,
            Tok::Colon => !self.label_colon,
            Tok::Semi
            | Tok::LBrace
            | Tok::RBrace
            | Tok::RParen
            | Tok::RBracket
            | Tok::Gt
            | Tok::Not
            | Tok::Dot => false,
            Tok::BadItem | Tok::ElseBlock | Tok::BadType | Tok::At => false,
            Tok::Question => true,
            Tok::Kw(word) => matches!(word, Kw::Return | Kw::Yield | Kw::Fail | Kw::Returns | Kw::InstanceOf),
            other => !other.ends_operand(),
        }
    }

    /// `{a: 1}`; Java's array initializer is put right.
    fn map(&mut self) {
        let close = self.partners[self.at] as usize;
        if close == self.at + 1 {
            return self.empty_braces();
        }
        if self.next(1) == Tok::BadItem {
            // Cut out for its depth; an empty map is as good.
            self.open_map();
            self.push(Tok::Colon);
            return;
        }
        let mut inner = self.at + 1;
        let mut entries = false;
        while inner < close {
            entries |= matches!(self.tokens[inner].tok, Tok::Colon | Tok::Assign | Tok::Arrow);
            inner = (self.partners[inner] as usize).max(inner) + 1;
        }
        if entries {
            return self.open(Tok::MapBrace, Place::Map);
        }
        self.array_initializer(close);
        self.open(Tok::LBracket, Place::Inner);
    }

    /// Whether the braces closing at this place were written for a list.
    fn in_brackets(&self) -> bool {
        let frame = &self.frames[self.frames.len() - 1];
        self.frames.len() > 1 && self.out[frame.opened_at].tok == Tok::LBracket
    }

    pub(crate) fn open_map(&mut self) {
        self.open(Tok::MapBrace, Place::Map);
    }

    /// The current token is the first of its line; where a semicolon was forgotten, a statement starts there.
    fn begins_line(&self) -> bool {
        let before = self.at.checked_sub(1).map_or(0, |i| self.tokens[i].end) as usize;
        self.text
            .get(before..self.tokens[self.at].start as usize)
            .is_some_and(|between| between.contains('\n'))
    }

    /// The keyword, where the word starts or continues its construct here.
    fn soft(&mut self, word: Kw) -> Option<Tok> {
        let before = self.before();
        // What follows these words can't follow a name, so a line's beginning is as good as a semicolon.
        let starts =
            self.starts() || (self.place() != Place::Inner && word != Kw::Yield && self.begins_line());
        let after_operand = before.is_some_and(Tok::ends_operand);
        let name_next = self.next(1).is_ident();
        let reserved_next = matches!(self.next(1), Tok::Kw(_)) && self.next(2) == Tok::LParen;
        let place = self.place();
        let in_state = place == Place::State;
        let frame = &self.frames[self.frames.len() - 1];
        let (pending, step, case_label) = (frame.pending, frame.step, frame.case_label);
        let is = |word: Kw| before == Some(Tok::Kw(word));
        let yes = match word {
            Kw::Task => {
                let role =
                    matches!(before, Some(Tok::Kw(Kw::Monitor | Kw::Analyze | Kw::Recover | Kw::Respond)));
                (starts || role)
                    && (name_next || reserved_next)
                    && matches!(self.next(2), Tok::LParen | Tok::LBrace)
            }
            Kw::Monitor | Kw::Analyze | Kw::Recover | Kw::Respond => {
                let task =
                    self.soft_at(1) == Some(Kw::Task) && matches!(self.next(2), Tok::Ident(_) | Tok::Kw(_));
                starts && (task || (in_state && name_next))
            }
            Kw::Scenario => {
                let header = matches!(self.next(2), Tok::LParen | Tok::LBrace)
                    || self.words.soft(self.next(2)) == Some(Kw::On);
                if !name_next || !header || before == Some(Tok::Dot) {
                    false
                } else if starts {
                    self.frame().pending = Some(Place::Scenario);
                    true
                } else if !after_operand {
                    return Some(Tok::ScenarioRef);
                } else {
                    false
                }
            }
            Kw::On => {
                let header = pending == Some(Place::Scenario) && after_operand;
                header || (in_state && starts && name_next)
            }
            Kw::Nodes | Kw::Success | Kw::Failure => is(Kw::On),
            Kw::Guard => {
                let yes = pending == Some(Place::Scenario) && after_operand && self.next(1) == Tok::LBrace;
                if yes {
                    self.frame().pending = Some(Place::Guard);
                }
                yes
            }
            Kw::Initial => {
                let state = |tok| self.words.soft(tok) == Some(Kw::State);
                place == Place::Scenario
                    && starts
                    && (state(self.next(1)) || self.next(1) == Tok::Kw(Kw::Final))
            }
            Kw::State => {
                let yes = place == Place::Scenario && (starts || is(Kw::Initial)) && name_next;
                if yes {
                    self.frame().pending = Some(Place::State);
                }
                yes
            }
            Kw::When => {
                let query = in_state && starts && self.soft_at(1) == Some(Kw::Log);
                let guard = case_label
                    && after_operand
                    && !matches!(self.next(1), Tok::Arrow | Tok::Comma | Tok::Colon);
                query || guard
            }
            Kw::Log => is(Kw::When) && in_state,
            Kw::Go => in_state && (after_operand || is(Kw::Success) || is(Kw::Failure)),
            Kw::Over | Kw::After | Kw::Failing => in_state && after_operand,
            Kw::Every | Kw::Within | Kw::Retry if in_state => after_operand,
            Kw::Every | Kw::Within | Kw::Retry => {
                let block = self.next(1) == Tok::LParen && {
                    let close = self.partners[self.at + 1] as usize;
                    self.tokens.get(close + 1).is_some_and(|t| t.tok == Tok::LBrace)
                };
                if starts && block {
                    self.frame().pending = Some(if word == Kw::Every { Place::Block } else { Place::Limit });
                }
                starts && block
            }
            Kw::At if place == Place::Guard => starts && self.soft_at(1) == Some(Kw::Most),
            Kw::At => in_state && after_operand,
            Kw::Most => is(Kw::At) && place == Place::Guard,
            Kw::Recovering => place == Place::Guard && (after_operand || before == Some(Tok::Percent)),
            Kw::Per => {
                place == Place::Guard && (after_operand || before == Some(Tok::Percent) || is(Kw::Recovering))
            }
            Kw::With if in_state => after_operand && self.soft_at(1) == Some(Kw::Approval),
            Kw::With => step == Some(Step::Verify) && after_operand && self.next(1) == Tok::LParen,
            Kw::Approval => is(Kw::With),
            Kw::Undo => before == Some(Tok::RBrace) && self.next(1) == Tok::LBrace,
            Kw::Test => starts && matches!(self.next(1), Tok::Str(_) | Tok::StrStart),
            Kw::Verify if in_state => after_operand,
            Kw::Given | Kw::Verify => {
                // A bare name: three names in a row are nothing else.
                let bare = matches!(
                    (word, self.words.soft(self.next(2))),
                    (Kw::Given, Some(Kw::Returns | Kw::Fails)) | (Kw::Verify, Some(Kw::Called))
                );
                // A function whose result has such a type has a body after its parameters.
                let function = self.next(2) == Tok::LParen && {
                    let close = self.partners[self.at + 2] as usize;
                    self.tok_at(close + 1) == Tok::LBrace
                };
                let yes = starts
                    && name_next
                    && !function
                    && (matches!(self.next(2), Tok::LParen | Tok::Dot) || bare);
                if yes {
                    self.frame().step = Some(if word == Kw::Given { Step::Given } else { Step::Verify });
                }
                yes
            }
            // Behind a comma, a name among the answers is followed by the end of its answer.
            Kw::Returns | Kw::Fails => {
                let another = before == Some(Tok::Comma)
                    && !matches!(self.next(1), Tok::Comma | Tok::Semi | Tok::Dot | Tok::Arrow);
                step == Some(Step::Given) && (after_operand || another)
            }
            Kw::Called => step == Some(Step::Verify) && after_operand,
            Kw::Record => {
                let header =
                    matches!(self.next(2), Tok::LParen | Tok::Lt | Tok::LBrace | Tok::Kw(Kw::Implements));
                starts && (name_next || reserved_next) && header
            }
            Kw::Sealed => {
                let modifier = matches!(
                    self.next(1),
                    Tok::Kw(
                        Kw::Interface
                            | Kw::Class
                            | Kw::Private
                            | Kw::Static
                            | Kw::Public
                            | Kw::Protected
                            | Kw::Abstract
                    )
                );
                starts && modifier
            }
            Kw::Permits => pending == Some(Place::Interface) && (after_operand || before == Some(Tok::Gt)),
            Kw::Var => {
                let place = starts
                    || matches!(before, Some(Tok::LParen | Tok::LambdaParen | Tok::Comma))
                    || is(Kw::Final)
                    || is(Kw::InstanceOf)
                    || is(Kw::Case);
                let reserved_name = matches!(self.next(1), Tok::Kw(_)) && self.next(2) == Tok::Assign;
                place && (reserved_name || (name_next && self.next(2) != Tok::LParen))
            }
            Kw::Yield => starts && self.yields(),
            _ => false,
        };
        yes.then_some(Tok::Kw(word))
    }

    /// `yield` begins a statement here.
    fn yields(&self) -> bool {
        let in_switch = self.frames.iter().any(|f| f.place == Place::Switch);
        match self.next(1) {
            Tok::LParen => in_switch,
            Tok::LBracket => {
                let close = self.partners[self.at + 1] as usize;
                self.tokens.get(close + 1).is_some_and(|t| t.tok == Tok::Semi)
            }
            Tok::LBrace => in_switch,
            Tok::Minus | Tok::Plus | Tok::Not | Tok::Tilde => true,
            Tok::PlusPlus | Tok::MinusMinus => self.next(2).is_ident(),
            Tok::Ident(_) => !matches!(self.next(2), Tok::Assign) || in_switch,
            Tok::Int(_) | Tok::Double(_) | Tok::Duration(_) | Tok::Char(_) | Tok::Str(_) | Tok::StrStart => {
                true
            }
            Tok::Kw(word) => {
                matches!(
                    word,
                    Kw::True | Kw::False | Kw::Null | Kw::New | Kw::This | Kw::Switch | Kw::Try | Kw::Fail
                )
            }
            _ => false,
        }
    }
}
