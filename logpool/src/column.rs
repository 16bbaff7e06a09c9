//! Columns of a block: many values of one kind, packed, with what a query needs to skip them.
//!
//! Byte map (varint, zigzag and text as in `codec`; the number of values is known to whoever reads):
//!
//! - ints: least value (zigzag), greatest value (zigzag); nothing more where they are equal. Else a form (1 byte):
//!   0, the values less the least; 1, the differences of neighbours less their least, after the first value
//!   (zigzag) and the least difference (zigzag); 2 and 3, the same two of values that have in common the lowest bits
//!   of their differences, all zero: how many (1 byte, 1 to 63), and the numbers are without them. Then a width in bits (1 byte, 0 to 64), the number of exceptions
//!   (varint), for each the gap to the exception before (varint) and the bits above the width (varint), and the
//!   numbers, `width` bits each, lowest bits first, in as many bytes as they need
//! - doubles: a form (1 byte): 0, ints follow (every value is one, and not -0.0); 1, least and greatest value
//!   that is a number (8 bytes each, infinities where there is none), then 8 bytes for each value
//! - blobs: number of different values (varint). 0: an ints column of lengths, then all bytes; else the different
//!   values (varint length and bytes), then an ints column of places among them
//!
//! All arithmetic on differences wraps, so any value is allowed. A decoder checks every length before it reserves.

use std::collections::HashMap;

use crate::codec::{Input, Malformed, put_varint, put_zigzag, zigzag_bytes};
use crate::cpu::wide;

type Decoded<T> = Result<T, Malformed>;

const PLAIN: u8 = 0;
const DELTA: u8 = 1;
/// Added to either.
const SHIFTED: u8 = 2;
const AS_INTS: u8 = 0;
const RAW: u8 = 1;

pub fn put_ints(out: &mut Vec<u8>, values: &[i64]) {
    wide!(put_any_ints(out: &mut Vec<u8>, values: &[i64]))
}

#[inline(always)]
fn put_any_ints(out: &mut Vec<u8>, values: &[i64]) {
    let Some((&first, rest)) = values.split_first() else { return };
    // Many columns never change, and of others that is soon known.
    if rest.chunks(64).all(|some| some.iter().fold(0, |differing, value| differing | (value ^ first)) == 0) {
        return put_same_int(out, first);
    }
    let (mut least, mut greatest) = (first, first);
    let (mut step, mut step_greatest, mut differing) = (i64::MAX, i64::MIN, 0);
    for (&before, &value) in values.iter().zip(rest) {
        least = least.min(value);
        greatest = greatest.max(value);
        let difference = value.wrapping_sub(before);
        step = step.min(difference);
        step_greatest = step_greatest.max(difference);
        differing |= difference;
    }
    put_zigzag(out, least);
    put_zigzag(out, greatest);
    // Bytes that are counted in KiB, times in microseconds; where it saves more than it takes to say so.
    let shift = differing.trailing_zeros();
    let shift = if values.len() * shift as usize > 16 { shift } else { 0 };
    let plain = |value: i64| value.wrapping_sub(least) as u64 >> shift;
    let delta = |one: i64, next: i64| next.wrapping_sub(one).wrapping_sub(step) as u64 >> shift;
    let plain_greatest = greatest.wrapping_sub(least) as u64 >> shift;
    let delta_greatest = step_greatest.wrapping_sub(step) as u64 >> shift;
    let (plain_width, plain_bits) = width(values.len(), plain_greatest, |at| plain(values[at]));
    let (delta_width, delta_bits) = width(rest.len(), delta_greatest, |at| delta(values[at], rest[at]));
    let is_plain = plain_bits <= delta_bits + 8 * (zigzag_bytes(first) + zigzag_bytes(step));
    out.push(if is_plain { PLAIN } else { DELTA } + if shift > 0 { SHIFTED } else { 0 });
    if shift > 0 {
        out.push(shift as u8);
    }
    let mut numbers: Vec<u64> = Vec::with_capacity(values.len());
    if is_plain {
        numbers.extend(values.iter().map(|&value| plain(value)));
        pack(out, &mut numbers, plain_width, plain_greatest);
    } else {
        put_zigzag(out, first);
        put_zigzag(out, step);
        numbers.extend(values.iter().zip(rest).map(|(&one, &next)| delta(one, next)));
        pack(out, &mut numbers, delta_width, delta_greatest);
    }
}

