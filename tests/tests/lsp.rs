//! Sessions with the language server: `tests/lsp/*.session`, files with marks and what an editor asks, and beside each
//! the answers (`.out`). `UPDATE=1` rewrites those.
//!
//! A session names its files (`=== care/checks.ds`), then, after `=== session`, one line for each thing the editor does:
//!
//! ```text
//! open FILE                     and what is said of it
//! change FILE @A..@B "TEXT"     an edit, and what is said of the file then
//! METHOD @MARK|@A..@B|FILE|- {more parameters}
//! complete @MARK [PREFIX]       what is offered, one a line
//! edit METHOD @MARK {...}       the files that an answer's edits change, as they are then
//! action "TITLE" @A..@B         the same for a code action
//! item METHOD N ...             a request about item N of the last answer
//! save FILE "TEXT"              a file on disk; remove FILE
//! diagnostics FILE              what is said of an open file next
//! notify METHOD {...}           raw "BYTES"
//! ```

use dscript_tests::lsp::{Marked, Server, apply, position, uri};
use dscript_tests::root;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

struct Session<'s> {
    server: Server,
    scratch: &'s Path,
    files: BTreeMap<String, Marked>,
    versions: BTreeMap<String, i64>,
    last: Value,
    out: String,
}

impl Session<'_> {
    fn uri(&self, file: &str) -> String {
        uri(&self.scratch.join(file))
    }

    fn mark(&self, name: &str) -> (&str, Value) {
        let name = name.strip_prefix('@').expect("a mark begins with @");
        for (file, marked) in &self.files {
            if let Some((_, at)) = marked.marks.iter().find(|(n, _)| n == name) {
                return (file, position(&marked.text, *at));
            }
        }
        panic!("there is no mark `{name}`");
    }

    /// The parameters that a place of the session's line stands for.
    fn params(&self, place: &str, more: &str) -> Value {
        let mut params = match place.split_once("..") {
            Some((a, b)) => {
                let ((file, start), (_, end)) = (self.mark(a), self.mark(b));
                json!({"textDocument": {"uri": self.uri(file)}, "range": {"start": start, "end": end}})
            }
            None if place.starts_with('@') => {
                let (file, at) = self.mark(place);
                json!({"textDocument": {"uri": self.uri(file)}, "position": at})
            }
            None if place == "-" => json!({}),
            None => json!({"textDocument": {"uri": self.uri(place)}}),
        };
        if !more.trim().is_empty() {
            let more = more.replace("ROOT", &uri(self.scratch));
            let more: Value = serde_json::from_str(&more).unwrap_or_else(|e| panic!("{e} in {more}"));
            for (key, value) in more.as_object().expect("more parameters are an object") {
                params[key] = value.clone();
            }
        }
        params
    }

    fn say(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn answer(&mut self, answer: Result<Value, Value>) {
        match answer {
            Ok(value) => {
                self.last = value.clone();
                let mut text = String::new();
                show(&plain(&value, &uri(self.scratch)), 0, &mut text);
                self.say(&text);
            }
            Err(error) => {
                let error = plain(&error, &uri(self.scratch));
                self.say(&format!("error {}: {}", error["code"], error["message"].as_str().unwrap_or("")));
            }
        }
    }

    fn diagnostics(&mut self, file: &str) {
        let version = self.versions[file];
        let all = self.server.diagnostics(&self.uri(file), version);
        if all.is_empty() {
            self.say("nothing is wrong");
        }
        for d in all {
            let d = plain(&d, &uri(self.scratch));
            let severity = if d["severity"] == 1 { "error" } else { "warning" };
            let text = d["message"].as_str().unwrap_or("").replace('\n', " | ");
            let line = format!(
                "{} {severity} {}: {text}",
                d["range"].as_str().unwrap_or(""),
                d["code"].as_str().unwrap_or("")
            );
            self.say(&line);
            for related in d["relatedInformation"].as_array().into_iter().flatten() {
                let at = &related["location"];
                self.say(&format!(
                    "    {}:{} {}",
                    at["uri"].as_str().unwrap_or(""),
                    at["range"].as_str().unwrap_or(""),
                    related["message"].as_str().unwrap_or("")
                ));
            }
        }
    }

    /// Shows what the edits of an answer make of the files.
    fn edits(&mut self, edit: &Value) {
        let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        if let Some(list) = edit.as_array() {
            let file = self.files.keys().next().expect("a session has files").clone();
            all.insert(file, list.clone());
        }
        for (uri, edits) in edit["changes"].as_object().into_iter().flatten() {
            let file = uri.strip_prefix(&format!("{}/", self.uri("").trim_end_matches('/'))).unwrap_or(uri);
            all.insert(file.to_string(), edits.as_array().cloned().unwrap_or_default());
        }
        if all.values().all(Vec::is_empty) {
            self.say("no edits");
        }
        for (file, edits) in all {
            let text = apply(&self.files[&file].text, &edits);
            self.say(&format!("--- {file}"));
            self.say(&text);
        }
    }

    fn line(&mut self, line: &str) {
        self.say(&format!("> {line}"));
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "open" => {
                let text = self.files[rest].text.clone();
                let address = self.uri(rest);
                self.server.open(&address, &text);
                self.versions.insert(rest.into(), 1);
                self.diagnostics(rest);
            }
            "change" => {
                let (file, rest) = rest.split_once(' ').expect("a file to change");
                let (place, text) = rest.split_once(' ').expect("a place to change");
                let new: String = serde_json::from_str(text).expect("a text in quotes");
                let range = self.params(place, "")["range"].clone();
                let version = self.versions[file] + 1;
                self.versions.insert(file.into(), version);
                let params = json!({
                    "textDocument": {"uri": self.uri(file), "version": version},
                    "contentChanges": [{"range": range, "text": new}],
                });
                self.server.notify("textDocument/didChange", params);
                let marked = self.files.get_mut(file).expect("a known file");
                let changed = apply(&marked.text, &[json!({"range": range, "newText": new})]);
                // Marks behind the edit move with the text.
                let from = dscript_tests::lsp::offset(&marked.text, &range["start"]);
                let by = changed.len() as i64 - marked.text.len() as i64;
                for (_, at) in marked.marks.iter_mut().filter(|(_, at)| *at > from) {
                    *at = (*at as i64 + by) as usize;
                }
                marked.text = changed;
                self.diagnostics(file);
            }
            "save" => {
                let (file, text) = rest.split_once(' ').expect("a file and its text");
                let text: String = serde_json::from_str(text).expect("a text in quotes");
                fs::write(self.scratch.join(file), text).expect("the scratch folder can be written");
                let change = json!({"changes": [{"uri": self.uri(file), "type": 2}]});
                self.server.notify("workspace/didChangeWatchedFiles", change);
            }
            "remove" => {
                fs::remove_file(self.scratch.join(rest)).expect("the file is there");
                let change = json!({"changes": [{"uri": self.uri(rest), "type": 3}]});
                self.server.notify("workspace/didChangeWatchedFiles", change);
            }
            "diagnostics" => self.diagnostics(rest),
            "notify" => {
                let (method, params) = rest.split_once(' ').unwrap_or((rest, "{}"));
                let params = params.replace("ROOT", &uri(self.scratch));
                self.server.notify(method, serde_json::from_str(&params).expect("parameters are JSON"));
            }
            "raw" => {
                self.server.raw(serde_json::from_str::<String>(rest).expect("a text in quotes").as_bytes())
            }
            "complete" => {
                let (place, prefix) = rest.split_once(' ').unwrap_or((rest, ""));
                let params = self.params(place, "");
                let answer =
                    self.server.request("textDocument/completion", params).expect("there is an answer");
                let mut items: Vec<Value> =
                    answer["items"].as_array().or(answer.as_array()).cloned().unwrap_or_default();
                items.retain(|i| i["label"].as_str().is_some_and(|l| l.starts_with(prefix)));
                items.sort_by_key(|i| i["sortText"].as_str().unwrap_or("").to_string());
                for item in &items {
                    let mut text = item["label"].as_str().unwrap_or("").to_string();
                    let insert = item["textEdit"]["newText"].as_str().unwrap_or("");
                    if insert != text {
                        let _ = write!(text, " => {}", insert.replace('\n', "\\n"));
                    }
                    if let Some(detail) = item["detail"].as_str() {
                        let _ = write!(text, "   {detail}");
                    }
                    for also in item["additionalTextEdits"].as_array().into_iter().flatten() {
                        let _ = write!(text, "   + {}", also["newText"].as_str().unwrap_or("").trim_end());
                    }
                    self.say(&text);
                }
                self.last = Value::Array(items);
            }
            "edit" => {
                let (method, rest) = rest.split_once(' ').expect("a method");
                let (place, more) = rest.split_once(' ').unwrap_or((rest, ""));
                let params = self.params(place, more);
                match self.server.request(method, params) {
                    Ok(edit) => self.edits(&edit),
                    Err(error) => self.answer(Err(error)),
                }
            }
            "actions" | "action" => {
                let (title, place) = match word {
                    "action" => rest.rsplit_once(' ').expect("a title and a place"),
                    _ => ("", rest),
                };
                let params = self.params(place, r#"{"context": {"diagnostics": []}}"#);
                let answer =
                    self.server.request("textDocument/codeAction", params).expect("there is an answer");
                let all = answer.as_array().cloned().unwrap_or_default();
                if word == "actions" {
                    for action in &all {
                        let text = format!(
                            "{} ({})",
                            action["title"].as_str().unwrap_or(""),
                            action["kind"].as_str().unwrap_or("")
                        );
                        self.say(&text);
                    }
                    return;
                }
                let title = title.trim_matches('"');
                let found = all.iter().find(|a| a["title"].as_str().is_some_and(|t| t.starts_with(title)));
                match found.cloned() {
                    Some(found) => self.edits(&found["edit"]),
                    None => self.say("no such action"),
                }
            }
            "item" => {
                let (method, number) = rest.split_once(' ').expect("a method and a number");
                let item = self.last[number.parse::<usize>().expect("a number")].clone();
                let params = if method == "completionItem/resolve" { item } else { json!({"item": item}) };
                let answer = self.server.request(method, params);
                self.answer(answer);
            }
            method => {
                let (place, more) = rest.split_once(' ').unwrap_or((rest, ""));
                let params = self.params(place, more);
                let answer = self.server.request(method, params);
                self.answer(answer);
            }
        }
    }
}

