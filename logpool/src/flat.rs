//! Columns of a payload: many values of one kind, each where it can be found without a look at the others. So a reader
//! takes single values from them, and a mover whole stretches, and nobody decodes what is not asked for.
//!
//! Byte map (varint, zigzag and the values' tags as in `codec`; the number of values, one at least, is known to
//! whoever reads). By the tag of the values:
//!
//! - null: nothing
//! - booleans, ints, durations, times are *numbers*: the least one (zigzag); if there are several, how many bytes
//!   each takes (1 byte, 0 to 8), and each less the least one, lowest byte first
//! - doubles: 8 bytes each
//! - strings, bytes, lists and maps: numbers, where the bytes of each end, and then all these bytes; lists and maps
//!   with their tags
//!
//! Differences wrap, so any number is allowed.

use std::ops::Range;

use crate::codec::*;
use crate::cpu::{self, wide};
use crate::limits::RECORD_BYTES_MAX;

/// A column of numbers.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a> {
    least: i64,
    /// Bytes of each.
    width: usize,
    bytes: &'a [u8],
}

/// A column of any kind.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    Null,
    Numbers(Numbers<'a>),
    Doubles(&'a [[u8; 8]]),
    Blobs { ends: Numbers<'a>, bytes: &'a [u8] },
}

pub fn put_numbers(out: &mut Vec<u8>, values: &[i64]) {
    wide!(put_any_numbers(out: &mut Vec<u8>, values: &[i64]))
}

#[inline(always)]
fn put_any_numbers(out: &mut Vec<u8>, values: &[i64]) {
    let Some((&first, rest)) = values.split_first() else { return };
    let (mut least, mut greatest) = (first, first);
    for &value in rest {
        least = least.min(value);
        greatest = greatest.max(value);
    }
    put_zigzag(out, least);
    if rest.is_empty() {
        return;
    }
    let width = (71 - (greatest.wrapping_sub(least) as u64).leading_zeros() as usize) / 8;
    out.push(width as u8);
    match width {
        0 => {}
        1 => put_each::<1>(out, values, least),
        2 => put_each::<2>(out, values, least),
        3 => put_each::<3>(out, values, least),
        4 => put_each::<4>(out, values, least),
        5 => put_each::<5>(out, values, least),
        6 => put_each::<6>(out, values, least),
        7 => put_each::<7>(out, values, least),
        _ => put_each::<8>(out, values, least),
    }
}

/// Each with eight bytes, of which the next one takes those that are too many.
#[inline(always)]
fn put_each<const WIDTH: usize>(out: &mut Vec<u8>, values: &[i64], least: i64) {
    let start = out.len();
    let end = start + WIDTH * values.len();
    out.resize(end + 8 - WIDTH, 0);
    let into = &mut out[start..];
    for (at, value) in values.iter().enumerate() {
        into[WIDTH * at..][..8].copy_from_slice(&value.wrapping_sub(least).to_le_bytes());
    }
    out.truncate(end);
}

impl<'a> Numbers<'a> {
    pub fn read(input: &mut Input<'a>, count: usize) -> Decoded<Numbers<'a>> {
        let least = input.zigzag()?;
        if count == 1 {
            return Ok(Numbers { least, width: 0, bytes: &[] });
        }
        let width = match input.array()? {
            [width @ 0..=8] => usize::from(width),
            _ => return Err(Malformed),
        };
        Ok(Numbers { least, width, bytes: input.take(count.checked_mul(width).ok_or(Malformed)?)? })
    }

    #[inline]
    pub fn get(&self, at: usize) -> i64 {
        if self.width == 0 {
            return self.least;
        }
        let bytes = &self.bytes[self.width * at..];
        let number = match bytes.first_chunk() {
            Some(bytes) => u64::from_le_bytes(*bytes) & (u64::MAX >> (64 - 8 * self.width)),
            None => {
                let mut number = [0; 8];
                number[..self.width].copy_from_slice(&bytes[..self.width]);
                u64::from_le_bytes(number)
            }
        };
        self.least.wrapping_add(number as i64)
    }

    /// No value is below the first or above the second.
    pub fn bounds(&self) -> (i64, i64) {
        let range = if self.width == 8 { None } else { Some((1 << (8 * self.width)) - 1) };
        let greatest = range.and_then(|range| self.least.checked_add(range));
        greatest.map_or((i64::MIN, i64::MAX), |greatest| (self.least, greatest))
    }

    /// The value that all are known to have.
    pub fn same(&self) -> Option<i64> {
        (self.width == 0).then_some(self.least)
    }

    /// Copies as many as there is room for, from a place on.
    #[inline(always)]
    pub fn copy(&self, at: usize, into: &mut [i64]) {
        let bytes = &self.bytes[self.width * at..self.width * (at + into.len())];
        match self.width {
            0 => into.fill(self.least),
            1 => copy::<1>(bytes, self.least, into),
            2 => copy::<2>(bytes, self.least, into),
            3 => copy::<3>(bytes, self.least, into),
            4 => copy::<4>(bytes, self.least, into),
            5 => copy::<5>(bytes, self.least, into),
            6 => copy::<6>(bytes, self.least, into),
            7 => copy::<7>(bytes, self.least, into),
            _ => copy::<8>(bytes, self.least, into),
        }
    }
}

#[inline(always)]
fn copy<const WIDTH: usize>(bytes: &[u8], least: i64, into: &mut [i64]) {
    let (all, _) = bytes.as_chunks::<WIDTH>();
    for (value, bytes) in into.iter_mut().zip(all) {
        let mut number = [0; 8];
        number[..WIDTH].copy_from_slice(bytes);
        *value = least.wrapping_add(i64::from_le_bytes(number));
    }
}

impl<'a> Column<'a> {
    /// A column of values that have a tag.
    pub fn read(input: &mut Input<'a>, tag: u8, count: usize) -> Decoded<Column<'a>> {
        Ok(match tag {
            NULL => Column::Null,
            FALSE | INT | DURATION | TIME => Column::Numbers(Numbers::read(input, count)?),
            DOUBLE => Column::Doubles(input.take(count.checked_mul(8).ok_or(Malformed)?)?.as_chunks().0),
            STRING | BYTES | LIST => {
                let ends = Numbers::read(input, count)?;
                let end = usize::try_from(ends.get(count - 1)).map_err(|_| Malformed)?;
                Column::Blobs { ends, bytes: input.take(end)? }
            }
            _ => return Err(Malformed),
        })
    }

    /// Whether each of its values can be read.
    pub fn check(&self, tag: u8, count: usize) -> Decoded<()> {
        if tag == FALSE || matches!(self, Column::Blobs { .. }) {
            for at in 0..count {
                if let ValueRef::Nested(bytes) = self.value(tag, at)? {
                    let mut input = Input { bytes };
                    input.bare_value(LIST)?;
                    input.end()?;
                }
            }
        }
        Ok(())
    }

    pub fn value(&self, tag: u8, at: usize) -> Decoded<ValueRef<'a>> {
        Ok(match *self {
            Column::Null => ValueRef::Null,
            Column::Numbers(numbers) => match (tag, numbers.get(at)) {
                (FALSE, value @ 0..=1) => ValueRef::Bool(value == 1),
                (FALSE, _) => return Err(Malformed),
                (TIME, value) => ValueRef::Time(value),
                (tag, value) => ValueRef::of_int(tag, value)?,
            },
            Column::Doubles(all) => ValueRef::Double(f64::from_le_bytes(all[at])),
            Column::Blobs { ends, bytes } => {
                let bytes = blob(&ends, bytes, at)?;
                match tag {
                    STRING => ValueRef::String(std::str::from_utf8(bytes).map_err(|_| Malformed)?),
                    BYTES => ValueRef::Bytes(bytes),
                    _ => ValueRef::Nested(bytes),
                }
            }
        })
    }

    /// Has the number at a place brought into the cache.
    #[inline(always)]
    pub fn prefetch(&self, at: usize) {
        if let Column::Numbers(numbers) = self {
            cpu::prefetch(numbers.bytes, numbers.width * at);
        }
    }

    /// How many bytes each value takes, if all take as many.
    pub fn fixed_bytes(&self) -> Option<usize> {
        match self {
            Column::Null => Some(0),
            Column::Numbers(numbers) => Some(numbers.width),
            Column::Doubles(_) => Some(8),
            Column::Blobs { .. } => None,
        }
    }

    /// How many bytes the values at these places take, with their lengths; of other columns none.
    pub fn blob_bytes(&self, places: Range<usize>) -> usize {
        let Column::Blobs { ends, .. } = self else { return 0 };
        let start = places.start.checked_sub(1).map_or(0, |before| ends.get(before));
        let bytes = ends.get(places.end - 1).wrapping_sub(start);
        ends.width * places.len() + usize::try_from(bytes).unwrap_or(0)
    }
}

/// The bytes of the value at a place.
pub fn blob<'a>(ends: &Numbers, bytes: &'a [u8], at: usize) -> Decoded<&'a [u8]> {
    let start = if at == 0 { 0 } else { ends.get(at - 1) };
    let place = |end: i64| usize::try_from(end).map_err(|_| Malformed);
    let blob = bytes.get(place(start)?..place(ends.get(at))?).ok_or(Malformed)?;
    if blob.len() <= RECORD_BYTES_MAX { Ok(blob) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut numbers: Vec<i64> = (0..64).flat_map(|bit| [1, 3, -1].map(|n: i64| n << bit)).collect();
        numbers.extend([i64::MIN, i64::MAX, 0, -1]);
        for from in 0..numbers.len() {
            for count in [1, 2, 3, 9, 50] {
                let numbers = &numbers[from..numbers.len().min(from + count)];
                let mut bytes = vec![7];
                put_numbers(&mut bytes, numbers);
                let mut input = Input { bytes: &bytes[1..] };
                let column = Numbers::read(&mut input, numbers.len()).unwrap();
                assert_eq!(input.end(), Ok(()));
                let each: Vec<i64> = (0..numbers.len()).map(|at| column.get(at)).collect();
                assert_eq!(each, numbers);
                let mut some = vec![5; numbers.len() - 1];
                column.copy(1, &mut some);
                assert_eq!(some, numbers[1..]);
                let (least, greatest) = column.bounds();
                assert!(numbers.iter().all(|number| (least..=greatest).contains(number)), "{numbers:?}");
                for cut in 1..bytes.len() {
                    assert!(Numbers::read(&mut Input { bytes: &bytes[1..cut] }, numbers.len()).is_err());
                }
            }
        }
    }

    #[test]
    fn each_takes_as_many_bytes_as_the_range_needs() {
        let written = |numbers: &[i64]| {
            let mut bytes = Vec::new();
            put_numbers(&mut bytes, numbers);
            bytes
        };
        assert_eq!(written(&[-3]), [5]);
        assert_eq!(written(&[2; 100]), [4, 0]);
        assert_eq!(written(&[1, 256, 2]), [2, 1, 0, 255, 1]);
        assert_eq!(written(&[0, 1 << 16]), [0, 3, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn hostile_columns_are_errors() {
        let read = |bytes: &[u8], tag, count| {
            let mut input = Input { bytes };
            Column::read(&mut input, tag, count).and_then(|column| column.check(tag, count))
        };
        assert_eq!(read(&[0, 9], INT, 2), Err(Malformed));
        assert_eq!(read(&[0, 8], INT, usize::MAX), Err(Malformed));
        assert_eq!(read(&[], DOUBLE, usize::MAX), Err(Malformed));
        assert_eq!(read(&[0, 1, 0, 2], FALSE, 2), Err(Malformed));
        assert_eq!(read(&[0, 1, 0, 1], FALSE, 2), Ok(()));
        // An end before the beginning, one behind the bytes, one that is none, half a character, no list, half a list.
        for (bytes, tag, count) in [
            (&[0, 1, 2, 1, b'x'][..], STRING, 2),
            (&[2, 1, 4, 0, b'x'], STRING, 2),
            (&[4, b'x'], STRING, 1),
            (&[1], BYTES, 1),
            (&[2, 0xc3], STRING, 1),
            (&[2, NULL], LIST, 1),
            (&[2, LIST], LIST, 1),
            (&[6, LIST, 0, 0], LIST, 1),
        ] {
            assert_eq!(read(bytes, tag, count), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(read(&[4, LIST, 0], LIST, 1), Ok(()));
    }
}
