//! Lines of a stream, read as they are asked for: whoever writes waits while the pipe is full, as in a shell.
//!
//! A line ends with `\n`, `\r` or `\r\n`, as in `String.lines`. One that ends with `\r` is handed out at once; a `\n`
//! that comes next belongs to it. What goes beyond a limit ends the stream with an error, and nothing is handed out in part.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::rc::Rc;

use dscript_interp::Held;
use dscript_interp::value::{ErrorValue, Resource};
use memchr::memchr2;

use crate::errors;
use crate::pipes::Outlet;
use crate::state::{Open, Trouble, report};

/// Read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Read at first of what nobody may be going to read.
const FIRST_BYTES: usize = 4 << 10;
/// Of a line.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// More chunks than a pipe holds.
const SETTLE_CHUNKS_MAX: usize = 32;

/// The lines of a file or of a subprocess's standard output. Several readers share one stream.
#[derive(Debug)]
pub struct Lines {
    /// What is read, as reports call it.
    name: String,
    pipe: RefCell<Option<Rc<Outlet>>>,
    buffer: RefCell<LineBuffer>,
    /// Why the stream ended before its end.
    failed: RefCell<Option<ErrorValue>>,
    trouble: Trouble,
    open: RefCell<Option<Open>>,
}

impl Resource for Lines {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// What a step without waiting gave.
#[derive(Debug, PartialEq)]
pub enum Next {
    Line(String),
    End,
    /// Nothing yet: wait for `ready`.
    Wait,
}

impl Lines {
    /// `None` is a stream that has ended.
    pub fn new(name: impl Into<String>, pipe: Option<Outlet>, trouble: Trouble, held: Held) -> Self {
        Lines {
            name: name.into(),
            pipe: RefCell::new(pipe.map(Rc::new)),
            buffer: RefCell::new(LineBuffer { held, ..LineBuffer::default() }),
            failed: RefCell::default(),
            trouble,
            open: RefCell::default(),
        }
    }

    /// Holds that its file is open until it ends.
    pub fn counted(self, open: Open) -> Self {
        Lines { open: RefCell::new(Some(open)), ..self }
    }

    fn end(&self) {
        drop((self.pipe.borrow_mut().take(), self.open.take()));
    }

    /// The next line, without its end, as far as it is there.
    pub fn next(&self) -> Next {
        let mut buffer = self.buffer.borrow_mut();
        loop {
            if let Some(line) = buffer.line() {
                return Next::Line(line);
            }
            if let Some(error) = self.beyond(&buffer) {
                *buffer = LineBuffer::default();
                self.fail(error);
                return Next::End;
            }
            let Some(pipe) = self.pipe.borrow().clone() else {
                return match self.failed.borrow().is_some() {
                    true => Next::End,
                    false => buffer.rest().map_or(Next::End, Next::Line),
                };
            };
            let Some(room) = buffer.room() else { continue };
            match pipe.try_read_buf(room) {
                Ok(0) => self.end(),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Next::Wait,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.end(),
            }
        }
    }

    /// Shows the next line, where it has been read already.
    pub fn line_now<T>(&self, see: impl FnOnce(&str) -> T) -> Option<T> {
        let mut buffer = self.buffer.borrow_mut();
        let line = buffer.next_line()?;
        Some(see(&String::from_utf8_lossy(&buffer.bytes[line])))
    }

    /// Why there are no further lines, where the limit of one is passed.
    fn beyond(&self, buffer: &LineBuffer) -> Option<ErrorValue> {
        let text = match buffer.over {
            None => return None,
            Some(Over::Line) => {
                format!("a line of `{}` is longer than {} MiB", self.name, LINE_BYTES_MAX >> 20)
            }
            Some(Over::Memory) => {
                format!(
                    "the memory of this task has no room for what `{}` wrote and nobody has read",
                    self.name
                )
            }
            Some(Over::Kept { most }) => format!(
                "`{}` wrote more than {} MiB before anybody read it; walk its lines before waiting for its end",
                self.name,
                most >> 20
            ),
        };
        Some(errors::error("limit", text))
    }

    /// Ends the stream with an error, which the log tells too.
    pub fn fail(&self, error: ErrorValue) {
        self.end();
        let _ = self.trouble.send(report(&self.name, &error));
        *self.failed.borrow_mut() = Some(error);
    }

    /// Why the stream ended before its end, where it did.
    pub fn error(&self) -> Option<ErrorValue> {
        self.failed.borrow().clone()
    }

