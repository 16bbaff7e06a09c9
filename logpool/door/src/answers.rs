//! The answers of a connection, in the order of its commands. What a change answers is there when it is durable; meanwhile
//! further commands are taken, so that what a client sends at once becomes durable together. How much may wait is limited,
//! so that answers flow while a client goes on sending.

use std::collections::VecDeque;
use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::items::Pending;
use crate::limits::*;

pub struct Answers<W> {
    to: W,
    /// What may be sent.
    out: Vec<u8>,
    /// What is answered behind that, each when it is durable.
    waiting: VecDeque<Waiting>,
    input_bytes: usize,
    values: usize,
    /// The command that is answered has failed: the rest of its answers falls away.
    failed: bool,
}

/// The answer of a change, or of a part of a command that makes several.
pub struct Part {
    /// An error is not told either.
    pub quiet: bool,
    /// Whether it is the command's last.
    pub last: bool,
    /// Whether it may answer a value.
    pub value: bool,
    /// What the client has sent for it.
    pub input_bytes: usize,
}

impl Default for Part {
    fn default() -> Part {
        Part { quiet: false, last: true, value: false, input_bytes: 0 }
    }
}

impl Part {
    pub fn quiet(quiet: bool) -> Part {
        Part { quiet, ..Part::default() }
    }
}

struct Waiting {
    part: Part,
    answer: Pending<Vec<u8>>,
    /// Answers of later commands that wait for nothing else.
    then: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Answers<W> {
    pub fn new(to: W) -> Answers<W> {
        let (out, waiting) = (Vec::new(), VecDeque::new());
        Answers { to, out, waiting, input_bytes: 0, values: 0, failed: false }
    }

    /// Behind everything that waits.
    pub fn say(&mut self, answer: &[u8]) {
        self.end().extend_from_slice(answer);
    }

    /// Where the next answer is written.
    pub fn end(&mut self) -> &mut Vec<u8> {
        self.waiting.back_mut().map_or(&mut self.out, |waiting| &mut waiting.then)
    }

    pub fn wait_for(&mut self, answer: Pending<Vec<u8>>, part: Part) {
        self.input_bytes += part.input_bytes;
        self.values += usize::from(part.value);
        self.waiting.push_back(Waiting { part, answer, then: Vec::new() });
    }

    /// Whether a command may be taken before another is answered.
    pub fn have_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
            && self.input_bytes < WAITING_BYTES_MAX
            && self.may_hold(1)
            && !self.is_full()
    }

    /// Whether so many values may wait besides those that do.
    pub fn may_hold(&self, values: usize) -> bool {
        self.values + values <= WAITING_VALUES_MAX
    }

    fn is_full(&self) -> bool {
        self.out.len() >= OUT_BYTES_MAX
    }

    pub fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub fn are_all_sent(&self) -> bool {
        self.waiting.is_empty() && self.out.is_empty()
    }

    /// Goes one step on: takes up the next answer, or sends, where the next has yet to wait. There must be something left.
    /// May be dropped at any time, and begun anew.
    pub async fn advance(&mut self) -> io::Result<()> {
        let full = self.is_full();
        tokio::select! {
            biased;
            answer = next(&mut self.waiting), if !full && !self.waiting.is_empty() => self.take_up(answer),
            sent = self.to.write(&self.out), if !self.out.is_empty() => match sent? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                sent => drop(self.out.drain(..sent)),
            },
        }
        Ok(())
    }

    fn take_up(&mut self, answer: Result<Vec<u8>, String>) {
        let Some(Waiting { part, then, .. }) = self.waiting.pop_front() else { return };
        self.input_bytes -= part.input_bytes;
        self.values -= usize::from(part.value);
        match answer {
            _ if self.failed => {}
            Ok(text) => self.out.extend_from_slice(&text),
            Err(why) => {
                self.failed = true;
                if !part.quiet {
                    self.out.extend_from_slice(&server_error(&why));
                }
            }
        }
        if part.last {
            self.failed = false;
        }
        self.out.extend_from_slice(&then);
    }

    /// Waits until nothing waits.
    pub async fn settle(&mut self) -> io::Result<()> {
        while self.are_waiting() {
            self.advance().await?;
        }
        Ok(())
    }

    /// Sends what is too much to keep.
    pub async fn make_room(&mut self) -> io::Result<()> {
        while self.is_full() {
            self.advance().await?;
        }
        Ok(())
    }

    /// Answers everything, and says that there will be no more.
    pub async fn close(&mut self) -> io::Result<()> {
        while !self.are_all_sent() {
            self.advance().await?;
        }
        self.to.shutdown().await
    }
}

async fn next(waiting: &mut VecDeque<Waiting>) -> Result<Vec<u8>, String> {
    match waiting.front_mut() {
        Some(first) => (&mut first.answer).await,
        None => std::future::pending().await,
    }
}

pub fn server_error(why: &str) -> Vec<u8> {
    let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    reply(&format!("SERVER_ERROR {why}"))
}

/// A line of an answer.
pub fn reply(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\r\n"].concat()
}

/// A line of an answer that is left out where the client wants none.
pub fn reply_unless(quiet: bool, text: &str) -> Vec<u8> {
    if quiet { Vec::new() } else { reply(text) }
}
