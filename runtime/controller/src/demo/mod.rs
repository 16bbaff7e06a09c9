//! `dsctl demo`: the main job on this machine in one process tree and a temporary folder. It compiles Listing 1,
//! starts a controller and a node, ships, shows the samples that come back, and leaves nothing behind.

mod chart;
mod children;
mod screen;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use dscript_logpool::{Cursor, Pattern, Query, Reader};
use dscript_protocol::RunId;
use dscript_protocol::folder::write_private;
use dscript_protocol::message::{FromOperator, Order, Standing, ToOperator};
use dscript_protocol::units::{duration, spoken};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::client::{Client, Target, ask_once};
use children::{Child, sibling};
use screen::Screen;

/// Listing 1 as the paper prints it.
const LISTING: &str = include_str!("../../../../examples/listing1.ds");
const POOL: &str = "memcached";
const KEY: &str = "key -name";
const NODE: &str = "demo";

const STEP_MAX: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const INTERRUPTED: i32 = 130;

#[derive(Args)]
#[command(after_help = "Examples:\n  dsctl demo\n  dsctl demo --for 1m\n  dsctl demo --json | jq .fields.us")]
pub struct DemoArgs {
    /// Show samples for this long
    #[arg(long = "for", value_name = "TIME", value_parser = duration, default_value = "15s")]
    time: Duration,
    /// Print each sample as a JSON object on a line
    #[arg(long)]
    json: bool,
}

/// Runs the command; gives the exit status.
pub fn demo(args: DemoArgs) -> i32 {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            eprintln!("dsctl: cannot start: {why}");
            return 2;
        }
    };
    match runtime.block_on(show(args)) {
        Ok(()) => 0,
        Err(Halt::Interrupted) => {
            eprintln!("stopped; nothing is left running");
            INTERRUPTED
        }
        Err(Halt::Failed(why)) => {
            eprintln!("dsctl: {why}");
            2
        }
    }
}

/// Why it ends before its time.
enum Halt {
    Interrupted,
    Failed(String),
}

impl From<String> for Halt {
    fn from(why: String) -> Self {
        Halt::Failed(why)
    }
}

/// Ctrl-C and a friendly kill.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn watch() -> Result<Self, String> {
        let watch = |kind| signal(kind).map_err(|why| format!("cannot watch for signals: {why}"));
        Ok(Self { interrupt: watch(SignalKind::interrupt())?, terminate: watch(SignalKind::terminate())? })
    }

    async fn pause(&mut self, time: Duration) -> Result<(), Halt> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            _ = self.interrupt.recv() => Err(Halt::Interrupted),
            _ = self.terminate.recv() => Err(Halt::Interrupted),
        }
    }
}

/// A step as it happens: its name at once, what came of it with its time.
struct Step {
    name: &'static str,
    begun: Instant,
}

impl Step {
    fn begin(name: &'static str) -> Self {
        Self { name, begun: Instant::now() }
    }

    fn done(self, what: &str) {
        let took = spoken(i64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(i64::MAX));
        eprintln!("{:<10} {what}  ({took})", self.name);
    }
}

async fn show(args: DemoArgs) -> Result<(), Halt> {
    let mut interrupts = Interrupts::watch()?;
    if !on_path("vmstat") {
        return Err(Halt::Failed(
            "vmstat is not installed, and Listing 1 watches it: apt-get install procps".into(),
        ));
    }
    let (dsc, dsvm) = (sibling("dsc")?, sibling("dsvm")?);
    let dsctl = std::env::current_exe().map_err(|why| format!("cannot find dsctl itself: {why}"))?;
    let folder = tempfile::Builder::new()
        .prefix("dscript-demo-")
        .tempdir()
        .map_err(|why| format!("cannot make a temporary folder: {why}"))?;
    let result = {
        // The children are gone before the folder is.
        let mut stage = Stage::new(folder.path(), dsvm, dsctl);
        stage.play(&dsc, &args, &mut interrupts).await
    };
    folder.close().map_err(|why| format!("cannot remove the temporary folder: {why}"))?;
    result?;
    eprintln!("{:<10} everything is stopped and the temporary folder is removed\n", "end");
    eprintln!("The same by hand, in three terminals:\n");
    eprintln!("  dsctl serve");
    eprintln!("  dsvm node --controller 127.0.0.1:7700 --token \"$(dsctl token)\"");
    eprintln!("  dsc compile examples/listing1.ds && dsctl ship examples/listing1.dsb --on all --wait");
    eprintln!("\nThen: dsctl runs, dsctl log query 'key -name' --since 1m, dsctl stop RUN");
    Ok(())
}

