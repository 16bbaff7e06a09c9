//! A client of the language server: the built `dsc lsp`, spoken to over its standard input and output.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;

use crate::{PATIENCE, command};

/// A running server with the messages that came from it.
pub struct Server {
    child: Child,
    input: Option<ChildStdin>,
    incoming: mpsc::Receiver<Value>,
    /// Notifications and requests that nobody has asked for yet.
    pub waiting: VecDeque<Value>,
    next_id: i64,
}

impl Server {
    /// Starts a server in a scratch folder; what it writes for editors goes there too.
    pub fn start(scratch: &Path) -> Server {
        let mut server = command("dsc", scratch);
        server.arg("lsp").env("XDG_CACHE_HOME", scratch.join("cache"));
        Server::spawn(&mut server)
    }

    pub fn spawn(server: &mut Command) -> Server {
        let mut child = server
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{server:?} starts: {e}"));
        let output = child.stdout.take().expect("standard output is a pipe");
        let (sender, incoming) = mpsc::channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(message) = read(&mut output) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Server { child, input, incoming, waiting: VecDeque::new(), next_id: 0 }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("the server is open");
        input.write_all(bytes).and_then(|()| input.flush()).expect("the server reads");
    }

    pub fn send(&mut self, message: &Value) {
        let text = message.to_string();
        self.raw(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Sends a request; gives its id.
    pub fn ask(&mut self, method: &str, params: Value) -> i64 {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    /// The next message that fits; others are kept for later.
    pub fn wait_for(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.waiting.iter().position(&fits) {
            return self.waiting.remove(at).expect("it was found there");
        }
        loop {
            let message = self
                .incoming
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("the server says {what}; it said {:?}", self.waiting));
            if fits(&message) {
                return message;
            }
            self.waiting.push_back(message);
        }
    }

    /// The answer to a request: its result, or the error.
    pub fn answer(&mut self, id: i64) -> Result<Value, Value> {
        let message = self.wait_for("an answer", |m| m["id"] == json!(id) && m.get("method").is_none());
        match message.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(message["result"].clone()),
        }
    }

    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.ask(method, params);
        self.answer(id)
    }

    /// Begins a session as an editor that can do everything.
    pub fn initialize(&mut self, folder: &Path) -> Value {
        let capabilities = json!({
            "textDocument": {"completion": {"completionItem": {"snippetSupport": true}}},
            "workspace": {"workspaceEdit": {"documentChanges": false}},
        });
        let params = json!({"processId": null, "rootUri": uri(folder), "capabilities": capabilities});
        let result = self.request("initialize", params).expect("the session begins");
        self.notify("initialized", json!({}));
        result
    }

    pub fn open(&mut self, uri: &str, text: &str) {
        let document = json!({"uri": uri, "languageId": "dscript", "version": 1, "text": text});
        self.notify("textDocument/didOpen", json!({"textDocument": document}));
    }

    /// Diagnostics of a file, said of a version of it.
    pub fn diagnostics(&mut self, uri: &str, version: i64) -> Vec<Value> {
        let message = self.wait_for("diagnostics", |m| {
            m["method"] == "textDocument/publishDiagnostics"
                && m["params"]["uri"] == uri
                && m["params"]["version"] == version
        });
        message["params"]["diagnostics"].as_array().cloned().unwrap_or_default()
    }

    /// Ends the session as agreed.
    pub fn end(mut self) -> ExitStatus {
        self.request("shutdown", Value::Null).expect("the session ends");
        self.notify("exit", Value::Null);
        self.input = None;
        self.child.wait().expect("the server ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(input: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim() {
            "" => break,
            header => {
                if let Some(value) = header.strip_prefix("Content-Length: ") {
                    length = value.parse().ok()?;
                }
            }
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

/// The address of a path without special characters.
pub fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// A file of a session with its marks, which are no part of its text: `«name»`.
pub struct Marked {
    pub path: PathBuf,
    pub text: String,
    /// Byte offsets.
    pub marks: Vec<(String, usize)>,
}

impl Marked {
    pub fn new(path: PathBuf, written: &str) -> Marked {
        let (mut text, mut marks) = (String::new(), Vec::new());
        let mut rest = written;
        while let Some((before, after)) = rest.split_once('«') {
            text.push_str(before);
            let (name, more) = after.split_once('»').expect("a mark is closed");
            marks.push((name.to_string(), text.len()));
            rest = more;
        }
        text.push_str(rest);
        Marked { path, text, marks }
    }
}

/// The protocol's position of a byte offset, in UTF-16 units.
pub fn position(text: &str, offset: usize) -> Value {
    let line = text[..offset].matches('\n').count();
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    json!({"line": line, "character": text[start..offset].encode_utf16().count()})
}

/// The byte offset of a position.
pub fn offset(text: &str, position: &Value) -> usize {
    let line = position["line"].as_u64().expect("a line") as usize;
    let units = position["character"].as_u64().expect("a character") as usize;
    let starts: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let Some(&start) = starts.get(line) else { return text.len() };
    let mut count = 0;
    for (at, c) in text[start..].char_indices() {
        if count >= units || c == '\n' {
            return start + at;
        }
        count += c.len_utf16();
    }
    text.len()
}

/// A text with a list of the protocol's edits applied.
pub fn apply(text: &str, edits: &[Value]) -> String {
    let mut spans: Vec<(usize, usize, &str)> = edits
        .iter()
        .map(|e| {
            let (start, end) = (offset(text, &e["range"]["start"]), offset(text, &e["range"]["end"]));
            (start, end, e["newText"].as_str().expect("an edit has a text"))
        })
        .collect();
    // Of two at one place, the first in the list comes first in the text.
    spans.sort_by_key(|s| (s.0, s.1));
    let mut out = text.to_string();
    for (start, end, new) in spans.into_iter().rev() {
        out.replace_range(start..end, new);
    }
    out
}
