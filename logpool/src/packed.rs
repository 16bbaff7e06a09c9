//! The ints of a record, in as many bytes as each needs, and these lengths apart from them. So where a number lies is known
//! without a look at the numbers before it, which a varint cannot say.
//!
//! Byte map. Where a form says that a value is packed, its bytes are those of its zigzag number, lowest first, without
//! the zeros at the end: none to eight. The lengths of all packed values of a record lie behind all its values, four bits each,
//! from the last byte of the record to the front: the first value's in the low half of the last byte, the second's in
//! the high half, the third's in the byte before. A half that is left over is zero.

use crate::codec::{DURATION, Decoded, INT, Input, Malformed, ValueRef};
use crate::cpu::wide;
use crate::record::FieldValue;

/// Added to the tag of an int or a duration.
pub const PACKED: u8 = 0x40;

/// Lengths in one word.
const WORD: usize = 16;

pub fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

pub fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Packs the values of one record after the other.
#[derive(Default)]
pub struct Packer {
    /// How many values of the record are packed so far.
    count: usize,
    /// Their lengths, sixteen each, the first one lowest.
    lengths: Vec<u64>,
    bytes: Vec<u8>,
}

impl Packer {
    /// Adds a value that has other values beside it.
    pub fn put(&mut self, out: &mut Vec<u8>, value: i64) {
        let number = zigzag(value);
        let length = length(number);
        out.extend_from_slice(&number.to_le_bytes()[..length]);
        if self.count.is_multiple_of(WORD) {
            self.lengths.push(0);
        }
        self.lengths[self.count / WORD] |= (length as u64) << (4 * (self.count % WORD));
        self.count += 1;
    }

    /// After the record's last value.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let mut left = self.count.div_ceil(2);
        while let Some(word) = self.lengths.pop() {
            let bytes = left - WORD / 2 * self.lengths.len();
            out.extend_from_slice(&word.to_be_bytes()[WORD / 2 - bytes..]);
            left -= bytes;
        }
        self.count = 0;
    }

    /// All values of a record, if they are ints. `put` and `finish` say the same of them, slower.
    pub fn ints(&mut self, values: &[FieldValue]) -> Option<&[u8]> {
        let packer = &mut *self;
        let length = wide!(ints(packer: &mut Packer, values: &[FieldValue]) -> Option<usize>);
        length.map(|length| &self.bytes[..length])
    }
}

#[inline(always)]
fn length(number: u64) -> usize {
    (71 - number.leading_zeros() as usize) / 8
}

#[inline(always)]
fn ints(packer: &mut Packer, values: &[FieldValue]) -> Option<usize> {
    let room = 8 * (values.len() + values.len().div_ceil(WORD) + 1);
    if packer.bytes.len() < room {
        packer.bytes.resize(room, 0);
    }
    packer.lengths.clear();
    let bytes = &mut packer.bytes[..room];
    let mut end = 0;
    for some in values.chunks(WORD) {
        let mut lengths = 0;
        for (nth, value) in some.iter().enumerate() {
            let FieldValue::Int(value) = value else { return None };
            let number = zigzag(*value);
            let length = length(number);
            bytes[end..end + 8].copy_from_slice(&number.to_le_bytes());
            end += length;
            lengths |= (length as u64) << (4 * nth);
        }
        packer.lengths.push(lengths);
    }
    let mut left = values.len().div_ceil(2);
    while let Some(word) = packer.lengths.pop() {
        let length = left - WORD / 2 * packer.lengths.len();
        bytes[end..end + 8].copy_from_slice(&(word << (64 - 8 * length)).to_be_bytes());
        end += length;
        left -= length;
    }
    Some(end)
}

