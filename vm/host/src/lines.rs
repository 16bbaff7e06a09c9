//! Lines of a stream, read as they are asked for: whoever writes waits while the pipe is full, as in a shell.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::rc::Rc;

use dscript_interp::value::Resource;
use tokio::net::unix::pipe;

/// Read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// A longer line comes in pieces of this length.
const LINE_BYTES_MAX: usize = 16 << 20;

/// The lines of a subprocess's standard output. Several readers share one stream.
#[derive(Debug)]
pub struct Lines {
    pipe: RefCell<Option<Rc<pipe::Receiver>>>,
    buffer: RefCell<LineBuffer>,
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
    pub fn new(pipe: Option<pipe::Receiver>) -> Self {
        Lines { pipe: RefCell::new(pipe.map(Rc::new)), buffer: RefCell::default() }
    }

    /// The next line, without its end, as far as it is there; what cannot be read any more is an end.
    pub fn next(&self) -> Next {
        let mut buffer = self.buffer.borrow_mut();
        loop {
            if let Some(line) = buffer.line() {
                return Next::Line(line);
            }
            let Some(pipe) = self.pipe.borrow().clone() else {
                return buffer.rest().map_or(Next::End, Next::Line);
            };
            match pipe.try_read_buf(buffer.room()) {
                Ok(0) => drop(self.pipe.borrow_mut().take()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Next::Wait,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => drop(self.pipe.borrow_mut().take()),
            }
        }
    }

    /// Shows the next line, where it has been read already.
    pub fn line_now<T>(&self, see: impl FnOnce(&str) -> T) -> Option<T> {
        let mut buffer = self.buffer.borrow_mut();
        let line = buffer.next_line()?;
        Some(see(&text(&buffer.bytes[line])))
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

    /// Reads to the end so that the writer never waits; keeps at most `keep` bytes for a later reader.
    pub async fn drain(&self, keep: usize) {
        let mut scrap = Vec::with_capacity(CHUNK_BYTES);
        loop {
            let Some(pipe) = self.pipe.borrow().clone() else { return };
            let read = {
                let mut buffer = self.buffer.borrow_mut();
                if buffer.unread() < keep {
                    pipe.try_read_buf(buffer.room())
                } else {
                    scrap.clear();
                    pipe.try_read_buf(&mut scrap)
                }
            };
            match read {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let _ = pipe.readable().await;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Others have their turn while a writer is faster than we are.
                Ok(1..) => tokio::task::yield_now().await,
                Ok(0) | Err(_) => drop(self.pipe.borrow_mut().take()),
            }
        }
    }
}

/// Bytes read and not yet handed out.
#[derive(Debug, Default)]
struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// No line end lies before this.
    seen: usize,
}

impl LineBuffer {
    fn line(&mut self) -> Option<String> {
        if let Some(line) = self.next_line() {
            return Some(text(&self.bytes[line]).into_owned());
        }
        if self.unread() >= LINE_BYTES_MAX {
            return self.rest();
        }
        None
    }

    /// Where the next line lies, which counts as handed out then.
    fn next_line(&mut self) -> Option<Range<usize>> {
        let Some(at) = find(&self.bytes[self.seen..], b'\n') else {
            self.seen = self.bytes.len();
            return None;
        };
        let line = self.start..self.seen + at;
        self.start = line.end + 1;
        self.seen = self.start;
        Some(line)
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

    /// The buffer with room for a chunk at its end.
    fn room(&mut self) -> &mut Vec<u8> {
        // Half a line is moved to the front; the rest of the bytes before it has been handed out.
        self.bytes.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.bytes.reserve(CHUNK_BYTES);
        &mut self.bytes
    }
}

/// A line as text, without the `\r` of a `\r\n`.
fn text(line: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line))
}

fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    // SAFETY: the range is that of the slice, and the result, unless null, lies in it.
    unsafe {
        let found = libc::memchr(bytes.as_ptr().cast(), byte.into(), bytes.len());
        (!found.is_null()).then(|| found.cast::<u8>().offset_from(bytes.as_ptr()) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn check(pieces: &[&[u8]], expected: &[&str]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (read, write) = crate::pipes::output().expect("a pipe");
            let lines = Lines::new(Some(read));
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
        check(&[b"\xff\xfe\n"], &["\u{fffd}\u{fffd}"]);
        check(&["ü".as_bytes().split_at(1).0, "ü\n".as_bytes().split_at(1).1], &["ü"]);
    }

    #[test]
    fn draining_keeps_what_it_may() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (read, write) = crate::pipes::output().expect("a pipe");
            let lines = Lines::new(Some(read));
            let writer = std::thread::spawn(move || {
                let mut write = std::fs::File::from(write);
                (0..1_000_000).try_for_each(|n| writeln!(write, "{n}"))
            });
            lines.drain(1000).await;
            writer.join().expect("no panic").expect("never refused");
            assert_eq!(lines.next(), Next::Line("0".into()));
            let mut kept = 1;
            while let Next::Line(_) = lines.next() {
                kept += 1;
            }
            assert!((100..100_000).contains(&kept), "{kept}");
        });
    }
}