/// As `put_ints` does, of one value as often as it is there.
pub fn put_same_int(out: &mut Vec<u8>, value: i64) {
    put_zigzag(out, value);
    put_zigzag(out, value);
}

/// The width at which so many packed numbers, none above the greatest, and exceptions take the fewest bits, and about how many these are. Of many
/// numbers some stretches are looked at.
#[inline(always)]
fn width(count: usize, greatest: u64, number: impl Fn(usize) -> u64) -> (u32, u64) {
    let (stretch, apart) = match count {
        few @ ..=128 => (few.max(1), few.max(1)),
        many => (16, many / 8),
    };
    // Several counts of each length, so that one need not wait for the one before.
    let mut counts = [[0u8; 65]; 4];
    let mut seen = 0;
    for start in (0..count).step_by(apart) {
        let end = (start + stretch).min(count);
        for at in start..end {
            counts[at % 4][(64 - number(at).leading_zeros()) as usize] += 1;
        }
        seen += (end - start) as u64;
    }
    // The width is among the lengths of the numbers, and these are few.
    let mut there = [(0u32, 0u32); 65];
    let mut different = 0;
    for length in 0..=(64 - greatest.leading_zeros()) as usize {
        let count = counts.iter().map(|counts| u32::from(counts[length])).sum();
        there[different] = (count, length as u32);
        different += usize::from(count > 0);
    }
    let there = &there[..different];
    let bits = |at: usize| {
        let (_, width) = there[at];
        // A byte for the gap, and seven bits in each byte of what is above the width.
        let each = |&(count, bits): &(u32, u32)| u64::from(count * 8 * (1 + (bits - width).div_ceil(7)));
        seen * u64::from(width) + there[at + 1..].iter().map(each).sum::<u64>()
    };
    let least = (0..different).map(|at| (there[at].1, bits(at))).min_by_key(|&(_, bits)| bits);
    least.map_or((0, 0), |(width, bits)| (width, bits * count as u64 / seen))
}

fn low_bits(width: u32) -> u64 {
    if width == 64 { u64::MAX } else { (1 << width) - 1 }
}

#[inline(always)]
fn pack(out: &mut Vec<u8>, numbers: &mut [u64], width: u32, greatest: u64) {
    let mask = low_bits(width);
    let exceptions =
        if greatest > mask { numbers.iter().filter(|&&number| number > mask).count() } else { 0 };
    out.push(width as u8);
    put_varint(out, exceptions as u64);
    if exceptions > 0 {
        let mut next = 0;
        for (at, number) in numbers.iter_mut().enumerate() {
            if *number > mask {
                put_varint(out, (at - next) as u64);
                put_varint(out, *number >> width);
                next = at + 1;
                *number &= mask;
            }
        }
    }
    let bytes = (numbers.len() * width as usize).div_ceil(8);
    let start = out.len();
    out.resize(start + bytes + 8, 0);
    let into = &mut out[start..];
    match width {
        0 => {}
        1..=7 => pack_groups::<8>(into, numbers, width),
        8..=14 => pack_groups::<4>(into, numbers, width),
        15..=28 => pack_groups::<2>(into, numbers, width),
        29..=56 => pack_groups::<1>(into, numbers, width),
        _ => pack_wide(into, numbers, width),
    }
    out.truncate(start + bytes);
}

/// Puts so many numbers together, which are at most 56 bits, and then all their bits at once. `out` has eight bytes more
/// than they need.
#[inline(always)]
fn pack_groups<const GROUP: usize>(out: &mut [u8], numbers: &[u64], width: u32) {
    // Bits that are not in `out` for good, fewer than eight, and where they go.
    let (mut pending, mut bits, mut at) = (0u64, 0u32, 0usize);
    let mut put = |number: u64, width: u32| {
        pending |= number << bits;
        out[at..at + 8].copy_from_slice(&pending.to_le_bytes());
        bits += width;
        at += bits as usize / 8;
        pending >>= bits / 8 * 8;
        bits %= 8;
    };
    let (groups, rest) = numbers.as_chunks::<GROUP>();
    for group in groups {
        put(group.iter().rev().fold(0, |all, number| all << width | number), width * GROUP as u32);
    }
    rest.iter().for_each(|&number| put(number, width));
}

