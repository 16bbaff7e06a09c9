//! The tokens the grammar sees, and the one table of words.

use crate::span::{Interner, Span, Symbol};

/// A token and its bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token {
    pub start: u32,
    pub end: u32,
    pub tok: Tok,
}

impl Token {
    pub fn new(span: Span, tok: Tok) -> Self {
        Self { start: span.start, end: span.end, tok }
    }

    pub fn span(&self) -> Span {
        Span::new(self.start, self.end)
    }
}

/// Index of a text in the lexer's table of literal texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextId(pub u32);

macro_rules! tokens {
    ($($name:ident $text:literal)*) => {
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Tok {
            Ident(Symbol),
            Int(u64),
            Double(f64),
            /// Nanoseconds.
            Duration(u64),
            /// A code point.
            Char(u32),
            /// A whole text without interpolation.
            Str(TextId),
            /// The opening quote of a text with `${}`.
            StrStart,
            Text(TextId),
            InterpStart,
            InterpEnd,
            StrEnd,
            /// A reserved word, or a soft one where it starts or continues its construct.
            Kw(Kw),
            /// `(` before the parameters of a lambda.
            LambdaParen,
            /// `(` around the type of a cast.
            CastParen,
            /// `(` inside a type.
            TypeParen,
            /// `{` of a map.
            MapBrace,
            /// `scenario` where an expression stands.
            ScenarioRef,
            /// `else` after the block of `within` or `retry`.
            ElseBlock,
            /// An expression that could not be read.
            BadExpr,
            /// A type that could not be read.
            BadType,
            /// A statement, member or clause that could not be read.
            BadItem,
            /// An arm of a `switch` that could not be read.
            BadArm,
            $($name),*
        }

        /// How a token without a value is written.
        fn fixed_text(tok: Tok) -> Option<&'static str> {
            Some(match tok {
                $(Tok::$name => $text,)*
                _ => return None,
            })
        }
    };
}

tokens! {
    LParen "(" RParen ")" LBracket "[" RBracket "]" LBrace "{" RBrace "}"
    Semi ";" Comma "," Dot "." DotDot ".." Ellipsis "..." At "@" ColonColon "::" Colon ":" Arrow "->"
    Question "?" Coalesce "??" Not "!" Tilde "~"
    Assign "=" PlusAssign "+=" MinusAssign "-=" StarAssign "*=" SlashAssign "/=" PercentAssign "%="
    AndAssign "&=" OrAssign "|=" XorAssign "^=" ShlAssign "<<=" ShrAssign ">>=" UShrAssign ">>>="
    Plus "+" Minus "-" Star "*" Slash "/" Percent "%" PlusPlus "++" MinusMinus "--"
    And "&" Or "|" Xor "^" AndAnd "&&" OrOr "||" Shl "<<"
    EqEq "==" NotEq "!=" Lt "<" Gt ">" Le "<=" Ge ">="
}

impl Tok {
    /// The text of tokens that are always written alike.
    pub fn text(self) -> Option<&'static str> {
        match self {
            Tok::Kw(word) => Some(word.text()),
            Tok::LambdaParen | Tok::CastParen | Tok::TypeParen => Some("("),
            Tok::MapBrace => Some("{"),
            Tok::ScenarioRef => Some("scenario"),
            Tok::ElseBlock => Some("else"),
            Tok::InterpStart => Some("${"),
            Tok::InterpEnd => Some("}"),
            other => fixed_text(other),
        }
    }

    /// An operand may end with this token: what follows is an operator, or a soft word that continues a construct.
    pub fn ends_operand(self) -> bool {
        matches!(
            self,
            Tok::Ident(_)
                | Tok::Int(_)
                | Tok::Double(_)
                | Tok::Duration(_)
                | Tok::Char(_)
                | Tok::Str(_)
                | Tok::StrEnd
                | Tok::RParen
                | Tok::RBracket
                | Tok::RBrace
                | Tok::BadExpr
                | Tok::Kw(Kw::True | Kw::False | Kw::Null | Kw::This | Kw::Class)
        )
    }

    pub fn is_ident(self) -> bool {
        matches!(self, Tok::Ident(_))
    }

    /// `int`, `double`, `boolean`, `void`.
    pub fn is_primitive(self) -> bool {
        matches!(self, Tok::Kw(Kw::Int | Kw::Double | Kw::Boolean | Kw::Void))
    }
}