/// Ranges and positions as `line:character`, from 0 as in the protocol; addresses from the scratch folder.
fn plain(value: &Value, root: &str) -> Value {
    let place = |p: &Value| Some(format!("{}:{}", p.get("line")?.as_u64()?, p.get("character")?.as_u64()?));
    match value {
        Value::Object(map) => {
            if let Some(text) = place(value) {
                return json!(text);
            }
            if map.len() == 2
                && let (Some(start), Some(end)) =
                    (map.get("start").and_then(place), map.get("end").and_then(place))
            {
                return json!(format!("{start}-{end}"));
            }
            map.iter()
                .map(|(k, v)| (plain(&json!(k), root).as_str().unwrap_or(k).to_string(), plain(v, root)))
                .collect()
        }
        Value::Array(items) => items.iter().map(|v| plain(v, root)).collect(),
        Value::String(text) => {
            let text = text.replace(&format!("{root}/"), "");
            match text.split_once("/library-") {
                Some((_, rest)) if text.starts_with("cache/") => {
                    json!(format!("LIBRARY/{}", rest.split_once('/').map_or("", |r| r.1)))
                }
                _ => json!(text),
            }
        }
        other => other.clone(),
    }
}

/// JSON with short values on one line.
fn show(value: &Value, indent: usize, out: &mut String) {
    let text = value.to_string();
    let pad = "    ".repeat(indent);
    if text.len() + indent * 4 <= 110 {
        let _ = writeln!(out, "{pad}{text}");
        return;
    }
    match value {
        // Semantic tokens are five numbers each.
        Value::Array(items) if items.iter().all(Value::is_number) => items.chunks(5).for_each(|row| {
            let _ = writeln!(out, "{pad}{}", json!(row));
        }),
        Value::Array(items) => items.iter().for_each(|item| show(item, indent, out)),
        Value::Object(map) => {
            for (key, item) in map {
                match item {
                    Value::String(text) if text.contains('\n') => {
                        let _ = writeln!(out, "{pad}{key}:");
                        text.lines().for_each(|line| {
                            let _ = writeln!(out, "{}", format!("{pad}    {line}").trim_end());
                        });
                    }
                    Value::Array(_) | Value::Object(_) if item.to_string().len() > 90 => {
                        let _ = writeln!(out, "{pad}{key}:");
                        show(item, indent + 1, out);
                    }
                    _ => {
                        let _ = writeln!(out, "{pad}{key}: {item}");
                    }
                }
            }
        }
        _ => {
            let _ = writeln!(out, "{pad}{text}");
        }
    }
}