/// What a length leaves of eight bytes.
const MASKS: [u64; 16] = {
    let mut masks = [u64::MAX; 16];
    let mut length = 0;
    while length < 8 {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
};

/// Whether all fields of a form are packed, by their tags.
pub fn are_all(tags: &[u8]) -> bool {
    tags.iter().all(|&tag| tag == INT | PACKED || tag == DURATION | PACKED)
}

/// Whether the bytes are so many packed values, and nothing else.
pub fn check(values: &[u8], count: usize) -> Decoded<()> {
    const LOW: u64 = 0x7777_7777_7777_7777;
    let data = values.len().checked_sub(count.div_ceil(2)).ok_or(Malformed)?;
    let (_, lengths) = values.split_at(data);
    let mut sum = 0;
    let mut add = |word: u64| {
        let pairs = (word & 0x0f0f_0f0f_0f0f_0f0f) + (word >> 4 & 0x0f0f_0f0f_0f0f_0f0f);
        sum += (pairs.wrapping_mul(0x0101_0101_0101_0101) >> 56) as usize;
        // Above eight is what has the highest bit and another one.
        ((word & LOW) + LOW) & word & !LOW
    };
    let (front, words) = lengths.as_rchunks::<8>();
    let mut beyond = words.iter().fold(0, |beyond, word| beyond | add(u64::from_be_bytes(*word)));
    let mut word = [0; 8];
    word[8 - front.len()..].copy_from_slice(front);
    beyond |= add(u64::from_be_bytes(word));
    let spare = if count.is_multiple_of(2) { 0 } else { lengths[0] >> 4 };
    if beyond == 0 && spare == 0 && sum == data { Ok(()) } else { Err(Malformed) }
}

/// Shows each of the values, that were checked, with its place.
#[inline(always)]
pub fn each(values: &[u8], count: usize, mut each: impl FnMut(usize, i64)) {
    let mut start = 0;
    for first in (0..count).step_by(WORD) {
        let mut lengths = match values[..values.len() - first / 2].last_chunk() {
            Some(word) => u64::from_be_bytes(*word),
            None => {
                let mut word = [0; 8];
                let there = &values[..values.len() - first / 2];
                word[8 - there.len()..].copy_from_slice(there);
                u64::from_be_bytes(word)
            }
        };
        for at in first..count.min(first + WORD) {
            let length = (lengths & 15) as usize;
            lengths >>= 4;
            let number = match values[start..].first_chunk() {
                Some(bytes) => u64::from_le_bytes(*bytes) & MASKS[length],
                None => short(&values[start..], length),
            };
            start += length;
            each(at, unzigzag(number));
        }
    }
}

/// Where fewer than eight bytes follow.
#[inline(never)]
fn short(bytes: &[u8], length: usize) -> u64 {
    let mut all = [0; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(all) & MASKS[length]
}

/// The bare values of a record, read from the front; the lengths of packed ones from the end.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    input: Input<'a>,
    all: &'a [u8],
    packed: usize,
}

impl<'a> Values<'a> {
    pub fn new(bytes: &'a [u8]) -> Values<'a> {
        Values { input: Input { bytes }, all: bytes, packed: 0 }
    }

    /// The next one, of which the form has the tag.
    pub fn value(&mut self, tag: u8) -> Decoded<ValueRef<'a>> {
        if tag & PACKED == 0 {
            return self.input.bare_value(tag);
        }
        let lengths = self.all.iter().rev().nth(self.packed / 2).ok_or(Malformed)?;
        let length = usize::from(lengths >> (4 * (self.packed % 2)) & 15);
        self.packed += 1;
        let mut number = [0; 8];
        number.get_mut(..length).ok_or(Malformed)?.copy_from_slice(self.input.take(length)?);
        ValueRef::of_int(tag & !PACKED, unzigzag(u64::from_le_bytes(number)))
    }

    /// After the last one there is nothing but the lengths.
    pub fn end(&self) -> Decoded<()> {
        let left = self.input.bytes;
        let spare = if self.packed.is_multiple_of(2) { 0 } else { left.first().map_or(0, |byte| byte >> 4) };
        if left.len() == self.packed.div_ceil(2) && spare == 0 { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(values: &[i64]) -> Vec<u8> {
        let fields: Vec<FieldValue> = values.iter().copied().map(FieldValue::Int).collect();
        let mut packer = Packer::default();
        for _ in 0..2 {
            let mut bytes = Vec::new();
            values.iter().for_each(|&value| packer.put(&mut bytes, value));
            packer.finish(&mut bytes);
            assert_eq!(packer.ints(&fields), Some(&bytes[..]), "{values:?}");
        }
        let other = [&fields[..], &[FieldValue::Duration(1)]].concat();
        assert_eq!(packer.ints(&other), None);
        packer.ints(&fields).unwrap().to_vec()
    }

    #[test]
    fn numbers_come_back() {
        let mut numbers: Vec<i64> = (0..64).flat_map(|bit| [1, 3, -1].map(|n: i64| n << bit)).collect();
        numbers.extend([i64::MIN, i64::MAX, 0, -1]);
        for count in (0..70).chain([numbers.len()]) {
            for start in [0, 5, 50] {
                let numbers = &numbers[start..numbers.len().min(start + count)];
                let bytes = packed(numbers);
                assert_eq!(check(&bytes, numbers.len()), Ok(()));
                let mut back = Vec::new();
                each(&bytes, numbers.len(), |at, value| {
                    assert_eq!(at, back.len());
                    back.push(value);
                });
                assert_eq!(back, numbers);
                let mut values = Values::new(&bytes);
                for &number in numbers {
                    assert_eq!(values.value(INT | PACKED), Ok(ValueRef::Int(number)));
                }
                assert_eq!(values.end(), Ok(()));
                // Whatever the bytes are, both ways to read them say the same.
                for cut in 0..bytes.len() {
                    let walked = walk(&bytes[..cut], numbers.len());
                    assert_eq!(check(&bytes[..cut], numbers.len()), walked, "{numbers:?} at {cut}");
                }
            }
        }
    }

    fn walk(bytes: &[u8], count: usize) -> Decoded<()> {
        let mut values = Values::new(bytes);
        (0..count).try_for_each(|_| values.value(DURATION | PACKED).map(drop))?;
        values.end()
    }

    #[test]
    fn each_takes_as_many_bytes_as_it_needs() {
        assert_eq!(packed(&[0; 17]), [0; 9]);
        assert_eq!(packed(&[0, -1, 1 << 30, 1]), [1, 0, 0, 0, 0x80, 2, 0x14, 0x10]);
    }

    #[test]
    fn hostile_lengths_are_errors() {
        // Too long a number, too few bytes, too many, a half that is not used, and no lengths.
        let long = [[1; 9].as_slice(), &[0x09]].concat();
        for (bytes, count) in [
            (&long[..], 1),
            (&[1, 0x02], 1),
            (&[1, 1, 0x01], 1),
            (&[1, 0x11], 1),
            (&[], 1),
            (&[0], 0),
            (&[1, 0x21], 2),
        ] {
            assert_eq!(check(bytes, count), Err(Malformed), "{bytes:?}");
            assert_eq!(walk(bytes, count), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(Values::new(&[0, 1]).value(crate::codec::STRING | PACKED), Err(Malformed));
    }
}
