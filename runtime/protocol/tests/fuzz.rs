//! Feeds `decode_any` with every message, mutations of them and noise, from a printed seed. It must neither panic
//! nor take much more memory than the bytes it was given; a counting allocator watches.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use dscript_logpool::{FieldValue, Record};
use dscript_protocol::message::*;
use dscript_protocol::{Greeting, Hello, ImageHash, NodeHello, NodeId, RunId, Secret, Wire, decode_any};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller upholds what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller upholds what `System` asks for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn record(value: FieldValue) -> Record {
    Record {
        pool: "memcached".into(),
        key: "key -name".into(),
        node: "web-1".into(),
        task: "listing1".into(),
        run: RunId(7),
        seq: 3,
        time: -1,
        fields: [("free", FieldValue::Int(-5)), ("x", value)].into(),
    }
}

fn nested(depth: usize) -> FieldValue {
    (0..depth).fold(FieldValue::Null, |inner, step| {
        if step % 2 == 0 { FieldValue::List(vec![inner]) } else { FieldValue::Map(vec![("m".into(), inner)]) }
    })
}

fn run_info() -> RunInfo {
    RunInfo {
        run: RunId(9),
        node: "web-1".into(),
        label: "listing1".into(),
        task: Some("listing1".into()),
        hash: ImageHash([1; 32]),
        standing: Standing::LivesOn,
        created: 5,
        started: Some(6),
        outcome: Some(Outcome::new(Ending::True, "", 7)),
        gone: None,
        stop_asked: true,
    }
}

fn shared_pairs() -> Vec<(String, String)> {
    vec![("site".into(), "nrt".into()), ("empty".into(), String::new())]
}

fn from_node() -> Vec<FromNode> {
    vec![
        FromNode::Inventory { runs: vec![RunId(1), RunId(u128::MAX)] },
        FromNode::Report(RunReport {
            run: RunId(9),
            stage: Stage::Gone,
            started: Some(6),
            outcome: Some(Outcome::new(Ending::Failed, "fail: no", 7)),
            gone: Some(8),
        }),
        FromNode::LogBatch { batch: 3, records: vec![record(nested(7)), record(FieldValue::Double(-0.0))] },
        FromNode::Ping,
    ]
}

fn to_node() -> Vec<ToNode> {
    vec![
        ToNode::Ship(Shipment {
            run: RunId(1),
            order: 4,
            hash: ImageHash([2; 32]),
            image: vec![9; 300],
            task: None,
            params: shared_pairs(),
            label: "x".into(),
        }),
        ToNode::Stop { run: RunId(1) },
        ToNode::ReportAck { run: RunId(1), stage: Stage::Ended },
        ToNode::LogAck { batch: u64::MAX },
        ToNode::Pong,
    ]
}

fn from_operator() -> Vec<FromOperator> {
    vec![
        FromOperator::CreateToken,
        FromOperator::ForgetNode { name: "web-1".into() },
        FromOperator::Ship(Order {
            image: vec![0; 100],
            selector: "all".into(),
            task: Some("t".into()),
            params: shared_pairs(),
            label: "t".into(),
            wait: true,
        }),
        FromOperator::ShowRun { begins: "01ab".into() },
        FromOperator::QueryLog(LogQuery { pool: Some("p".into()), since: Some(-3), ..LogQuery::default() }),
        FromOperator::StatsLog {
            query: LogQuery { condition: Some("wa > 20".into()), ..LogQuery::default() },
            stats: LogStats { aggregates: "avg(us)".into(), by: "node".into(), every: Some(60) },
        },
    ]
}