/// Where it plays: the folder, the programs, and who is on.
struct Stage<'p> {
    folder: &'p Path,
    dsvm: PathBuf,
    dsctl: PathBuf,
    // In this order they are ended, should something go wrong: a node says goodbye to its controller.
    node: Option<Child>,
    controller: Option<Child>,
}

impl<'p> Stage<'p> {
    fn new(folder: &'p Path, dsvm: PathBuf, dsctl: PathBuf) -> Self {
        Self { folder, dsvm, dsctl, node: None, controller: None }
    }

    async fn play(&mut self, dsc: &Path, args: &DemoArgs, interrupts: &mut Interrupts) -> Result<(), Halt> {
        let image = self.compile(dsc)?;
        let target = self.start_controller(interrupts).await?;
        self.start_node(&target, interrupts).await?;
        let run = ship(&target, image)?;
        let shown = self.watch(args, &target, interrupts).await;
        self.end(&target, run, interrupts).await?;
        match shown? {
            0 => Err(Halt::Failed(format!("no sample came within {}", spoken(args.time.as_nanos() as i64)))),
            _ => Ok(()),
        }
    }

    fn compile(&self, dsc: &Path) -> Result<Vec<u8>, Halt> {
        let step = Step::begin("compile");
        let (source, out) = (self.folder.join("listing1.ds"), self.folder.join("listing1.dsb"));
        std::fs::write(&source, LISTING)
            .map_err(|why| format!("cannot write {}: {why}", source.display()))?;
        let done = std::process::Command::new(dsc)
            .arg("compile")
            .arg(&source)
            .arg("-o")
            .arg(&out)
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|why| format!("cannot start {}: {why}", dsc.display()))?;
        if !done.status.success() {
            return Err(Halt::Failed(format!(
                "Listing 1 does not compile:\n{}{}",
                String::from_utf8_lossy(&done.stdout),
                String::from_utf8_lossy(&done.stderr)
            )));
        }
        let image = std::fs::read(&out).map_err(|why| format!("cannot read {}: {why}", out.display()))?;
        step.done(&format!("Listing 1 of the paper is an image of {} bytes", image.len()));
        Ok(image)
    }

    async fn start_controller(&mut self, interrupts: &mut Interrupts) -> Result<Target, Halt> {
        let step = Step::begin("controller");
        let data = self.folder.join("controller-data");
        let log = self.folder.join("controller.log");
        let mut command = std::process::Command::new(&self.dsctl);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        self.controller = Some(Child::start("the controller", &mut command, &log)?);
        let target = Target { controller: None, data: Some(data.clone()) };
        let address_file = dscript_protocol::folder::address_file(&data);
        let begun = Instant::now();
        let address = loop {
            if let Ok(address) = std::fs::read_to_string(&address_file)
                && ask_once(&target, &FromOperator::ListNodes).is_ok()
            {
                break address.trim().to_owned();
            }
            self.all_live(begun, "the controller did not begin to listen")?;
            interrupts.pause(LOOK_EVERY / 5).await?;
        };
        step.done(&format!("dsctl serve listens on {address}"));
        Ok(Target { controller: Some(address), ..target })
    }

    async fn start_node(&mut self, target: &Target, interrupts: &mut Interrupts) -> Result<(), Halt> {
        let step = Step::begin("node");
        let ToOperator::Token { token, .. } = ask_once(target, &FromOperator::CreateToken)? else {
            return Err(Halt::Failed("the controller made no token".into()));
        };
        let token_file = self.folder.join("token");
        write_private(&token_file, token.0.as_bytes())
            .map_err(|why| format!("cannot keep the token: {why}"))?;
        let log = self.folder.join("node.log");
        let mut command = std::process::Command::new(&self.dsvm);
        command
            .args(["node", "--name", NODE, "--controller"])
            .arg(target.controller.as_deref().unwrap_or_default());
        command.arg("--token-file").arg(&token_file).arg("--data").arg(self.folder.join("node-data"));
        self.node = Some(Child::start("the node", &mut command, &log)?);
        let begun = Instant::now();
        loop {
            if let ToOperator::Nodes(nodes) = ask_once(target, &FromOperator::ListNodes)?
                && nodes.iter().any(|node| node.connected)
            {
                break;
            }
            self.all_live(begun, "the node did not join")?;
            interrupts.pause(LOOK_EVERY / 5).await?;
        }
        step.done(&format!("dsvm node joined with a one-time token, as `{NODE}`"));
        Ok(())
    }

    /// Shows samples until the time is over; gives how many there were.
    async fn watch(
        &mut self,
        args: &DemoArgs,
        target: &Target,
        interrupts: &mut Interrupts,
    ) -> Result<usize, Halt> {
        let data = target.data.clone().unwrap_or_default();
        let reader = Reader::open(&data);
        let query =
            Query { pool: Pattern::Exact(POOL.into()), key: Pattern::Exact(KEY.into()), ..Query::default() };
        let mut cursor = Cursor::default();
        let mut screen = Screen::new(args.json);
        let begun = Instant::now();
        eprintln!(
            "{:<10} what vmstat says on the node, as it arrives in the controller's LogPool:\n",
            "samples"
        );
        let ended = loop {
            let tailed = reader.tail(&query, &mut cursor).map_err(|why| why.to_string())?;
            screen.add(tailed.records)?;
            if begun.elapsed() >= args.time {
                break Ok(screen.count());
            }
            if let Err(halt) = self.all_live(Instant::now(), "") {
                break Err(halt);
            }
            let left = args.time.saturating_sub(begun.elapsed());
            if let Err(halt) = interrupts.pause(left.min(LOOK_EVERY)).await {
                break Err(halt);
            }
        };
        screen.close()?;
        ended
    }

    async fn end(&mut self, target: &Target, run: RunId, interrupts: &mut Interrupts) -> Result<(), Halt> {
        let step = Step::begin("stop");
        let begins = run.to_string();
        let begun = Instant::now();
        // Already interrupted: one that comes now must not keep anything from ending.
        let mut request = FromOperator::StopRun { begins: begins.clone() };
        while let Ok(ToOperator::Runs(runs)) = ask_once(target, &request) {
            if runs.iter().all(|run| run.standing == Standing::Over) || begun.elapsed() > STEP_MAX / 4 {
                break;
            }
            request = FromOperator::ShowRun { begins: begins.clone() };
            let _ = interrupts.pause(LOOK_EVERY / 5).await;
        }
        for child in [self.node.take(), self.controller.take()].into_iter().flatten() {
            child.end();
        }
        step.done("the run, its vmstat, the node and the controller are stopped");
        Ok(())
    }

    /// An error if a child has ended by itself, or a step takes too long.
    fn all_live(&mut self, begun: Instant, slow: &str) -> Result<(), Halt> {
        for child in [&mut self.controller, &mut self.node].into_iter().flatten() {
            child.must_live()?;
        }
        if begun.elapsed() > STEP_MAX {
            let logs: Vec<String> =
                [&self.controller, &self.node].into_iter().flatten().map(Child::log_text).collect();
            return Err(Halt::Failed(format!("{slow}\n{}", logs.join(""))));
        }
        Ok(())
    }
}

