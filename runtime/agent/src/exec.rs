//! `dsvm exec`: runs one D-Task of a program here, and stays while the task lives on.
//!
//! Starts nothing that the program does not use: one thread, no database, no file of its own. Standard output is
//! buffered and written whenever the program waits or ends, and line by line on a terminal.

use std::cell::RefCell;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::ends::Ends;
use clap::{Args, ValueEnum};
use dscript_bytecode::capability::Capability;
use dscript_host::run::{
    Ending, Limits, NodeFacts, Outcome, OutputLimit, Policy, RunEvent, RunOptions, Stop, run,
};
use dscript_interp::Program;
use dscript_logpool::RunId;
use dscript_native::Pace;
use dscript_protocol::folder::data_folder;
use dscript_protocol::hello::NodeHello;
use dscript_protocol::units;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::pools::{Author, ExecPools, Routes};

const INTERRUPTED: i32 = 130;
const OUTPUT_BUFFER_BYTES: usize = 64 << 10;

#[derive(Args)]
#[command(after_help = "Exit status: 0 the task answered true; 1 false, failed, trapped or stopped; \
    2 it could not be run; 130 interrupted.\n\nExamples:\n  \
    dsvm exec hello.dsb\n  \
    dsvm exec disk.dsb --task Check --set path=/var --set limit=90\n  \
    dsvm exec listing1.dsb --for 5s --data ./data    let it live on for five seconds\n  \
    dsvm exec probe.dsb --deny 'exec:*'              it may start no process\n  \
    dsvm exec probe.dsb --memory 64MiB --output 1MiB --subprocesses 4\n  \
                                                     it may take no more")]
pub struct ExecArgs {
    /// The program, as `dsc compile` made it
    file: PathBuf,
    #[command(flatten)]
    options: ExecOptions,
}

/// What a program made by `dsc compile --standalone` takes.
#[derive(clap::Parser)]
#[command(about = "A D-Script program with its VM")]
pub struct EmbeddedArgs {
    #[command(flatten)]
    options: ExecOptions,
}

#[derive(Args)]
struct ExecOptions {
    /// The D-Task to run; else the script, else the only task
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// A parameter of the task
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = units::setting)]
    set: Vec<(String, String)>,
    /// How the code is run: `auto` compiles what turns out to be hot, `jit` everything at first, `native` uses the
    /// image's own machine code
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    engine: Engine,
    /// For tests of `auto`: the interpreter is looked at every so many jumps and calls, and what it is at is compiled at
    /// once
    #[arg(long, hide = true, value_name = "COUNT", value_parser = clap::value_parser!(i64).range(1..))]
    look_every: Option<i64>,
    /// Stop the task after this time; its result stands
    #[arg(long = "for", value_name = "TIME", value_parser = units::duration)]
    time: Option<Duration>,
    /// The data folder; else $DSCRIPT_DATA, else the user's data folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where a pool lies: `redb:` the data folder, `redb:DIR` a
    /// folder here, `memcached://HOST:PORT`, `http://HOST:PORT` another LogPool, `nats://HOST:PORT/STREAM?replicas=3`;
    /// what cannot be reached gets its log records later
    #[arg(long = "pool", value_name = "NAME=URL")]
    pools: Vec<String>,
    /// Allow only capabilities that such a pattern covers
    #[arg(long, value_name = "CAP")]
    allow: Vec<String>,
    /// Deny capabilities that such a pattern covers
    #[arg(long, value_name = "CAP")]
    deny: Vec<String>,
    /// What programs are told that this node is called; else the machine's name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A label of this node, as programs are told
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = units::setting)]
    labels: Vec<(String, String)>,
    /// Memory of the task
    #[arg(long, value_name = "SIZE", value_parser = units::size, default_value = "256MiB")]
    memory: u64,
    /// What the task may print in an hour; else as much as it likes
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    output: Option<u64>,
    /// What the task may put into log pools in an hour; else as much as it likes
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    puts: Option<u64>,
    /// Subprocesses of the task that run at once
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().subprocesses)]
    subprocesses: usize,
    /// Files read line by line, and connections, that the task has open at once
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().open)]
    open: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    Auto,
    Interp,
    Jit,
    Native,
}

