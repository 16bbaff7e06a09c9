//! Real processes: what reaches a program, and that none is left behind.

use std::fs;
use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::client::guardian_pid;
use super::*;

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than any of these has at once.
const MANY: usize = 256;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new()
        .block_on(&runtime, async { tokio::time::timeout(PATIENCE, future).await.expect("it hangs") })
}

/// The program with arguments, and the reading end of its standard output.
fn piped(program: &str, args: &[&str]) -> (Spawn, fs::File) {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("a pipe");
    let spawn = Spawn {
        program: program.into(),
        args: args.iter().map(|a| a.to_string()).collect(),
        streams: [None, Some(write), None],
        ..Spawn::default()
    };
    (spawn, read.into())
}

/// Everything the program writes, and how it ended.
fn output_of(change: impl FnOnce(&mut Spawn), program: &str, args: &[&str]) -> (String, Exit) {
    let (mut spawn, mut read) = piped(program, args);
    change(&mut spawn);
    block_on(async {
        let children = Children::new(MANY);
        let child = children.spawn(spawn).await.expect("it starts");
        let mut text = String::new();
        read.read_to_string(&mut text).expect("UTF-8");
        (text, child.wait().await.0)
    })
}

fn spawn_error(program: &str, change: impl FnOnce(&mut Spawn)) -> SpawnError {
    let mut spawn = Spawn { program: program.into(), ..Spawn::default() };
    change(&mut spawn);
    block_on(async { Children::new(MANY).spawn(spawn).await.err().expect("it must not start") })
}

/// Whether the process is there and more than a zombie.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A shell script that starts a child, a grandchild in the background, one in a session of its own, and one that
/// was forked twice; each writes its pid to a file of the folder.
fn family(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "echo $$ > {folder}/child
        sh -c 'echo $$ > {folder}/grandchild; exec sleep 1000' &
        setsid sh -c 'echo $$ > {folder}/session; exec sleep 1000' &
        (setsid sh -c '(sh -c \"echo \\$\\$ > {folder}/orphan; exec sleep 1000\" &)' &)
        exec sleep 1000"
    )
}

/// Waits for the pids that `family` writes.
fn pids(folder: &Path) -> Vec<u32> {
    let mut all = Vec::new();
    for name in ["child", "grandchild", "session", "orphan"] {
        wait_until(name, || {
            let pid =
                fs::read_to_string(folder.join(name)).ok().and_then(|text| text.trim().parse::<u32>().ok());
            all.extend(pid);
            pid.is_some()
        });
    }
    all
}

fn folder(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("dscript-host-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder for the test");
    path
}

#[test]
fn arguments_arrive_untouched() {
    let args = ["a b", "\"q\" 'q'", "$(echo no)", "`no`; rm", "two\nlines", "", "*", "\\", "ü\u{1F600}"];
    let mut all = vec!["%s\\0"];
    all.extend(args);
    let (text, exit) = output_of(|_| (), "printf", &all);
    assert_eq!(text, args.map(|a| format!("{a}\0")).concat());
    assert_eq!(exit, Exit::Code(0));
}

#[test]
fn many_arguments_go_through_a_file() {
    let long = "x".repeat(100_000);
    let (text, _) = output_of(|_| (), "printf", &["%s", &long, &long]);
    assert_eq!(text.len(), 200_000);
}

#[test]
fn environment_is_kept_replaced_or_cleared() {
    let set = |name: &str, value: &str| (name.to_string(), value.to_string());
    let (text, _) = output_of(
        |s| s.env = vec![set("PATH", "/none"), set("A", "x=y z")],
        "sh",
        &["-c", "echo $A $PATH ${HOME:+home}"],
    );
    assert_eq!(text, "x=y z /none home\n");
    let (text, _) = output_of(|s| (s.clear_env, s.env) = (true, vec![set("A", "1")]), "env", &[]);
    assert_eq!(text, "A=1\n");
}

#[test]
fn directory_and_input_are_given() {
    let (text, _) = output_of(|s| s.dir = Some("/usr/bin/..".into()), "pwd", &["-P"]);
    assert_eq!(text, "/usr\n");
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("a pipe");
    fs::File::from(write).write_all(b"input").expect("it fits");
    let (text, _) = output_of(|s| s.streams[0] = Some(read), "cat", &[]);
    assert_eq!(text, "input");
    let (text, exit) = output_of(|_| (), "cat", &[]);
    assert_eq!((text.as_str(), exit), ("", Exit::Code(0)));
}

#[test]
fn children_start_clean() {
    let (text, _) =
        output_of(|_| (), "sh", &["-c", "ls /proc/self/fd; grep -E 'SigBlk|SigIgn' /proc/self/status"]);
    let lines: Vec<&str> = text.lines().collect();
    // 3 is the folder that `ls` reads.
    assert_eq!(lines[..4], ["0", "1", "2", "3"]);
    assert!(lines[4..].iter().all(|line| line.ends_with("0000000000000000")), "{text}");
}

#[test]
fn endings_are_told() {
    assert_eq!(output_of(|_| (), "sh", &["-c", "exit 3"]).1, Exit::Code(3));
    assert_eq!(output_of(|_| (), "sh", &["-c", "kill -KILL $$"]).1, Exit::Signal(libc::SIGKILL));
}