/// The same of any numbers, one by one.
fn pack_wide(out: &mut [u8], numbers: &[u64], width: u32) {
    let (mut pending, mut bits, mut at) = (0u128, 0u32, 0usize);
    for &number in numbers {
        pending |= u128::from(number) << bits;
        out[at..at + 8].copy_from_slice(&(pending as u64).to_le_bytes());
        bits += width;
        at += bits as usize / 8;
        pending >>= bits / 8 * 8;
        bits %= 8;
        out[at] = pending as u8;
    }
}

/// Least and greatest value of an ints column, which must not be empty.
pub fn int_bounds(bytes: &[u8]) -> Decoded<(i64, i64)> {
    let mut input = Input { bytes };
    Ok((input.zigzag()?, input.zigzag()?))
}

/// Reads an ints column of `count` values into `out`, which it clears.
pub fn ints(input: &mut Input<'_>, count: usize, out: &mut Vec<i64>) -> Decoded<()> {
    out.clear();
    if count == 0 {
        return Ok(());
    }
    let (least, greatest) = (input.zigzag()?, input.zigzag()?);
    if least == greatest {
        out.resize(count, least);
        return Ok(());
    }
    let [form] = input.array()?;
    let shift = match form {
        PLAIN | DELTA => 0,
        _ => u32::from(input.array::<1>()?[0]),
    };
    if shift > 63 {
        return Err(Malformed);
    }
    match form & !SHIFTED {
        PLAIN => unpack(input, count, least, shift, out),
        DELTA => {
            let (first, step) = (input.zigzag()?, input.zigzag()?);
            out.push(first);
            unpack(input, count - 1, step, shift, out)?;
            let mut value = 0i64;
            for (at, slot) in out.iter_mut().enumerate() {
                value = if at == 0 { *slot } else { value.wrapping_add(*slot) };
                *slot = value;
            }
            Ok(())
        }
        _ => Err(Malformed),
    }
}

/// Adds `count` numbers, each with zeros for so many bits, and `base` added.
fn unpack(input: &mut Input<'_>, count: usize, base: i64, shift: u32, out: &mut Vec<i64>) -> Decoded<()> {
    let [width] = input.array()?;
    let width = u32::from(width);
    if width > 64 {
        return Err(Malformed);
    }
    let exceptions = input.count(count, 2)?;
    let mut patches = *input;
    for _ in 0..exceptions {
        input.varint()?;
        input.varint()?;
    }
    let packed = input.take((count * width as usize).div_ceil(8))?;
    let mask = low_bits(width);
    let start = out.len();
    out.reserve(count);
    let mut at = 0usize;
    let mut left = count;
    if width <= 57 {
        // Eight bytes hold any number of at most 57 bits, wherever in a byte it begins.
        while left > 0
            && let Some(bytes) = packed.get(at / 8..at / 8 + 8)
        {
            let bytes: [u8; 8] = bytes.try_into().map_err(|_| Malformed)?;
            let number = u64::from_le_bytes(bytes) >> (at % 8) & mask;
            out.push(base.wrapping_add((number << shift) as i64));
            at += width as usize;
            left -= 1;
        }
    }
    for _ in 0..left {
        let mut bytes = [0u8; 16];
        let rest = &packed[(at / 8).min(packed.len())..];
        let there = rest.len().min(16);
        bytes[..there].copy_from_slice(&rest[..there]);
        let number = (u128::from_le_bytes(bytes) >> (at % 8)) as u64 & mask;
        out.push(base.wrapping_add((number << shift) as i64));
        at += width as usize;
    }
    let mut next = start;
    for _ in 0..exceptions {
        let gap = usize::try_from(patches.varint()?).map_err(|_| Malformed)?;
        let high = patches.varint()?;
        let place = next.checked_add(gap).ok_or(Malformed)?;
        let slot = out.get_mut(place).ok_or(Malformed)?;
        let high = high.checked_shl(width).ok_or(Malformed)?;
        *slot = slot.wrapping_add((high << shift) as i64);
        next = place + 1;
    }
    Ok(())
}

