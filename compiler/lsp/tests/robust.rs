//! What only the two sides of the server in one process can show: requests that are taken back, a mistake of the server
//! itself, and places counted in bytes.

use dscript_compiler::ScriptProblem;
use dscript_lsp::{End, Hooks, serve};
use serde_json::{Value, json};
use std::io::{Cursor, Read, Write};
use std::sync::{Arc, Mutex};

const URI: &str = "file:///none/main.ds";

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn framed(message: &Value) -> Vec<u8> {
    let text = message.to_string();
    format!("Content-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

/// Sends everything at once; gives every message that came back.
fn session(capabilities: Value, messages: &[Value], hooks: Hooks) -> Vec<Value> {
    let first = json!({"id": 0, "method": "initialize", "params": {"capabilities": capabilities}});
    let last = [json!({"id": 1_000, "method": "shutdown"}), json!({"method": "exit"})];
    let mut input = Vec::new();
    for message in std::iter::once(&first).chain(messages).chain(&last) {
        let mut message = message.clone();
        message["jsonrpc"] = json!("2.0");
        input.extend(framed(&message));
    }
    let output = Output::default();
    let end = serve(&mut Cursor::new(input), output.clone(), hooks).expect("input and output are memory");
    assert_eq!(end, End::Agreed);
    let bytes = output.0.lock().expect("no writer panics").clone();
    let mut rest = Cursor::new(bytes);
    let mut all = Vec::new();
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if rest.read(&mut byte).expect("memory can be read") == 0 {
                return all;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("a head is text");
        let length =
            head.trim().rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a head has a length");
        let mut body = vec![0; length];
        rest.read_exact(&mut body).expect("a message is whole");
        all.push(serde_json::from_slice(&body).expect("a message is JSON"));
    }
}

fn hooks() -> Hooks {
    Hooks { script: |_, _, name| Err(ScriptProblem::Missing(name.into())), scenarios: |_| json!({}) }
}

fn open(text: &str) -> Value {
    let document = json!({"uri": URI, "languageId": "dscript", "version": 1, "text": text});
    json!({"method": "textDocument/didOpen", "params": {"textDocument": document}})
}

fn hover(id: i64, line: usize, character: usize) -> Value {
    let place = json!({"textDocument": {"uri": URI}, "position": {"line": line, "character": character}});
    json!({"id": id, "method": "textDocument/hover", "params": place})
}

/// The answer to a request, of which there is one.
fn answer(all: &[Value], id: i64) -> &Value {
    let mut own = all.iter().filter(|m| m["id"] == id && m.get("method").is_none());
    let first = own.next().unwrap_or_else(|| panic!("request {id} is answered"));
    assert!(own.next().is_none(), "request {id} is answered once");
    first
}

#[test]
fn requests_that_were_taken_back_are_answered_as_such() {
    // While this is read for the first time, all the rest comes in.
    let text: String = (0..3_000).map(|i| format!("int work{i}(int x) {{ return x + {i}; }}\n")).collect();
    let mut messages = vec![open(&text)];
    messages.extend((10..30).map(|id| hover(id, 7, 5)));
    messages.extend((10..30).step_by(2).map(|id| json!({"method": "$/cancelRequest", "params": {"id": id}})));
    // What nobody asked, or was answered already, cannot be taken back.
    messages.extend([0, 77].map(|id| json!({"method": "$/cancelRequest", "params": {"id": id}})));
    let all = session(json!({}), &messages, hooks());
    for id in (10..30).step_by(2) {
        assert_eq!(answer(&all, id)["error"]["code"], -32_800, "request {id} was taken back");
        let other = &answer(&all, id + 1)["result"];
        assert!(other["contents"].to_string().contains("work7"), "request {} was not: {other}", id + 1);
    }
}

#[test]
fn a_mistake_of_the_server_costs_one_answer() {
    let text = "/** Looks. */\nmonitor task look() {\n    return true;\n}\n\nscenario Care() on nodes(\"role=web\") {\n    \
                initial state Well {\n        monitor look() every 5s;\n        on failure go Well after 1m;\n    }\n}\n";
    let arguments = json!([{"uri": URI, "name": "Care"}]);
    let broken = json!({
        "id": 10,
        "method": "workspace/executeCommand",
        "params": {"command": "dscript.showScenario", "arguments": arguments},
    });
    let hooks = Hooks { scenarios: |_| panic!("the graph cannot be drawn"), ..hooks() };
    let all = session(json!({}), &[open(text), broken, hover(11, 1, 15)], hooks);
    let error = &answer(&all, 10)["error"];
    assert!(error["message"].as_str().is_some_and(|m| m.contains("the graph cannot be drawn")), "{error}");
    let told = all.iter().filter(|m| m["method"] == "window/logMessage");
    let told: Vec<&str> = told.filter_map(|m| m["params"]["message"].as_str()).collect();
    assert!(
        told.iter().any(|t| t.contains("workspace/executeCommand") && t.contains("cannot be drawn")),
        "{told:?}"
    );
    let after = &answer(&all, 11)["result"];
    assert!(after["contents"].to_string().contains("Looks."), "the server goes on: {after}");
}

#[test]
fn places_are_counted_in_bytes_for_clients_that_do() {
    let line = "String face = \"😀é\"; int after = 1; print(after);";
    let place = |text: &str, utf8: bool| {
        let before = &line[..line.rfind(text).expect("the line has it")];
        if utf8 { before.len() } else { before.encode_utf16().count() }
    };
    for (offered, name, utf8) in [
        (json!({"general": {"positionEncodings": ["utf-16", "utf-8"]}}), "utf-8", true),
        (json!({"general": {"positionEncodings": ["utf-16"]}}), "utf-16", false),
        (json!({}), "utf-16", false),
    ] {
        let params = json!({
            "textDocument": {"uri": URI},
            "position": {"line": 0, "character": place("after", utf8)},
        });
        let definition = json!({"id": 10, "method": "textDocument/definition", "params": params});
        let all = session(offered, &[open(line), definition], hooks());
        assert_eq!(answer(&all, 0)["result"]["capabilities"]["positionEncoding"], name);
        let found = answer(&all, 10)["result"].to_string();
        let start = format!(r#""start":{{"line":0,"character":{}}}"#, place("after = ", utf8));
        assert!(found.contains(&start), "{name}: {start} in {found}");
    }
}