#[test]
fn what_cannot_start_says_why() {
    let error = |errno, stage| SpawnError::System { errno, stage };
    assert_eq!(spawn_error("no-such-program", |_| ()), error(libc::ENOENT, Stage::Program));
    assert_eq!(spawn_error("", |_| ()), error(libc::ENOENT, Stage::Program));
    assert_eq!(spawn_error("/etc/passwd", |_| ()), error(libc::EACCES, Stage::Program));
    assert_eq!(spawn_error("/etc/passwd/x", |_| ()), error(libc::ENOTDIR, Stage::Program));
    assert_eq!(spawn_error("true", |s| s.dir = Some("/none".into())), error(libc::ENOENT, Stage::Directory));
    assert_eq!(spawn_error("true", |s| s.args = vec!["a\0b".into()]), error(libc::EINVAL, Stage::Request));
    assert_eq!(
        spawn_error("true", |s| s.args = vec!["x".repeat(200_000)]),
        error(libc::E2BIG, Stage::Program)
    );
    assert_eq!(
        spawn_error("true", |s| s.args = vec!["x".repeat(9 << 20)]),
        error(libc::E2BIG, Stage::Request)
    );
    assert_eq!(
        spawn_error("true", |s| s.env = vec![("a=b".into(), "".into())]),
        error(libc::EINVAL, Stage::Request)
    );
}

#[test]
fn many_at_once() {
    block_on(async {
        let children = Children::new(MANY);
        let mut all = Vec::new();
        for n in 0..200 {
            let children = children.clone();
            all.push(tokio::task::spawn_local(async move {
                let code = n % 100;
                let args = vec!["-c".to_string(), format!("exit {code}")];
                let child = children.spawn(Spawn { program: "sh".into(), args, ..Spawn::default() }).await;
                assert_eq!(child.expect("it starts").wait().await.0, Exit::Code(code));
            }));
        }
        for one in all {
            one.await.expect("no panic");
        }
        children.close().await;
    });
}

/// However a run starts programs, there is room for so many of them.
#[test]
fn a_run_has_room_for_so_many() {
    block_on(async {
        let children = Children::new(3);
        let apart = children.letting_go();
        let sleep = || Spawn { program: "sleep".into(), args: vec!["1000".into()], ..Spawn::default() };
        for number in 0..3 {
            let some = if number % 2 == 0 { &children } else { &apart };
            some.spawn(sleep()).await.expect("there is room");
        }
        for full in [&children, &apart, &children.letting_go()] {
            assert_eq!(full.spawn(sleep()).await.err(), Some(SpawnError::TooMany(3)));
        }
        assert!(Children::new(MANY).spawn(sleep()).await.is_ok(), "another run has room of its own");
        apart.close().await;
        children.spawn(sleep()).await.expect("there is room again");
        children.close().await;
    });
}

#[test]
fn a_signal_reaches_the_group() {
    let folder = folder("signal");
    block_on(async {
        let children = Children::new(MANY);
        let (spawn, _read) = piped("sh", &["-c", &family(&folder)]);
        let child = children.spawn(spawn).await.expect("it starts");
        let pids = pids(&folder);
        assert_eq!(child.pid(), pids[0]);
        child.signal(libc::SIGTERM);
        assert_eq!(child.wait().await.0, Exit::Signal(libc::SIGTERM));
        wait_until("the group lives", || !lives(pids[0]) && !lives(pids[1]));
        assert!(lives(pids[2]) && lives(pids[3]), "these are of other groups");
        children.close().await;
        assert!(pids.iter().all(|pid| !lives(*pid)));
    });
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn a_group_without_its_leader_can_be_signalled() {
    let folder = folder("leader");
    block_on(async {
        let children = Children::new(MANY);
        let script = format!("sh -c 'echo $$ > {}/left; exec sleep 1000' & exit 0", folder.display());
        let (spawn, _read) = piped("sh", &["-c", &script]);
        let child = children.spawn(spawn).await.expect("it starts");
        assert_eq!(child.wait().await.0, Exit::Code(0));
        let mut left = 0;
        wait_until("no pid", || {
            left =
                fs::read_to_string(folder.join("left")).ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0);
            left != 0
        });
        child.signal(libc::SIGTERM);
        wait_until("it lives", || !lives(left));
        children.close().await;
    });
    fs::remove_dir_all(folder).expect("it is ours");
}

/// Processes that each start the next one and end, in the group of the first and each in a session of its own. They end by
/// themselves after some seconds, should nobody end them.
#[test]
fn what_forks_again_and_again_is_ended() {
    let folder = folder("chains");
    let script = folder.join("chain");
    fs::write(&script, "[ $2 -gt 0 ] && $1 sh $0 \"$1\" $(($2 - 1)) &").expect("a writable folder");
    let running = || {
        let processes = fs::read_dir("/proc").expect("/proc").flatten();
        let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
        let name = script.as_os_str().as_encoded_bytes();
        lines.filter(|line| line.split(|byte| *byte == 0).any(|part| part == name)).count()
    };
    block_on(async {
        let children = Children::new(MANY);
        let start = format!("for i in 1 2 3; do sh {0} '' 3000; sh {0} setsid 3000; done", script.display());
        let (spawn, _read) = piped("sh", &["-c", &start]);
        let child = children.spawn(spawn).await.expect("it starts");
        assert_eq!(child.wait().await.0, Exit::Code(0));
        wait_until("no chain", || running() > 0);
        children.close().await;
        assert_eq!(running(), 0);
    });
    fs::remove_dir_all(folder).expect("it is ours");
}

