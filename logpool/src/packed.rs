//! The ints of a record in files of version 3: in as many bytes as each needs, and these lengths apart from them.
//!
//! Byte map. Where a form says that a value is packed, its bytes are those of its zigzag number, lowest first, without
//! the zeros at the end: none to eight. The lengths of all packed values of a record lie behind all its values, four bits each,
//! from the last byte of the record to the front: the first value's in the low half of the last byte, the second's in
//! the high half, the third's in the byte before. A half that is left over is zero.

use crate::codec::{Decoded, Input, Malformed, ValueRef};

/// Added to the tag of an int or a duration.
pub const PACKED: u8 = 0x40;

pub fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

pub fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// The bare values of a record, read from the front; the lengths of packed ones from the end.
#[derive(Clone, Copy)]
pub struct BareValues<'a> {
    input: Input<'a>,
    all: &'a [u8],
    packed: usize,
}

impl<'a> BareValues<'a> {
    pub fn new(bytes: &'a [u8]) -> BareValues<'a> {
        BareValues { input: Input { bytes }, all: bytes, packed: 0 }
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
    use crate::codec::{DURATION, INT};

    fn packed(values: &[i64]) -> Vec<u8> {
        let (mut bytes, mut lengths) = (Vec::new(), vec![0u8; values.len().div_ceil(2)]);
        for (at, &value) in values.iter().enumerate() {
            let number = zigzag(value);
            let length = number.to_le_bytes().iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            bytes.extend_from_slice(&number.to_le_bytes()[..length]);
            lengths[at / 2] |= (length << (4 * (at % 2))) as u8;
        }
        bytes.extend(lengths.iter().rev());
        bytes
    }

    #[test]
    fn numbers_come_back() {
        let mut numbers: Vec<i64> = (0..64).flat_map(|bit| [1, 3, -1].map(|n: i64| n << bit)).collect();
        numbers.extend([i64::MIN, i64::MAX, 0, -1]);
        for count in (0..70).chain([numbers.len()]) {
            for start in [0, 5, 50] {
                let numbers = &numbers[start..numbers.len().min(start + count)];
                let bytes = packed(numbers);
                let mut values = BareValues::new(&bytes);
                for &number in numbers {
                    assert_eq!(values.value(INT | PACKED), Ok(ValueRef::Int(number)));
                }
                assert_eq!(values.end(), Ok(()));
            }
        }
    }

    fn walk(bytes: &[u8], count: usize) -> Decoded<()> {
        let mut values = BareValues::new(bytes);
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
            assert_eq!(walk(bytes, count), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(BareValues::new(&[0, 1]).value(crate::codec::STRING | PACKED), Err(Malformed));
    }
}