fn to_operator() -> Vec<ToOperator> {
    vec![
        ToOperator::Token { token: Secret::new([3; 32]), hours: 24 },
        ToOperator::Nodes(vec![NodeInfo {
            node: NodeId(5),
            name: "web-1".into(),
            labels: shared_pairs(),
            software: "0.1.0".into(),
            connected: true,
            heard: Some(1),
            runs: 2,
        }]),
        ToOperator::Runs(vec![run_info(), run_info()]),
        ToOperator::Run(run_info()),
        ToOperator::Records(vec![record(FieldValue::Bytes(vec![1, 2, 3]))]),
        ToOperator::Keys(vec![KeyInfo {
            pool: "p".into(),
            key: "k".into(),
            nodes: vec!["n".into()],
            records: 9,
            first: 1,
            last: 2,
        }]),
        ToOperator::Refused { reason: "no".into() },
    ]
}

fn hellos() -> Vec<Hello> {
    let node = NodeHello {
        node: NodeId(5),
        secret: Secret::new([1; 32]),
        token: Some(Secret::new([2; 32])),
        name: "web-1".into(),
        labels: shared_pairs(),
        software: "0.1.0".into(),
    };
    vec![Hello::Node(node), Hello::Operator { secret: Secret::new([4; 32]) }]
}

fn there_and_back<T: Wire + PartialEq + std::fmt::Debug>(messages: Vec<T>, seeds: &mut Vec<Vec<u8>>) {
    for message in messages {
        let bytes = message.encode().unwrap();
        assert_eq!(T::decode(&bytes).unwrap(), message);
        let mut longer = bytes.clone();
        longer.push(0);
        assert_ne!(T::decode(&longer).ok(), Some(message), "nothing may follow a message");
        seeds.push(bytes);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    there_and_back(hellos(), &mut seeds);
    there_and_back(
        vec![Greeting::Welcome, Greeting::Refused { reason: "no".into(), again: true }],
        &mut seeds,
    );
    there_and_back(from_node(), &mut seeds);
    there_and_back(to_node(), &mut seeds);
    there_and_back(from_operator(), &mut seeds);
    there_and_back(to_operator(), &mut seeds);
    seeds
}

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// One test function, as the allocator counts for the whole process.
#[test]
fn any_bytes_are_a_message_or_refused_within_bounds() {
    let seeds = seeds();
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x5eed_cafe_u64);
    println!("SEED={seed}");
    let mut chance = Chance(seed | 1);
    for round in 0..60_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=chance.below(4) {
            let place = chance.below(bytes.len());
            match chance.below(6) {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, chance.next() as u8),
                2 if !bytes.is_empty() => bytes[place] = 0xff,
                3 => bytes.extend_from_slice(&seeds[chance.below(seeds.len())]),
                _ if !bytes.is_empty() => bytes[place] ^= 1 << chance.below(8),
                _ => {}
            }
        }
        bounded(&bytes);
    }
    for seed in &seeds {
        for cut in 0..seed.len() {
            bounded(&seed[..cut]);
        }
    }
    // Lengths that promise more than there is, and values nested far too deep.
    for first in 0..=255 {
        bounded(&[first, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        bounded(&[first; 100_000]);
    }
    let deep = FromNode::LogBatch { batch: 0, records: vec![record(nested(1_000))] };
    assert!(FromNode::decode(&postcard_of(&deep)).is_err());
    // The cheapest pieces: a byte each on the wire.
    let flat = FromNode::LogBatch {
        batch: 0,
        records: vec![record(FieldValue::List(vec![FieldValue::Null; 1 << 20]))],
    };
    bounded(&flat.encode().unwrap());
}

fn postcard_of(message: &FromNode) -> Vec<u8> {
    postcard::to_stdvec(message).unwrap()
}

fn bounded(bytes: &[u8]) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    decode_any(bytes);
    let taken = PEAK.load(Ordering::Relaxed) - before;
    // A megabyte is what serde reserves on the word of a length, per list in a list.
    let allowed = (8 << 20) + 128 * bytes.len();
    assert!(
        taken <= allowed,
        "{taken} bytes taken for {} bytes {:?}",
        bytes.len(),
        &bytes[..bytes.len().min(64)]
    );
}
