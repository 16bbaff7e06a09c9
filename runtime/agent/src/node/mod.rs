//! `dsvm node`: runs what a controller ships. The parts, each on its own and joined by mail:
//!
//! - `core`: the mind (`crate::runs`) with its journal and images; everything passes through it;
//! - `link`: the connection to the controller, made again whenever it is lost;
//! - `engine`: the threads that D-Tasks run on;
//! - `logs`: log records, kept here durably, and `upload`: their way to the controller;
//! - `identity`, `policy`: who the node is, and what its owner lets it do.

mod core;
mod engine;
mod frames;
mod identity;
mod link;
mod logs;
mod policy;
mod upload;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use dscript_host::run::NodeFacts;
use dscript_protocol::folder::{data_folder, make_private, node_folder};
use dscript_protocol::hello::NodeHello;
use dscript_protocol::{Secret, units};
use nix::fcntl::{Flock, FlockArg};

use crate::exec::{node_facts, node_name};
use crate::pools::Routes;

#[derive(Args)]
#[command(
    after_help = "The first time, a node needs a token that `dsctl token` makes; then it is known by what it \
    keeps in its data folder.\n\nExamples:\n  \
    dsvm node --controller 127.0.0.1:7700 --token TOKEN\n  \
    dsvm node --controller 127.0.0.1:7700 --name web-1 --label site=nrt --label role=web\n  \
    dsvm node --controller 127.0.0.1:7700 --policy policy.toml\n\nA policy file, all of it optional:\n  \
    allow = [\"exec:vmstat\", \"logpool:*\"]   # capabilities; else whatever a program declares\n  \
    deny = [\"exec:rm\"]\n  \
    memory = \"256MiB\"                       # of one D-Task\n  \
    time = \"1h\"                             # until its result must stand\n  \
    output = \"16MiB\"                        # that it may print in an hour; 256 bytes a line besides\n  \
    threads = 2                             # that D-Tasks share"
)]
pub struct NodeArgs {
    /// The controller's address
    #[arg(long, value_name = "HOST:PORT")]
    controller: String,
    /// The join token, needed the first time
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that holds the join token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The data folder; else $DSCRIPT_DATA, else the user's data folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What this node is called; else the machine's name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A label that selectors ask for
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = units::setting)]
    labels: Vec<(String, String)>,
    /// What programs may do here (TOML)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Where a pool lies: `redb:` the node's own LogPool and from there the controller's, `redb:DIR` a
    /// folder here, `memcached://HOST:PORT`, `http://HOST:PORT` another LogPool, `nats://HOST:PORT/STREAM?replicas=3`;
    /// what cannot be reached gets its log records later
    #[arg(long = "pool", value_name = "NAME=URL")]
    pools: Vec<String>,
}

/// What a node needs to begin.
pub(crate) struct Setup {
    controller: String,
    folder: PathBuf,
    hello: NodeHello,
    policy: policy::NodePolicy,
    routes: Routes,
    /// Held as long as the process lives: one node a data folder.
    _lock: Flock<std::fs::File>,
}

/// Runs the command; gives the exit status.
pub fn node(args: NodeArgs) -> i32 {
    let setup = match prepare(args) {
        Ok(setup) => setup,
        Err(why) => {
            eprintln!("dsvm: {why}");
            return 2;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            eprintln!("dsvm: cannot start: {why}");
            return 2;
        }
    };
    match runtime.block_on(core::serve(setup)) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("dsvm: {why}");
            2
        }
    }
}

fn prepare(args: NodeArgs) -> Result<Setup, String> {
    link::check_address(&args.controller)?;
    let policy = policy::NodePolicy::read(args.policy.as_deref())?;
    let routes = Routes::parse(&args.pools)?;
    let facts = node_facts(args.name.unwrap_or_else(node_name), args.labels)?;
    let token = read_token(args.token, args.token_file.as_deref())?;
    let folder = node_folder(&data_folder(args.data.as_deref())?);
    make_private(&folder).map_err(|why| format!("cannot make {}: {why}", folder.display()))?;
    let lock = lock(&folder)?;
    let identity = identity::Identity::load_or_make(&folder.join("identity"))?;
    let hello = NodeHello {
        node: identity.node,
        secret: identity.secret,
        token,
        name: facts.name,
        labels: facts.labels,
        software: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok(Setup { controller: args.controller, folder, hello, policy, routes, _lock: lock })
}

fn read_token(token: Option<String>, file: Option<&Path>) -> Result<Option<Secret>, String> {
    let text = match (token, file) {
        (Some(token), _) => Some(token),
        (None, Some(file)) => Some(
            std::fs::read_to_string(file).map_err(|why| format!("cannot read {}: {why}", file.display()))?,
        ),
        (None, None) => None,
    };
    match text.map(|text| text.trim().to_owned()) {
        Some(text) if text.is_empty() || text.len() > dscript_protocol::limits::SECRET_BYTES_MAX => {
            Err("this is no join token: `dsctl token` makes one".into())
        }
        text => Ok(text.map(Secret)),
    }
}

fn lock(folder: &Path) -> Result<Flock<std::fs::File>, String> {
    let path = folder.join("lock");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|why| format!("cannot open {}: {why}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, why)| match why {
        nix::errno::Errno::EWOULDBLOCK => {
            format!("another dsvm node uses {}: give this one its own --data", folder.display())
        }
        why => format!("cannot lock {}: {why}", path.display()),
    })
}

/// What every run of this node shares.
pub(crate) struct Shared {
    pub node: NodeFacts,
    pub policy: policy::NodePolicy,
    pub logs: Arc<logs::NodeLogs>,
}
