//! Every diagnostic's stable code, in one table. A code is never given to another mistake.

use std::fmt;

/// A row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(u16);

impl Code {
    /// `E0101`
    pub fn name(self) -> &'static str {
        TABLE[self.0 as usize].0
    }

    /// What kind of mistake it is, in a few words.
    pub fn title(self) -> &'static str {
        TABLE[self.0 as usize].1
    }

    /// Looks a code up by its name, in any case.
    pub fn find(name: &str) -> Option<Code> {
        TABLE.iter().position(|row| row.0.eq_ignore_ascii_case(name)).map(|i| Code(i as u16))
    }

    pub fn all() -> impl Iterator<Item = Code> {
        (0..TABLE.len() as u16).map(Code)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $title:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Row { $($name),* }
        $($(#[$doc])* pub const $name: Code = Code(Row::$name as u16);)*
        const TABLE: &[(&str, &str)] = &[$(($code, $title)),*];
    };
}

codes! {
    // 00xx: text and syntax
    SYNTAX = "E0001" "unexpected text";
    BAD_CHARACTER = "E0002" "character that can't stand here";
    NOT_UTF8 = "E0003" "text that is not UTF-8";
    BAD_NUMBER = "E0004" "number that can't be read";
    NUMBER_RANGE = "E0005" "number out of range";
    BAD_ESCAPE = "E0006" "unknown escape in a text";
    BAD_CHARACTER_LITERAL = "E0007" "character literal that is not one character";
    UNTERMINATED = "E0008" "text or comment that is not closed";
    BRACKET = "E0009" "bracket without its partner";
    NESTING = "E0010" "nested too deeply";
    MISSING_SEMICOLON = "E0011" "missing semicolon";
    JAVA_WORD = "E0012" "a construct of Java that D-Script does not have";
    RESERVED_WORD = "E0013" "reserved word used as a name";
    NOT_A_STATEMENT = "E0014" "expression that is not a statement";
    TEXT_TOO_LONG = "E0015" "file too long";

    // 01xx: names and modules
    UNKNOWN_NAME = "E0101" "unknown name";
}
