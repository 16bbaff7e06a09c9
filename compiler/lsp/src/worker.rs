//! The worker: edits, checks, answers.
//!
//! Messages are taken in their order. Edits at the head of the queue are applied together; then the program is put
//! together as it is now, and stays so while requests are answered and, when none waits, bodies are checked one by one.
//! The next edit ends that: what was not checked yet is not spoken of, and what was is remembered by the session.

use crate::Hooks;
use crate::diagnostics;
use crate::documents::Document;
use crate::features::{self, Cx, Failure};
use crate::position::Encoding;
use crate::queue::{Next, Queue};
use crate::roots::{Disk, Open, Place, Program, Root};
use crate::whole::{self, Job, Whole};
use dscript_compiler::session::Analysis;
use dscript_grammar::diagnostic::Diagnostic;
use dscript_grammar::span::FileId;
use lsp_server::{ErrorCode, Message, Notification, Request, Response};
use serde_json::{Value, json};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};

/// What the client can do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client {
    pub encoding: Encoding,
    pub watches: bool,
    pub snippets: bool,
    /// It knows `documentChanges`, with versions.
    pub versioned_edits: bool,
    pub refreshes_lenses: bool,
}

impl Client {
    pub fn new(params: &Value, encoding: Encoding) -> Self {
        let has = |path: &str| params.pointer(path).and_then(Value::as_bool).unwrap_or(false);
        Self {
            encoding,
            watches: has("/capabilities/workspace/didChangeWatchedFiles/dynamicRegistration"),
            snippets: has("/capabilities/textDocument/completion/completionItem/snippetSupport"),
            versioned_edits: has("/capabilities/workspace/workspaceEdit/documentChanges"),
            refreshes_lenses: has("/capabilities/workspace/codeLens/refreshSupport"),
        }
    }
}

/// What the last compilation to the end said of a module.
pub struct Compiled {
    pub stamp: u64,
    pub diagnostics: Vec<Diagnostic>,
    pub map: dscript_grammar::SourceMap,
    /// The module's own, in `map`.
    pub file: FileId,
    pub image: Option<dscript_bytecode::image::Image>,
}

pub struct Worker {
    queue: Arc<Queue>,
    out: mpsc::Sender<Message>,
    pub client: Client,
    hooks: Hooks,
    whole: Whole,
    /// By address.
    pub documents: BTreeMap<String, Document>,
    programs: BTreeMap<Place, Program>,
    /// Roots whose diagnostics are to be told.
    dirty: BTreeSet<Place>,
    /// Addresses of a root that have diagnostics.
    told: BTreeMap<Place, BTreeSet<String>>,
    /// By root and module.
    pub compiled: BTreeMap<(Place, String), Compiled>,
    /// Counts the states of the texts.
    pub stamp: u64,
}

impl Worker {
    pub fn new(
        queue: Arc<Queue>,
        out: mpsc::Sender<Message>,
        client: Client,
        hooks: Hooks,
        whole: Whole,
    ) -> Self {
        Self {
            queue,
            out,
            client,
            hooks,
            whole,
            documents: BTreeMap::new(),
            programs: BTreeMap::new(),
            dirty: BTreeSet::new(),
            told: BTreeMap::new(),
            compiled: BTreeMap::new(),
            stamp: 0,
        }
    }

    pub fn run(mut self) {
        loop {
            let head = self.queue.peek(|m| match m {
                Some(Message::Request(request)) => Head::Request(Box::new(request.clone())),
                Some(_) => Head::Note,
                None => Head::Nothing,
            });
            match head {
                Head::Note => match self.queue.pop() {
                    Next::Message(message) => {
                        if let Message::Notification(note) = *message {
                            self.guarded(&note.method.clone(), |worker| worker.note(note));
                        }
                    }
                    Next::Empty | Next::Closed => {}
                },
                Head::Request(request) => {
                    let places = self.places(&request);
                    match places.as_slice() {
                        [place] => self.serve(place.clone()),
                        _ => self.alone(&request, &places),
                    }
                }
                // What would be said now, nobody would hear.
                Head::Nothing if self.queue.is_closed() => return,
                Head::Nothing => match self.dirty.first().cloned() {
                    Some(place) => self.serve(place),
                    None => self.queue.wait(),
                },
            }
        }
    }

