//! Texts that an editor has open, as it edits them.

use crate::position::{Encoding, Lines, line_starts};
use crate::roots::Place;
use serde_json::Value;

pub struct Document {
    pub place: Place,
    pub module: String,
    pub text: String,
    pub version: Option<i64>,
}

impl Document {
    pub fn new(address: &str, text: String, version: Option<i64>) -> Self {
        let (place, module) = Place::of(address);
        Self { place, module, text, version }
    }

    /// Applies edits one after the other; one without a range is the whole text.
    pub fn edit(&mut self, changes: &[Value], encoding: Encoding) {
        for change in changes {
            let Some(text) = change.get("text").and_then(Value::as_str) else { continue };
            let starts = line_starts(&self.text);
            let span = change.get("range").and_then(|r| Lines::new(&self.text, &starts, encoding).span(r));
            match span {
                Some(span) => self.text.replace_range(span.start as usize..span.end as usize, text),
                None => self.text = text.to_string(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn edits_follow_each_other() {
        let mut document = Document::new("untitled:x", "ab\ncd\n".into(), Some(1));
        let at = |l1: u32, c1: u32, l2: u32, c2: u32, text: &str| json!({"range": {"start": {"line": l1, "character": c1}, "end": {"line": l2, "character": c2}}, "text": text});
        document.edit(&[at(0, 1, 1, 1, "X"), at(0, 3, 9, 0, "!")], Encoding::Utf16);
        assert_eq!(document.text, "aXd!");
        document.edit(&[json!({"text": "new"}), json!({"nonsense": 1})], Encoding::Utf16);
        assert_eq!(document.text, "new");
    }
}
