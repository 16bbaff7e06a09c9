//! `dsctl serve`: the controller. The parts, each on its own and joined by mail:
//!
//! - `core`: the mind (`crate::fleet`) with its journal and images; every decision passes through it;
//! - `connection`: one task per connection, a node's or an operator's;
//! - `logs`: the LogPool: log records come in, queries go out;
//! - `http`: the LogPool for programs that speak HTTP; `metrics`: what Prometheus reads there.

mod body;
mod connection;
mod core;
mod http;
mod logs;
mod metrics;
mod streams;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use dscript_logpool::{Pattern, Retention};
use dscript_protocol::folder::{
    address_file, controller_folder, data_folder, make_private, operator_secret_file, write_private,
};
use dscript_protocol::ids::random_bytes;
use dscript_protocol::{Secret, units};
use nix::fcntl::{Flock, FlockArg};
use tokio::net::TcpListener;

pub const DEFAULT_ADDRESS: &str = "127.0.0.1:7700";

#[derive(Args)]
#[command(
    after_help = "The address is printed on standard output and kept in the data folder, where the other \
    commands find it.\n\nExamples:\n  \
    dsctl serve\n  \
    dsctl serve --listen 127.0.0.1:0 --data ./data    a free port, a folder of its own\n  \
    dsctl serve --retain 'vmstat=30d' --retain '*=10GiB'\n  \
    dsctl serve --http 127.0.0.1:7780                 then curl http://127.0.0.1:7780/v1/log/pools"
)]
pub struct ServeArgs {
    /// The address for nodes and operators; loopback only, until TLS is there
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_ADDRESS)]
    listen: String,
    /// Answer HTTP at this address, loopback only: the LogPool as JSON, and /metrics for Prometheus; /openapi.json
    /// describes it
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Also store the log records that are sent there, as `--pool NAME=http://ADDR` of a node or program does
    #[arg(long, requires = "http")]
    http_put: bool,
    /// Answer the memcached protocol at this address: items of its own, and log records as POOL/KEY:latest
    #[arg(long, value_name = "ADDR")]
    memcached: Option<String>,
    /// The data folder; else $DSCRIPT_DATA, else the user's data folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Runs on a node that is not heard of for this long are lost, until it says otherwise
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "10m")]
    lost_after: Duration,
    /// Keep a pool's records so long (30d), in so much space (10GiB) or both (30d,10GiB), in whole days; the first
    /// rule whose POOL (with * for any text) fits counts, and without one everything is kept
    #[arg(long, value_name = "POOL=LIMIT")]
    retain: Vec<String>,
}

/// Runs the command; gives the exit status.
pub fn serve(args: ServeArgs) -> i32 {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            eprintln!("dsctl: cannot start: {why}");
            return 2;
        }
    };
    match runtime.block_on(begin(args)) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("dsctl: {why}");
            2
        }
    }
}

async fn begin(args: ServeArgs) -> Result<i32, String> {
    let address = loopback(&args.listen).await?;
    let retention = args.retain.iter().map(|rule| retention(rule)).collect::<Result<Vec<_>, _>>()?;
    let known = |at: usize| retention[..at].iter().any(|rule| rule.pool == retention[at].pool);
    if let Some(at) = (0..retention.len()).find(|&at| known(at)) {
        return Err(format!(
            "--retain `{}`: its pool has a rule already, and the first one counts; a time and a size go into one rule, \
             such as vmstat=30d,10GiB",
            args.retain[at]
        ));
    }
    let data = data_folder(args.data.as_deref())?;
    let folder = controller_folder(&data);
    make_private(&folder).map_err(|why| format!("cannot make {}: {why}", folder.display()))?;
    let _lock = lock(&folder)?;
    let secret = operator_secret(&data)?;
    let listener = TcpListener::bind(address).await.map_err(|why| {
        format!("cannot listen on {address}: {why}; --listen 127.0.0.1:0 takes a free port")
    })?;
    let bound = listener.local_addr().map_err(|why| format!("cannot listen on {address}: {why}"))?;
    let door = match &args.memcached {
        Some(address) => Some(open_door(address, &data).await?),
        None => None,
    };
    let logs = logs::Logs::open(&data, retention)?;
    let http = match &args.http {
        Some(address) => Some(open_http(address, &logs, &data, args.http_put).await?),
        None => None,
    };
    let address_file = address_file(&data);
    write_private(&address_file, format!("{bound}\n").as_bytes())
        .map_err(|why| format!("cannot write {}: {why}", address_file.display()))?;
    let ended = core::serve(&data, logs, listener, secret, args.lost_after, || {
        println!("listening on {bound}");
        if let Some(door) = &door {
            println!("memcached on {door}");
        }
        if let Some(http) = &http {
            println!("http on {http}");
        }
        eprintln!("dsctl: the data folder is {}; `dsctl token` lets a node join", data.display());
    })
    .await;
    let _ = std::fs::remove_file(&address_file);
    ended
}

