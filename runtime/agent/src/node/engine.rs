//! The threads that D-Tasks run on: each has one tokio runtime of its own on which many runs wait side by side.
//! A program is loaded and verified once for all of its runs, and what turns out to be hot in any of them is compiled
//! for all.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use dscript_host::run::{self, Refusal, RunEvent, RunOptions, Stop};
use dscript_interp::Program;
use dscript_protocol::message::{Ending, Outcome};
use dscript_protocol::{ImageHash, RunId};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::Shared;
use super::logs::RunPools;
use crate::pools::{Author, wall_now};
use crate::runs::{Event, Start};

/// The engine threads.
pub struct Engines {
    threads: Vec<Engine>,
    stops: HashMap<RunId, Stop>,
}

struct Engine {
    jobs: mpsc::UnboundedSender<Job>,
    busy: Arc<AtomicUsize>,
}

struct Job {
    start: Start,
    image: PathBuf,
    stop: Stop,
}

/// Programs in use, by the hash of their image.
type Programs = Mutex<HashMap<ImageHash, Weak<Program>>>;

impl Engines {
    /// Starts the threads; what happens to runs is sent to `events`.
    pub fn start(shared: Arc<Shared>, events: mpsc::UnboundedSender<Event>) -> Result<Self, String> {
        let programs: Arc<Programs> = Arc::default();
        let mut threads = Vec::new();
        for number in 0..shared.policy.threads {
            let (jobs, incoming) = mpsc::unbounded_channel();
            let busy = Arc::new(AtomicUsize::new(0));
            let context = Context {
                shared: shared.clone(),
                programs: programs.clone(),
                events: events.clone(),
                busy: busy.clone(),
            };
            std::thread::Builder::new()
                .name(format!("engine-{number}"))
                .spawn(move || work(context, incoming))
                .map_err(|why| format!("cannot start a thread: {why}"))?;
            threads.push(Engine { jobs, busy });
        }
        Ok(Self { threads, stops: HashMap::new() })
    }

    pub fn begin(&mut self, start: Start, image: PathBuf) {
        let stop = Stop::new();
        self.stops.insert(start.run, stop.clone());
        if let Some(engine) = self.threads.iter().min_by_key(|engine| engine.busy.load(Ordering::Relaxed)) {
            engine.busy.fetch_add(1, Ordering::Relaxed);
            // The thread lives as long as the process.
            let _ = engine.jobs.send(Job { start, image, stop });
        }
    }

    pub fn stop(&self, run: RunId) {
        if let Some(stop) = self.stops.get(&run) {
            stop.stop();
        }
    }

    /// Forgets a run of which nothing is left.
    pub fn done(&mut self, run: RunId) {
        self.stops.remove(&run);
    }
}

#[derive(Clone)]
struct Context {
    shared: Arc<Shared>,
    programs: Arc<Programs>,
    events: mpsc::UnboundedSender<Event>,
    busy: Arc<AtomicUsize>,
}

