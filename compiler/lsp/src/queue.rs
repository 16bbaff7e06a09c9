//! What the reader hands to the worker: messages in their order, and which requests were taken back.

use lsp_server::{Message, RequestId};
use std::collections::{HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};

#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    cancelled: HashSet<RequestId>,
    closed: bool,
}

/// What the worker finds.
pub enum Next {
    Message(Box<Message>),
    Empty,
    Closed,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves whole messages.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn push(&self, message: Message) {
        self.state().waiting.push_back(message);
        self.changed.notify_all();
    }

    /// Takes a request back that was not answered yet.
    pub fn cancel(&self, id: RequestId) {
        let mut state = self.state();
        let waits = state.waiting.iter().any(|m| matches!(m, Message::Request(r) if r.id == id));
        if waits {
            state.cancelled.insert(id);
        }
    }

    pub fn is_cancelled(&self, id: &RequestId) -> bool {
        self.state().cancelled.remove(id)
    }

    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// A copy of the first message, which stays until [`pop`](Self::pop).
    pub fn peek<R>(&self, f: impl FnOnce(Option<&Message>) -> R) -> R {
        f(self.state().waiting.front())
    }

    pub fn pop(&self) -> Next {
        let mut state = self.state();
        match state.waiting.pop_front() {
            Some(message) => Next::Message(Box::new(message)),
            None if state.closed => Next::Closed,
            None => Next::Empty,
        }
    }

    /// Waits until there is something, or nothing will come any more.
    pub fn wait(&self) {
        let mut state = self.state();
        while state.waiting.is_empty() && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Nothing is waiting, and nothing will come any more.
    pub fn is_closed(&self) -> bool {
        let state = self.state();
        state.waiting.is_empty() && state.closed
    }
}
