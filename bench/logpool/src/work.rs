//! The work that everyone does: vmstat samples of 100 nodes, one a second each, in batches of 1,000.

use dscript_logpool::{FieldValue, Fields, Name, Record, RunId, Shape};

pub const FIELDS: [&str; 17] = [
    "r", "b", "swpd", "free", "buff", "cache", "si", "so", "bi", "bo", "in", "cs", "us", "sy", "id", "wa",
    "st",
];
pub const NODES: u64 = 100;
pub const BATCH: u64 = 1000;
pub const SECOND: i64 = 1_000_000_000;
/// A day's end, 2023-11-15 UTC. Six sevenths of all samples lie before it, a whole day of ten million.
pub const MIDNIGHT: i64 = 1_700_006_400 * SECOND;

/// What one node's next samples follow from: slow walks and bursts, as a busy server's numbers go.
struct Node {
    name: Name,
    free: i64,
    buff: i64,
    cache: i64,
    load: i64,
}

pub struct Work {
    nodes: Vec<Node>,
    /// Of the pool, the key and the task.
    names: [Name; 3],
    shape: Shape,
    start: i64,
    second: u64,
    random: u64,
}

pub type Sample = [i64; 17];

impl Work {
    pub fn new(records: u64) -> Work {
        let nodes = (0..NODES).map(|n| Node {
            name: format!("web-{n:03}").into(),
            free: (2 << 20) + n as i64 * 10_000,
            buff: 300_000 + n as i64 * 1000,
            cache: (8 << 20) + n as i64 * 5000,
            load: 10 + n as i64 % 50,
        });
        let before_midnight = (records / NODES) as i64 * 864 / 1000;
        Work {
            nodes: nodes.collect(),
            names: ["metrics", "vmstat", "DVMStat"].map(Name::from),
            shape: Shape::new(FIELDS),
            start: MIDNIGHT - before_midnight * SECOND,
            second: 0,
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// The time of the last sample when there are so many.
    pub fn last_time(records: u64) -> i64 {
        Work::new(records).start + ((records / NODES) as i64 - 1) * SECOND
    }

    fn below(&mut self, limit: i64) -> i64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        ((self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit as u64) as i64
    }

    fn sample(&mut self, n: usize) -> Sample {
        let steps = (self.below(7) - 3, self.below(4001) - 2000, self.below(9), self.below(2001) - 900);
        let node = &mut self.nodes[n];
        node.load = (node.load + steps.0).clamp(0, 90);
        node.free = (node.free + steps.1).clamp(100_000, 16 << 20);
        node.buff += steps.2 / 4;
        node.cache = (node.cache + steps.3).clamp(1 << 20, 32 << 20);
        let (free, buff, cache, load) = (node.free, node.buff, node.cache, node.load);
        let us = (load + self.below(9)).min(95);
        let sy = self.below(4) + load / 16;
        let wa = if self.below(10) == 0 { self.below(20).min(100 - us - sy) } else { 0 }.max(0);
        let (r, b) = (load / 12 + self.below(3), i64::from(wa > 10));
        let bi = if self.below(8) == 0 { self.below(5000) } else { 0 };
        let bo = if self.below(3) == 0 { self.below(900) } else { self.below(40) };
        let (irq, cs) = (900 + load * 30 + self.below(300), 1500 + load * 60 + self.below(900));
        let id = (100 - us - sy - wa).max(0);
        // Memory in bytes, as the library stores it.
        [r, b, 0, free * 1024, buff * 1024, cache * 1024, 0, 0, bi, bo, irq, cs, us, sy, id, wa, 0]
    }

    /// The next samples of all nodes, in the order in which they come in.
    pub fn batch(&mut self, mut each: impl FnMut(usize, &Name, u64, i64, Sample)) {
        for _ in 0..BATCH / NODES {
            let second = self.second;
            for n in 0..NODES as usize {
                let sample = self.sample(n);
                // Nobody samples at the same nanosecond.
                let time = self.start + second as i64 * SECOND + self.below(2_000_000);
                each(n, &self.nodes[n].name, second, time, sample);
            }
            self.second += 1;
        }
    }

    pub fn records(&mut self) -> Vec<Record> {
        let mut records = Vec::with_capacity(BATCH as usize);
        let ([pool, key, task], shape) = (self.names.clone(), self.shape.clone());
        self.batch(|n, node, seq, time, sample| {
            records.push(Record {
                pool: pool.clone(),
                key: key.clone(),
                node: node.clone(),
                task: task.clone(),
                run: RunId(0x0123_4567_89ab_cdef << 64 | n as u128),
                seq,
                time,
                fields: Fields::new(shape.clone(), sample.map(FieldValue::Int).into()),
            });
        });
        records
    }
}