/// The image in this executable, where there is one.
///
/// # Errors
/// Says that there is one that cannot be run.
pub fn embedded() -> Result<Option<Vec<u8>>, String> {
    // A program that cannot read itself is taken for what it usually is.
    dscript_bytecode::file::embedded_image(&own_executable())
}

fn own_executable() -> PathBuf {
    "/proc/self/exe".into()
}

/// Runs the program of the executable; gives the exit status.
pub fn exec_embedded(args: EmbeddedArgs, image: &[u8]) -> i32 {
    start(prepare(args.options, &own_name(), image, &own_executable()))
}

/// Says that the program of the executable cannot be run; gives the exit status.
pub fn embedded_damaged(why: &str) -> i32 {
    cannot_run(format!("{why}; nothing of it is run. Copy or compile it again"))
}

/// Why an executable that carries no program, as far as it can be seen, takes no command of dsvm's: it may be one that
/// should carry one. `None` where its name says that it is dsvm.
pub fn no_program() -> Option<String> {
    let name = PathBuf::from(own_name());
    if name.file_name()?.to_string_lossy().starts_with("dsvm") {
        return None;
    }
    Some(match std::fs::File::open(own_executable()) {
        Err(why) => format!(
            "it cannot be read ({why}), and so neither can the program in it; `chmod a+r` it, or have its owner do so"
        ),
        Ok(_) => "it is dsvm under another name, and no such command of dsvm's was given. Where it was made by `dsc \
                  compile --standalone`, its program is gone, as after `strip`: compile it again. `dsvm --help` says what \
                  dsvm takes"
            .into(),
    })
}

/// Says why this executable does not do what it was started for; gives the exit status.
pub fn cannot_run(why: String) -> i32 {
    eprintln!("dsvm: {}: {why}", own_name());
    2
}

fn own_name() -> String {
    let name = std::env::args_os().next().map_or_else(own_executable, PathBuf::from);
    name.display().to_string()
}

/// Runs the command; gives the exit status.
pub fn exec(args: ExecArgs) -> i32 {
    let file = args.file.display().to_string();
    let bytes = dscript_bytecode::file::read_file(&args.file).map_err(|why| match file.strip_suffix(".ds") {
        Some(name) if args.file.is_file() => {
            format!("{file} is a source: `dsc compile {file}` makes {name}.dsb, which can be run")
        }
        _ => format!("cannot read {file}: {why}"),
    });
    start(bytes.and_then(|bytes| prepare(args.options, &file, &bytes, &args.file)))
}

fn start(ready: Result<Ready, String>) -> i32 {
    match ready {
        Ok(ready) => go(ready),
        Err(why) => {
            eprintln!("dsvm: {why}");
            2
        }
    }
}

struct Ready {
    program: Arc<Program>,
    task: String,
    params: Vec<(String, String)>,
    policy: Policy,
    limits: Limits,
    pools: Arc<ExecPools>,
    node: NodeFacts,
    time: Option<Duration>,
}

/// `from` is the file that holds the image.
fn prepare(args: ExecOptions, file: &str, bytes: &[u8], from: &Path) -> Result<Ready, String> {
    for pattern in args.allow.iter().chain(&args.deny) {
        Capability::parse_known(pattern).map_err(|why| why.to_string())?;
    }
    let routes = Routes::parse(&args.pools)?;
    let program = dscript_host::load(bytes).map_err(|why| format!("{file}: {why}"))?;
    match args.engine {
        Engine::Interp => {}
        Engine::Jit => dscript_native::attach_jit(&program).map_err(|why| format!("{file}: {why}"))?,
        Engine::Auto | Engine::Native => {
            let sections =
                dscript_bytecode::file::native_sections(bytes).map_err(|why| format!("{file}: {why}"))?;
            if args.engine == Engine::Native || !sections.is_empty() {
                let attached = trusted(from).and_then(|()| dscript_native::attach_ahead(&program, &sections));
                if let Err(why) = attached {
                    eprintln!("dsvm: note: {file} runs without its native code: {why}");
                }
            }
            one_arena();
            // Where there is native code this changes nothing.
            let eager = args.look_every.map(|every| Pace { every, at_once: true });
            dscript_native::attach_auto(&program, eager.unwrap_or_default());
        }
    }
    let index =
        program.manifest().choose_task(args.task.as_deref()).map_err(|why| format!("{file}: {why}"))?;
    let task = program.manifest().tasks[index].name.clone();
    let node = match args.name {
        Some(name) => node_facts(name, args.labels)?,
        // Whatever a machine is called, programs run there.
        None => {
            check_labels(&args.labels)?;
            NodeFacts { name: node_name(), labels: args.labels }
        }
    };
    let run = RunId::new_random().map_err(|why| format!("the kernel gives no random numbers: {why}"))?;
    let author = Author { node: node.name[..].into(), task: task[..].into(), run };
    Ok(Ready {
        program,
        task,
        params: args.set,
        policy: Policy { allow: args.allow, deny: args.deny, refuse_early: false },
        limits: Limits {
            memory_bytes: args.memory,
            // A line and its end.
            output: args.output.map(|bytes| OutputLimit { bytes, line_bytes: 1 }),
            puts: args.puts,
            subprocesses: args.subprocesses,
            open: args.open,
            ..Limits::default()
        },
        pools: Arc::new(ExecPools::new(author, routes, data_folder(args.data.as_deref()))),
        node,
        time: args.time,
    })
}