    /// Ready when another step makes sense.
    pub fn ready(&self) -> impl Future<Output = ()> + 'static {
        let pipe = self.pipe.borrow().clone();
        async move {
            if let Some(pipe) = pipe {
                let _ = pipe.readable().await;
            }
        }
    }

    pub async fn next_line(&self) -> Option<String> {
        loop {
            match self.next() {
                Next::Line(line) => return Some(line),
                Next::End => return None,
                Next::Wait => self.ready().await,
            }
        }
    }

    /// Reads to the end so that the writer never waits, and keeps the first `keep` bytes for a later reader. Beyond that
    /// the reader comes upon an error.
    pub async fn drain(&self, keep: usize) {
        loop {
            let Some(pipe) = self.pipe.borrow().clone() else { return };
            match self.take(&pipe, keep) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let _ = pipe.readable().await;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Others have their turn while a writer is faster than we are.
                Ok(1..) => tokio::task::yield_now().await,
                Ok(0) | Err(_) => self.end(),
            }
        }
    }

    /// Reads what a writer that is gone has left, as `drain` would, and closes the pipe unless others hold its end.
    pub fn settle(&self, keep: usize) {
        for _ in 0..SETTLE_CHUNKS_MAX {
            let Some(pipe) = self.pipe.borrow().clone() else { return };
            match self.take(&pipe, keep) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(1..) => {}
                Ok(0) | Err(_) => self.end(),
            }
        }
    }

    /// Reads a chunk into the buffer, and drops what goes beyond what is kept.
    fn take(&self, pipe: &Outlet, keep: usize) -> io::Result<usize> {
        let mut buffer = self.buffer.borrow_mut();
        if buffer.over.is_some() {
            return pipe.try_read(&mut [0; FIRST_BYTES]);
        }
        let read = if buffer.bytes.capacity() == 0 {
            // Many programs write nothing: there is a buffer once there is something in it.
            let mut first = [0; FIRST_BYTES];
            let read = pipe.try_read(&mut first)?;
            if read > 0
                && let Some(room) = buffer.room()
            {
                room.extend_from_slice(&first[..read]);
            }
            read
        } else {
            let Some(room) = buffer.room() else { return Err(io::ErrorKind::Interrupted.into()) };
            pipe.try_read_buf(room)?
        };
        if buffer.unread() > keep {
            let most = buffer.start + keep;
            buffer.bytes.truncate(most);
            buffer.seen = buffer.seen.min(most);
            buffer.over = Some(Over::Kept { most: keep });
        }
        Ok(read)
    }
}

/// Which limit was passed.
#[derive(Clone, Copy, Debug)]
enum Over {
    Line,
    /// That of the task's memory.
    Memory,
    Kept {
        most: usize,
    },
}

/// Bytes read and not yet handed out.
#[derive(Debug, Default)]
struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// No line end lies before this.
    seen: usize,
    /// Whether the last line ended with a `\r` after which nothing had come yet.
    after_return: bool,
    /// What follows the lines that are here cannot be had any more.
    over: Option<Over>,
    held: Held,
}

impl LineBuffer {
    fn line(&mut self) -> Option<String> {
        let line = self.next_line()?;
        Some(text(&self.bytes[line]).into_owned())
    }

    /// Where the next line lies, which counts as handed out then.
    #[inline]
    fn next_line(&mut self) -> Option<Range<usize>> {
        if self.after_return {
            self.end_return()?;
        }
        let Some(at) = memchr2(b'\n', b'\r', &self.bytes[self.seen..]) else {
            self.seen = self.bytes.len();
            if self.unread() > LINE_BYTES_MAX {
                self.over = Some(Over::Line);
            }
            return None;
        };
        let line = self.start..self.seen + at;
        if line.len() > LINE_BYTES_MAX {
            self.over = Some(Over::Line);
            return None;
        }
        self.start = line.end + 1;
        if self.bytes[line.end] == b'\r' {
            match self.bytes.get(self.start) {
                Some(b'\n') => self.start += 1,
                Some(_) => {}
                None => self.after_return = true,
            }
        }
        self.seen = self.start;
        Some(line)
    }

    /// Leaves out the `\n` after a `\r`, once there is something after it.
    fn end_return(&mut self) -> Option<()> {
        if *self.bytes.get(self.start)? == b'\n' {
            self.start += 1;
            self.seen = self.seen.max(self.start);
        }
        self.after_return = false;
        Some(())
    }

