//! The values of a percentile: as they are while there are few of them, counted in logarithmic buckets when there are many
//! (see `stats` for what is exact).

use std::collections::HashMap;

use crate::limits::EXACT_VALUES_MAX;
use crate::record::FieldValue;
use crate::stats::Unit;

/// The values of a percentile, as narrow as they come, until there are too many to keep.
pub enum Values {
    Tiny(Vec<u8>),
    Small(Vec<i16>),
    Ints(Vec<i64>),
    Doubles(Vec<f64>),
    Sketch(Box<Sketch>),
}

impl Values {
    pub fn ints(&mut self, values: &[i64]) {
        if let Values::Tiny(all) = self
            && all.len() + values.len() <= EXACT_VALUES_MAX
            && values.iter().all(|&value| u8::try_from(value).is_ok())
        {
            return all.extend(values.iter().map(|&value| value as u8));
        }
        values.iter().for_each(|&value| self.int(value));
    }

    pub fn int(&mut self, value: i64) {
        match self {
            Values::Tiny(all) => match u8::try_from(value) {
                Ok(tiny) => all.push(tiny),
                Err(_) => {
                    *self = Values::Small(all.iter().map(|&tiny| i16::from(tiny)).collect());
                    return self.int(value);
                }
            },
            Values::Small(all) => match i16::try_from(value) {
                Ok(small) => all.push(small),
                Err(_) => {
                    *self = Values::Ints(all.iter().map(|&small| i64::from(small)).collect());
                    return self.int(value);
                }
            },
            Values::Ints(all) => all.push(value),
            Values::Doubles(all) => all.push(value as f64),
            Values::Sketch(sketch) => return sketch.add(value as f64),
        }
        self.bound();
    }

    pub fn double(&mut self, value: f64) {
        match self {
            Values::Doubles(all) => all.push(value),
            Values::Sketch(sketch) => return sketch.add(value),
            _ => {
                let mut wide = self.as_doubles();
                wide.push(value);
                *self = Values::Doubles(wide);
            }
        }
        self.bound();
    }

    /// What is kept of them as it is.
    fn as_doubles(&self) -> Vec<f64> {
        match self {
            Values::Tiny(all) => all.iter().map(|&value| f64::from(value)).collect(),
            Values::Small(all) => all.iter().map(|&value| f64::from(value)).collect(),
            Values::Ints(all) => all.iter().map(|&value| value as f64).collect(),
            Values::Doubles(all) => all.clone(),
            Values::Sketch(_) => Vec::new(),
        }
    }

    fn bound(&mut self) {
        let kept = match self {
            Values::Tiny(all) => all.len(),
            Values::Small(all) => all.len(),
            Values::Ints(all) => all.len(),
            Values::Doubles(all) => all.len(),
            Values::Sketch(_) => 0,
        };
        if kept > EXACT_VALUES_MAX {
            let mut sketch = Box::<Sketch>::default();
            self.as_doubles().into_iter().for_each(|value| sketch.add(value));
            *self = Values::Sketch(sketch);
        }
    }

    pub fn percentile(self, percent: f64, unit: Unit) -> FieldValue {
        let rank =
            |count: usize| ((count as f64 * percent / 100.0).ceil() as usize).clamp(1, count.max(1)) - 1;
        match self {
            Values::Tiny(all) if all.is_empty() => FieldValue::Null,
            Values::Tiny(mut all) => {
                let rank = rank(all.len());
                unit.int(i64::from(*all.select_nth_unstable(rank).1))
            }
            Values::Small(mut all) => {
                let rank = rank(all.len());
                unit.int(i64::from(*all.select_nth_unstable(rank).1))
            }
            Values::Ints(mut all) => {
                let rank = rank(all.len());
                unit.int(*all.select_nth_unstable(rank).1)
            }
            Values::Doubles(mut all) => {
                let rank = rank(all.len());
                unit.double(*all.select_nth_unstable_by(rank, f64::total_cmp).1)
            }
            Values::Sketch(sketch) => unit.double(sketch.at(rank(sketch.count as usize) as u64)),
        }
    }
}

/// Counts of values by logarithm: each bucket's bounds are within one percent of each other.
#[derive(Default)]
pub struct Sketch {
    count: u64,
    zeros: u64,
    positive: HashMap<i32, u64>,
    negative: HashMap<i32, u64>,
}

/// The ratio of a bucket's bounds, (1 + a) / (1 - a) for a relative error a of 0.5 percent.
const RATIO: f64 = 1.005 / 0.995;

impl Sketch {
    fn add(&mut self, value: f64) {
        self.count += 1;
        if value == 0.0 {
            self.zeros += 1;
            return;
        }
        let bucket = (value.abs().ln() / RATIO.ln()).ceil() as i32;
        let side = if value > 0.0 { &mut self.positive } else { &mut self.negative };
        *side.entry(bucket).or_default() += 1;
    }

    /// The value of a rank, from 0.
    fn at(&self, rank: u64) -> f64 {
        let middle = |bucket: i32| 2.0 * RATIO.powi(bucket) / (RATIO + 1.0);
        let mut buckets: Vec<(f64, u64)> =
            self.negative.iter().map(|(&bucket, &count)| (-middle(bucket), count)).collect();
        buckets.push((0.0, self.zeros));
        buckets.extend(self.positive.iter().map(|(&bucket, &count)| (middle(bucket), count)));
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut passed = 0;
        for (value, count) in buckets {
            passed += count;
            if passed > rank {
                return value;
            }
        }
        f64::NAN
    }
}