    fn send(&self, message: Message) {
        // The writer ends when the client is gone, which the reader sees.
        let _ = self.out.send(message);
    }

    pub fn tell(&self, method: &str, params: Value) {
        self.send(Message::Notification(Notification::new(method.into(), params)));
    }

    fn log(&self, text: &str) {
        self.tell("window/logMessage", json!({"type": 1, "message": text}));
    }

    /// A panic is our mistake, and costs what was being done alone.
    fn guarded(&mut self, what: &str, f: impl FnOnce(&mut Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| f(self))) {
            self.log(&format!("a mistake of the server in {what}: {}", said(&*panic)));
        }
    }

    // ---- notifications ----

    fn note(&mut self, note: Notification) {
        let params = &note.params;
        let address = params.pointer("/textDocument/uri").and_then(Value::as_str).map(str::to_string);
        match (note.method.as_str(), address) {
            ("textDocument/didOpen", Some(address)) => {
                let text = params.pointer("/textDocument/text").and_then(Value::as_str).unwrap_or("");
                let version = params.pointer("/textDocument/version").and_then(Value::as_i64);
                let document = Document::new(&address, text.to_string(), version);
                let place = document.place.clone();
                self.documents.insert(address.clone(), document);
                self.changed(&address);
                self.dirty.insert(place);
            }
            ("textDocument/didChange", Some(address)) => {
                let Some(document) = self.documents.get_mut(&address) else { return };
                document.version = params.pointer("/textDocument/version").and_then(Value::as_i64);
                let changes = params.get("contentChanges").and_then(Value::as_array);
                document.edit(changes.map_or(&[], Vec::as_slice), self.client.encoding);
                self.changed(&address);
            }
            ("textDocument/didClose", Some(address)) => self.close(&address),
            ("textDocument/didSave", Some(address)) => {
                if let Some(document) = self.documents.get(&address) {
                    self.dirty.insert(document.place.clone());
                }
            }
            ("workspace/didChangeWatchedFiles", _) => {
                let changes = params.get("changes").and_then(Value::as_array).cloned().unwrap_or_default();
                let addresses = changes.iter().filter_map(|c| c.get("uri").and_then(Value::as_str));
                self.on_disk(&addresses.map(str::to_string).collect::<Vec<_>>());
            }
            (whole::READY, _) => self.compiled(),
            _ => {}
        }
    }

    fn open_in(&self, place: &Place) -> Open {
        let own = self.documents.values().filter(|d| d.place == *place);
        own.map(|d| (d.module.clone(), d.text.clone())).collect()
    }

    /// The texts are others now: what waits to be compiled to the end is of no use any more.
    fn new_state(&mut self) {
        self.stamp += 1;
        self.whole.order(Vec::new());
    }

    /// The text of an open file is another one now.
    fn changed(&mut self, address: &str) {
        self.new_state();
        let Some(document) = self.documents.get(address) else { return };
        let place = document.place.clone();
        self.dirty.insert(place.clone());
        let Some(program) = self.programs.get_mut(&place) else { return };
        program.set(&document.module, &document.text);
        let open = self.open_in(&place);
        if let Some(program) = self.programs.get_mut(&place)
            && !program.root.is_project
        {
            program.follow_imports(&open);
        }
    }

    fn close(&mut self, address: &str) {
        let Some(document) = self.documents.remove(address) else { return };
        self.new_state();
        let place = document.place;
        if !self.documents.values().any(|d| d.place == place) {
            // Nobody looks at this root any more.
            self.programs.remove(&place);
            self.dirty.remove(&place);
            self.compiled.retain(|(p, _), _| *p != place);
            for address in self.told.remove(&place).unwrap_or_default() {
                self.tell("textDocument/publishDiagnostics", json!({"uri": address, "diagnostics": []}));
            }
            return;
        }
        if let Some(program) = self.programs.get_mut(&place) {
            program.read(&document.module);
            self.dirty.insert(place);
        }
    }

    /// Files changed without an editor.
    fn on_disk(&mut self, addresses: &[String]) {
        self.new_state();
        let manifest = addresses.iter().any(|a| a.ends_with("/dscript.toml"));
        if manifest {
            // Other files belong together now.
            for (address, document) in &mut self.documents {
                (document.place, document.module) = Place::of(address);
            }
            self.programs.clear();
            self.dirty.extend(self.documents.values().map(|d| d.place.clone()));
            return;
        }
        for address in addresses.iter().filter(|a| !self.documents.contains_key(*a)) {
            let (place, module) = Place::of(address);
            let Some(program) = self.programs.get_mut(&place) else { continue };
            if program.root.is_project || program.session.has(&module) {
                program.read(&module);
                self.dirty.insert(place);
            }
        }
        let places: Vec<Place> = self.programs.keys().cloned().collect();
        for place in places {
            let open = self.open_in(&place);
            if let Some(program) = self.programs.get_mut(&place) {
                program.follow_imports(&open);
            }
        }
    }

    /// Something was compiled to the end.
    fn compiled(&mut self) {
        for done in self.whole.take() {
            if done.stamp != self.stamp {
                continue;
            }
            self.dirty.insert(done.place.clone());
            let compiled = Compiled {
                stamp: done.stamp,
                diagnostics: done.diagnostics,
                map: done.map,
                file: done.file,
                image: done.image,
            };
            self.compiled.insert((done.place, done.module), compiled);
            if self.client.refreshes_lenses {
                let id = lsp_server::RequestId::from("lenses".to_string());
                let request = Request::new(id, "workspace/codeLens/refresh".into(), Value::Null);
                self.send(Message::Request(request));
            }
        }
    }

    // ---- requests ----

    /// The roots that a request is about.
    fn places(&self, request: &Request) -> Vec<Place> {
        if request.method == "workspace/symbol" {
            return self
                .documents
                .values()
                .map(|d| d.place.clone())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
        }
        features::address(&request.params).map(|a| self.place_of(a).0).into_iter().collect()
    }

    fn place_of(&self, address: &str) -> (Place, String) {
        match self.documents.get(address) {
            Some(document) => (document.place.clone(), document.module.clone()),
            None => Place::of(address),
        }
    }

    /// A request that is about no root, or about several.
    fn alone(&mut self, request: &Request, places: &[Place]) {
        self.queue.pop();
        let id = request.id.clone();
        if self.queue.is_cancelled(&id) {
            return self.send(cancelled(request));
        }
        if request.method == "shutdown" {
            return self.send(Message::Response(Response::new_ok(id, Value::Null)));
        }
        let mut all = Vec::new();
        for place in places {
            let (answer, _) = self.with_root(place, |worker, analysis, root| {
                let mut cx = Cx::new(worker, analysis, root);
                features::answer(&mut cx, &request.method, &request.params)
            });
            match answer {
                Some(Ok(Value::Array(items))) => all.extend(items),
                Some(Ok(other)) => all.push(other),
                Some(Err(failure)) => return self.send(failed(request, &failure)),
                None => return self.send(failed(request, &Failure::bug("see the log"))),
            }
        }
        if places.is_empty() && !features::is_known(&request.method) {
            let message = format!("no request `{}` is known", request.method);
            let response = Response::new_err(id, ErrorCode::MethodNotFound as i32, message);
            return self.send(Message::Response(response));
        }
        if places.is_empty() && request.method != "workspace/symbol" {
            return self.send(failed(request, &Failure::params("the request names no file")));
        }
        self.send(Message::Response(Response::new_ok(id, all)));
    }

    /// Puts a root together for as long as `f` runs; `None` after a panic.
    fn with_root<R>(
        &mut self,
        place: &Place,
        f: impl FnOnce(&mut Worker, &mut Analysis<'_, '_>, &Root) -> R,
    ) -> (Option<R>, bool) {
        let mut program = match self.programs.remove(place) {
            Some(program) => program,
            None => Program::load(place.clone(), &self.open_in(place)),
        };
        let hooks = self.hooks;
        let result = catch_unwind(AssertUnwindSafe(|| {
            let Program { root, session } = &mut program;
            let disk = Disk { place: &root.place, modules: &root.loaded, hooks };
            session.analyze(&disk, |analysis| f(self, analysis, root))
        }));
        match result {
            Ok(result) => {
                self.programs.insert(place.clone(), program);
                (Some(result), true)
            }
            Err(panic) => {
                // What was known may be half of something: all is read again when it is asked for next.
                self.log(&format!("a mistake of the server: {}", said(&*panic)));
                (None, false)
            }
        }
    }

    /// Answers what is asked of a root, and checks it, until something else is to be done.
    fn serve(&mut self, place: Place) {
        let (_, good) =
            self.with_root(&place, |worker, analysis, root| while worker.serve_one(analysis, root) {});
        if !good {
            // It would panic again; the next edit gives it another try.
            self.dirty.remove(&place);
            if let Some(request) = self.queue.peek(|m| match m {
                Some(Message::Request(request)) => Some(request.clone()),
                _ => None,
            }) && self.places(&request).contains(&place)
            {
                self.queue.pop();
                self.send(failed(&request, &Failure::bug("see the log")));
            }
        }
    }

    /// One request or one body; false when the root is to be left.
    fn serve_one(&mut self, analysis: &mut Analysis<'_, '_>, root: &Root) -> bool {
        let head = self.queue.peek(|m| match m {
            Some(Message::Request(request)) => Head::Request(Box::new(request.clone())),
            Some(_) => Head::Note,
            None => Head::Nothing,
        });
        match head {
            Head::Note => false,
            Head::Request(request) => {
                if self.places(&request).as_slice() != [root.place.clone()] {
                    return false;
                }
                self.queue.pop();
                if self.queue.is_cancelled(&request.id) {
                    self.send(cancelled(&request));
                    return true;
                }
                let answer = catch_unwind(AssertUnwindSafe(|| {
                    let mut cx = Cx::new(self, analysis, root);
                    features::answer(&mut cx, &request.method, &request.params)
                }));
                match answer {
                    Ok(Ok(result)) => {
                        self.send(Message::Response(Response::new_ok(request.id.clone(), result)));
                        true
                    }
                    Ok(Err(failure)) => {
                        self.send(failed(&request, &failure));
                        true
                    }
                    Err(panic) => {
                        let text =
                            format!("a mistake of the server in {}: {}", request.method, said(&*panic));
                        self.log(&text);
                        self.send(failed(&request, &Failure::bug(&text)));
                        // The tables may be half filled: they are made anew.
                        false
                    }
                }
            }
            Head::Nothing if self.queue.is_closed() => false,
            Head::Nothing if !self.dirty.contains(&root.place) => {
                self.queue.wait();
                true
            }
            Head::Nothing => {
                if !analysis.step() {
                    self.dirty.remove(&root.place);
                    self.publish(analysis, root);
                }
                true
            }
        }
    }

    // ---- diagnostics ----

    fn publish(&mut self, analysis: &mut Analysis<'_, '_>, root: &Root) {
        let mut found = analysis.diagnostics();
        let by_module = diagnostics::by_module(analysis, &mut found);
        let open: BTreeMap<&str, (&String, Option<i64>)> = self
            .documents
            .iter()
            .filter(|(_, d)| d.place == root.place)
            .map(|(address, d)| (d.module.as_str(), (address, d.version)))
            .collect();
        // Beside a file without a project stand others that have nothing to do with it.
        let shown: BTreeSet<String> = match root.is_project {
            true => root.loaded.clone(),
            false => diagnostics::closures(analysis, open.keys().copied()),
        };
        let cx = Cx::new(self, analysis, root);
        let mut messages = Vec::new();
        let mut with_some = BTreeSet::new();
        for module in &shown {
            let Some(address) =
                open.get(module.as_str()).map(|o| o.0.clone()).or_else(|| root.place.address(module, false))
            else {
                continue;
            };
            let own: Vec<&Diagnostic> = by_module.get(module).map(|d| d.iter().collect()).unwrap_or_default();
            let mut items: Vec<Value> = own.iter().map(|d| diagnostics::to_value(&cx, d)).collect();
            items.extend(diagnostics::of_compiled(&cx, module, &own));
            let version = open.get(module.as_str()).and_then(|o| o.1);
            let is_open = open.contains_key(module.as_str());
            if !items.is_empty() {
                with_some.insert(address.clone());
            }
            let known = self.told.get(&root.place).is_some_and(|t| t.contains(&address));
            if is_open || known || !items.is_empty() {
                let mut params = json!({"uri": address, "diagnostics": items});
                if let Some(version) = version {
                    params["version"] = json!(version);
                }
                messages.push(params);
            }
        }
        let gone = self.told.get(&root.place).cloned().unwrap_or_default();
        let said: BTreeSet<String> =
            messages.iter().filter_map(|m| m["uri"].as_str().map(str::to_string)).collect();
        for address in gone.difference(&said) {
            messages.push(json!({"uri": address, "diagnostics": []}));
        }
        self.told.insert(root.place.clone(), with_some);
        for params in messages {
            self.tell("textDocument/publishDiagnostics", params);
        }
        self.order_whole(analysis, root, &found);
    }

    /// Has open modules without mistakes compiled to the end.
    fn order_whole(&mut self, analysis: &Analysis<'_, '_>, root: &Root, found: &[Diagnostic]) {
        let stamp = self.stamp;
        let key = |module: &String| (root.place.clone(), module.clone());
        let open: Vec<(&String, &String)> = self
            .documents
            .iter()
            .filter(|(_, d)| d.place == root.place && d.place != Place::Library)
            .map(|(address, d)| (address, &d.module))
            .filter(|(_, module)| self.compiled.get(&key(module)).is_none_or(|c| c.stamp != stamp))
            .collect();
        let bad: BTreeSet<u32> = found
            .iter()
            .filter(|d| d.severity == dscript_grammar::diagnostic::Severity::Error)
            .map(|d| d.file.0)
            .collect();
        let modules = &analysis.defs.modules;
        let is_good = |module: &str| modules.iter().all(|m| m.path != module || !bad.contains(&m.file.0));
        let good: Vec<_> = open.into_iter().filter(|(_, module)| is_good(module)).collect();
        if good.is_empty() {
            return;
        }
        let texts = modules.iter().filter(|m| !m.is_std);
        let texts: BTreeMap<String, String> =
            texts.map(|m| (m.path.clone(), analysis.map.get(m.file).text().to_string())).collect();
        let texts = Arc::new(texts);
        let jobs = good.into_iter().map(|(address, module)| Job {
            place: root.place.clone(),
            module: module.clone(),
            address: address.clone(),
            stamp,
            texts: texts.clone(),
            hooks: self.hooks,
        });
        self.whole.order(jobs.collect());
    }

    pub fn hooks(&self) -> Hooks {
        self.hooks
    }

    pub fn version_of(&self, address: &str) -> Option<i64> {
        self.documents.get(address)?.version
    }

    /// The address of a module: as the client has it open, else of its file.
    pub fn address(&self, place: &Place, module: &str, is_std: bool) -> Option<String> {
        let open = self.documents.iter().find(|(_, d)| d.place == *place && d.module == module && !is_std);
        open.map(|(address, _)| address.clone()).or_else(|| place.address(module, is_std))
    }
}

enum Head {
    Note,
    Request(Box<Request>),
    Nothing,
}

fn cancelled(request: &Request) -> Message {
    let text = "the request was taken back";
    Message::Response(Response::new_err(request.id.clone(), ErrorCode::RequestCanceled as i32, text.into()))
}

fn failed(request: &Request, failure: &Failure) -> Message {
    Message::Response(Response::new_err(request.id.clone(), failure.code, failure.message.clone()))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_string()
}