fn ship(target: &Target, image: Vec<u8>) -> Result<RunId, Halt> {
    let step = Step::begin("ship");
    let order = Order {
        image,
        selector: "all".into(),
        task: None,
        params: Vec::new(),
        label: "listing1".into(),
        wait: true,
    };
    let mut client = Client::ask(target, &FromOperator::Ship(order))?;
    let mut last = None;
    while let Some(answer) = client.answer()? {
        match answer {
            ToOperator::Runs(runs) => last = runs.into_iter().next(),
            ToOperator::Run(run) => last = Some(run),
            _ => {}
        }
    }
    let Some(run) = last else { return Err(Halt::Failed("the controller began no run".into())) };
    match &run.outcome {
        Some(outcome) if outcome.ending == dscript_protocol::message::Ending::True => {
            let took = run.duration().map_or("-".into(), spoken);
            step.done(&format!("run {} answered true after {took}", dscript_protocol::ids::short(run.run)));
            Ok(run.run)
        }
        Some(outcome) => Err(Halt::Failed(format!("the run ended: {}: {}", outcome.ending, outcome.reason))),
        None => Err(Halt::Failed("the run has no result".into())),
    }
}

fn on_path(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path)
        .any(|folder| nix::unistd::access(&folder.join(program), nix::unistd::AccessFlags::X_OK).is_ok())
}