pub fn put_doubles(out: &mut Vec<u8>, values: &[f64]) {
    let as_int = |value: &f64| {
        let int = *value as i64;
        (int as f64).to_bits().eq(&value.to_bits()).then_some(int)
    };
    if let Some(ints) = values.iter().map(as_int).collect::<Option<Vec<i64>>>() {
        out.push(AS_INTS);
        return put_ints(out, &ints);
    }
    out.push(RAW);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for value in [least, greatest].iter().chain(values) {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Least and greatest number of a doubles column, which must not be empty. NaN counts as none.
pub fn double_bounds(bytes: &[u8]) -> Decoded<(f64, f64)> {
    let mut input = Input { bytes };
    match input.array()? {
        [AS_INTS] => int_bounds(input.bytes).map(|(least, greatest)| (least as f64, greatest as f64)),
        [RAW] => Ok((f64::from_le_bytes(input.array()?), f64::from_le_bytes(input.array()?))),
        _ => Err(Malformed),
    }
}

pub fn doubles(input: &mut Input<'_>, count: usize, out: &mut Vec<f64>) -> Decoded<()> {
    out.clear();
    match input.array()? {
        [AS_INTS] => {
            let mut whole = Vec::new();
            ints(input, count, &mut whole)?;
            out.extend(whole.into_iter().map(|value| value as f64));
        }
        [RAW] => {
            input.take(16)?;
            let bytes = input.take(count.checked_mul(8).ok_or(Malformed)?)?;
            let (values, _) = bytes.as_chunks();
            out.extend(values.iter().map(|&value| f64::from_le_bytes(value)));
        }
        _ => return Err(Malformed),
    }
    Ok(())
}

pub fn put_blobs(out: &mut Vec<u8>, values: &[&[u8]]) {
    let mut places: HashMap<&[u8], i64> = HashMap::new();
    let mut different: Vec<&[u8]> = Vec::new();
    let most = values.len() / 2;
    let mut indices = Vec::with_capacity(values.len());
    let mut last: (&[u8], i64) = (&[], -1);
    for &value in values {
        // Often the same one, or what one text is written from.
        if last.1 < 0 || !(std::ptr::eq(last.0, value) || last.0 == value) {
            last = (
                value,
                *places.entry(value).or_insert_with(|| {
                    different.push(value);
                    different.len() as i64 - 1
                }),
            );
        }
        let place = last.1;
        if different.len() > most.max(1) {
            break;
        }
        indices.push(place);
    }
    if indices.len() == values.len() {
        put_varint(out, different.len() as u64);
        for value in different {
            put_varint(out, value.len() as u64);
            out.extend_from_slice(value);
        }
        return put_ints(out, &indices);
    }
    put_varint(out, 0);
    let lengths: Vec<i64> = values.iter().map(|value| value.len() as i64).collect();
    put_ints(out, &lengths);
    for value in values {
        out.extend_from_slice(value);
    }
}

/// As `put_blobs` does, of one value as often as it is there.
pub fn put_same_blob(out: &mut Vec<u8>, value: &[u8]) {
    put_varint(out, 1);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
    put_same_int(out, 0);
}

/// Reads a blobs column of `count` values into `out`, which it clears.
pub fn blobs<'a>(input: &mut Input<'a>, count: usize, out: &mut Vec<&'a [u8]>) -> Decoded<()> {
    out.clear();
    let different = input.count(count, 1)?;
    let mut numbers = Vec::new();
    if different == 0 {
        ints(input, count, &mut numbers)?;
        for length in numbers {
            out.push(input.take(usize::try_from(length).map_err(|_| Malformed)?)?);
        }
        return Ok(());
    }
    let mut values = Vec::with_capacity(different);
    for _ in 0..different {
        let length = usize::try_from(input.varint()?).map_err(|_| Malformed)?;
        values.push(input.take(length)?);
    }
    ints(input, count, &mut numbers)?;
    for place in numbers {
        let place = usize::try_from(place).map_err(|_| Malformed)?;
        out.push(values.get(place).ok_or(Malformed)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[i64], bytes_at_most: usize) {
        let mut bytes = Vec::new();
        put_ints(&mut bytes, values);
        assert!(bytes.len() <= bytes_at_most, "{} bytes for {values:?}", bytes.len());
        let mut input = Input { bytes: &bytes };
        let mut back = vec![7];
        ints(&mut input, values.len(), &mut back).unwrap();
        assert_eq!(back, values);
        assert!(input.bytes.is_empty());
        if let (Some(least), Some(greatest)) = (values.iter().min(), values.iter().max()) {
            assert_eq!(int_bounds(&bytes), Ok((*least, *greatest)));
        }
        for cut in 0..bytes.len() {
            let cut = ints(&mut Input { bytes: &bytes[..cut] }, values.len(), &mut back);
            assert_eq!(cut, Err(Malformed));
        }
    }

    #[test]
    fn ints_come_back_small() {
        check(&[], 0);
        check(&[5], 2);
        check(&[-3; 1000], 2);
        check(&(0..1000).collect::<Vec<_>>(), 12);
        check(&[0, 1, 0, 1, 1, 0, 0, 1, 1], 8);
        check(&[i64::MIN, i64::MAX, 0, -1, 1], 80);
        check(&[i64::MAX, i64::MIN], 50);
        // One number far off costs no more than itself.
        let mut quiet: Vec<i64> = (0..512).map(|n| n * 7919 % 4).collect();
        quiet[300] = 1 << 40;
        check(&quiet, 150);
        let times: Vec<i64> =
            (0..600).map(|n| 1_700_000_000_000_000_000 + n * 1_000_000_000 + n * 37 % 1000).collect();
        check(&times, 800);
        // Sizes that are counted in KiB, and what differs in one bit.
        check(&(0..600).map(|n| (8 << 30) + n * 7919 % 1000 * 1024).collect::<Vec<_>>(), 780);
        check(&(0..600).map(|n| n * 1000 * (1 << 40) + n % 2 * (1 << 40)).collect::<Vec<_>>(), 180);
        check(&[i64::MIN, 0, i64::MIN, 0, 0, i64::MIN], 30);
        check(&[5, 5 + (1 << 62), 5 - (1 << 62), 5], 60);
        let mut state = 1u64;
        for (width, count) in (0..=64).flat_map(|width| [(width, 97), (width, 300)]) {
            let numbers: Vec<i64> = (0..count)
                .map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    (state & low_bits(width)) as i64
                })
                .collect();
            check(&numbers, count * width as usize / 8 + 40);
        }
    }

    #[test]
    fn doubles_come_back_to_the_bit() {
        let check = |values: &[f64], bytes_at_most: usize| {
            let mut bytes = Vec::new();
            put_doubles(&mut bytes, values);
            assert!(bytes.len() <= bytes_at_most, "{} bytes for {values:?}", bytes.len());
            let mut back = Vec::new();
            doubles(&mut Input { bytes: &bytes }, values.len(), &mut back).unwrap();
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&back), bits(values));
            bytes
        };
        check(&[1.0, 2.0, 3.0, 1e15], 30);
        check(&[-0.0], 25);
        check(&[f64::NAN, f64::INFINITY, 0.5, i64::MAX as f64], 49);
        let bytes = check(&[0.5, f64::NAN, -2.5], 41);
        assert_eq!(double_bounds(&bytes), Ok((-2.5, 0.5)));
        let bytes = check(&[4.0, -1.0], 12);
        assert_eq!(double_bounds(&bytes), Ok((-1.0, 4.0)));
    }

    #[test]
    fn blobs_come_back() {
        let check = |values: &[&str], bytes_at_most: usize| {
            let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            let mut bytes = Vec::new();
            put_blobs(&mut bytes, &values);
            assert!(bytes.len() <= bytes_at_most, "{} bytes", bytes.len());
            let mut same = Vec::new();
            put_same_blob(&mut same, values[0]);
            assert_eq!(same == bytes, values.iter().all(|value| *value == values[0]));
            let mut back = Vec::new();
            blobs(&mut Input { bytes: &bytes }, values.len(), &mut back).unwrap();
            assert_eq!(back, values);
            for cut in 0..bytes.len() {
                assert!(blobs(&mut Input { bytes: &bytes[..cut] }, values.len(), &mut back).is_err());
            }
        };
        check(&["up"; 100], 6);
        check(&["up"], 6);
        check(&["up", "down", "up", "up", "down"], 16);
        check(&["a", "b", "c", ""], 16);
    }

    #[test]
    fn hostile_columns_are_errors() {
        let mut out = Vec::new();
        // A width beyond 64, an exception behind the end, and one whose bits do not fit.
        for bytes in [
            &[0, 2, PLAIN, 65, 0][..],
            &[0, 2, PLAIN, 1, 1, 9, 1, 0],
            &[0, 2, PLAIN, 64, 1, 0, 1],
            &[0, 2, SHIFTED, 64, 1, 0, 1],
            &[0, 2, 9, 0, 1, 0, 1],
        ] {
            assert_eq!(ints(&mut Input { bytes }, 2, &mut out), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(
            ints(&mut Input { bytes: &[0, 2, PLAIN, 64, 0] }, usize::MAX / 128, &mut out),
            Err(Malformed)
        );
    }
}