/// Lets the thread that compiles take its memory from where that of the first thread ends. An arena of its own grows by
/// a page or a few at a time, each time for a call of the kernel that holds up the program.
fn one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets a number.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Whether the machine code in a file may be run: nobody but who runs it, or root, can have written it.
fn trusted(file: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(file).map_err(|why| why.to_string())?;
    let user = nix::unistd::geteuid().as_raw();
    if !meta.is_file() {
        return Err("it does not come from a file, so nobody can tell who wrote it; name the file".into());
    }
    if meta.uid() != user && meta.uid() != 0 {
        return Err("the file belongs to another user".into());
    }
    if meta.mode() & 0o022 != 0 {
        return Err("others may write to the file; `chmod go-w` it".into());
    }
    Ok(())
}

/// What a node is called and labelled.
pub fn node_facts(name: String, labels: Vec<(String, String)>) -> Result<NodeFacts, String> {
    if !NodeHello::name_is_good(&name) {
        return Err(format!(
            "`{name}` is no name for a node: use up to 64 letters, digits and . _ - (--name)"
        ));
    }
    check_labels(&labels)?;
    Ok(NodeFacts { name, labels })
}

fn check_labels(labels: &[(String, String)]) -> Result<(), String> {
    if let Some((key, _)) = labels.iter().find(|(key, _)| key == "name" || key.contains([',', '*', '='])) {
        return Err(format!("a label cannot be called `{key}`"));
    }
    let known = |at: usize| labels[..at].iter().any(|(key, _)| *key == labels[at].0);
    match (0..labels.len()).find(|&at| known(at)) {
        Some(at) => Err(format!("--label {} is given twice: a label has one value", labels[at].0)),
        None => Ok(()),
    }
}

/// The machine's name.
pub fn node_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".into())
}

/// Standard output of the program.
struct Output {
    to: BufWriter<Stdout>,
    by_line: bool,
    /// The first error ends the program: nobody reads what it prints.
    failed: Option<io::Error>,
}

impl Output {
    fn line(&mut self, line: &str) {
        let written = self.to.write_all(line.as_bytes()).and_then(|()| self.to.write_all(b"\n"));
        self.keep(written);
        if self.by_line {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.to.buffer().is_empty() && self.failed.is_none() {
            let flushed = self.to.flush();
            self.keep(flushed);
        }
    }

    fn keep(&mut self, done: io::Result<()>) {
        if let Err(why) = done {
            self.failed.get_or_insert(why);
        }
    }
}

/// The output is also flushed by the runtime's hook, which must be shareable; there is one thread.
#[derive(Clone)]
struct SharedOutput(Arc<Mutex<Output>>);

impl SharedOutput {
    fn with<T>(&self, f: impl FnOnce(&mut Output) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

fn go(ready: Ready) -> i32 {
    let stdout = io::stdout();
    let by_line = stdout.is_terminal();
    let to = BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, stdout);
    let output = SharedOutput(Arc::new(Mutex::new(Output { to, by_line, failed: None })));
    let stop = Stop::new();
    let (at_park, stop_at_park) = (output.clone(), stop.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || {
            if at_park.with(|output| {
                output.flush();
                output.failed.is_some()
            }) {
                stop_at_park.stop();
            }
        })
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(why) => {
            eprintln!("dsvm: cannot start: {why}");
            return 2;
        }
    };
    let pools = ready.pools.clone();
    let all = LocalSet::new();
    // What is blocked on is looked at whenever anything here goes on, what is spawned only when it is meant.
    let driven = all.spawn_local(drive(ready, output.clone(), stop));
    let code = all.block_on(&runtime, driven).unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()));
    dscript_host::spawner::shut_down();
    output.with(Output::flush);
    let failed = output.with(|output| output.failed.take());
    if let Err(why) = pools.settle() {
        eprintln!("dsvm: the LogPool: {why}");
    }
    match failed {
        // Whoever read the output has seen enough: the task was stopped, which is no answer of its own.
        Some(why) if why.kind() == io::ErrorKind::BrokenPipe => 1,
        Some(why) => {
            eprintln!("dsvm: cannot write to standard output: {why}");
            2
        }
        None => code,
    }
}

