//! The dictionary of field names of a segment: a name is stored once, and blocks hold its number.
//!
//! In a block a name is a varint: 0 and the text, or its number plus one. So a full dictionary costs space only.

use std::collections::HashMap;

use crate::codec::{self, Input, Malformed};
use crate::limits::SEGMENT_NAMES_MAX;

#[derive(Clone, Debug, Default)]
pub struct Names {
    texts: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Names {
    /// By number.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Under the next number.
    pub fn push(&mut self, text: String) {
        self.numbers.insert(text.clone(), self.texts.len() as u32);
        self.texts.push(text);
    }

    pub fn put(&mut self, out: &mut Vec<u8>, name: &str) {
        let number = match self.numbers.get(name) {
            Some(&number) => number,
            None if self.texts.len() < SEGMENT_NAMES_MAX => {
                self.push(name.to_owned());
                self.texts.len() as u32 - 1
            }
            None => {
                out.push(0);
                return codec::put_text(out, name);
            }
        };
        codec::put_varint(out, u64::from(number) + 1);
    }

    pub fn get<'a>(&'a self, input: &mut Input<'a>, limit: usize) -> Result<&'a str, Malformed> {
        match input.varint()?.checked_sub(1) {
            None => input.name(limit),
            Some(number) => {
                let text = usize::try_from(number).ok().and_then(|number| self.texts.get(number));
                text.map(String::as_str).ok_or(Malformed)
            }
        }
    }
}
