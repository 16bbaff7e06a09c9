//! Compiles a module to the end on a thread of its own, once nothing was typed for a while: what only lowering says.

use crate::Hooks;
use crate::features::Cx;
use crate::queue::Queue;
use crate::roots::{Disk, Place};
use dscript_bytecode::image::{Image, Script};
use dscript_compiler::{Goal, Library, ScriptProblem, Sources};
use dscript_grammar::SourceMap;
use dscript_grammar::codes;
use dscript_grammar::diagnostic::{Diagnostic, Severity};
use dscript_grammar::span::FileId;
use lsp_server::{Message, Notification};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// How long nothing must have been typed.
const QUIET: Duration = Duration::from_millis(300);

/// Tells the worker that something is there for it.
pub const READY: &str = "$/dscript/compiled";

pub struct Job {
    pub place: Place,
    pub module: String,
    pub address: String,
    /// Of the root when this was ordered; what was found of another state is thrown away.
    pub stamp: u64,
    pub texts: Arc<BTreeMap<String, String>>,
    pub hooks: Hooks,
}

pub struct Done {
    pub place: Place,
    pub module: String,
    pub stamp: u64,
    pub diagnostics: Vec<Diagnostic>,
    pub map: SourceMap,
    /// The module's own, in `map`.
    pub file: FileId,
    pub image: Option<Image>,
}

/// The way to the thread.
#[derive(Clone)]
pub struct Whole {
    orders: mpsc::Sender<Vec<Job>>,
    done: Arc<Mutex<Vec<Done>>>,
}

impl Whole {
    /// Orders modules to be compiled, in place of what was ordered before.
    pub fn order(&self, jobs: Vec<Job>) {
        // Without the thread there is nothing but what the front end says.
        let _ = self.orders.send(jobs);
    }

    pub fn take(&self) -> Vec<Done> {
        std::mem::take(&mut *self.done.lock().unwrap_or_else(|p| p.into_inner()))
    }
}

pub fn start(queue: Arc<Queue>, stack_bytes: usize) -> Whole {
    let (orders, incoming) = mpsc::channel::<Vec<Job>>();
    let done: Arc<Mutex<Vec<Done>>> = Arc::default();
    let results = done.clone();
    let body = move || {
        while let Ok(mut jobs) = incoming.recv() {
            loop {
                match incoming.recv_timeout(QUIET) {
                    Ok(newer) => jobs = newer,
                    Err(mpsc::RecvTimeoutError::Timeout) => break,
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                }
            }
            for job in &jobs {
                // A panic costs what this one would have said.
                let Ok(found) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(job))) else {
                    continue;
                };
                results.lock().unwrap_or_else(|p| p.into_inner()).push(found);
                queue.push(Message::Notification(Notification::new(READY.into(), Value::Null)));
            }
        }
    };
    // A process that cannot start one more thread goes on without it.
    let _ = thread::Builder::new().name("whole".into()).stack_size(stack_bytes).spawn(body);
    Whole { orders, done }
}

/// Compiles a module as it is now; where it has mistakes, the first of them.
pub fn now(cx: &Cx<'_, '_, '_>, module: &str) -> Result<Image, String> {
    let modules = cx.a.defs.modules.iter().filter(|m| !m.is_std);
    let texts: BTreeMap<String, String> =
        modules.map(|m| (m.path.clone(), cx.a.map.get(m.file).text().to_string())).collect();
    let job = Job {
        place: cx.root.place.clone(),
        module: module.to_string(),
        address: module.to_string(),
        stamp: 0,
        texts: Arc::new(texts),
        hooks: cx.worker.hooks(),
    };
    let done = run(&job);
    let first = done.diagnostics.iter().find(|d| d.severity == Severity::Error);
    match (done.image, first) {
        (Some(image), _) => Ok(image),
        (None, Some(first)) => Err(first.message.clone()),
        (None, None) => Err("there is nothing to run in this file".into()),
    }
}

static LIBRARY: LazyLock<Library> = LazyLock::new(Library::default);

fn run(job: &Job) -> Done {
    let text = job.texts.get(&job.module).map_or("", String::as_str);
    let modules: BTreeSet<String> = job.texts.keys().cloned().collect();
    let disk = Disk { place: &job.place, modules: &modules, hooks: job.hooks };
    let sources = Texts { disk, texts: &job.texts };
    let result = LIBRARY.compile(&job.module, &job.address, text.as_bytes(), &sources, Goal::Image);
    let mut diagnostics = result.diagnostics;
    diagnostics.retain(|d| d.code != codes::NO_TASK);
    Done {
        place: job.place.clone(),
        module: job.module.clone(),
        stamp: job.stamp,
        diagnostics,
        map: result.map,
        file: result.root,
        image: result.image,
    }
}

struct Texts<'t> {
    disk: Disk<'t>,
    texts: &'t BTreeMap<String, String>,
}

impl Sources for Texts<'_> {
    fn read(&self, path: &str) -> Option<(String, Vec<u8>)> {
        let module = path.strip_suffix(".ds")?.replace('/', ".");
        Some((module.clone(), self.texts.get(&module)?.clone().into_bytes()))
    }

    fn script(&self, module: &str, name: &str) -> Result<Script, ScriptProblem> {
        self.disk.script(module, name)
    }
}
