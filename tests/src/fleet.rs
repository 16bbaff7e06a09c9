//! A controller and its nodes, as processes of one test, each with a data folder of its own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Mark, Running, command, finish, json_lines, text, wait_for};

/// Ended with the test, however it ends: first the processes, then the folder.
pub struct Fleet {
    nodes: BTreeMap<String, Running>,
    controller: Option<Running>,
    pub address: String,
    pub mark: Mark,
    scratch: TempDir,
}

impl Fleet {
    /// A controller on a free port of loopback.
    pub fn start() -> Fleet {
        let scratch = tempfile::tempdir().expect("a scratch folder can be made");
        let address = "127.0.0.1:0".to_owned();
        let mut fleet =
            Fleet { nodes: BTreeMap::new(), controller: None, address, mark: Mark::new(), scratch };
        fleet.start_controller();
        fleet
    }

    /// A controller and one node, `web-1`.
    pub fn with_node() -> Fleet {
        let mut fleet = Fleet::start();
        fleet.join("web-1", &["--label", "role=web"]);
        fleet
    }

    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The controller's data folder is `data`, as in every scratch folder.
    pub fn command(&self, name: &str) -> Command {
        let mut command = command(name, self.scratch());
        self.mark.put(&mut command);
        command
    }

    /// Starts the controller at the address it had.
    pub fn start_controller(&mut self) {
        let said = self.scratch().join("controller.out");
        let mut command = self.command("dsctl");
        command.args(["serve", "--listen", &self.address]);
        command.stdout(File::create(&said).expect("a file can be made"));
        command.stderr(self.append("controller.err"));
        let mut controller = Running::start(&mut command);
        self.address = wait_for("the controller to listen", || {
            if let Ok(Some(status)) = controller.0.try_wait() {
                panic!("the controller ended: {status}\n{}", self.said("controller.err"));
            }
            let said = fs::read_to_string(&said).ok()?;
            Some(said.strip_prefix("listening on ")?.strip_suffix('\n')?.to_owned())
        });
        self.controller = Some(controller);
    }

    pub fn kill_controller(&mut self) {
        self.controller.take().expect("the controller runs").kill_hard();
    }

    /// Sends the controller a signal and waits for its end.
    pub fn end_controller(&mut self, signal: i32) -> Option<i32> {
        let mut controller = self.controller.take().expect("the controller runs");
        controller.signal(signal);
        controller.wait().code()
    }

    pub fn controller_runs(&mut self) -> bool {
        self.controller.as_mut().is_some_and(|child| matches!(child.0.try_wait(), Ok(None)))
    }

    pub fn token(&self) -> String {
        self.good(&["token"]).trim().to_owned()
    }

    /// Starts a new node with a token, and waits until it has joined.
    pub fn join(&mut self, name: &str, args: &[&str]) {
        let token = self.token();
        let mut all = vec!["--token", &token];
        all.extend(args);
        self.start_node(name, &all);
    }

    /// Starts a node in its own data folder, and waits until it is connected.
    pub fn start_node(&mut self, name: &str, args: &[&str]) {
        let mut command = self.node_command(name);
        command.args(args).stderr(self.append(&format!("{name}.err")));
        let mut node = Running::start(&mut command);
        wait_for("the node to be connected", || {
            if let Ok(Some(status)) = node.0.try_wait() {
                panic!("{name} ended: {status}\n{}", self.said(&format!("{name}.err")));
            }
            self.is_connected(name).then_some(())
        });
        self.nodes.insert(name.to_owned(), node);
    }

    /// `dsvm node` with the node's folder, not started.
    pub fn node_command(&self, name: &str) -> Command {
        let mut command = self.command("dsvm");
        command.args(["node", "--controller", &self.address, "--name", name, "--data"]);
        command.arg(self.node_folder(name));
        command
    }

    pub fn node_id(&self, name: &str) -> i32 {
        self.nodes[name].id()
    }

