//! The actor around the controller's mind: it brings mail to `crate::fleet`, makes what was decided durable, and
//! carries it out, in that order. What came together is made durable together. It decides nothing itself.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dscript_protocol::folder::{controller_folder, make_private, write_private};
use dscript_protocol::ids::random_bytes;
use dscript_protocol::journal::Journal;
use dscript_protocol::message::ToOperator;
use dscript_protocol::signals::{SIGHUP, is_ignored};
use dscript_protocol::{ImageHash, Secret};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use super::connection::{Hall, Mail, Outgoing, serve as serve_connection};
use super::logs::Logs;
use crate::fleet::{Connection, Durable, Effect, Entry, Event, Fleet, Now, Request, Step};

const JOURNAL_KIND: [u8; 4] = *b"ctrl";
const JOURNAL_BYTES_MAX: u64 = 16 << 20;
const TICK: Duration = Duration::from_secs(1);
const CONNECTIONS_MAX: usize = 20_000;
/// Mail that waits for the core; connections wait when there is more.
const MAIL_MAX: usize = 1024;
/// Mail whose decisions are made durable together.
const TOGETHER_MAX: usize = 256;
const INTERRUPTED: i32 = 130;

struct Core {
    fleet: Fleet,
    journal: Journal,
    images: PathBuf,
    born: Instant,
    nodes: HashMap<Connection, mpsc::UnboundedSender<Outgoing>>,
    operators: HashMap<Request, mpsc::UnboundedSender<ToOperator>>,
}

/// Serves until it is told to end; gives the exit status. `ready` is called when nodes can connect.
pub async fn serve(
    data: &Path,
    logs: Logs,
    listener: TcpListener,
    operator: Secret,
    lost_after: Duration,
    ready: impl FnOnce(),
) -> Result<i32, String> {
    let folder = controller_folder(data);
    let images = folder.join("images");
    make_private(&images).map_err(|why| format!("cannot make {}: {why}", images.display()))?;
    let (journal, entries) = Journal::open::<Entry>(&folder.join("journal"), JOURNAL_KIND)
        .map_err(|why| format!("the journal: {why}"))?;
    let seed = random_bytes().map_err(|why| format!("the kernel gives no random numbers: {why}"))?;
    let born = Instant::now();
    let now = Now { wall: wall_now(), mono_ms: 0 };
    let lost_ms = u64::try_from(lost_after.as_millis()).unwrap_or(u64::MAX);
    let fleet = Fleet::new(Durable::replay(entries), seed, now, lost_ms);
    let mut core = Core { fleet, journal, images, born, nodes: HashMap::new(), operators: HashMap::new() };
    core.sweep_images();
    let (sender, mut mail) = mpsc::channel(MAIL_MAX);
    let hall = Hall { core: sender, logs, operator: operator.hash() };
    let mut interrupts = signal(SignalKind::interrupt()).map_err(|why| format!("signals: {why}"))?;
    let mut terminations = signal(SignalKind::terminate()).map_err(|why| format!("signals: {why}"))?;
    // The terminal is gone, or an init script asks to begin anew: whoever starts it again finds all as it was.
    let mut hangups = match is_ignored(SIGHUP) {
        true => None,
        false => Some(signal(SignalKind::hangup()).map_err(|why| format!("signals: {why}"))?),
    };
    let mut hangup = async || match &mut hangups {
        Some(hangups) => drop(hangups.recv().await),
        None => std::future::pending().await,
    };
    tokio::spawn(accept(listener, hall));
    ready();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut steps = Vec::new();
        tokio::select! {
            first = mail.recv() => {
                let Some(first) = first else { return Err("all connections' tasks ended".into()) };
                steps.push(core.take(first));
                while steps.len() < TOGETHER_MAX && let Ok(next) = mail.try_recv() {
                    steps.push(core.take(next));
                }
            }
            _ = ticks.tick() => steps.push(core.fleet.step(core.now(), Event::Tick)),
            _ = interrupts.recv() => return Ok(INTERRUPTED),
            _ = terminations.recv() => return Ok(0),
            () = hangup() => return Ok(0),
        }
        core.carry_out(steps)?;
    }
}

async fn accept(listener: TcpListener, hall: Hall) {
    let mut number = 0;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // One more than that waits in the kernel until another has gone.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                number += 1;
                let hall = hall.clone();
                tokio::spawn(async move {
                    serve_connection(hall, stream, number).await;
                    drop(place);
                });
            }
            Err(why) => {
                // Such as no more file descriptors: it may get better.
                eprintln!("dsctl: a connection could not be taken: {why}");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

pub(super) fn wall_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

impl Core {
    fn now(&self) -> Now {
        Now { wall: wall_now(), mono_ms: self.born.elapsed().as_millis() as u64 }
    }

    fn take(&mut self, mail: Mail) -> Step {
        let event = match mail {
            Mail::NodeHello { connection, hello, outbox } => {
                self.nodes.insert(connection, outbox);
                Event::NodeHello { connection, hello }
            }
            Mail::NodeSaid { connection, message } => Event::NodeSaid { connection, message },
            Mail::ConnectionLost { connection } => {
                self.nodes.remove(&connection);
                Event::ConnectionLost { connection }
            }
            Mail::Asked { request, message, answers } => {
                self.operators.insert(request, answers);
                Event::Asked { request, message }
            }
            Mail::AskerGone { request } => {
                self.operators.remove(&request);
                Event::AskerGone { request }
            }
        };
        self.fleet.step(self.now(), event)
    }

    /// Makes steps durable, then does what they say. An error here ends the controller: what it decided is not
    /// known to be on disk, so it must not act on it; a restart reads what is.
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
            self.act(effect);
        }
        if self.journal.bytes() > JOURNAL_BYTES_MAX {
            self.fleet.prune();
            let snapshot = Entry::Snapshot(self.fleet.durable().clone());
            self.journal.compact(&snapshot).map_err(|why| format!("the journal: {why}"))?;
            self.sweep_images();
        }
        Ok(())
    }

    fn act(&mut self, effect: Effect) {
        let (connection, outgoing) = match effect {
            Effect::Greet { connection, greeting } => (connection, Outgoing::Greet(greeting)),
            Effect::Send { connection, message } => (connection, Outgoing::Send(message)),
            Effect::Ship { connection, shipment } => {
                let image = self.image(&shipment.hash);
                (connection, Outgoing::Ship(shipment, image))
            }
            Effect::Close { connection } => (connection, Outgoing::Close),
            Effect::Answer { request, message } => {
                if let Some(answers) = self.operators.get(&request) {
                    let _ = answers.send(message);
                }
                return;
            }
        };
        if let Some(outbox) = self.nodes.get(&connection) {
            let _ = outbox.send(outgoing);
        }
    }

    fn image(&self, hash: &ImageHash) -> PathBuf {
        self.images.join(format!("{hash}.dsb"))
    }

    /// Images that nobody has to be sent any more.
    fn sweep_images(&self) {
        let needed = self.fleet.durable().images_needed();
        let needed: Vec<PathBuf> = needed.iter().map(|hash| self.image(hash)).collect();
        for entry in std::fs::read_dir(&self.images).into_iter().flatten().flatten() {
            if !needed.contains(&entry.path()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}