    /// What follows the last line end.
    fn rest(&mut self) -> Option<String> {
        let line = (self.unread() > 0).then(|| text(&self.bytes[self.start..]).into_owned());
        self.bytes.clear();
        (self.start, self.seen) = (0, 0);
        line
    }

    fn unread(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// The buffer with room for a chunk at its end, where the task's memory has it too.
    fn room(&mut self) -> Option<&mut Vec<u8>> {
        // Half a line is moved to the front; the rest of the bytes before it has been handed out.
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        if !self.held.resize(self.bytes.len() + CHUNK_BYTES) {
            self.over = Some(Over::Memory);
            return None;
        }
        self.bytes.reserve(CHUNK_BYTES);
        Some(&mut self.bytes)
    }
}

fn text(line: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines(read: Outlet) -> Lines {
        Lines::new("x", Some(read), tokio::sync::mpsc::unbounded_channel().0, Held::default())
    }

    fn check(pieces: &[&[u8]], expected: &[&str]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (read, write) = crate::pipes::output().expect("a pipe");
            let lines = lines(read);
            let mut write = std::fs::File::from(write);
            let mut got = Vec::new();
            for piece in pieces {
                assert_eq!(lines.next(), Next::Wait);
                write.write_all(piece).expect("it fits");
                while let Next::Line(line) = lines.next() {
                    got.push(line);
                }
            }
            drop(write);
            while let Some(line) = lines.next_line().await {
                got.push(line);
            }
            assert_eq!(lines.next(), Next::End);
            assert_eq!(got, expected);
        });
    }

    #[test]
    fn lines_come_whole_whatever_the_pieces() {
        check(&[], &[]);
        check(&[b"a\nb\n"], &["a", "b"]);
        check(&[b"a", b"b\r\n\nc"], &["ab", "", "c"]);
        check(&[b"\n", b"\n"], &["", ""]);
        check(&[b"a\rb\r\nc\n\rd\r"], &["a", "b", "c", "", "d"]);
        check(&[b"a\r", b"\nb\r", b"c\r", b"\n", b"\n"], &["a", "b", "c", ""]);
        check(&[b"\xff\xfe\n"], &["\u{fffd}\u{fffd}"]);
        check(&["ü".as_bytes().split_at(1).0, "ü\n".as_bytes().split_at(1).1], &["ü"]);
    }

    /// What a reader gets of a stream that `read` has been done to, and the code it ends with.
    fn after(bytes: &[u8], read: impl AsyncFnOnce(&Lines)) -> (Vec<String>, Option<String>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (reading, write) = crate::pipes::output().expect("a pipe");
            let lines = lines(reading);
            let bytes = bytes.to_owned();
            // A reader that has seen enough closes the pipe.
            let writer = std::thread::spawn(move || drop(std::fs::File::from(write).write_all(&bytes)));
            read(&lines).await;
            let mut got = Vec::new();
            while let Some(line) = lines.next_line().await {
                got.push(line);
            }
            writer.join().expect("no panic");
            assert_eq!(lines.next(), Next::End);
            (got, lines.error().map(|error| error.code))
        })
    }

    #[test]
    fn what_was_drained_is_there_or_the_stream_ends_with_an_error() {
        let all: String = (0..100_000).map(|n| format!("{n}\n")).collect();
        let drained = |keep| after(all.as_bytes(), async move |lines: &Lines| lines.drain(keep).await);
        let (got, code) = drained(all.len());
        assert_eq!((got.len(), code), (100_000, None));
        // Nothing of the line that is cut is handed out, at a place that is always the same.
        let (got, code) = drained(1000);
        let kept = all[..1000].matches('\n').count();
        assert_eq!(
            (got.len(), got.last().cloned(), code),
            (kept, Some((kept - 1).to_string()), Some("limit".into()))
        );
    }

    #[test]
    fn a_line_beyond_the_limit_ends_the_stream_with_an_error() {
        let whole = "x".repeat(LINE_BYTES_MAX);
        let read = |text: &str| after(text.as_bytes(), async |_: &Lines| ());
        let (got, code) = read(&format!("a\n{whole}\nb"));
        assert_eq!((got.len(), got[1] == whole, code), (3, true, None));
        for end in ["", "\n", "x\nb\n"] {
            let (got, code) = read(&format!("a\n{whole}x{end}"));
            assert_eq!((got, code), (vec!["a".to_owned()], Some("limit".into())));
        }
    }
}
