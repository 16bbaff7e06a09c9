//! The actor around the node's mind: it brings mail to `crate::runs`, makes what was decided durable, and carries
//! it out, in that order. It decides nothing itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ends::Ends;
use dscript_host::run::NodeFacts;
use dscript_protocol::folder::{make_private, sync_folder_of, write_private};
use dscript_protocol::journal::Journal;
use dscript_protocol::message::{FromNode, ToNode};
use dscript_protocol::{ImageHash, RunId};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::engine::Engines;
use super::link::{LinkMail, Outbox, keep};
use super::logs::NodeLogs;
use super::upload::upload;
use super::{Setup, Shared};
use crate::pools::{Author, wall_now};
use crate::runs::{Durable, Effect, Entry, Event, Now, Runs, Step};

const JOURNAL_KIND: [u8; 4] = *b"node";
const JOURNAL_BYTES_MAX: u64 = 4 << 20;
const TICK: Duration = Duration::from_secs(1);
const SETTLE_EVERY: Duration = Duration::from_secs(10);
/// Mail from the connection that waits for the core.
const MAIL_MAX: usize = 64;
/// Events of engines whose decisions are made durable together.
const TOGETHER_MAX: usize = 256;
/// When told to end: for runs to end, and then for their reports to leave.
const ENDING_MAX: Duration = Duration::from_secs(5);
const INTERRUPTED: i32 = 130;

struct Core {
    runs: Runs,
    journal: Journal,
    images: PathBuf,
    engines: Engines,
    shared: Arc<Shared>,
    outbox: watch::Sender<Option<Outbox>>,
    acks: mpsc::UnboundedSender<u64>,
    born: Instant,
    up: bool,
    last_trouble: String,
}

/// Is a node until it is told to end or cannot go on; gives the exit status.
pub async fn serve(setup: Setup) -> Result<i32, String> {
    let Setup { controller, folder, hello, policy, routes, _lock } = setup;
    let mut interrupts = signal(SignalKind::interrupt()).map_err(|why| format!("signals: {why}"))?;
    let mut terminations = Ends::watch().map_err(|why| format!("signals: {why}"))?;
    let images = folder.join("images");
    make_private(&images).map_err(|why| format!("cannot make {}: {why}", images.display()))?;
    let (journal, entries) = Journal::open::<Entry>(&folder.join("journal"), JOURNAL_KIND)
        .map_err(|why| format!("the journal: {why}"))?;
    let logs = NodeLogs::open(&folder, routes).map_err(|why| why.to_string())?;
    let node = NodeFacts { name: hello.name.clone(), labels: hello.labels.clone() };
    let shared = Arc::new(Shared { node, policy, logs: logs.clone() });
    let (engine_events, mut from_engines) = mpsc::unbounded_channel();
    let engines = Engines::start(shared.clone(), engine_events)?;
    let (outbox, outbox_seen) = watch::channel(None);
    let (acks, acks_seen) = mpsc::unbounded_channel();
    let born = Instant::now();
    let now = Now { wall: wall_now(), mono_ms: 0 };
    let (runs, step) = Runs::wake(Durable::replay(entries), now);
    let mut core = Core {
        runs,
        journal,
        images,
        engines,
        shared,
        outbox,
        acks,
        born,
        up: false,
        last_trouble: String::new(),
    };
    core.sweep_images();
    core.carry_out(vec![step])?;

    let (link, mut from_link) = mpsc::channel(MAIL_MAX);
    let name = hello.name.clone();
    eprintln!("dsvm: node {name} is looking for its controller at {controller}");
    tokio::spawn(keep(controller, hello, link));
    tokio::spawn(upload(logs.clone(), outbox_seen, acks_seen));
    tokio::spawn(settle_now_and_then(logs));
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);

    let mut ending: Option<(i32, Instant)> = None;
    loop {
        let event = tokio::select! {
            Some(event) = from_engines.recv() => {
                // What the engines said meanwhile is made durable together.
                let more = std::iter::from_fn(|| from_engines.try_recv().ok());
                let events: Vec<Event> = std::iter::once(event).chain(more.take(TOGETHER_MAX - 1)).collect();
                core.handle(events)?;
                None
            }
            mail = from_link.recv() => match mail {
                Some(LinkMail::Up(outbox)) => Some(core.link_up(outbox)),
                Some(LinkMail::Said(message)) => core.link_said(message),
                Some(LinkMail::Down { why }) => Some(core.link_down(why)),
                Some(LinkMail::Refused { why }) => return Err(why),
                None => return Err("the connection's task ended".into()),
            },
            _ = ticks.tick() => Some(Event::Tick),
            _ = interrupts.recv() => { end(&mut ending, INTERRUPTED); Some(Event::ShutDown) }
            () = terminations.recv() => { end(&mut ending, 0); Some(Event::ShutDown) }
        };
        if let Some(event) = event {
            core.handle(vec![event])?;
        }
        if let Some((code, since)) = ending
            && (since.elapsed() > ENDING_MAX || core.runs.nothing_lives())
        {
            // The last reports are with the writer of the connection: a moment to leave.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return Ok(code);
        }
    }
}