macro_rules! words {
    (
        reserved: $($reserved:ident $reserved_text:literal)*;
        java: $($java:ident $java_text:literal)*;
        soft: $($soft:ident $soft_text:literal)*;
    ) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kw {
            $($reserved,)*
            $($java,)*
            $($soft,)*
        }

        impl Kw {
            pub fn text(self) -> &'static str {
                match self {
                    $(Kw::$reserved => $reserved_text,)*
                    $(Kw::$java => $java_text,)*
                    $(Kw::$soft => $soft_text,)*
                }
            }
        }

        const RESERVED: &[Kw] = &[$(Kw::$reserved,)* $(Kw::$java,)*];
        const JAVA: &[Kw] = &[$(Kw::$java,)*];
        const SOFT: &[Kw] = &[$(Kw::$soft,)*];
    };
}

words! {
    // Words with a meaning of their own everywhere.
    reserved:
        Assert "assert" Boolean "boolean" Break "break" Case "case" Class "class" Continue "continue"
        Default "default" Do "do" Double "double" Else "else" Enum "enum" Extends "extends" Fail "fail"
        False "false" Final "final" For "for" If "if" Implements "implements" Import "import"
        InstanceOf "instanceof" Int "int" Interface "interface" LowLevel "lowlevel" Native "native" New "new"
        Null "null" Private "private" Return "return" Static "static" Switch "switch" This "this" True "true"
        Try "try" Void "void" While "while";
    // Java's other reserved words: each gets a message that says what to write instead.
    java:
        Abstract "abstract" Byte "byte" Catch "catch" CharWord "char" Const "const" Finally "finally" Float "float"
        Goto "goto" Long "long" Package "package" Protected "protected" Public "public" Short "short"
        StrictFp "strictfp" Super "super" Synchronized "synchronized" Throw "throw" Throws "throws"
        Transient "transient" Volatile "volatile";
    // Names, but for the places where `soft` finds that they start or continue a construct.
    soft:
        After "after" Analyze "analyze" At "at" Approval "approval" Called "called" Every "every" Failing "failing"
        Failure "failure" Fails "fails" Given "given" Go "go" Guard "guard" Initial "initial" Log "log" Monitor "monitor"
        Most "most" Nodes "nodes" On "on" Over "over" Per "per" Permits "permits" Record "record" Recover "recover"
        Recovering "recovering" Respond "respond" Retry "retry" Returns "returns" Scenario "scenario"
        Sealed "sealed" State "state" Success "success" Task "task" Test "test" Undo "undo" Var "var"
        Verify "verify" When "when" With "with" Within "within" Yield "yield";
}

/// A word of the language as the table has it; none of Java's alone.
pub fn word(text: &str) -> Option<&'static str> {
    let java = JAVA.iter().any(|w| w.text() == text);
    RESERVED.iter().chain(SOFT).map(|w| w.text()).find(|w| *w == text && !java)
}

/// Whether a word is never a name.
pub fn is_reserved(text: &str) -> bool {
    RESERVED.iter().any(|w| w.text() == text)
}

/// Symbols of the table's words in one interner.
#[derive(Debug)]
pub struct Words {
    /// By symbol number: the word, and whether it is reserved.
    table: Vec<Option<(Kw, bool)>>,
}

impl Words {
    pub fn new(interner: &mut Interner) -> Self {
        let mut table = Vec::new();
        for (words, reserved) in [(RESERVED, true), (SOFT, false)] {
            for &word in words {
                let index = interner.intern(word.text()).0 as usize;
                if table.len() <= index {
                    table.resize(index + 1, None);
                }
                table[index] = Some((word, reserved));
            }
        }
        Self { table }
    }

    pub fn token(&self, symbol: Symbol) -> Tok {
        match self.table.get(symbol.0 as usize) {
            Some(&Some((word, true))) => Tok::Kw(word),
            _ => Tok::Ident(symbol),
        }
    }

    pub fn reserved_symbol(&self, word: Kw) -> Option<Symbol> {
        self.table.iter().position(|row| *row == Some((word, true))).map(|i| Symbol(i as u32))
    }

    /// The soft word that an identifier is spelled like.
    pub fn soft(&self, tok: Tok) -> Option<Kw> {
        let Tok::Ident(symbol) = tok else { return None };
        match self.table.get(symbol.0 as usize) {
            Some(&Some((word, false))) => Some(word),
            _ => None,
        }
    }
}
