//! The nodes that send, each of which has one batch under way at a time and makes the next one when that is durable.
//!
//! Nobody waits for anybody else's batch, as in a controller, which has a task for each node; one sender is a fleet of one
//! node. Batches are made on as many threads as there are processors.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::measure::{Span, Times, thread_cpu, timed, times};
use crate::rate;
use crate::work::{BATCH, Work};

/// Says that a batch is durable.
pub type Done = Box<dyn FnOnce() + Send>;

/// Senders that have no batch under way.
#[derive(Default)]
struct Idle {
    senders: Mutex<usize>,
    changed: Condvar,
}

impl Idle {
    fn add(&self) {
        *self.senders.lock().expect("no panic") += 1;
        self.changed.notify_all();
    }

    fn take(&self, wanted: usize) {
        let senders = self.senders.lock().expect("no panic");
        *self.changed.wait_while(senders, |senders| *senders < wanted).expect("no panic") -= wanted;
    }
}

/// In tenths, and what is left to do for what was acknowledged is done by `settle` then. CPU time is without the making
/// of batches; wall time is all of it.
pub fn ingest<Batch>(
    records: u64,
    senders: usize,
    make: impl Fn(&mut Work) -> Batch + Sync,
    send: impl Fn(Batch, Done) + Sync,
    settle: impl FnOnce(),
) -> Value {
    let work = Mutex::new((Work::new(records), 0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(senders);
    let mut tenths = Vec::new();
    for tenth in 1..=10 {
        let last = records / BATCH * tenth / 10;
        let idle = Arc::new(Idle { senders: Mutex::new(senders), ..Idle::default() });
        let span = Span::begin();
        let making = std::thread::scope(|scope| {
            let thread = || {
                let mut making = Duration::ZERO;
                loop {
                    idle.take(1);
                    let batch = {
                        let (work, made) = &mut *work.lock().expect("no panic");
                        if *made == last {
                            idle.add();
                            return making;
                        }
                        *made += 1;
                        let before = thread_cpu();
                        let batch = make(work);
                        making += thread_cpu() - before;
                        batch
                    };
                    let idle = idle.clone();
                    send(batch, Box::new(move || idle.add()));
                }
            };
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(thread)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum::<Duration>()
        });
        idle.take(senders);
        let all = span.times();
        tenths.push(Times { wall: all.wall, cpu: all.cpu - making });
    }
    let settling = timed(settle).1;
    let sum = |of: fn(&Times) -> Duration| tenths.iter().map(of).sum::<Duration>();
    let acknowledged = sum(|times| times.wall);
    let (first, last) = (tenths[0], tenths[tenths.len() - 1]);
    json!({
        "senders": senders,
        "per_cpu_s": rate(records, sum(|times| times.cpu) + settling.cpu),
        "per_wall_s": rate(records, acknowledged + settling.wall),
        "acknowledged_per_wall_s": rate(records, acknowledged),
        "last_tenth_to_first_cpu": first.cpu.as_secs_f64() / last.cpu.as_secs_f64(),
        "last_tenth_to_first_wall": first.wall.as_secs_f64() / last.wall.as_secs_f64(),
        "settling": times(settling),
        "tenths": tenths.iter().copied().map(times).collect::<Vec<_>>(),
    })
}
