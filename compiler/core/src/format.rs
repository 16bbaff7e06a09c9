//! The patterns of `String.format`: cut into pieces, with what each takes of its argument. Knows no types of the
//! program; the checker compares, and lowering calls a native for each piece.

/// Widths and precisions; more is a slip of the hand.
const SIZE_MAX: usize = 1_000;

pub enum Piece {
    Text(String),
    Value(Spec),
}

/// `%2$-8.3s`
pub struct Spec {
    /// As it is written, for messages.
    pub written: String,
    pub takes: Takes,
    /// Its argument, from 0.
    pub arg: usize,
    /// The letter, then the flags: what the natives are given.
    pub letter_and_flags: String,
    pub width: usize,
    pub precision: Option<usize>,
}

/// What the argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Int,
    /// A code point.
    Char,
    /// An int or a double.
    Number,
    Bool,
    /// Anything with a text.
    Text,
}

/// The pieces in their order, or what is wrong with the pattern.
pub fn parse(pattern: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut next = 0;
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let body = &rest[at + 1..];
        let end =
            body.find(|c: char| c.is_alphabetic() || c == '%').map(|end| (end, body[end..].chars().next()));
        let Some((end, Some(letter))) = end else {
            return Err(format!(
                "`%{body}` has no letter that says what it writes; a percent sign is written `%%`"
            ));
        };
        let (modifiers, after) = (&body[..end], &body[end + letter.len_utf8()..]);
        let written = format!("%{modifiers}{letter}");
        rest = after;
        match letter {
            '%' | 'n' if !modifiers.is_empty() => {
                return Err(format!("`{written}`: nothing stands between `%` and `{letter}`"));
            }
            '%' => plain.push('%'),
            'n' => plain.push('\n'),
            _ => {
                let spec = spec(written, modifiers, letter, &mut next)?;
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Value(spec));
            }
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

fn spec(written: String, modifiers: &str, letter: char, next: &mut usize) -> Result<Spec, String> {
    let bad = |what: &str| Err(format!("`{written}`: {what}"));
    let (takes, allowed, precise) = match letter {
        'd' => (Takes::Int, "-0+ ,", false),
        'x' | 'X' | 'o' => (Takes::Int, "-0", false),
        'f' => (Takes::Number, "-0+ ,", true),
        'e' | 'E' => (Takes::Number, "-0+ ", true),
        's' | 'S' => (Takes::Text, "-", true),
        'c' => (Takes::Char, "-", false),
        'b' => (Takes::Bool, "-", false),
        _ => return bad(&format!("there is no `{letter}`; there are d x X o f e E s S c b n %")),
    };
    let number = |digits: &str| match digits.parse::<usize>() {
        Ok(size) if size <= SIZE_MAX => Ok(size),
        _ => Err(format!("`{written}`: {digits} is more than {SIZE_MAX}")),
    };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = modifiers;
    let mut arg = None;
    if let Some((place, after)) = rest.split_once('$') {
        match place.parse::<usize>() {
            Ok(place) if place > 0 => arg = Some(place - 1),
            _ => return bad("before `$` stands the number of an argument, from 1"),
        }
        rest = after;
    }
    let flags = &rest[..rest.bytes().take_while(|c| b"-0+ ,(#".contains(c)).count()];
    rest = &rest[flags.len()..];
    for (at, flag) in flags.char_indices() {
        if !allowed.contains(flag) {
            return bad(&format!("the flag `{flag}` does not go with `{letter}`"));
        }
        if flags[..at].contains(flag) {
            return bad(&format!("the flag `{flag}` stands twice"));
        }
    }
    let both = |a: char, b: char| flags.contains(a) && flags.contains(b);
    if both('-', '0') || both('+', ' ') {
        return bad(if both('-', '0') {
            "`-` and `0` exclude each other"
        } else {
            "`+` and ` ` exclude each other"
        });
    }
    let (width, after) = rest.split_at(digits(rest));
    rest = after;
    let has_width = !width.is_empty();
    let width = if has_width { number(width)? } else { 0 };
    if !has_width && flags.contains(['-', '0']) {
        return bad("the flags `-` and `0` need a width");
    }
    let mut precision = None;
    if let Some(after) = rest.strip_prefix('.') {
        let (digits, after) = after.split_at(digits(after));
        if digits.is_empty() {
            return bad("after the point stands a number");
        }
        if !precise {
            return bad(&format!("`{letter}` takes no precision"));
        }
        precision = Some(number(digits)?);
        rest = after;
    }
    if let Some(c) = rest.chars().next() {
        return bad(&format!("`{c}` has no meaning here"));
    }
    let arg = arg.unwrap_or_else(|| {
        *next += 1;
        *next - 1
    });
    Ok(Spec { takes, arg, letter_and_flags: format!("{letter}{flags}"), width, precision, written })
}
