//! The language server while somebody types: no panic, nothing wrong at the end, and no memory for what is gone.

use dscript_tests::lsp::{Server, position, uri};
use dscript_tests::root;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A request is asked after every so many characters.
const ASKED_EVERY: usize = 9;
const EDITS: usize = 20_000;
/// What the server may grow by over the later nine tenths of the edits.
const GROWTH_KIB_MAX: u64 = 24 * 1024;

struct Typist {
    server: Server,
    address: String,
    text: String,
    version: i64,
}

impl Typist {
    fn new(folder: &Path) -> Typist {
        let mut server = Server::start(folder);
        server.initialize(folder);
        let address = uri(&folder.join("main.ds"));
        server.open(&address, "");
        Typist { server, address, text: String::new(), version: 1 }
    }

    fn replace(&mut self, start: usize, end: usize, new: &str) {
        let range = json!({"start": position(&self.text, start), "end": position(&self.text, end)});
        self.text.replace_range(start..end, new);
        self.version += 1;
        let document = json!({"uri": self.address, "version": self.version});
        let changes = json!([{"range": range, "text": new}]);
        self.server
            .notify("textDocument/didChange", json!({"textDocument": document, "contentChanges": changes}));
    }

    fn ask(&mut self, method: &str, at: usize) {
        let at = position(&self.text, at);
        let mut params = json!({"textDocument": {"uri": self.address}, "position": at});
        params["range"] = json!({"start": at, "end": at});
        params["context"] = json!({"diagnostics": []});
        params["positions"] = json!([at]);
        if let Err(error) = self.server.request(method, params) {
            panic!("{method} is answered, not refused with {error}, in:\n{}", self.text);
        }
    }

    fn is_quiet(&self) {
        let bug = self.server.waiting.iter().find(|m| m["method"] == "window/logMessage");
        assert!(bug.is_none(), "{bug:?}");
    }
}

/// What an editor asks of a file that is being written.
const METHODS: &[&str] = &[
    "textDocument/completion",
    "textDocument/signatureHelp",
    "textDocument/hover",
    "textDocument/definition",
    "textDocument/documentHighlight",
    "textDocument/semanticTokens/full",
    "textDocument/inlayHint",
    "textDocument/foldingRange",
    "textDocument/selectionRange",
    "textDocument/codeLens",
    "textDocument/documentSymbol",
    "textDocument/codeAction",
    "textDocument/formatting",
];

fn types(source: &Path) {
    let wanted = fs::read_to_string(source).expect("the program can be read");
    let scratch = tempfile::tempdir().expect("there is room for a scratch folder");
    let folder = scratch.path().canonicalize().expect("the scratch folder is there");
    let mut typist = Typist::new(&folder);
    for (count, c) in wanted.chars().enumerate() {
        let end = typist.text.len();
        typist.replace(end, end, &c.to_string());
        if count % ASKED_EVERY == 0 {
            let method = METHODS[count / ASKED_EVERY % METHODS.len()];
            let end = typist.text.len();
            typist.ask(method, end);
        }
    }
    let (address, version) = (typist.address.clone(), typist.version);
    let left = typist.server.diagnostics(&address, version);
    let errors: Vec<&Value> = left.iter().filter(|d| d["severity"] == 1).collect();
    assert!(errors.is_empty(), "nothing is wrong with {}: {errors:?}", source.display());
    typist.is_quiet();
    assert!(typist.server.end().success());
}

#[test]
fn a_scenario_is_typed() {
    types(&root().join("examples/cachecare.ds"));
}

#[test]
fn a_script_is_typed() {
    types(&root().join("examples/listing1.ds"));
}

#[test]
fn classes_are_typed() {
    types(&root().join("tests/run/corners.ds"));
}

fn memory_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the server runs");
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("it has memory");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of KiB")
}

#[test]
fn a_day_of_edits_takes_no_more_memory() {
    let scratch = tempfile::tempdir().expect("there is room for a scratch folder");
    let folder = scratch.path().canonicalize().expect("the scratch folder is there");
    let mut typist = Typist::new(&folder);
    typist.replace(0, 0, "int f(int n) {\n    return n + 1;\n}\n\ntask look() {\n    return f(1) > 0;\n}\n");
    let at = typist.text.find("return n").expect("it is there");
    let mut early = 0;
    for edit in 0..EDITS {
        // A new name each time, and now and then an answer to wait for.
        let end = typist.text[at..].find('\n').expect("a line ends") + at;
        let line = format!("return n + {edit} + (name{edit} ?? 1);");
        typist.replace(at, end, &line);
        if edit % 50 == 0 {
            typist.ask("textDocument/completion", at + line.len() - 3);
        }
        if edit == EDITS / 10 {
            early = memory_kib(typist.server.id());
        }
        typist.server.waiting.retain(|m| m["method"] == "window/logMessage");
    }
    typist.ask("textDocument/documentSymbol", 0);
    let late = memory_kib(typist.server.id());
    assert!(late <= early + GROWTH_KIB_MAX, "{early} KiB grew to {late} KiB");
    typist.is_quiet();
    assert!(typist.server.end().success());
}