fn run(path: &Path) {
    let written = fs::read_to_string(path).expect("a session can be read");
    let scratch = tempfile::tempdir().expect("there is room for a scratch folder");
    let folder = scratch.path().canonicalize().expect("the scratch folder is there");
    let mut files = BTreeMap::new();
    let mut lines = String::new();
    for part in written.split("=== ").skip(1) {
        let (name, text) = part.split_once('\n').expect("a part has a name");
        if name.trim() == "session" {
            lines = text.to_string();
            continue;
        }
        let marked = Marked::new(folder.join(name), text);
        fs::create_dir_all(marked.path.parent().expect("a file is in a folder"))
            .expect("folders can be made");
        fs::write(&marked.path, &marked.text).expect("files can be written");
        files.insert(name.to_string(), marked);
    }
    let mut server = Server::start(&folder);
    server.initialize(&folder);
    let mut session = Session {
        server,
        scratch: &folder,
        files,
        versions: BTreeMap::new(),
        last: Value::Null,
        out: String::new(),
    };
    for line in lines.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
        session.line(line);
    }
    let ended = session.server.end();
    assert!(ended.success(), "{}: the server ends well, not with {ended}", path.display());
    let expected = path.with_extension("out");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&expected, &session.out).expect("the expectation can be written");
    }
    let known = fs::read_to_string(&expected).unwrap_or_default();
    assert_eq!(session.out, known, "{}", path.display());
}

macro_rules! sessions {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(&root().join("tests/lsp").join(concat!(stringify!($name), ".session")));
            }
        )*

        /// A session that nobody runs tests nothing.
        #[test]
        fn every_session_is_run() {
            let names = [$(stringify!($name)),*];
            for entry in fs::read_dir(root().join("tests/lsp")).expect("the folder is there").flatten() {
                let path = entry.path();
                if path.extension().is_some_and(|e| e == "session") {
                    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    assert!(names.contains(&name.as_str()), "tests/tests/lsp.rs names `{name}`");
                }
            }
        }
    };
}

sessions! {
    actions calls capability completion diagnostics disk folding formatting goto hints hover lenses nonsense references rename
    signature symbols tokens
}
