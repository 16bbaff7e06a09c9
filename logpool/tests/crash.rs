//! Processes that are killed in the middle of their work. The test starts itself again as the process that is
//! to be killed; `CRASH_ROUNDS` makes it try longer.

mod common;

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use dscript_logpool::*;
use tempfile::tempdir;

const ROLE: &str = "LOGPOOL_TEST_ROLE";
const DIR: &str = "LOGPOOL_TEST_DIR";
const RUN: &str = "LOGPOOL_TEST_RUN";

/// One test at a time: a process that another test is just starting shares this one's locks until its `exec`.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn rounds() -> u64 {
    std::env::var("CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(8)
}

fn start(role: &str, dir: &Path, run: u128) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(ROLE, role)
        .env(DIR, dir)
        .env(RUN, run.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Kills it at once, and returns what it had said: pairs of a word and a number.
fn kill(mut child: Child) -> Vec<(String, u64)> {
    child.kill().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL), "it ended by itself: {said}");
    lines(&said)
}

fn lines(said: &str) -> Vec<(String, u64)> {
    let whole = said.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole
        .filter_map(|line| {
            let (word, number) = line.trim_end().strip_prefix("> ")?.split_once(' ')?;
            Some((word.to_owned(), number.parse().ok()?))
        })
        .collect()
}