    pub fn node_folder(&self, name: &str) -> PathBuf {
        self.scratch().join(format!("node-{name}"))
    }

    pub fn is_connected(&self, name: &str) -> bool {
        let nodes = self.json(&["nodes", "--json"]);
        nodes
            .as_array()
            .is_some_and(|nodes| nodes.iter().any(|node| node["name"] == name && node["connected"] == true))
    }

    pub fn node(&mut self, name: &str) -> &mut Running {
        self.nodes.get_mut(name).expect("the node was started")
    }

    pub fn kill_node(&mut self, name: &str) {
        self.nodes.remove(name).expect("the node was started").kill_hard();
        wait_for("the node to be missed", || (!self.is_connected(name)).then_some(()));
    }

    /// Runs `dsctl` to its end.
    pub fn ctl<S: AsRef<OsStr>>(&self, args: &[S]) -> Output {
        finish(self.command("dsctl").args(args))
    }

    /// Runs `dsctl`, which must do what it is told; gives its standard output.
    pub fn good<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        let output = self.ctl(args);
        assert!(output.status.success(), "dsctl ends well: {}\n{}", output.status, text(&output.stderr));
        text(&output.stdout)
    }

    pub fn json<S: AsRef<OsStr>>(&self, args: &[S]) -> Value {
        let printed = self.good(args);
        serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{e} in {printed}"))
    }

    /// Ships with `--json`, and with `--wait` if that is among the arguments: the exit status and the runs.
    pub fn ship(&self, image: &Path, args: &[&str]) -> (i32, Vec<Value>) {
        let output = finish(self.command("dsctl").arg("ship").arg(image).arg("--json").args(args));
        let code = output.status.code().expect("dsctl ends by itself");
        assert!(code < 2, "it can be shipped: {}", text(&output.stderr));
        let runs = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e} in {}", text(&output.stdout)));
        (code, runs)
    }

    /// Ships to all nodes without waiting; there is one. Gives the run's id.
    pub fn ship_one(&self, image: &Path, args: &[&str]) -> String {
        let mut all = vec!["--on", "all"];
        all.extend(args);
        let (code, runs) = self.ship(image, &all);
        assert_eq!((code, runs.len()), (0, 1), "one run is begun: {runs:?}");
        id(&runs[0])
    }

    /// How one run stands.
    pub fn run(&self, id: &str) -> Value {
        self.json(&["runs", id, "--json"])
    }

    /// Waits until nothing is left of a run.
    pub fn over(&self, id: &str) -> Value {
        wait_for("the run to be over", || {
            let run = self.run(id);
            (!run["gone"].is_null()).then_some(run)
        })
    }

    /// Records of the controller's LogPool, asked of the running controller.
    pub fn records(&self, args: &[&str]) -> Vec<Value> {
        let printed = self.good(&[&["log", "query", "--json", "--controller", &self.address], args].concat());
        json_lines(printed.as_bytes())
    }

    /// Waits until all that the node has written so far is with the controller: what comes later, comes behind it.
    pub fn delivered(&self, truth: &Path) {
        let run = self.ship_one(truth, &["--as", "delivered", "--wait"]);
        wait_for("the newest record to be delivered", || {
            let found = self.records(&["--pool", "task", "--run", &run]);
            found.iter().any(|record| record["fields"]["kind"] == "result").then_some(())
        });
    }

    /// What a process said on standard error.
    pub fn said(&self, file: &str) -> String {
        fs::read_to_string(self.scratch().join(file)).unwrap_or_default()
    }

    fn append(&self, file: &str) -> File {
        File::options().create(true).append(true).open(self.scratch().join(file)).expect("a file can be made")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let names = self.nodes.keys().map(String::as_str).chain(["controller"]);
            names.for_each(|name| eprintln!("--- {name}\n{}", self.said(&format!("{name}.err"))));
        }
    }
}

/// The id in a run as JSON.
pub fn id(run: &Value) -> String {
    run["run"].as_str().expect("a run has an id").to_owned()
}
