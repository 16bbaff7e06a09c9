//! Whole runs: small programs in the engine's assembler, real processes, a pool in memory.

#[path = "../../interp/tests/common/asm.rs"]
#[allow(dead_code)]
mod asm;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asm::Asm;
use dscript_bytecode::image::TaskParam;
use dscript_host::pool::{FindDone, PoolError, PoolQuery, PoolRecord, PoolStats, PoolValue, Pools, PutDone};
use dscript_host::run::{
    Ending, Limits, NodeFacts, OutputLimit, Policy, Refusal, RunEvent, RunOptions, Stop,
};

dscript_host::spawner_before_main!();

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct MemoryPools(Mutex<Vec<PoolRecord>>);

impl Pools for MemoryPools {
    fn open(&self, pool: &str) -> Result<(), PoolError> {
        match pool {
            "closed" => Err(PoolError { code: "ECONNREFUSED".into(), message: "nobody there".into() }),
            _ => Ok(()),
        }
    }
    fn put(&self, _pool: &str, _key: &str, fields: Vec<(String, PoolValue)>, done: PutDone) {
        self.0.lock().expect("no panic").push(PoolRecord { name: Arc::new("r"), fields });
        done(Ok(()));
    }
    fn find(&self, _pool: &str, _query: PoolQuery, done: FindDone) {
        done(Ok(self.0.lock().expect("no panic").clone()));
    }
    fn stats(&self, _: &str, _: PoolQuery, _: PoolStats, done: FindDone) {
        done(Ok(Vec::new()));
    }
}

/// What a run is given besides its program.
#[derive(Default)]
struct Setting {
    params: Vec<(&'static str, &'static str)>,
    deny: Vec<&'static str>,
    time: Option<Duration>,
    output: Option<OutputLimit>,
    /// Stops the run when this many records are in the pool.
    stop_at_records: Option<usize>,
    /// Stops the run when this line is printed.
    stop_at_line: Option<&'static str>,
}