async fn drive(ready: Ready, output: SharedOutput, stop: Stop) -> i32 {
    // Whether a signal has come, seen or not.
    let signalled = Arc::new(AtomicBool::new(false));
    let watched = signal(SignalKind::interrupt()).and_then(|interrupts| {
        let ends = Ends::watch()?;
        // The program may be at work that lets nobody else have a turn.
        for kind in [SignalKind::interrupt()].into_iter().chain(ends.kinds()) {
            let flags = [stop.flag(), signalled.clone()];
            // SAFETY: a handler may set flags.
            unsafe {
                signal_hook_registry::register(kind.as_raw_value(), move || {
                    flags.iter().for_each(|flag| flag.store(true, Ordering::Relaxed));
                })?
            };
        }
        Ok((interrupts, ends))
    });
    let (mut interrupts, mut terminations) = match watched {
        Ok(watched) => watched,
        Err(why) => {
            eprintln!("dsvm: cannot watch for signals: {why}");
            return 2;
        }
    };
    let outcome: Rc<RefCell<Option<Outcome>>> = Rc::default();
    let print = {
        let (output, stop) = (output.clone(), stop.clone());
        Box::new(move |line: &str| {
            if output.with(|output| {
                output.line(line);
                output.failed.is_some()
            }) {
                stop.stop();
            }
        })
    };
    let task = ready.task.clone();
    let options = RunOptions {
        task: Some(ready.task),
        params: ready.params,
        policy: ready.policy,
        limits: ready.limits,
        pools: ready.pools,
        node: ready.node,
        print,
    };
    let events = {
        let (outcome, output) = (outcome.clone(), output.clone());
        move |event| {
            output.with(Output::flush);
            match event {
                RunEvent::Result(result) => {
                    // Stopped because nobody reads the output: that is said, or known, already.
                    let cut_off = output.with(|output| output.failed.is_some());
                    if let Some(why) = reason(&result, &task).filter(|_| !cut_off) {
                        eprintln!("{why}");
                    }
                    *outcome.borrow_mut() = Some(result);
                }
                RunEvent::Trouble(why) => eprintln!("{why}"),
                RunEvent::Gone => {}
            }
        }
    };
    let mut running = std::pin::pin!(run(ready.program, options, &stop, events));
    let mut interrupted = false;
    if let Some(at) = ready.time.and_then(|time| Instant::now().checked_add(time)) {
        stop.stop_at(at);
    }
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            _ = interrupts.recv() => if std::mem::replace(&mut interrupted, true) { return INTERRUPTED },
            () = terminations.recv() => if std::mem::replace(&mut interrupted, true) { return INTERRUPTED },
        }
        stop.stop();
    };
    match (ended, &*outcome.borrow()) {
        (Err(refusal), _) => {
            eprintln!("dsvm: {}", refusal.0);
            2
        }
        _ if interrupted || signalled.load(Ordering::Relaxed) => INTERRUPTED,
        (Ok(()), Some(outcome)) if outcome.value => 0,
        _ => 1,
    }
}

/// What goes to standard error: it begins with its kind.
fn reason(outcome: &Outcome, task: &str) -> Option<String> {
    let kind = match outcome.ending {
        Ending::Returned if outcome.value => return None,
        Ending::Returned => return Some(format!("false: task `{task}` answered false")),
        Ending::Failed => "fail",
        Ending::Trapped => "trap",
        Ending::TimedOut => "timeout",
        Ending::Stopped => "stopped",
    };
    Some(outcome.reason.clone().unwrap_or_else(|| kind.to_owned()))
}