fn say(word: &str, number: u64) {
    // One write, so that a kill leaves a line or a part of it.
    std::io::stdout().write_all(format!("> {word} {number}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

/// Not a test of its own: what the killed processes do.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let dir = std::env::var(DIR).unwrap();
    let run = std::env::var(RUN).unwrap().parse().unwrap();
    println!();
    match role.as_str() {
        "append" => append_for_ever(Path::new(&dir), run),
        "move" => move_for_ever(Path::new(&dir)),
        "spool" => spool_for_ever(Path::new(&dir), run),
        "full" => append_with_a_full_disk(Path::new(&dir)),
        other => panic!("{other}"),
    }
}

fn append_for_ever(dir: &Path, run: u128) {
    let mut writer = Writer::open(dir).unwrap();
    let mut seq = 0;
    loop {
        let count = 1 + seq % 7;
        if seq % 50 == 49 {
            writer = Writer::open(dir).unwrap();
        }
        writer.append(records(run, seq..seq + count)).unwrap();
        seq += count;
        say("acknowledged", seq);
    }
}

fn move_for_ever(dir: &Path) {
    loop {
        if let Some(mut mover) = Mover::try_acquire(dir).unwrap() {
            for turn in 0..20 {
                let moved = mover.move_once().unwrap();
                // The first may meet again what a killed mover had added and not noted.
                assert!(moved.duplicates == 0 || turn == 0, "{moved:?}");
                assert_eq!((moved.damage.len(), moved.failed.len()), (0, 0), "{moved:?}");
                say("moved", moved.records);
            }
        }
    }
}

/// The number that came last with a word.
fn last(said: &[(String, u64)], word: &str) -> u64 {
    said.iter().rev().find(|(said, _)| said == word).map_or(0, |(_, number)| *number)
}

fn check_runs(found: &[Record], acknowledged: &BTreeMap<u128, u64>) {
    let unique: HashSet<_> = found.iter().map(|record| (record.run.0, record.seq)).collect();
    assert_eq!(unique.len(), found.len(), "a record is doubled");
    for (&run, &count) in acknowledged {
        for seq in 0..count {
            assert!(
                unique.contains(&(run, seq)),
                "record {seq} of {count} acknowledged ones of run {run} is lost"
            );
        }
    }
    for record in found {
        assert_eq!(*record, common::record(record.run.0, record.seq));
    }
}

/// Rounds on one folder: every round looks at all that is in it.
const ROUNDS_OF_A_FOLDER: u64 = 25;

#[test]
fn killed_writers_and_movers_lose_and_double_nothing() {
    let _alone = alone();
    let mut random = Random::from_env();
    let (mut left, mut slowest) = (rounds(), Duration::ZERO);
    while left > 0 {
        let some = left.min(ROUNDS_OF_A_FOLDER);
        slowest = slowest.max(kill_writers_and_movers(some, &mut random));
        left -= some;
    }
    println!("after a kill the first answer took at most {slowest:?}");
    // By who measures on a quiet machine.
    if std::env::var_os("CRASH_ROUNDS").is_some() {
        assert!(slowest < Duration::from_secs(1));
    }
}

/// The longest time that a first answer took.
fn kill_writers_and_movers(rounds: u64, random: &mut Random) -> Duration {
    let dir = tempdir().unwrap();
    let reader = Reader::open(dir.path());
    let mut acknowledged = BTreeMap::new();
    let (mut cursor, mut followed) = (Cursor::default(), HashSet::new());
    let (mut run, mut moved) = (0, 0);
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds {
        let writers: Vec<_> = (0..2).map(|n| (run + n, start("append", dir.path(), run + n))).collect();
        run += 2;
        let mover = start("move", dir.path(), 0);
        thread::sleep(Duration::from_millis(20 + random.below(120)));
        moved += kill(mover).iter().filter(|(word, _)| word == "moved").map(|(_, count)| count).sum::<u64>();
        // Another one takes over while the writers go on and this process reads.
        let mover = start("move", dir.path(), 0);
        reader.query(&Query::default()).unwrap();
        thread::sleep(Duration::from_millis(random.below(120)));
        for (run, writer) in writers {
            acknowledged.insert(run, last(&kill(writer), "acknowledged"));
        }
        let start = Instant::now();
        reader.query(&Query { limit: Some(1), ..Query::default() }).unwrap();
        slowest = slowest.max(start.elapsed());
        check_runs(&reader.query(&Query::default()).unwrap(), &acknowledged);
        moved += kill(mover).iter().filter(|(word, _)| word == "moved").map(|(_, count)| count).sum::<u64>();
        loop {
            let polled = reader.tail(&Query::default(), &mut cursor).unwrap();
            for record in polled.records {
                assert!(followed.insert((record.run, record.seq)), "{record:?} came twice");
            }
            if !polled.more {
                break;
            }
        }
    }
    let before = reader.query(&Query::default()).unwrap();
    check_runs(&before, &acknowledged);
    assert_eq!(followed.len(), before.len());
    let rest = Mover::try_acquire(dir.path()).unwrap().unwrap().move_once().unwrap();
    assert_eq!((rest.damage.len(), rest.failed.len()), (0, 0));
    assert_eq!(reader.query(&Query::default()).unwrap(), before);
    assert_eq!(std::fs::read_dir(dir.path().join("log")).unwrap().count(), 0, "all their writers are dead");
    println!("{} records of {run} runs, {moved} moved by movers that were killed", before.len());
    slowest
}

/// One that holds the mover's lock and has nothing to move, as a controller that was just started has, is in nobody's way.
#[test]
fn what_a_killed_mover_left_is_read_while_another_one_rests() {
    let _alone = alone();
    let dir = tempdir().unwrap();
    let writer = Writer::open(dir.path()).unwrap();
    writer.append(records(1, 0..100)).unwrap();
    let mut mover = start("move", dir.path(), 0);
    let mut said = BufReader::new(mover.stdout.take().unwrap());
    let mut line = String::new();
    while !line.trim_end().ends_with("> moved 100") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the mover has ended");
    }
    mover.kill().unwrap();
    mover.wait().unwrap();
    let mut resting = Mover::try_acquire(dir.path()).unwrap().unwrap();
    let start = Instant::now();
    assert_eq!(resting.move_if_worth().unwrap().records, 0);
    assert_eq!(Reader::open(dir.path()).query(&Query::default()).unwrap().len(), 100);
    // To wait for the one who rests would take ten seconds.
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

fn spool_for_ever(dir: &Path, run: u128) {
    let spool = Spool::open(dir).unwrap();
    // The test counts on from where the spool was: `run` is the first number.
    let mut seq = run as u64;
    loop {
        let count = 1 + seq % 5;
        spool.append(records(1, seq..seq + count)).unwrap();
        seq += count;
        say("appended", seq);
        if seq.is_multiple_of(3) {
            let batch = spool.next_batch(1 + (seq % 11) as usize, 1 << 20).unwrap();
            for record in &batch.records {
                say("sent", record.seq);
            }
            spool.acknowledge(batch.end).unwrap();
            if let Some(last) = batch.records.last() {
                say("confirmed", last.seq);
            }
        }
    }
}

#[test]
fn a_killed_agent_delivers_everything_in_order() {
    let _alone = alone();
    let mut random = Random::from_env();
    let dir = tempdir().unwrap();
    let mut delivered = HashSet::new();
    let mut next = 0;
    for round in 0..rounds() {
        let agent = start("spool", dir.path(), next.into());
        thread::sleep(Duration::from_millis(20 + random.below(100)));
        let said = kill(agent);
        let sent: Vec<u64> = said.iter().filter(|(word, _)| word == "sent").map(|(_, seq)| *seq).collect();
        delivered.extend(&sent);
        assert!(sent.is_sorted(), "in the order in which they were appended");
        let acknowledged = last(&said, "appended").max(next.into());
        let spool = Spool::open(dir.path()).unwrap();
        let rest = seqs(&spool.next_batch(usize::MAX, usize::MAX).unwrap().records);
        assert!(rest.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{rest:?}");
        let confirmed = said.iter().rev().find(|(word, _)| word == "confirmed");
        if let (Some((_, confirmed)), Some(first)) = (confirmed, rest.first()) {
            assert!(first > confirmed, "{first} was confirmed and comes again");
        }
        let known: HashSet<u64> = delivered.iter().chain(&rest).copied().collect();
        for seq in 0..acknowledged {
            assert!(known.contains(&seq), "round {round}: {seq} of {acknowledged} is lost");
        }
        // A record that nobody was told about may be there; the next agent goes on behind it.
        next = acknowledged.max(rest.last().map_or(0, |last| last + 1)) as u32;
    }
    let spool = Spool::open(dir.path()).unwrap();
    let rest = spool.next_batch(usize::MAX, usize::MAX).unwrap();
    spool.acknowledge(rest.end).unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("log")).unwrap().count(), 0);
}

/// The largest file this process may write, which stands for a full disk: a write beyond it fails.
fn limit_file_size(bytes: u64) {
    // SAFETY: the call reads the structure it is given. Ignoring a signal has no handler to go wrong.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        assert_eq!(libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit), 0);
        limit.rlim_cur = bytes.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}

/// A record of another run that does not become smaller when it is packed.
fn bulky(seq: u64) -> Record {
    let mut random = Random(seq);
    let text = (0..400).map(|_| format!("{:08x}", random.below(1 << 31))).collect();
    Record { fields: [("text", FieldValue::String(text))].into(), ..common::record(2, seq) }
}

fn append_with_a_full_disk(dir: &Path) {
    let writer = Writer::open(dir).unwrap();
    let mut seq = 0;
    let mut append = |count: u64| {
        let result = writer.append(records(1, seq..seq + count));
        // A failed append is repeated with the same numbers, as a caller would.
        seq += if result.is_ok() { count } else { 0 };
        (result, seq)
    };
    for _ in 0..3 {
        limit_file_size(3000);
        while append(3).0.is_ok() {}
        limit_file_size(10);
        for _ in 0..3 {
            let error = append(3).0.unwrap_err();
            assert!(error.is_disk_full(), "{error}");
            assert!(error.to_string().contains(&*dir.to_string_lossy()), "{error}");
        }
        limit_file_size(u64::MAX);
        assert!(append(100).0.is_ok());
    }
    say("acknowledged", seq);
    assert_eq!(Reader::open(dir).query(&Query::default()).unwrap().len() as u64, seq);
    let mut mover = Mover::try_acquire(dir).unwrap().unwrap();
    let reader = Reader::open(dir);
    // There is no room for a database.
    limit_file_size(1000);
    assert!(mover.move_once().unwrap_err().is_disk_full());
    assert_eq!(reader.query(&Query::default()).unwrap().len() as u64, seq);
    limit_file_size(u64::MAX);
    mover.move_once().unwrap();
    // There is one, and it cannot grow; what is there can be written over.
    let segment =
        || std::fs::read_dir(dir.join("segments")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let mut bulk = 0;
    for round in 0..4 {
        let mut refused = 0;
        while refused < 3 {
            writer.append(records(1, seq..seq + 100)).unwrap();
            seq += 100;
            // What fills the database soon.
            writer.append((bulk..bulk + 200).map(bulky).collect()).unwrap();
            bulk += 200;
            limit_file_size(std::fs::metadata(segment()).unwrap().len());
            refused += u64::from(mover.move_once().is_err());
            if round % 2 == 1 {
                // Whoever failed may also end.
                drop(mover);
                assert_eq!(reader.query(&Query::default()).unwrap().len() as u64, seq + bulk);
                mover = Mover::try_acquire(dir).unwrap().unwrap();
            }
            // Whether there is room enough or not, no answer changes.
            assert_eq!(reader.query(&Query::default()).unwrap().len() as u64, seq + bulk);
            limit_file_size(u64::MAX);
        }
        let moved = mover.move_once().unwrap();
        say("moved", moved.records);
        assert_eq!(reader.query(&Query::default()).unwrap().len() as u64, seq + bulk);
    }
    say("acknowledged", seq);
    say("complete", seq);
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let _alone = alone();
    let dir = tempdir().unwrap();
    let mut child = start("full", dir.path(), 1);
    let said: Vec<String> =
        BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success());
    let said = lines(&(said.join("\n") + "\n"));
    let count = last(&said, "complete");
    assert!(count > 300 && count == last(&said, "acknowledged"), "{said:?}");
    assert!(said.iter().any(|(word, count)| word == "moved" && *count > 0), "{said:?}");
    let query = Query { run: Some(RunId(1).into()), ..Query::default() };
    let found = Reader::open(dir.path()).query(&query).unwrap();
    check_runs(&found, &BTreeMap::from([(1, count)]));
    assert_eq!(found.len() as u64, count);
}