/// What happened, a line each: what was printed, and the events.
fn happened(asm: Asm, setting: Setting) -> Vec<String> {
    let program = dscript_host::load(&asm.build().to_bytes()).unwrap_or_else(|why| panic!("{why}"));
    let lines: Rc<RefCell<Vec<String>>> = Rc::default();
    let pools = Arc::new(MemoryPools::default());
    let stop = Stop::new();
    let print = {
        let (lines, stop) = (lines.clone(), stop.clone());
        Box::new(move |line: &str| {
            lines.borrow_mut().push(line.to_owned());
            if setting.stop_at_line == Some(line) {
                stop.stop();
            }
        })
    };
    let texts = |all: &[&str]| all.iter().map(|text| text.to_string()).collect::<Vec<_>>();
    let options = RunOptions {
        task: None,
        params: setting.params.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        policy: Policy { allow: vec![], deny: texts(&setting.deny), refuse_early: true },
        limits: Limits {
            memory_bytes: 16 << 20,
            frames: 1000,
            time: setting.time,
            output: setting.output,
            ..Limits::default()
        },
        pools: pools.clone(),
        node: NodeFacts::default(),
        print,
    };
    let told = lines.clone();
    let events = |event| {
        told.borrow_mut().push(match event {
            RunEvent::Result(outcome) => {
                assert!(outcome.started <= outcome.ended);
                assert_eq!(outcome.reason.is_none(), outcome.ending == Ending::Returned);
                let reason = outcome.reason.unwrap_or_default();
                format!(
                    "{:?} {} {}",
                    outcome.ending,
                    outcome.value,
                    reason.lines().next().unwrap_or_default()
                )
            }
            RunEvent::Trouble(text) => format!("trouble: {text}"),
            RunEvent::Gone => "gone".into(),
        });
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let watch = async {
        while setting.stop_at_records.is_none_or(|count| pools.0.lock().expect("no panic").len() < count) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.stop();
        std::future::pending::<()>().await;
    };
    let ended = tokio::task::LocalSet::new().block_on(&runtime, async {
        let run = tokio::time::timeout(PATIENCE, dscript_host::run::run(program, options, &stop, events));
        tokio::select! {
            ended = run => ended.expect("it hangs"),
            () = watch => unreachable!("it waits for ever"),
        }
    });
    if let Err(Refusal(why)) = ended {
        lines.borrow_mut().push(format!("refused: {why}"));
    }
    lines.take()
}

fn check(asm: Asm, setting: Setting, expected: &[&str]) {
    let got = happened(asm, setting);
    let got: Vec<&str> = got.iter().map(|line| line.trim_end()).collect();
    assert_eq!(got, expected);
}

/// A program of one task: registers s0 and r0 are its result, true unless changed.
fn program(capabilities: &[&str], locals: &str, body: &str) -> Asm {
    let mut asm = prelude(capabilities);
    main(&mut asm, locals, body);
    asm.task("main", "main");
    asm
}

fn main(asm: &mut Asm, locals: &str, body: &str) {
    let body = format!("bool true s0\nnull r0\n{body}\nreturn [s0 r0]");
    asm.function("main", &format!("=> boolean! | boolean! {locals}"), &body);
}

fn prelude(capabilities: &[&str]) -> Asm {
    let mut asm = Asm::new();
    asm.image.manifest.capabilities = capabilities.iter().map(|text| text.to_string()).collect();
    asm.handle("Subprocess");
    asm.handle("Lines");
    asm.handle("LogPool");
    asm.record("Output", "exitCode:int stdout:Bytes stderr:Bytes");
    asm.record("Sample", "free:int us:double gu:int?");
    asm.native("print", "print", "", "String", "");
    asm.native("sleep", "System.sleep", "", "Duration", "");
    asm.native("hostname", "System.hostname", "", "", "String!");
    asm.native("dvmstat", "System.startDVMStat", "", "String String int", "Subprocess");
    let command = "String List<String> Map<String,String> boolean String? Bytes? Duration? List<int>";
    asm.native("execute", "Command.execute", "", command, "Output!");
    asm.native("spawn", "Command.spawn", "", command, "Subprocess");
    asm.native("isError", "Subprocess.isError", "", "Subprocess", "boolean");
    asm.native("error", "Subprocess.error", "", "Subprocess", "Error?");
    asm.native("kill", "Subprocess.kill", "", "Subprocess", "");
    asm.native("wait", "Subprocess.wait", "", "Subprocess", "int");
    asm.native("lines", "Subprocess.lines", "", "Subprocess", "Lines");
    asm.native("next", "Lines.next", "", "Lines", "String?");
    asm.native("open", "LogPool.open", "", "String", "LogPool!");
    asm.native("put", "LogPool.put", "Sample", "LogPool String Sample", "void!");
    asm.native("find", "LogPool.find", "Sample", "LogPool String", "List<Sample>!");
    asm.native("fiber", "Task.fiber", "", "()->void", "");
    asm.native("map", "Map.new", "String String", "", "Map<String,String>");
    asm
}

const LISTING_1: &str = "const \"key -name\" r1\nconst \"memcached\" r2\nint #1 s1
    call.native $dvmstat [r1 r2 s1] [r3]
    call.native $isError [r3] [s2]
    if.not s2 @end
    const \"in error\" r1
    call.native $print [r1] []
    call.native $kill [r3] []
    end:";
const LISTING_1_LOCALS: &str = "int boolean String String Subprocess";
const LISTING_1_NEEDS: [&str; 2] = ["exec:vmstat", "logpool:write:memcached"];

#[test]
fn listing_1_lives_on_until_it_is_stopped() {
    let setting = Setting { stop_at_records: Some(2), ..Setting::default() };
    let listing = program(&LISTING_1_NEEDS, LISTING_1_LOCALS, LISTING_1);
    check(listing, setting, &["Returned true", "gone"]);
}

#[test]
fn what_is_not_declared_is_denied() {
    let listing = program(&LISTING_1_NEEDS[..1], LISTING_1_LOCALS, LISTING_1);
    let got = happened(listing, Setting::default());
    assert_eq!(got[0], "in error");
    assert!(got[1].starts_with("trouble: subprocess vmstat: denied: "), "{got:?}");
    assert_eq!(got[2..], ["Returned true ", "gone"]);
}

#[test]
fn what_the_policy_denies_is_refused() {
    let listing = program(&LISTING_1_NEEDS, LISTING_1_LOCALS, LISTING_1);
    let setting = Setting { deny: vec!["exec:*"], ..Setting::default() };
    check(listing, setting, &["refused: the program needs what the policy denies: exec:vmstat"]);
}

#[test]
fn bad_interval_and_closed_pool_are_told() {
    let listing = program(&LISTING_1_NEEDS, LISTING_1_LOCALS, &LISTING_1.replace("int #1 s1", "int #0 s1"));
    let why = "trouble: subprocess vmstat: EINVAL: the interval of vmstat is at least 1 second, not 0";
    check(listing, Setting::default(), &["in error", why, "Returned true", "gone"]);

    let listing = program(
        &["exec:vmstat", "logpool:write:*"],
        LISTING_1_LOCALS,
        &LISTING_1.replace("\"memcached\"", "\"closed\""),
    );
    let why = "trouble: subprocess vmstat: ECONNREFUSED: log pool `closed`: nobody there";
    check(listing, Setting::default(), &["in error", why, "Returned true", "gone"]);
}

/// Not a test of its own: what the test below runs in a process without vmstat.
#[test]
fn without_vmstat_on_path() {
    if std::env::var_os("DSCRIPT_HOST_TEST_NO_PATH").is_none() {
        return;
    }
    let listing = program(&LISTING_1_NEEDS, LISTING_1_LOCALS, LISTING_1);
    let why = "trouble: subprocess vmstat: ENOENT: `vmstat` is not in PATH; it comes with the package procps";
    check(listing, Setting::default(), &["in error", why, "Returned true", "gone"]);
}

#[test]
fn no_vmstat_is_an_error_that_names_the_package() {
    let status = std::process::Command::new(std::env::current_exe().expect("our own path"))
        .args(["--exact", "without_vmstat_on_path"])
        .env("PATH", "/none")
        .env("DSCRIPT_HOST_TEST_NO_PATH", "1")
        .status()
        .expect("our own program starts");
    assert!(status.success());
}

#[test]
fn undo_runs_once_something_was_done() {
    let with_undo = |body: &str| {
        let mut asm = prelude(&["system:read"]);
        main(&mut asm, "String! String", body);
        asm.function(
            "undo",
            "=> void! | void! String",
            "null r0\nconst \"undone\" r1\ncall.native $print [r1] []\nreturn [r0]",
        );
        asm.task_with("main", "main", vec![], Some("undo"));
        asm
    };
    let reach = "call.native $hostname [] [r1 r2]\n";
    let boom = "if.not s0 @on\ntrap !assert \"boom\"\non:";
    check(with_undo(boom), Setting::default(), &["Trapped false trap assert: boom", "gone"]);
    check(with_undo(reach), Setting::default(), &["Returned true", "gone"]);
    let expected = ["Trapped false trap assert: boom", "undone", "gone"];
    check(with_undo(&format!("{reach}{boom}")), Setting::default(), &expected);
    // What the body printed leaves `undo` its own room.
    let prints = "const \"printed\" r3\ntop:\ncall.native $print [r3] []\nif s0 @top";
    let output = Some(OutputLimit { bytes: 20, line_bytes: 1 });
    let expected =
        ["printed", "printed", "Trapped false trap output: more than 20 bytes in an hour", "undone", "gone"];
    let setting = Setting { output, ..Setting::default() };
    check(with_undo(&format!("{reach}{prints}")), setting, &expected);
}

#[test]
fn endless_loops_and_sleeps_end_when_told() {
    let endless = || program(&[], "", "top:\nif s0 @top");
    let setting = Setting { time: Some(Duration::from_millis(50)), ..Setting::default() };
    check(endless(), setting, &["TimedOut false timeout: not done after 50ms", "gone"]);
    let sleeps =
        "const \"now\" r1\ncall.native $print [r1] []\nint #100000000000 s1\ncall.native $sleep [s1] []";
    let setting = Setting { stop_at_line: Some("now"), ..Setting::default() };
    check(program(&[], "Duration String", sleeps), setting, &["now", "Stopped false stopped", "gone"]);
    let setting = Setting { stop_at_records: Some(0), ..Setting::default() };
    check(endless(), setting, &["Stopped false stopped", "gone"]);
}

#[test]
fn parameters_are_fitted_or_refused() {
    let with_params = || {
        let mut asm = prelude(&[]);
        let (text, int) = (asm.ty("String"), asm.ty("int"));
        asm.function("ten", "String => int | int", "int #10 s0\nreturn [s0]");
        asm.function(
            "main",
            "String int => boolean! | boolean! String",
            "text.s s0 :int r2\nconcat [r0 r2] r2\ncall.native $print [r2] []\nbool true s1\nnull r1\nreturn [s1 r1]",
        );
        let ten = asm.function_id("ten");
        let params = vec![
            TaskParam { name: "unit".into(), ty: text, default: None },
            TaskParam { name: "floor".into(), ty: int, default: Some(ten) },
        ];
        asm.task_with("main", "main", params, None);
        asm
    };
    let given = |params| Setting { params, ..Setting::default() };
    check(with_params(), given(vec![("unit", "x")]), &["x10", "Returned true", "gone"]);
    check(with_params(), given(vec![("floor", "3"), ("unit", "x")]), &["x3", "Returned true", "gone"]);
    let refused = |params, why: &str| {
        let expected = format!("refused: {why}; it takes: String unit, int floor = ...");
        check(with_params(), given(params), &[expected.as_str()]);
    };
    refused(vec![], "task `main` needs a value for parameter `unit`");
    refused(vec![("roof", "1")], "task `main` has no parameter `roof`");
    refused(vec![("unit", "x"), ("unit", "y")], "parameter `unit` is given twice");
    refused(vec![("unit", "x"), ("floor", "high")], "parameter `floor`, `high`: `high` is not an int");
}

/// Leaves in r1..r8, s3, s4 (no timeout) and r12 (nothing allowed) what `Command.spawn` and `Command.execute` take for `sh -c SCRIPT`.
fn shell(script: &str) -> String {
    format!(
        "const \"sh\" r1\nlist.new :List<String> #2 r2\nconst \"-c\" r7\nlist.add.r r2 r7
        const \"{script}\" r7\nlist.add.r r2 r7\ncall.native $map [] [r3]\nbool false s1\nnull r4\nnull r5\n
        bool false s3\nint #0 s4\nlist.new :List<int> #1 r12\n"
    )
}

const SHELL_LOCALS: &str = "boolean int Duration? String List<String> Map<String,String> String? Bytes? Subprocess String Lines String? Output! List<int> Output";

#[test]
fn commands_answer_and_fail() {
    // s2: int; r10 r11: Output!
    let run = "int #3 s2\nlist.add.s r12 s2
        call.native $execute [r1 r2 r3 s1 r4 r5 s3 s4 r12] [r10 r11]
        if.some r11 @failed
        unwrap r10 r13\nget.s r13 .0 s2\ntext.s s2 :int r7\ncall.native $print [r7] []\njump @end
        failed:\nmove.r r11 r0\nend:";
    let body = |script: &str| program(&["exec:sh"], SHELL_LOCALS, &format!("{}{run}", shell(script)));
    check(body("exit 3"), Setting::default(), &["3", "Returned true", "gone"]);
    check(
        body("echo oh >&2; exit 4"),
        Setting::default(),
        &["Failed false error exit:4: `sh` ended with status 4: oh", "gone"],
    );
}

#[test]
fn lines_are_walked_and_the_task_lives_as_long_as_its_subprocess() {
    let walk = "call.native $spawn [r1 r2 r3 s1 r4 r5 s3 s4 r12] [r6]\ncall.native $lines [r6] [r8]
        top:\ncall.native $next [r8] [r9]\nif.null r9 @end\nunwrap r9 r7\ncall.native $print [r7] []\njump @top
        end:";
    let asm = program(
        &["exec:sh"],
        SHELL_LOCALS,
        &format!("{}{walk}", shell("echo a; echo b; exec >&-; sleep 0.3; exit 1")),
    );
    let trouble = "trouble: subprocess sh: exit:1: `sh` ended with status 1";
    check(asm, Setting::default(), &["a", "b", "Returned true", trouble, "gone"]);
}

#[test]
fn callbacks_go_on_after_the_body() {
    let mut asm = prelude(&["exec:sh"]);
    let each = asm.closure("Each", "()->void", "Lines");
    asm.function(
        "each",
        "Each => | Lines String? String",
        "get.r r0 .0 r1\ntop:\ncall.native $next [r1] [r2]\nif.null r2 @end\nunwrap r2 r3\ncall.native $print [r3] []
        jump @top\nend:\nreturn []",
    );
    asm.set_code(each, "each");
    let body = "call.native $spawn [r1 r2 r3 s1 r4 r5 s3 s4 r12] [r6]\ncall.native $lines [r6] [r8]
        new :Each [r8] r14\ncall.native $fiber [r14] []";
    main(&mut asm, &format!("{SHELL_LOCALS} ()->void"), &format!("{}{body}", shell("read x; echo never")));
    asm.task("main", "main");
    // The program waits for input that the callback might write; stopping ends all.
    let setting = Setting { stop_at_records: Some(0), ..Setting::default() };
    let got = happened(asm, setting);
    assert!(got.last().is_some_and(|last| last == "gone"), "{got:?}");

    let mut asm = prelude(&["exec:sh"]);
    let each = asm.closure("Each", "()->void", "Lines");
    asm.function(
        "each",
        "Each => | Lines String? String",
        "get.r r0 .0 r1\ntop:\ncall.native $next [r1] [r2]\nif.null r2 @end\nunwrap r2 r3\ncall.native $print [r3] []
        jump @top\nend:\ntrap !assert \"after the last\"",
    );
    asm.set_code(each, "each");
    main(
        &mut asm,
        &format!("{SHELL_LOCALS} ()->void"),
        &format!("{}{body}", shell("sleep 0.2; echo late; exec >&-; sleep 1000")),
    );
    asm.task("main", "main");
    let got = happened(asm, Setting::default());
    assert_eq!(got[..2], ["Returned true ", "late"]);
    assert!(got[2].starts_with("trouble: trap assert: after the last"), "{got:?}");
    assert_eq!(got[3..], ["gone"]);
}

#[test]
fn a_limit_kills_what_was_started_within() {
    // s2: int
    let body = "int #300000000 s2\nlimit.enter s2 @late
        call.native $spawn [r1 r2 r3 s1 r4 r5 s3 s4 r12] [r6]\ncall.native $lines [r6] [r8]
        call.native $next [r8] [r9]\nlimit.leave\njump @end
        late:\nconst \"late\" r7\ncall.native $print [r7] []\nend:";
    let asm = program(&["exec:sh"], SHELL_LOCALS, &format!("{}{body}", shell("sleep 1000")));
    let got = happened(asm, Setting::default());
    assert_eq!(got.first().map(String::as_str), Some("late"));
    assert_eq!(got.last().map(String::as_str), Some("gone"));
}

#[test]
fn records_go_out_and_come_back() {
    // s1: int; s2: double; s3 s4: int?
    let body = "const \"p\" r1\ncall.native $open [r1] [r2 r3]\nunwrap r2 r4
        int #5 s1\ndouble %0.5 s2\nbool false s3\nint #0 s4\nnew :Sample [s1 s2 s3 s4] r5
        call.native $put [r4 r1 r5] [r3]\ncall.native $find [r4 r1] [r6 r7]\nunwrap r6 r8
        int #0 s1\nlist.get.r r8 s1 r5\ntext.r r5 :Sample r1\ncall.native $print [r1] []";
    let locals = "int double int? String LogPool! LogPool Sample List<Sample>! List<Sample>";
    let asm = program(&["logpool:write:p", "logpool:read:p"], locals, body);
    let got = happened(asm, Setting::default());
    assert_eq!(got[0], "Sample(free: 5, us: 0.5, gu: null)");
    // Reading needs a capability of its own: the list is null.
    let asm = program(&["logpool:write:p"], locals, body);
    let got = happened(asm, Setting::default());
    assert!(got[0].starts_with("Trapped false trap internal"), "{got:?}");
}

#[test]
fn a_dropped_run_leaves_nothing() {
    let body = "call.native $spawn [r1 r2 r3 s1 r4 r5 s3 s4 r12] [r6]\ncall.native $lines [r6] [r8]
        call.native $next [r8] [r9]\nunwrap r9 r7\ncall.native $print [r7] []\ncall.native $wait [r6] [s2]";
    let asm = program(&["exec:sh"], SHELL_LOCALS, &format!("{}{body}", shell("echo $$; exec sleep 1000")));
    let program = dscript_host::load(&asm.build().to_bytes()).expect("it verifies");
    let pid: Rc<RefCell<Option<String>>> = Rc::default();
    let printed = pid.clone();
    let options = RunOptions {
        task: None,
        params: vec![],
        policy: Policy { allow: vec![], deny: vec![], refuse_early: true },
        limits: Limits { memory_bytes: 16 << 20, frames: 1000, ..Limits::default() },
        pools: Arc::new(MemoryPools::default()),
        node: NodeFacts::default(),
        print: Box::new(move |line| *printed.borrow_mut() = Some(line.to_owned())),
    };
    let gone = |pid: &str| match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let test = async {
        let stop = Stop::new();
        tokio::select! {
            _ = dscript_host::run::run(program, options, &stop, |_| ()) => panic!("it has no end"),
            () = async {
                while pid.borrow().is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            } => {}
        }
        let pid = pid.take().expect("it was printed");
        while !gone(&pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = async { tokio::time::timeout(PATIENCE, test).await.expect("it lives on") };
    tokio::task::LocalSet::new().block_on(&runtime, in_time);
}
