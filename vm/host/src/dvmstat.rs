//! `System.startDVMStat`: the machine's vmstat as a subprocess, each sample as a record in a log pool.
//!
//! Steps: check and open; start `vmstat -n INTERVAL` under LC_ALL=C; put every sample, each awaited before the
//! next, so that they are durable in order; come back when the first is. That first line is vmstat's average
//! since boot (its columns of processes and memory are of now); it is kept, because it comes at once.

use std::rc::Rc;
use std::sync::Arc;

use dscript_interp::value::ErrorValue;
use tokio::sync::oneshot;

use crate::command::CommandLine;
use crate::errors;
use crate::lines::Lines;
use crate::pool::{PoolValue, Pools};
use crate::process::{Process, Start};
use crate::state::RunState;
use crate::vmstat::{Sample, Table};

/// vmstat prints its first line at once; one that does not is stuck.
const READY_NS: i64 = 30_000_000_000;
/// vmstat counts the seconds of its interval in 32 bits.
const INTERVAL_MAX: i64 = i32::MAX as i64;

/// What to sample, and where to.
pub struct Sampling {
    pub key: String,
    pub pool: String,
    pub interval_s: i64,
    pub regions: Vec<u64>,
}

/// Comes back when the first sample is durable, or with a handle in error.
pub async fn start(run: Rc<RunState>, sampling: Sampling) -> Rc<Process> {
    let Sampling { key, pool, interval_s, regions } = sampling;
    if !(1..=INTERVAL_MAX).contains(&interval_s) {
        let message = format!("the interval of vmstat is at least 1 second, not {interval_s}");
        return run.in_error("vmstat", errors::error("EINVAL", message));
    }
    if let Err(why) = run.pools.open(&pool) {
        return run.in_error("vmstat", errors::pool(&pool, why));
    }
    let line = CommandLine {
        program: "vmstat".into(),
        args: vec!["-n".into(), interval_s.to_string()],
        env: vec![("LC_ALL".into(), "C".into())],
        ..CommandLine::default()
    };
    let process =
        match Process::try_start(&run, Start { line, input: Some(Vec::new()), regions, ..Start::default() })
            .await
        {
            Ok(process) => process,
            Err(mut error) => {
                if error.code == "ENOENT" {
                    error.message.push_str("; it comes with the package procps");
                }
                return run.in_error("vmstat", error);
            }
        };
    let mut guard = process.guard();
    let (ready, first) = oneshot::channel();
    let sampler = Sampler {
        pools: run.pools.clone(),
        process: process.clone(),
        lines: process.take_lines(),
        key,
        pool,
    };
    tokio::task::spawn_local(sampler.sample(ready));
    tokio::select! {
        biased;
        // Where it ends without a first sample, the sampler has put the handle in error.
        _ = first => {}
        () = run.sleep(READY_NS) => {
            process.fail(errors::error("timeout", "vmstat gave no sample, or it did not become durable, in 30 seconds"));
        }
    }
    guard.0 = None;
    process
}

struct Sampler {
    pools: Arc<dyn Pools>,
    process: Rc<Process>,
    lines: Rc<Lines>,
    key: String,
    pool: String,
}

impl Sampler {
    /// Until vmstat ends or the pool refuses a sample.
    async fn sample(self, ready: oneshot::Sender<()>) {
        let mut ready = Some(ready);
        let mut table = Table::default();
        while let Some(line) = self.lines.next_line().await {
            let Some(sample) = table.line(&line) else { continue };
            match self.put(sample).await {
                Ok(()) => drop(ready.take().map(|ready| ready.send(()))),
                Err(error) => {
                    self.process.fail(error);
                    break;
                }
            }
        }
        // A task that only waits for vmstat to end must see that it did; it may also have closed its output.
        self.process.kill_now();
        if ready.is_some() {
            self.process.clone().wait().await;
            if self.process.error().is_none() {
                self.process.fail(errors::error("EIO", "vmstat ended without a sample"));
            }
        }
        drop(ready);
    }

    async fn put(&self, sample: Sample) -> Result<(), ErrorValue> {
        let fields = sample.into_iter().map(|(name, value)| (name, PoolValue::Int(value))).collect();
        put(&*self.pools, &self.pool, &self.key, fields).await
    }
}

/// Puts a record and waits until it is durable.
pub async fn put(
    pools: &dyn Pools,
    pool: &str,
    key: &str,
    fields: Vec<(String, PoolValue)>,
) -> Result<(), ErrorValue> {
    let (done, wait) = oneshot::channel();
    pools.put(pool, key, fields, Box::new(move |result| drop(done.send(result))));
    match wait.await {
        Ok(result) => result.map_err(|why| errors::pool(pool, why)),
        Err(_) => Err(errors::error("pool", format!("log pool `{pool}` was closed"))),
    }
}