fn work(context: Context, mut incoming: mpsc::UnboundedReceiver<Job>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            // Every run that would come here is told.
            while let Some(job) = incoming.blocking_recv() {
                let reason = format!("the engine could not be started: {why}");
                let _ = context.events.send(Event::Refused { run: job.start.run, reason });
            }
            return;
        }
    };
    LocalSet::new().block_on(&runtime, async move {
        while let Some(job) = incoming.recv().await {
            let context = context.clone();
            tokio::task::spawn_local(async move {
                let run = job.start.run;
                let author = author(&context, &job.start);
                let inner = tokio::task::spawn_local(one(context.clone(), job));
                // A panic of the engine takes one run with it, and that run's end is told.
                if inner.await.is_err() {
                    let outcome = Outcome::new(Ending::Lost, "the engine failed (a bug of dsvm)", wall_now());
                    context.shared.logs.result(&author, &outcome, None);
                    let _ = context.events.send(Event::Ended { run, started: None, outcome });
                }
                let _ = context.events.send(Event::Gone { run });
                context.busy.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

/// As whom a run writes log records.
fn author(context: &Context, start: &Start) -> Author {
    Author { node: context.shared.node.name[..].into(), task: start.label[..].into(), run: start.run }
}

/// Runs one D-Task to its end.
async fn one(context: Context, job: Job) {
    let Job { start, image, stop } = job;
    let run = start.run;
    let shared = &context.shared;
    let author = author(&context, &start);
    let refuse = |reason: String| {
        shared.logs.result(&author, &Outcome::new(Ending::Refused, reason.clone(), wall_now()), None);
        let _ = context.events.send(Event::Refused { run, reason });
    };
    let program = match load(&context.programs, start.hash, &image) {
        Ok(program) => program,
        Err(why) => return refuse(why),
    };
    let task = match program.manifest().choose_task(start.task.as_deref()) {
        Ok(index) => program.manifest().tasks[index].name.clone(),
        Err(why) => return refuse(why),
    };
    let sequence = Arc::new(AtomicU64::new(0));
    let print = {
        let (author, sequence, logs) = (author.clone(), sequence.clone(), shared.logs.clone());
        Box::new(move |line: &str| logs.text(&author, sequence.fetch_add(1, Ordering::Relaxed), "line", line))
    };
    let options = RunOptions {
        task: Some(task),
        params: start.params,
        policy: shared.policy.policy.clone(),
        limits: shared.policy.limits.clone(),
        pools: Arc::new(RunPools {
            logs: shared.logs.clone(),
            author: author.clone(),
            sequence: sequence.clone(),
        }),
        node: shared.node.clone(),
        print,
    };
    let told = Rc::new(Cell::new(false));
    let events = {
        let (events, told, logs) = (context.events.clone(), told.clone(), shared.logs.clone());
        let author = author.clone();
        move |event| match event {
            RunEvent::Result(result) => {
                told.set(true);
                let outcome = outcome_of(&result);
                logs.result(&author, &outcome, Some(result.started));
                let _ = events.send(Event::Ended { run, started: Some(result.started), outcome });
            }
            RunEvent::Trouble(why) => {
                logs.text(&author, sequence.fetch_add(1, Ordering::Relaxed), "trouble", &why);
            }
            // Told by whoever spawned this, also after a panic.
            RunEvent::Gone => {}
        }
    };
    if let Err(Refusal(why)) = run::run(program, options, &stop, events).await
        && !told.get()
    {
        refuse(why);
    }
}

fn outcome_of(result: &run::Outcome) -> Outcome {
    let ending = match result.ending {
        run::Ending::Returned if result.value => Ending::True,
        run::Ending::Returned => Ending::False,
        run::Ending::Failed | run::Ending::Trapped => Ending::Failed,
        run::Ending::TimedOut => Ending::TimedOut,
        run::Ending::Stopped => Ending::Stopped,
    };
    let reason = match (&result.reason, ending) {
        (Some(reason), _) => reason.clone(),
        (None, Ending::True) => "the task answered true".into(),
        (None, Ending::False) => "the task answered false".into(),
        (None, ending) => ending.word().into(),
    };
    Outcome::new(ending, reason, result.ended)
}

fn load(programs: &Programs, hash: ImageHash, path: &std::path::Path) -> Result<Arc<Program>, String> {
    // Verifying happens under the lock: runs of one image that come together verify it once.
    let mut programs = programs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(program) = programs.get(&hash).and_then(Weak::upgrade) {
        return Ok(program);
    }
    let bytes =
        std::fs::read(path).map_err(|why| format!("the image could not be read on the node: {why}"))?;
    if ImageHash::of(&bytes) != hash {
        return Err("the image was damaged on the node's disk".into());
    }
    let program = dscript_host::load(&bytes).map_err(|why| why.to_string())?;
    // Machine code in an image that was shipped is not looked at: nothing vouches for it.
    dscript_native::attach_auto(&program, dscript_native::Pace::default());
    programs.retain(|_, program| program.strong_count() > 0);
    programs.insert(hash, Arc::downgrade(&program));
    Ok(program)
}
