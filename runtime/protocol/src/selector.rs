//! Selectors: which nodes. `all`, or `key=value` joined by `,`, all of which must hold; `*` in a value stands for
//! any text; the key `name` is the node's name.

use std::fmt;

/// A selector that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Empty selects every node.
    conditions: Vec<(String, String)>,
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSelector(String);

impl fmt::Display for BadSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; write `all`, or `key=value` joined by commas, such as `site=nrt,name=web-*`", self.0)
    }
}

impl std::error::Error for BadSelector {}

impl Selector {
    pub fn parse(text: &str) -> Result<Self, BadSelector> {
        let text = text.trim();
        if text == "all" {
            return Ok(Self { conditions: Vec::new() });
        }
        if text.is_empty() {
            return Err(BadSelector("the selector is empty".into()));
        }
        let condition = |part: &str| match part.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok((key.trim().to_owned(), value.trim().to_owned()))
            }
            _ => Err(BadSelector(format!("`{}` is no `key=value`", part.trim()))),
        };
        Ok(Self { conditions: text.split(',').map(condition).collect::<Result<_, _>>()? })
    }

    pub fn matches(&self, name: &str, labels: &[(String, String)]) -> bool {
        self.conditions.iter().all(|(key, pattern)| {
            if key == "name" {
                glob(pattern, name)
            } else {
                labels.iter().any(|(label, value)| label == key && glob(pattern, value))
            }
        })
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any text; linear but for one pattern's stars.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    // The last star seen and the place in the text up to which it reaches at present.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, from));
            at += 1;
        } else if pattern.get(at) == Some(&text[from]) {
            at += 1;
            from += 1;
        } else if let Some((place, reach)) = star {
            star = Some((place, reach + 1));
            at = place + 1;
            from = reach + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, expected: bool) {
        let labels = [("site".to_owned(), "nrt".to_owned()), ("role".to_owned(), "web".to_owned())];
        let selector = Selector::parse(selector).unwrap();
        assert_eq!(selector.matches("web-17.nrt", &labels), expected, "{selector:?}");
    }

    #[test]
    fn selects() {
        check("all", true);
        check("site=nrt", true);
        check(" site = nrt , role=web", true);
        check("site=nrt,role=db", false);
        check("name=web-*", true);
        check("name=*nrt", true);
        check("name=w*7*t", true);
        check("name=w*8*t", false);
        check("name=", false);
        check("name=*", true);
        check("rack=*", false);
        assert!(Selector::parse("").is_err());
        assert!(Selector::parse("web").is_err());
        assert!(Selector::parse("=x").is_err());
        assert!(Selector::parse("a=b,,").is_err());
    }
}