/// A second signal does not wait.
fn end(ending: &mut Option<(i32, Instant)>, code: i32) {
    if ending.is_some() {
        std::process::exit(code);
    }
    *ending = Some((code, Instant::now()));
}

async fn settle_now_and_then(logs: Arc<NodeLogs>) {
    loop {
        tokio::time::sleep(SETTLE_EVERY).await;
        let logs = logs.clone();
        if let Ok(Err(why)) = tokio::task::spawn_blocking(move || logs.settle()).await {
            eprintln!("dsvm: the LogPool: {why}");
        }
    }
}

impl Core {
    fn now(&self) -> Now {
        Now { wall: wall_now(), mono_ms: self.born.elapsed().as_millis() as u64 }
    }

    fn link_up(&mut self, outbox: Outbox) -> Event {
        self.outbox.send_replace(Some(outbox));
        self.up = true;
        self.last_trouble.clear();
        eprintln!("dsvm: connected");
        Event::Connected
    }

    fn link_down(&mut self, why: String) -> Event {
        self.outbox.send_replace(None);
        if std::mem::replace(&mut self.up, false) || self.last_trouble != why {
            eprintln!("dsvm: not connected, will try again: {why}");
            self.last_trouble = why;
        }
        Event::Disconnected
    }

    fn link_said(&mut self, message: ToNode) -> Option<Event> {
        match message {
            ToNode::LogAck { batch } => {
                let _ = self.acks.send(batch);
                None
            }
            ToNode::Pong => None,
            message => Some(Event::Said(message)),
        }
    }

    fn handle(&mut self, events: Vec<Event>) -> Result<(), String> {
        let now = self.now();
        let gone: Vec<RunId> = events
            .iter()
            .filter_map(|event| if let Event::Gone { run } = event { Some(*run) } else { None })
            .collect();
        let steps: Vec<Step> = events.into_iter().map(|event| self.runs.step(now, event)).collect();
        self.carry_out(steps)?;
        gone.into_iter().for_each(|run| self.engines.done(run));
        if self.journal.bytes() > JOURNAL_BYTES_MAX {
            let snapshot = Entry::Snapshot(self.runs.durable().clone());
            self.journal.compact(&snapshot).map_err(|why| format!("the journal: {why}"))?;
        }
        Ok(())
    }

    /// Makes steps durable, then does what they say. An error here ends the node: what it decided is not known
    /// to be on disk, so it must not act on it; a restart reads what is.
    fn carry_out(&mut self, steps: Vec<Step>) -> Result<(), String> {
        for (hash, image) in steps.iter().flat_map(|step| &step.images) {
            let path = self.image(hash);
            if !path.exists() {
                write_private(&path, image)
                    .map_err(|why| format!("cannot write {}: {why}", path.display()))?;
            }
        }
        self.journal
            .append(steps.iter().flat_map(|step| &step.entries))
            .map_err(|why| format!("the journal: {why}"))?;
        for effect in steps.into_iter().flat_map(|step| step.effects) {
            match effect {
                Effect::Start(start) => {
                    let image = self.image(&start.hash);
                    self.engines.begin(start, image);
                }
                Effect::Stop { run } => self.engines.stop(run),
                Effect::Send(message) => self.send(message),
                Effect::DropImage { hash } => {
                    let _ = std::fs::remove_file(self.image(&hash));
                }
                Effect::Note { run, label, outcome } => {
                    let author = Author { node: self.shared.node.name[..].into(), task: label.into(), run };
                    self.shared.logs.result(&author, &outcome, None);
                }
            }
        }
        Ok(())
    }

    fn send(&self, message: FromNode) {
        if let Some(outbox) = &*self.outbox.borrow() {
            let _ = outbox.control.send(message);
        }
    }

    fn image(&self, hash: &ImageHash) -> PathBuf {
        self.images.join(format!("{hash}.dsb"))
    }

    /// Images that no run needs any more, left by a node that was killed.
    fn sweep_images(&self) {
        let needed: Vec<PathBuf> =
            self.runs.durable().images_needed().iter().map(|hash| self.image(hash)).collect();
        for entry in std::fs::read_dir(&self.images).into_iter().flatten().flatten() {
            if !needed.contains(&entry.path()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let _ = sync_folder_of(&self.images.join("x"));
    }
}
