//! The table that `vmstat` prints, by the names in its header.
//!
//! ```text
//! procs -----------memory---------- ---swap-- -----io---- -system-- -------cpu-------
//!  r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st gu
//!  1  0      0 241056   1280 511856    0    0  2002   433   93  113 11  2 87  0  0  0
//! ```
//!
//! Header lines may come again at any time, with other columns too. Columns are taken as they are named, so a
//! newer vmstat's `gu` is a field like the others; those of memory are KiB there and bytes here.

/// Columns of memory that vmstat gives in KiB; swapping (si, so) and blocks (bi, bo) stay as printed.
const KIB_COLUMNS: [&str; 6] = ["swpd", "free", "buff", "cache", "inact", "active"];
const COLUMNS_MAX: usize = 64;

/// One sample: columns in the order of the table.
pub type Sample = Vec<(String, i64)>;

/// Reads the table line by line.
#[derive(Debug, Default)]
pub struct Table {
    columns: Vec<String>,
}

impl Table {
    /// The sample that this line is; `None` for headers and for lines that are not whole.
    pub fn line(&mut self, line: &str) -> Option<Sample> {
        let words: Vec<&str> = line.split_ascii_whitespace().take(COLUMNS_MAX + 1).collect();
        if words.len() > COLUMNS_MAX {
            return None;
        }
        if is_header(&words) {
            self.columns = words.iter().map(|word| (*word).to_owned()).collect();
            return None;
        }
        if words.is_empty() || words.len() != self.columns.len() {
            return None;
        }
        let values: Option<Vec<i64>> = words.iter().map(|word| word.parse().ok()).collect();
        self.columns
            .iter()
            .zip(values?)
            .map(|(name, value)| Some((name.clone(), scaled(name, value)?)))
            .collect()
    }
}

/// The line that names the columns, not the one above it that groups them.
fn is_header(words: &[&str]) -> bool {
    words.contains(&"r") && words.contains(&"free") && words.iter().all(|word| word.parse::<i64>().is_err())
}

fn scaled(name: &str, value: i64) -> Option<i64> {
    if KIB_COLUMNS.contains(&name) { value.checked_mul(1024) } else { Some(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each sample as `name=value` words.
    fn check(text: &str, expected: &[&str]) {
        let mut table = Table::default();
        let samples: Vec<String> = text
            .lines()
            .filter_map(|line| table.line(line))
            .map(|sample| sample.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(samples, expected);
    }

    #[test]
    fn procps_3() {
        check(
            "procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----
 r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st
 1  0   2048 241056   1280 511856    0    0  2002   433   93  113 11  2 87  0  0
 0  0   2048 241000   1280 511856    0    4     0     0   66   78  0  0 100  0  0\n",
            &[
                "r=1 b=0 swpd=2097152 free=246841344 buff=1310720 cache=524140544 si=0 so=0 bi=2002 bo=433 in=93 \
                 cs=113 us=11 sy=2 id=87 wa=0 st=0",
                "r=0 b=0 swpd=2097152 free=246784000 buff=1310720 cache=524140544 si=0 so=4 bi=0 bo=0 in=66 cs=78 \
                 us=0 sy=0 id=100 wa=0 st=0",
            ],
        );
    }

    #[test]
    fn procps_4_has_a_column_more() {
        check(
            "procs -----------memory---------- ---swap-- -----io---- -system-- -------cpu-------
 r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st gu
 2  1      0      1      2      3    0    0     1     2    3    4  5  6 87  1  1  0\n",
            &[
                "r=2 b=1 swpd=0 free=1024 buff=2048 cache=3072 si=0 so=0 bi=1 bo=2 in=3 cs=4 us=5 sy=6 id=87 wa=1 st=1 gu=0",
            ],
        );
    }

    #[test]
    fn busy_tables_with_wide_values() {
        // `vmstat -w`, and values wider than their columns.
        check(
            "--procs-- -----------------------memory---------------------- ---swap-- -----io---- -system-- --------cpu--------
   r    b         swpd         free         buff        cache   si   so    bi    bo   in   cs  us  sy  id  wa  st
   4    0            0     24091640         1280       511856    0    0 120002   433 93012 113441  11   2  87   0   0\n",
            &["r=4 b=0 swpd=0 free=24669839360 buff=1310720 cache=524140544 si=0 so=0 bi=120002 bo=433 in=93012 \
               cs=113441 us=11 sy=2 id=87 wa=0 st=0"],
        );
    }

    #[test]
    fn headers_repeat_and_lines_break() {
        check(
            " 1 2\n r free us\n 1 2 3\nprocs --memory-- --cpu--\n r free us\n\n 4 5\n 4 5 6 7\n 4 x 6\n 7 8 9\n r free\n 1 1\n 7 8 9",
            &["r=1 free=2048 us=3", "r=7 free=8192 us=9", "r=1 free=1024"],
        );
    }

    #[test]
    fn nonsense_gives_nothing() {
        check(" r free\n 1 9223372036854775807\n 1 99999999999999999999\n 1 -1", &["r=1 free=-1024"]);
        check(&format!(" r free {}\n{}", "x ".repeat(1000), "1 ".repeat(1002)), &[]);
        check("vmstat: something is wrong\n", &[]);
    }
}
