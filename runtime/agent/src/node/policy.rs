//! What the node's owner lets programs do here: a TOML file, read once at the start. A mistake in it stops the
//! node from starting, as a policy that is half understood protects nobody.

use std::path::Path;

use dscript_bytecode::capability::Capability;
use dscript_host::run::{Limits, OutputLimit, Policy};
use dscript_protocol::units;
use serde::Deserialize;

use super::logs::LINE_BYTES;

const OUTPUT_BYTES: u64 = 16 << 20;
const PUT_BYTES: u64 = 256 << 20;
const THREADS_MAX: usize = 64;
const THREADS_UNTOLD_MAX: usize = 4;

#[derive(Clone, Debug)]
pub struct NodePolicy {
    pub policy: Policy,
    pub limits: Limits,
    pub threads: usize,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    allow: Option<Vec<String>>,
    deny: Vec<String>,
    memory: Option<String>,
    time: Option<String>,
    output: Option<String>,
    puts: Option<String>,
    subprocesses: Option<usize>,
    open: Option<usize>,
    threads: Option<usize>,
}

impl NodePolicy {
    pub fn read(path: Option<&Path>) -> Result<Self, String> {
        let Some(path) = path else { return Self::of(File::default()) };
        let file = path.display();
        let text = std::fs::read_to_string(path).map_err(|why| format!("cannot read {file}: {why}"))?;
        Self::parse(&text).map_err(|why| format!("{file}: {why}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        Self::of(toml::from_str(text).map_err(|why| why.to_string())?)
    }

    fn of(file: File) -> Result<Self, String> {
        let allow = match file.allow {
            // An empty list means `nothing` to whoever writes it, and `anything` to the engine.
            Some(allow) if allow.is_empty() => {
                return Err(
                    "`allow = []` would allow nothing: leave it out to allow what programs declare, \
                            or write `deny = [\"*\"]`"
                        .into(),
                );
            }
            allow => allow.unwrap_or_default(),
        };
        for pattern in allow.iter().chain(&file.deny) {
            Capability::parse_known(pattern).map_err(|why| why.to_string())?;
        }
        let untold = Limits::default();
        let output_bytes = file.output.as_deref().map(units::size).transpose()?.unwrap_or(OUTPUT_BYTES);
        let limits = Limits {
            memory_bytes: file.memory.as_deref().map(units::size).transpose()?.unwrap_or(untold.memory_bytes),
            time: file.time.as_deref().map(units::duration).transpose()?,
            output: Some(OutputLimit { bytes: output_bytes, line_bytes: LINE_BYTES }),
            puts: Some(file.puts.as_deref().map(units::size).transpose()?.unwrap_or(PUT_BYTES)),
            subprocesses: file.subprocesses.unwrap_or(untold.subprocesses),
            open: file.open.unwrap_or(untold.open),
            ..untold
        };
        let threads = match file.threads {
            Some(0) | Some(THREADS_MAX..) => return Err(format!("threads: 1 to {}", THREADS_MAX - 1)),
            Some(threads) => threads,
            None => std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_UNTOLD_MAX),
        };
        Ok(Self { policy: Policy { allow, deny: file.deny, refuse_early: true }, limits, threads })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn reads_limits() {
        let policy = NodePolicy::parse(
            "memory = \"64MiB\"\ntime = \"10m\"\noutput = \"1MiB\"\nputs = \"2MiB\"\nsubprocesses = 0\nopen = 9\nthreads = 3",
        )
        .unwrap();
        assert_eq!(policy.limits.puts, Some(2 << 20));
        assert_eq!((policy.limits.subprocesses, policy.limits.open), (0, 9));
        let output_bytes = |policy: &NodePolicy| policy.limits.output.map(|output| output.bytes);
        assert_eq!(output_bytes(&policy), Some(1 << 20));
        assert_eq!(policy.limits.memory_bytes, 64 << 20);
        assert_eq!(policy.limits.time, Some(Duration::from_secs(600)));
        assert_eq!(policy.threads, 3);
        let untold = NodePolicy::parse("").unwrap();
        assert_eq!(untold.limits.memory_bytes, Limits::default().memory_bytes);
        assert_eq!(output_bytes(&untold), Some(16 << 20));
        assert_eq!(untold.limits.puts, Some(256 << 20));
        assert!(untold.threads >= 1);
        for bad in [
            "memroy = \"1MiB\"",
            "memory = 5",
            "output = \"1\"",
            "time = \"5\"",
            "puts = 3",
            "subprocesses = -1",
            "open = \"9\"",
            "threads = 0",
            "allow = []",
            "deny = 3",
            "=",
        ] {
            assert!(NodePolicy::parse(bad).is_err(), "{bad}");
        }
        let manual = include_str!("../../../../docs/src/commands.md");
        let example = manual.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        NodePolicy::parse(example.expect("the manual has an example")).expect("a node takes it");
        let why = NodePolicy::parse("deny = [\"flie:write:*\"]").expect_err("a kind that there is not");
        assert!(why.contains("did you mean `file`?"), "{why}");
    }
}
