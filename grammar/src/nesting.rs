//! Which brackets are around a token, for recovery: a part that is given up never reaches beyond its brackets.

use crate::token::{Tok, Token};

/// Brackets of the tokens, by index.
pub struct Nesting {
    /// Closing bracket of an opening one; others have themselves.
    pub partner: Vec<u32>,
    /// The innermost opening bracket around a token; a bracket is inside its parent only.
    pub parent: Vec<Option<u32>>,
}

impl Nesting {
    pub fn new(tokens: &[Token]) -> Self {
        let mut partner: Vec<u32> = (0..tokens.len() as u32).collect();
        let mut parent = Vec::with_capacity(tokens.len());
        let mut stack: Vec<u32> = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            if is_close(token.tok)
                && let Some(open) = stack.pop()
            {
                partner[open as usize] = index as u32;
            }
            parent.push(stack.last().copied());
            if is_open(token.tok) {
                stack.push(index as u32);
            }
        }
        Self { partner, parent }
    }

    /// The bracket whose inside the token at `at` belongs to; a closing bracket belongs to its own.
    pub fn around(&self, at: usize) -> Option<usize> {
        if at > 0 && self.partner[at - 1] != at as u32 - 1 && self.partner[at - 1] as usize >= at {
            return Some(at - 1);
        }
        // After a closed bracket or a plain token, the token before has the same surroundings.
        let before = at.checked_sub(1)?;
        self.parent[before].map(|p| p as usize)
    }
}

pub fn is_open(tok: Tok) -> bool {
    matches!(
        tok,
        Tok::LParen
            | Tok::LambdaParen
            | Tok::CastParen
            | Tok::TypeParen
            | Tok::LBracket
            | Tok::LBrace
            | Tok::MapBrace
            | Tok::InterpStart
    )
}

pub fn is_close(tok: Tok) -> bool {
    matches!(tok, Tok::RParen | Tok::RBracket | Tok::RBrace | Tok::InterpEnd)
}