/// Begins to answer memcached's clients; gives the address.
async fn open_door(address: &str, data: &Path) -> Result<SocketAddr, String> {
    let address = loopback(address).await?;
    let items = dscript_door::Items::open(data)?;
    let failed = |why: std::io::Error| format!("cannot listen on {address} for memcached: {why}");
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let door = dscript_door::Door::open(&items, data);
    let door = door.map_err(|why| format!("cannot start threads for memcached's clients: {why}"))?;
    tokio::spawn(door.serve(listener));
    Ok(bound)
}

/// Begins to answer HTTP; gives the address.
async fn open_http(address: &str, logs: &logs::Logs, data: &Path, put: bool) -> Result<SocketAddr, String> {
    let address = loopback(address).await?;
    let failed = |why: std::io::Error| format!("cannot listen on {address} for HTTP: {why}");
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tokio::spawn(http::serve(listener, http::Api::new(logs.clone(), data, put)));
    Ok(bound)
}

/// `vmstat=30d`, `*=10GiB`, `vmstat=30d,10GiB`
fn retention(rule: &str) -> Result<Retention, String> {
    let wrong = || {
        format!(
            "--retain `{rule}`: write POOL=TIME, POOL=SIZE or both, such as vmstat=30d, '*=10GiB' or vmstat=30d,10GiB"
        )
    };
    let (pool, limits) = rule.split_once('=').filter(|(pool, _)| !pool.is_empty()).ok_or_else(wrong)?;
    let nothing = || {
        format!("--retain `{rule}`: nothing would be kept of what is logged; write a time or a size above 0")
    };
    let mut rule = Retention { pool: Pattern::parse(pool), age: None, bytes: None };
    for limit in limits.split(',') {
        let again = match (units::duration(limit), units::size(limit)) {
            (Ok(age), _) => {
                let age = i64::try_from(age.as_nanos()).map_err(|_| wrong())?;
                if age == 0 {
                    return Err(nothing());
                }
                rule.age.replace(age).is_some()
            }
            (_, Ok(0)) => return Err(nothing()),
            (_, Ok(bytes)) => rule.bytes.replace(bytes).is_some(),
            _ => true,
        };
        if again {
            return Err(wrong());
        }
    }
    Ok(rule)
}

/// The address to listen on, which must not be reachable from other machines.
async fn loopback(text: &str) -> Result<SocketAddr, String> {
    let mut found = tokio::net::lookup_host(text).await.map_err(|why| {
        format!("`{text}` is no address to listen on ({why}); write HOST:PORT, such as {DEFAULT_ADDRESS}")
    })?;
    let address = found.next().ok_or_else(|| format!("`{text}` is no address"))?;
    if !address.ip().is_loopback() || !found.all(|other| other.ip().is_loopback()) {
        return Err(format!(
            "{text} can be reached from other machines, and connections are not protected yet (TLS is not there): \
             listen on loopback, such as {DEFAULT_ADDRESS}"
        ));
    }
    Ok(address)
}

/// Made once; whoever can read the file is an operator.
fn operator_secret(data: &Path) -> Result<Secret, String> {
    let path = operator_secret_file(data);
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().len() == 64 => Ok(Secret(text.trim().to_owned())),
        Ok(_) => Err(format!("{} is damaged: delete it to have a new one made", path.display())),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
            let secret = random_bytes()
                .map(Secret::new)
                .map_err(|why| format!("the kernel gives no random numbers: {why}"))?;
            write_private(&path, format!("{}\n", secret.0).as_bytes())
                .map_err(|why| format!("cannot write {}: {why}", path.display()))?;
            Ok(secret)
        }
        Err(why) => Err(format!("cannot read {}: {why}", path.display())),
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
            format!("another controller uses {}: give this one its own --data", folder.display())
        }
        why => format!("cannot lock {}: {why}", path.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_retention() {
        let limits = |rule| retention(rule).map(|rule| (rule.age, rule.bytes));
        assert_eq!(limits("a=2s"), Ok((Some(2_000_000_000), None)));
        assert_eq!(limits("a=1KiB"), Ok((None, Some(1024))));
        assert_eq!(limits("*=1KiB,2s"), Ok((Some(2_000_000_000), Some(1024))));
        for zero in ["a=0d", "a=0s", "*=0GB", "a=30d,0KiB"] {
            assert!(retention(zero).is_err_and(|why| why.contains("above 0")), "{zero}");
        }
        for bad in ["a", "a=", "=1s", "a=x", "a=1s,2s", "a=1KB,2KB", "a=1s,"] {
            assert!(retention(bad).is_err_and(|why| why.contains("POOL=TIME")), "{bad}");
        }
    }

    #[test]
    fn only_loopback() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let check = |text, expected| assert_eq!(runtime.block_on(loopback(text)).is_ok(), expected, "{text}");
        check("127.0.0.1:0", true);
        check("127.1.2.3:7700", true);
        check("[::1]:7700", true);
        check("0.0.0.0:7700", false);
        check("[::]:7700", false);
        check("192.0.2.1:7700", false);
        check("7700", false);
        check("", false);
    }
}
