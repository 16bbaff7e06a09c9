//! What the tests of this crate share.
#![allow(dead_code)]

use dscript_logpool::{FieldValue, Record, RunId};

pub const SECOND: i64 = 1_000_000_000;

/// A record whose number is also its time in seconds.
pub fn record(run: u128, seq: u64) -> Record {
    Record {
        pool: "p".into(),
        key: "k".into(),
        node: "n".into(),
        task: "t".into(),
        run: RunId(run),
        seq,
        time: seq as i64 * SECOND,
        fields: [("seq", FieldValue::Int(seq as i64)), ("text", FieldValue::String("ü".into()))].into(),
    }
}

pub fn records(run: u128, seqs: std::ops::Range<u64>) -> Vec<Record> {
    seqs.map(|seq| record(run, seq)).collect()
}

pub fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

/// Numbers that look random and come from a seed.
pub struct Random(pub u64);

impl Random {
    /// A new seed each time, printed so that a failure can be repeated with `SEED=...`.
    pub fn from_env() -> Random {
        let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RunId::new_random().unwrap().0 as u64);
        println!("SEED={seed}");
        Random(seed)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}
