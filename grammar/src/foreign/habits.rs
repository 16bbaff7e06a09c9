//! Forms of other languages that only a mistake of the parser shows, told from the words around it.

use crate::codes::{self, Code};
use crate::explain::Explain;
use crate::foreign::FUNCTION_WORDS;
use crate::nesting::{is_close, is_open};
use crate::token::{Kw, Tok, Token};

/// What to say of it, and where: at the token that was found, or at the one before.
pub struct Habit {
    pub code: Code,
    pub message: String,
    pub help: &'static str,
    pub at: Token,
}

impl Explain<'_, '_> {
    fn written(&self, token: Token) -> &str {
        &self.cx.damage.text[token.start as usize..token.end as usize]
    }

    /// The tokens before the bracket that is open here, the nearest first.
    fn before_bracket(&self) -> [Option<Token>; 2] {
        let tokens = self.cx.tokens;
        let mut depth = 0;
        let open = (0..self.at).rev().find(|&at| {
            depth += i32::from(is_open(tokens[at].tok)) - i32::from(is_close(tokens[at].tok));
            depth > 0
        });
        [1, 2].map(|back| tokens.get(open?.checked_sub(back)?).copied())
    }

    /// A form of another language that stands here.
    pub fn habit(&self, found: Token, before: Option<Token>) -> Option<Habit> {
        let word = self.written(found);
        let last = before.map_or("", |token| self.written(token));
        let text = matches!(found.tok, Tok::Str(_) | Tok::StrStart);
        let number = word.starts_with(|c: char| c.is_ascii_digit());
        let touches = before.is_some_and(|token| token.end == found.start);
        let [head, declared] = self.before_bracket();
        let heads = |word| head.is_some_and(|token| token.tok == Tok::Kw(word));
        let wrong = |at: Token, message: String, help| Some(Habit { code: codes::SYNTAX, message, help, at });
        let lacks = |at: Token, word: &str, help| {
            Some(Habit { code: codes::JAVA_WORD, message: format!("D-Script has no `{word}`"), help, at })
        };
        match (last, word) {
            ("every" | "within" | "retry", _) if number => wrong(
                found,
                format!("expected `(` after `{last}`"),
                "the time stands in parentheses: `(5s) { ... }`",
            ),
            (_, "until") => lacks(found, word, "write `while (...)` with what must hold to go on"),
            (_, "if") => wrong(
                found,
                "expected an operator, found `if`".into(),
                "a choice is written `condition ? a : b`",
            ),
            ("f", _) if text && touches => wrong(
                before?,
                "a text has no prefix `f`".into(),
                "values stand in texts as they are: `\"x is ${x}\"`",
            ),
            (_, ",") if heads(Kw::Assert) => {
                wrong(found, "expected `)`, found `,`".into(), "write `assert condition : \"text\";`")
            }
            (_, ")") if head.is_some_and(|token| self.written(token) == "retry") => wrong(
                found,
                "`retry` needs a pause".into(),
                "write `retry (TIMES, PAUSE) { ... }`, such as `retry (3, 1s)`",
            ),
            (_, "," | ")") if declared.is_some_and(|token| FUNCTION_WORDS.contains(&self.written(token))) => {
                let at = declared?;
                lacks(
                    at,
                    self.written(at),
                    "a function begins with the type of its result: `int f(int a) { ... }`",
                )
            }
            _ if text && before.is_some_and(|t| matches!(t.tok, Tok::Ident(_))) && !touches => wrong(
                found,
                "expected `(`, found a text".into(),
                "a call has parentheses: `print(\"text\");`",
            ),
            _ => None,
        }
    }
}
