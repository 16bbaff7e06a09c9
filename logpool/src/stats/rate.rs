//! How fast counters grow: as `sum(rate(x))` of Prometheus, but that nothing is extrapolated to the ends of the window.
//!
//! Each series (pool, key and node) is a counter of its own. What it grew by from value to value is added up; where a value
//! is less than the one before, the counter began anew, at 0. That is divided by the seconds between its first and its last
//! value, and what all series grow by each second is added up. A series with values of one moment only says nothing.
//!
//! For that the values of a series are needed in the order of time, and they come in any. What may still come is known,
//! though ([`At::until`]): values before that are settled, so that no more of them wait than overlap.

use rustc_hash::FxHashMap;

/// Where a value comes from.
#[derive(Clone, Copy, Debug)]
pub struct At {
    pub time: i64,
    pub series: u32,
    /// Values of the series that come after this one are of no time before that, or before `time`, where that is earlier.
    pub until: i64,
}

#[derive(Default)]
pub struct Rate {
    series: FxHashMap<u32, Counter>,
}

#[derive(Default)]
struct Counter {
    /// The time of the first value, and the last value, of those that are settled.
    settled: Option<(i64, (i64, f64))>,
    grown: f64,
    /// In any order.
    waiting: Vec<(i64, f64)>,
    /// How many of them were left by the last look.
    left: usize,
}

/// So many values may wait before they are looked at.
const WAITING_MIN: usize = 64;

impl Rate {
    pub fn add(&mut self, at: At, value: f64) {
        let counter = self.series.entry(at.series).or_default();
        let follows = counter.settled.is_none_or(|(_, (last, _))| at.time >= last);
        if counter.waiting.is_empty() && at.time < at.until && follows {
            return counter.settle(at.time, value);
        }
        counter.waiting.push((at.time, value));
        if counter.waiting.len() >= WAITING_MIN + 2 * counter.left {
            counter.settle_until(at.until.min(at.time));
        }
    }

    /// What all series grow by each second.
    pub fn finish(self) -> Option<f64> {
        let rates = self.series.into_values().filter_map(Counter::finish);
        rates.fold(None, |all, rate| Some(all.unwrap_or(0.0) + rate))
    }
}

impl Counter {
    /// Takes the value that follows those that are settled.
    fn settle(&mut self, time: i64, value: f64) {
        let first = match self.settled {
            Some((first, (_, last))) => {
                self.grown += if value >= last { value - last } else { value };
                first
            }
            None => time,
        };
        self.settled = Some((first, (time, value)));
    }

    fn settle_until(&mut self, until: i64) {
        // Of values of one moment nobody knows the order: they grow.
        self.waiting.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut waiting = std::mem::take(&mut self.waiting);
        let ready = waiting.partition_point(|(time, _)| *time < until);
        waiting.drain(..ready).for_each(|(time, value)| self.settle(time, value));
        self.left = waiting.len();
        self.waiting = waiting;
    }

    fn finish(mut self) -> Option<f64> {
        self.settle_until(i64::MAX);
        let last_of_all = std::mem::take(&mut self.waiting);
        last_of_all.into_iter().for_each(|(time, value)| self.settle(time, value));
        let (first, (last, _)) = self.settled?;
        (last > first).then(|| self.grown / ((i128::from(last) - i128::from(first)) as f64 / 1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// Series, second and value each.
    fn rate(values: &[(u32, i64, f64)]) -> Option<f64> {
        let mut rate = Rate::default();
        for &(series, second, value) in values {
            rate.add(At { time: second * SECOND, series, until: i64::MIN }, value);
        }
        rate.finish()
    }

    #[test]
    fn counters_grow_and_begin_anew() {
        assert_eq!(rate(&[]), None);
        assert_eq!(rate(&[(1, 5, 7.0)]), None);
        assert_eq!(rate(&[(1, 0, 10.0), (1, 10, 30.0)]), Some(2.0));
        // From 90 to 100 it grew by 10, then it began anew and grew to 5, and by 5 more.
        assert_eq!(rate(&[(1, 0, 90.0), (1, 1, 100.0), (1, 2, 5.0), (1, 4, 10.0)]), Some(5.0));
        assert_eq!(
            rate(&[(1, 4, 10.0), (1, 1, 100.0), (1, 0, 90.0), (1, 2, 5.0)]),
            Some(5.0),
            "in any order"
        );
        // Two counters far from each other are no counter that begins anew.
        let two = [(1, 0, 0.0), (2, 1, 1e6), (1, 2, 20.0), (2, 3, 1e6 + 2.0)];
        assert_eq!(rate(&two), Some(11.0));
        assert_eq!(rate(&[(1, 0, 0.0), (1, 2, 20.0), (2, 0, 5.0)]), Some(10.0), "one value says nothing");
        assert_eq!(rate(&[(1, 3, 7.0), (1, 3, 2.0)]), None);
    }

    /// In blocks that overlap, as they come out of a segment, the last one first.
    #[test]
    fn what_is_settled_early_is_what_is_settled_at_the_end() {
        let value = |time: i64| (time * 37 % 1000) as f64;
        let mut late = Rate::default();
        let mut early = Rate::default();
        let blocks: [(std::ops::Range<i64>, i64); 4] =
            [(900..1000, i64::MIN), (0..300, 250), (250..600, 550), (550..900, 10_000)];
        for (number, (times, until)) in blocks.iter().enumerate() {
            for time in
                times.clone().filter(|time| *time >= 900 || time % 4 == number as i64 || time % 4 == 0)
            {
                late.add(At { time, series: 1, until: i64::MIN }, value(time));
                early.add(At { time, series: 1, until: *until }, value(time));
            }
        }
        let counter = &early.series[&1];
        assert!(counter.waiting.len() < 400, "{} wait", counter.waiting.len());
        let (late, early) = (late.finish().unwrap(), early.finish().unwrap());
        assert!((late - early).abs() < 1e-6 * late, "{late} {early}");
    }
}
