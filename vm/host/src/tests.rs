//! Commands, subprocesses and DVMStat as the natives use them, on real processes and a pool in memory.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dscript_interp::Host;
use dscript_interp::value::Fault;

use crate::command::{CommandLine, Output, execute};
use crate::dvmstat::{self, Sampling};
use crate::lines::Lines;
use crate::pool::{FindDone, PoolError, PoolQuery, PoolRecord, PoolStats, PoolValue, Pools, PutDone};
use crate::process::{Process, Start};
use crate::state::RunState;

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const MS: i64 = 1_000_000;

struct TestHost(Instant);

impl Host for TestHost {
    fn print(&self, _line: &str) {}
    fn now(&self) -> i64 {
        0
    }
    fn monotonic(&self) -> i64 {
        self.0.elapsed().as_nanos() as i64
    }
    fn sleep_until(&self, monotonic_ns: i64) -> Pin<Box<dyn Future<Output = ()>>> {
        let left = Duration::from_nanos((monotonic_ns - self.monotonic()).max(0) as u64);
        Box::pin(tokio::time::sleep(left))
    }
    fn yield_now(&self) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(tokio::task::yield_now())
    }
}

/// Pool, key, fields.
type Put = (String, String, Vec<(String, PoolValue)>);

/// Keeps what is put; refuses from a given put on.
#[derive(Default)]
struct MemoryPools {
    records: Mutex<Vec<Put>>,
    refuse_open: bool,
    refuse_from: Option<usize>,
}

fn unreachable_pool() -> PoolError {
    PoolError { code: "ECONNREFUSED".into(), message: "nobody there".into() }
}

impl Pools for MemoryPools {
    fn open(&self, _pool: &str) -> Result<(), PoolError> {
        if self.refuse_open { Err(unreachable_pool()) } else { Ok(()) }
    }

    fn put(&self, pool: &str, key: &str, fields: Vec<(String, PoolValue)>, done: PutDone) {
        let mut records = self.records.lock().expect("no panic");
        if self.refuse_from.is_some_and(|from| records.len() >= from) {
            return done(Err(unreachable_pool()));
        }
        records.push((pool.into(), key.into(), fields));
        done(Ok(()));
    }

    fn find(&self, _pool: &str, _query: PoolQuery, done: FindDone) {
        done(Ok(Vec::<PoolRecord>::new()));
    }

    fn stats(&self, _: &str, _: PoolQuery, _: PoolStats, done: FindDone) {
        done(Ok(Vec::new()));
    }
}

fn with_pools<T>(pools: Arc<MemoryPools>, test: impl AsyncFnOnce(Rc<RunState>) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let (trouble, _) = tokio::sync::mpsc::unbounded_channel();
        let state = RunState::new(
            crate::run::NodeFacts::default(),
            pools,
            Rc::new(TestHost(Instant::now())),
            trouble,
            &crate::run::Limits::default(),
        );
        let result = tokio::time::timeout(PATIENCE, test(state.clone())).await.expect("it hangs");
        state.end_processes(false).await;
        result
    })
}

fn with_state<T>(test: impl AsyncFnOnce(Rc<RunState>) -> T) -> T {
    with_pools(Arc::default(), test)
}

fn shell(script: &str) -> CommandLine {
    CommandLine { program: "sh".into(), args: vec!["-c".into(), script.into()], ..CommandLine::default() }
}

fn run(script: &str, input: Option<&str>, timeout_ms: Option<i64>, allow: &[i64]) -> Result<Output, String> {
    let input = input.map(|text| text.as_bytes().to_vec());
    let (allow, timeout) = (allow.to_vec(), timeout_ms.map(|ms| ms * MS));
    with_state(async |state| {
        let result = execute(state, shell(script), input, timeout, allow).await;
        result.map_err(|error| format!("{}: {}", error.code, error.message))
    })
}

async fn start(state: &Rc<RunState>, script: &str, input: Option<&str>) -> Rc<Process> {
    let input = input.map(|text| text.as_bytes().to_vec());
    Process::start(state.clone(), Start { line: shell(script), input, regions: vec![7], ..Start::default() })
        .await
}

fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_command_answers() {
    let output = run("cat; echo oops >&2; exit 3", Some("in\n"), Some(50_000), &[3]).expect("3 is allowed");
    assert_eq!(output, Output { exit_code: 3, stdout: b"in\n".to_vec(), stderr: b"oops\n".to_vec() });
    let output = run("cat", None, None, &[]).expect("standard input is empty");
    assert_eq!(output, Output { exit_code: 0, stdout: Vec::new(), stderr: Vec::new() });
    let much = "x".repeat(3 << 20);
    assert_eq!(run("cat", Some(&much), None, &[]).expect("it answers").stdout, much.as_bytes());
    assert_eq!(run("exit 0", Some(&much), None, &[]).expect("it need not read").stdout, b"");
}

#[test]
fn a_command_fails() {
    assert_eq!(
        run("echo first >&2; echo last >&2; exit 3", None, None, &[4]),
        Err("exit:3: `sh` ended with status 3: first\nlast".into())
    );
    assert_eq!(
        run("kill -KILL $$", None, None, &[9, 137]),
        Err("signal:KILL: `sh` was ended by signal KILL".into())
    );
    with_state(async |state| {
        let line = CommandLine { program: "no-such-program".into(), ..CommandLine::default() };
        let error = execute(state, line, None, None, vec![]).await.expect_err("it cannot start");
        assert_eq!(error.code, "ENOENT");
        assert_eq!(error.fault, [Fault::User, Fault::Software]);
    });
}

/// A file in which scripts leave pids.
struct Pids(std::path::PathBuf);

impl Pids {
    fn new(name: &str) -> Pids {
        Pids(std::env::temp_dir().join(format!("dscript-host-{name}-{}", std::process::id())))
    }