/// A start that was asked for and that nobody has looked at since, of a script that writes its pid to a file and stays.
async fn asked_for<'c>(children: &'c Children, file: &Path) -> impl Future<Output: Sized> + use<'c> {
    let script = format!("echo $$ > {}; exec sleep 1000", file.display());
    let args = vec!["-c".to_string(), script];
    let mut start = Box::pin(children.spawn(Spawn { program: "sh".into(), args, ..Spawn::default() }));
    tokio::select! {
        biased;
        _ = &mut start => panic!("it cannot have started yet"),
        () = std::future::ready(()) => {}
    }
    start
}

fn pid_in(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok())
}

#[test]
fn dropping_a_start_kills_what_it_started() {
    let folder = folder("dropped");
    let file = folder.join("pid");
    block_on(async {
        let children = Children::new(MANY);
        drop(asked_for(&children, &file).await);
        // The child may be killed before it writes; then there is nothing to look for.
        let (probe, _read) = piped("true", &[]);
        children.spawn(probe).await.expect("it starts").wait().await;
        if let Some(pid) = pid_in(&file) {
            wait_until("it lives", || !lives(pid));
        }
        children.close().await;
    });
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn dropping_a_start_that_was_answered_kills_what_it_started() {
    let folder = folder("answered");
    let file = folder.join("pid");
    block_on(async {
        let children = Children::new(MANY);
        let start = asked_for(&children, &file).await;
        let pid = loop {
            // The answer comes while the start is not looked at.
            tokio::time::sleep(Duration::from_millis(2)).await;
            if let Some(pid) = pid_in(&file) {
                break pid;
            }
        };
        let (probe, _read) = piped("true", &[]);
        children.spawn(probe).await.expect("it starts").wait().await;
        drop(start);
        while lives(pid) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        children.close().await;
    });
    fs::remove_dir_all(folder).expect("it is ours");
}

/// Not a test of its own: the body of an owner process that a test below starts and kills.
#[test]
fn owner() {
    let Some(folder) = std::env::var_os("DSCRIPT_HOST_TEST_OWNER") else { return };
    let folder = Path::new(&folder);
    block_on(async {
        let children = Children::new(MANY);
        let args = vec!["-c".to_string(), family(folder)];
        let streams: [Option<OwnedFd>; 3] = [None, None, None];
        let spawn = Spawn { program: "sh".into(), args, streams, ..Spawn::default() };
        let child = children.spawn(spawn).await.expect("it starts");
        let keeper = tree::children(guardian_pid().expect("it was started"));
        let ids = format!("{} {}", guardian_pid().expect("it was started"), keeper[0]);
        fs::write(folder.join("ids.part"), ids).expect("a writable folder");
        fs::rename(folder.join("ids.part"), folder.join("ids")).expect("a writable folder");
        child.wait().await;
        // Stays until it is killed, to show that it is not the owner's end that ended the children.
        std::future::pending::<()>().await;
    });
}

/// Starts an owner with the family, kills `victim` of (owner, guardian, keeper), and sees all others gone.
fn kill_one(name: &str, victim: usize) {
    let folder = folder(name);
    let exe = std::env::current_exe().expect("our own path");
    let mut process = Command::new(exe)
        .args(["--exact", "spawner::tests::owner", "--nocapture"])
        .env("DSCRIPT_HOST_TEST_OWNER", &folder)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("our own program starts");
    wait_until("the owner did not start", || folder.join("ids").exists());
    let ids = fs::read_to_string(folder.join("ids")).expect("just seen");
    let mut helpers = vec![process.id()];
    helpers.extend(ids.split(' ').map(|id| id.parse::<u32>().expect("a pid")));
    let pids = pids(&folder);
    assert!(pids.iter().chain(&helpers).all(|pid| lives(*pid)));
    tree::kill(helpers[victim], libc::SIGKILL);
    for pid in &pids {
        wait_until(&format!("{pid} lives"), || !lives(*pid));
    }
    // The keeper ends in every case, the guardian with its owner.
    wait_until("the keeper lives", || !lives(helpers[2]));
    process.kill().expect("it is ours");
    process.wait().expect("it is ours");
    wait_until("the guardian lives", || !lives(helpers[1]));
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn nothing_is_left_when_the_owner_is_killed() {
    kill_one("owner", 0);
}

#[test]
fn nothing_is_left_when_the_guardian_is_killed() {
    kill_one("guardian", 1);
}

#[test]
fn nothing_is_left_when_the_keeper_is_killed() {
    kill_one("keeper", 2);
}
