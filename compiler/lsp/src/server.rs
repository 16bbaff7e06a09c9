//! The reader's side: messages in and out, the beginning and the end of a session.

use crate::Hooks;
use crate::features;
use crate::position::Encoding;
use crate::queue::Queue;
use crate::whole;
use crate::worker::{Client, Worker};
use lsp_server::{ErrorCode, Message, Request, RequestId, Response};
use serde_json::{Value, json};
use std::io::{self, BufRead, Write};
use std::sync::{Arc, mpsc};
use std::thread;

/// Messages in a row that cannot be read, before the other side is given up.
const UNREADABLE_MAX: u32 = 100;
/// Trees nest as deep as the text does; the parser limits that, and this stack holds it.
const STACK_BYTES: usize = 64 << 20;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As agreed: `shutdown`, then `exit`.
    Agreed,
    /// `exit` without `shutdown`, or the other side is gone.
    Broken,
}

/// Serves one client over standard input and output.
pub fn stdio(hooks: Hooks) -> io::Result<End> {
    serve(&mut io::stdin().lock(), io::stdout(), hooks)
}

/// Serves one client until it is done.
pub fn serve(input: &mut dyn BufRead, output: impl Write + Send + 'static, hooks: Hooks) -> io::Result<End> {
    let (out, outgoing) = mpsc::channel::<Message>();
    let writer = thread::Builder::new().name("writer".into()).spawn(move || {
        let mut output = io::BufWriter::new(output);
        for message in outgoing {
            // A client that is gone is noticed by the reader.
            if message.write(&mut output).and_then(|()| output.flush()).is_err() {
                return;
            }
        }
    })?;
    let end = Session { out, queue: Arc::default(), hooks, worker: None, shut_down: false }.run(input)?;
    // All senders are gone now; what is written is complete.
    let _ = writer.join();
    Ok(end)
}

struct Session {
    out: mpsc::Sender<Message>,
    queue: Arc<Queue>,
    hooks: Hooks,
    worker: Option<thread::JoinHandle<()>>,
    shut_down: bool,
}

impl Session {
    fn run(mut self, input: &mut dyn BufRead) -> io::Result<End> {
        let mut unreadable = 0;
        let end = loop {
            let mut input = &mut *input;
            match Message::read(&mut input) {
                Ok(None) => break End::Broken,
                Ok(Some(message)) => {
                    unreadable = 0;
                    if let Some(end) = self.take(message)? {
                        break end;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData && unreadable < UNREADABLE_MAX => {
                    unreadable += 1;
                    // Which request it was cannot be told.
                    self.note(&format!("a message that cannot be read: {error}"));
                }
                Err(error) => return Err(error),
            }
        };
        self.queue.close();
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
        Ok(end)
    }

    fn note(&self, text: &str) {
        let params = json!({"type": 1, "message": text});
        self.send(Message::Notification(lsp_server::Notification::new("window/logMessage".into(), params)));
    }

    fn send(&self, message: Message) {
        // The writer ends when the client is gone, which the reader is about to see.
        let _ = self.out.send(message);
    }

    fn refuse(&self, id: RequestId, code: ErrorCode, text: &str) {
        self.send(Message::Response(Response::new_err(id, code as i32, text.into())));
    }

    fn take(&mut self, message: Message) -> io::Result<Option<End>> {
        match message {
            Message::Request(request) if request.method == "initialize" => {
                if self.worker.is_some() {
                    self.refuse(request.id, ErrorCode::InvalidRequest, "the session has begun already");
                } else {
                    self.initialize(request)?;
                }
            }
            Message::Request(request) if self.worker.is_none() => {
                self.refuse(request.id, ErrorCode::ServerNotInitialized, "`initialize` comes first");
            }
            Message::Request(request) if self.shut_down => {
                self.refuse(request.id, ErrorCode::InvalidRequest, "the session is shut down");
            }
            Message::Request(request) => {
                // It is answered in its turn, after what was asked before.
                self.shut_down |= request.method == "shutdown";
                self.queue.push(Message::Request(request));
            }
            Message::Notification(note) if note.method == "exit" => {
                return Ok(Some(if self.shut_down { End::Agreed } else { End::Broken }));
            }
            Message::Notification(note) if note.method == "$/cancelRequest" => {
                let id = match note.params.get("id") {
                    Some(Value::String(id)) => Some(RequestId::from(id.clone())),
                    Some(id) => id.as_i64().and_then(|id| i32::try_from(id).ok()).map(RequestId::from),
                    None => None,
                };
                id.into_iter().for_each(|id| self.queue.cancel(id));
            }
            Message::Notification(note) if self.worker.is_some() => {
                self.queue.push(Message::Notification(note));
            }
            Message::Notification(_) | Message::Response(_) => {}
        }
        Ok(None)
    }

    fn initialize(&mut self, request: Request) -> io::Result<()> {
        let params = &request.params;
        let encodings = params.pointer("/capabilities/general/positionEncodings").and_then(Value::as_array);
        let utf8 = encodings.is_some_and(|all| all.iter().any(|e| e == "utf-8"));
        let encoding = if utf8 { Encoding::Utf8 } else { Encoding::Utf16 };
        let client = Client::new(params, encoding);
        let watches = client.watches;
        let result = json!({
            "capabilities": features::capabilities(encoding),
            "serverInfo": {"name": "dsc", "version": env!("CARGO_PKG_VERSION")},
        });
        self.send(Message::Response(Response::new_ok(request.id, result)));
        if watches {
            let watchers = json!([{"globPattern": "**/*.ds"}, {"globPattern": "**/dscript.toml"}]);
            let registration = json!({"registrations": [{
                "id": "files", "method": "workspace/didChangeWatchedFiles", "registerOptions": {"watchers": watchers}
            }]});
            let id = RequestId::from("watch".to_string());
            self.send(Message::Request(Request::new(id, "client/registerCapability".into(), registration)));
        }
        let (queue, out, hooks) = (self.queue.clone(), self.out.clone(), self.hooks);
        let worker =
            thread::Builder::new().name("worker".into()).stack_size(STACK_BYTES).spawn(move || {
                let whole = whole::start(queue.clone(), STACK_BYTES);
                Worker::new(queue, out, client, hooks, whole).run();
            })?;
        self.worker = Some(worker);
        Ok(())
    }
}