    fn of(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    async fn all_gone(&self, count: usize) {
        assert_eq!(self.of().len(), count);
        while self.of().into_iter().any(lives) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Pids {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_command_past_its_time_is_ended_with_its_group() {
    let check = |name: &str, trap: &str| {
        let pids = Pids::new(name);
        let file = pids.0.display();
        let script =
            format!("{trap} sleep 1000 & echo $! >> {file}; echo $$ >> {file}; wait; sleep 1000; exit 1");
        with_state(async |state| {
            let error = execute(state, shell(&script), None, Some(300 * MS), vec![]).await;
            let error = error.expect_err("it is too slow");
            assert_eq!(
                (error.code.as_str(), error.message.as_str()),
                ("timeout", "`sh` was not done after 300ms")
            );
            pids.all_gone(2).await;
        });
    };
    check("term", "");
    // Who ignores TERM is killed.
    check("kill", "trap '' TERM;");
}

#[test]
fn a_command_that_writes_without_end_is_an_error() {
    assert_eq!(run("exec cat /dev/zero", None, None, &[]), Err("limit: `sh` wrote more than 64 MiB".into()));
}

#[test]
fn a_dropped_command_is_killed() {
    let pids = Pids::new("dropped");
    with_state(async |state| {
        let script = format!("sleep 1000 & echo $! >> {0}; echo $$ >> {0}; wait", pids.0.display());
        let run = execute(state.clone(), shell(&script), None, None, vec![]);
        tokio::select! {
            _ = run => panic!("it has no end"),
            () = async {
                while pids.of().len() < 2 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            } => {}
        }
        pids.all_gone(2).await;
    });
}

#[test]
fn a_subprocess_talks() {
    with_state(async |state| {
        let process = start(&state, "while read x; do echo got $x; done; echo end", None).await;
        assert!(process.is_running() && !process.is_error() && process.pid() > 1);
        let lines = process.lines();
        for word in ["a", "b c"] {
            process.clone().write(format!("{word}\n")).await;
            assert_eq!(lines.next_line().await, Some(format!("got {word}")));
        }
        process.close_input();
        assert_eq!(lines.next_line().await, Some("end".into()));
        assert_eq!(lines.next_line().await, None);
        assert_eq!(process.clone().wait().await, 0);
        assert!(!process.is_running() && !process.is_error() && process.error().is_none());
        process.signal("TERM");
        process.kill_now();
        assert!(!process.is_error());
        process.clone().write("x".into()).await;
        assert_eq!(process.error().expect("it is closed").code, "EPIPE");
    });
}

#[test]
fn a_subprocess_ends_badly() {
    with_state(async |state| {
        let process = start(&state, "echo why >&2; exit 5", Some("")).await;
        assert_eq!(process.clone().wait().await, 5);
        let error = process.error().expect("5 is an error");
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("exit:5", "`sh` ended with status 5: why")
        );

        let process = start(&state, "exec sleep 1000", None).await;
        assert!(!process.clone().wait_for(state.clone(), 10 * MS).await);
        process.signal("SIGTERM");
        assert!(process.clone().wait_for(state.clone(), 50_000 * MS).await);
        assert_eq!(process.clone().wait().await, 143);
        assert_eq!(process.error().expect("it was killed").code, "signal:TERM");

        let process = start(&state, "exec sleep 1000", None).await;
        process.signal("NONE");
        assert_eq!(process.error().expect("no such signal").code, "EINVAL");
        assert!(process.is_running());
        process.clone().kill(state.clone()).await;

        let process = start(&state, "sleep 1000 & echo $!; wait", None).await;
        let child: u32 = process.lines().next_line().await.expect("a line").parse().expect("a pid");
        process.clone().kill(state.clone()).await;
        assert_eq!(process.clone().wait().await, 137);
        assert_eq!(process.error().expect("it was killed").code, "signal:KILL");
        while lives(child) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_subprocess_that_cannot_start_is_a_handle_in_error() {
    with_state(async |state| {
        let line = CommandLine { program: "no-such-program".into(), ..CommandLine::default() };
        let process = Process::start(state.clone(), Start { line, ..Start::default() }).await;
        assert!(process.is_error() && !process.is_running());
        assert_eq!(process.pid(), 0);
        assert_eq!(process.error().expect("it is in error").code, "ENOENT");
        assert_eq!(process.clone().wait().await, 127);
        assert!(process.clone().wait_for(state.clone(), 0).await);
        assert_eq!(process.lines().next_line().await, None);
        process.clone().write("x".into()).await;
        process.signal("TERM");
        assert_eq!(process.error().expect("it is in error").code, "ENOENT");
        process.clone().kill(state.clone()).await;
        assert!(state.running().is_empty());
    });
}

#[test]
fn output_that_nobody_reads_does_not_block_a_wait() {
    with_state(async |state| {
        let process = start(&state, "seq 1 300000; echo much >&2", None).await;
        assert_eq!(process.clone().wait().await, 0);
        assert_eq!(process.lines().next_line().await, Some("1".into()));
        let process = start(&state, "seq 1 300000 >&2; exit 1", None).await;
        process.run_out().await;
        let error = process.error().expect("status 1");
        assert!(error.message.ends_with("299998\n299999\n300000"), "{}", error.message);
    });
}

#[test]
fn a_hundred_thousand_lines() {
    with_state(async |state| {
        let process = start(&state, "seq 1 100000", None).await;
        let lines: Rc<Lines> = process.lines();
        let mut sum = 0u64;
        while let Some(line) = lines.next_line().await {
            sum += line.parse::<u64>().expect("a number");
        }
        assert_eq!(sum, 5_000_050_000);
        assert_eq!(process.clone().wait().await, 0);
    });
}

#[test]
fn a_region_that_is_over_ends_what_it_started() {
    with_state(async |state| {
        let process = start(&state, "exec sleep 1000", None).await;
        state.kill_region(8);
        assert!(process.is_running());
        state.kill_region(7);
        assert_eq!(process.clone().wait().await, 137);
    });
}

#[test]
fn ending_leaves_nothing() {
    with_state(async |state| {
        let process = start(&state, "(setsid sleep 1000 & echo $!) ; exec sleep 1000", None).await;
        let session: u32 = process.lines().next_line().await.expect("a line").parse().expect("a pid");
        assert!(lives(session) && lives(process.pid()));
        state.end_processes(false).await;
        assert!(!lives(session) && !lives(process.pid()));
        // What is started then has a new keeper.
        assert!(!start(&state, "exit 0", None).await.is_error());
    });
}

#[test]
fn many_that_ended_are_forgotten() {
    with_state(async |state| {
        for _ in 0..40 {
            start(&state, "exit 0", None).await.wait().await;
        }
        assert!(state.running().is_empty());
    });
}

fn sampling(interval_s: i64) -> Sampling {
    Sampling { key: "key -name".into(), pool: "memcached".into(), interval_s, regions: vec![] }
}

/// The real vmstat. Where it is missing, the package `procps` has it.
#[test]
fn vmstat_samples_become_records() {
    let pools = Arc::new(MemoryPools::default());
    with_pools(pools.clone(), async |state| {
        let process = dvmstat::start(state.clone(), sampling(1)).await;
        assert!(process.error().is_none(), "install the package procps: {:?}", process.error());
        assert!(!pools.records.lock().expect("no panic").is_empty(), "the first record is there at once");
        while pools.records.lock().expect("no panic").len() < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(process.is_running());
        process.clone().kill(state.clone()).await;
        assert!(process.is_error());
    });
    let records = pools.records.lock().expect("no panic");
    for (pool, key, fields) in records.iter() {
        assert_eq!((pool.as_str(), key.as_str()), ("memcached", "key -name"));
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..6], ["r", "b", "swpd", "free", "buff", "cache"]);
        assert!(fields.iter().all(|(_, value)| matches!(value, PoolValue::Int(_))));
        let free = fields.iter().find(|(name, _)| name == "free").map(|(_, value)| value.clone());
        // Bytes, not KiB: no machine that runs this has less than a MiB free, and pages are whole.
        assert!(
            matches!(free, Some(PoolValue::Int(bytes)) if bytes > 1 << 20 && bytes % 1024 == 0),
            "{free:?}"
        );
    }
}

#[test]
fn vmstat_that_cannot_begin_is_in_error() {
    let check = |pools: MemoryPools, interval_s, code: &str| {
        with_pools(Arc::new(pools), async |state| {
            let process = dvmstat::start(state.clone(), sampling(interval_s)).await;
            assert!(process.is_error());
            assert_eq!(process.error().expect("it is in error").code, code);
            process.clone().kill(state.clone()).await;
            assert!(state.running().is_empty());
        });
    };
    check(MemoryPools::default(), 0, "EINVAL");
    check(MemoryPools::default(), -1, "EINVAL");
    check(MemoryPools::default(), i64::MAX, "EINVAL");
    check(MemoryPools { refuse_open: true, ..MemoryPools::default() }, 1, "ECONNREFUSED");
    check(MemoryPools { refuse_from: Some(0), ..MemoryPools::default() }, 1, "ECONNREFUSED");
}

#[test]
fn vmstat_ends_when_its_pool_fails() {
    with_pools(Arc::new(MemoryPools { refuse_from: Some(1), ..MemoryPools::default() }), async |state| {
        let process = dvmstat::start(state.clone(), sampling(1)).await;
        assert!(process.error().is_none(), "install the package procps: {:?}", process.error());
        process.clone().wait().await;
        assert_eq!(process.error().expect("the second put failed").code, "ECONNREFUSED");
    });
}

#[test]
fn a_sample_of_the_machine() {
    with_state(async |state| {
        let sample = crate::system::vmstat(&state).await.expect("/proc");
        let of = |name: &str| sample.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        let shares: i64 = ["us", "sy", "id", "wa", "st", "gu"].iter().filter_map(|name| of(name)).sum();
        assert!((95..=105).contains(&shares), "{sample:?}");
        assert!(of("free").is_some_and(|free| free > 0));
    });
}
