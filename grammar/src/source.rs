//! The texts of a session: names, contents, and the way from a byte offset to a line and a column.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};
use std::sync::Arc;

/// One file as the user knows it.
#[derive(Debug)]
pub struct SourceFile {
    name: String,
    text: String,
    /// Offset of the first byte of each line.
    line_starts: Vec<u32>,
    /// Then a column is a count of bytes.
    is_ascii: bool,
}

impl SourceFile {
    fn new(name: String, text: String) -> Self {
        let mut line_starts = vec![0];
        line_starts.extend(text.bytes().enumerate().filter(|&(_, b)| b == b'\n').map(|(i, _)| i as u32 + 1));
        let is_ascii = text.is_ascii();
        Self { name, text, line_starts, is_ascii }
    }

    /// The name as shown to the user.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Offsets of the first byte of each line.
    pub fn line_starts(&self) -> &[u32] {
        &self.line_starts
    }

    pub fn line_count(&self) -> u32 {
        self.line_starts.len() as u32
    }

    /// Line and column of a byte offset, both from 1; columns count code points, and a byte order mark is none.
    pub fn line_col(&self, offset: u32) -> (u32, u32) {
        let mut at = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let line = self.line_starts.partition_point(|&start| start as usize <= at) - 1;
        self.place(line, at)
    }

    /// Line and column of a place in the line of this index.
    fn place(&self, line: usize, at: usize) -> (u32, u32) {
        let before = &self.text[self.line_starts[line] as usize..at];
        if self.is_ascii {
            return (line as u32 + 1, before.len() as u32 + 1);
        }
        let column = before.chars().filter(|&c| c != '\u{FEFF}').count();
        (line as u32 + 1, column as u32 + 1)
    }

    /// The byte offset of a line and column as [`line_col`](Self::line_col) gives them; past a line's end it is that end.
    pub fn offset(&self, line: u32, column: u32) -> u32 {
        let line = (line.max(1) as usize).min(self.line_starts.len());
        let start = self.line_starts[line - 1] as usize;
        let rest = self.text[start..].split('\n').next().unwrap_or("");
        let rest = rest.strip_suffix('\r').unwrap_or(rest);
        let mark = if rest.starts_with('\u{FEFF}') { '\u{FEFF}'.len_utf8() } else { 0 };
        let within =
            rest[mark..].char_indices().nth(column.max(1) as usize - 1).map_or(rest.len() - mark, |(i, _)| i);
        (start + mark + within) as u32
    }
}

/// Answers [`SourceFile::line_col`] for many offsets, where most are near the one before.
pub struct Places<'a> {
    file: &'a SourceFile,
    /// Index of the line of the last answer.
    line: usize,
}

impl<'a> Places<'a> {
    pub fn new(file: &'a SourceFile) -> Self {
        Self { file, line: 0 }
    }

    /// Line and column of the start of a token, both from 1.
    pub fn line_col(&mut self, offset: u32) -> (u32, u32) {
        let starts = &self.file.line_starts;
        let at = offset as usize;
        if at > self.file.text.len() || !self.file.text.is_char_boundary(at) {
            return self.file.line_col(offset);
        }
        let near = starts.get(self.line..).unwrap_or_default();
        let near = &near[..near.len().min(NEAR_LINES)];
        let ahead = near.iter().take_while(|&&start| start <= offset).count();
        self.line = if ahead == 0 || ahead == NEAR_LINES {
            starts.partition_point(|&start| start <= offset) - 1
        } else {
            self.line + ahead - 1
        };
        self.file.place(self.line, at)
    }
}

/// How many lines are looked at before the place is searched for.
const NEAR_LINES: usize = 8;

/// Every file of the session, by id. Copies share the texts.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<Arc<SourceFile>>,
}

impl SourceMap {
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        self.files.push(Arc::new(SourceFile::new(name.into(), text.into())));
        FileId(self.files.len() as u32 - 1)
    }

    /// Adds a file as read from outside. Bytes that are not UTF-8 are an error at their line; the file is
    /// in the map all the same (with replacement characters), so that the error can be shown.
    pub fn add_bytes(&mut self, name: impl Into<String>, bytes: &[u8]) -> Result<FileId, Diagnostic> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(self.add(name, text)),
            Err(e) => {
                let id = self.add(name, String::from_utf8_lossy(bytes));
                let start = e.valid_up_to() as u32;
                let span = Span::new(start, start + '\u{FFFD}'.len_utf8() as u32);
                Err(Diagnostic::error(codes::NOT_UTF8, id, span, "this is not valid UTF-8")
                    .help("save the file in the encoding UTF-8"))
            }
        }
    }

    /// Gives a file another text.
    pub fn replace(&mut self, id: FileId, text: impl Into<String>) {
        let file = &mut self.files[id.0 as usize];
        *file = Arc::new(SourceFile::new(file.name.clone(), text.into()));
    }

    pub fn get(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(i, f)| (FileId(i as u32), &**f))
    }
}
