//! Bytes.

use super::{Done, natives};
use crate::heap::{BYTES, bytes_words};
use crate::native::{Body, Failure, NativeDef, OutsideCall, PureCall};
use crate::program::Element;
use crate::value::{ErrorValue, Fault, Value};
use crate::vm::trapped;
use dscript_bytecode::trap::TrapKind;

natives! {
    "Bytes.length" "(Bytes) -> int" |call| call.give_int(call.vm.heap.len(call.object(0)) as i64);
    "Bytes.get" "(Bytes, int) -> int" |call| {
        let bytes = call.object(0);
        let index = call.vm.index(call.int(1), call.vm.heap.len(bytes))?;
        call.give_int(call.vm.heap.byte(bytes, index).into())
    };
    "Bytes.slice" "(Bytes, int, int) -> Bytes" |call| {
        let (from, to) = call.range(1, 2, call.vm.heap.len(call.object(0)))?;
        let count = to - from;
        call.vm.reserve(bytes_words(count))?;
        let bytes = call.object(0);
        let object = call.vm.heap.allocate(BYTES, count as u32, bytes_words(count));
        call.vm.heap.copy_text(bytes, from, count, object, 0);
        call.give_object(object)
    };
    "Bytes.concat" "(Bytes, Bytes) -> Bytes" |call| {
        let (first, second) = (call.vm.heap.len(call.object(0)), call.vm.heap.len(call.object(1)));
        call.vm.check_size(first + second)?;
        call.vm.reserve(bytes_words(first + second))?;
        let (a, b) = (call.object(0), call.object(1));
        let object = call.vm.heap.allocate(BYTES, (first + second) as u32, bytes_words(first + second));
        call.vm.heap.copy_text(a, 0, first, object, 0);
        call.vm.heap.copy_text(b, 0, second, object, first);
        call.give_object(object)
    };
    "Bytes.indexOf" "(Bytes, Bytes, int) -> int" |call| {
        let (all, part) = (bytes(call, 0), bytes(call, 1));
        let at = index_of(&all, &part, call.int(2).max(0));
        call.give_int(at.map_or(-1, |at| at as i64))
    };
    "Bytes.toList" "(Bytes) -> List<int>" |call| {
        let all = bytes(call, 0);
        call.give_ints(all.iter().map(|b| u64::from(*b)))
    };
    "Bytes.of" "(List<int>) -> Bytes" of;
    "Bytes.toText" "(Bytes) -> String" |call| {
        let bytes = bytes(call, 0);
        call.give_text(&String::from_utf8_lossy(&bytes))
    };
    "Bytes.toHex" "(Bytes) -> String" |call| {
        let bytes = bytes(call, 0);
        call.vm.check_size(bytes.len().saturating_mul(2))?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        call.give_text(&text)
    };
    "Bytes.toBase64" "(Bytes) -> String" |call| {
        let bytes = bytes(call, 0);
        call.vm.check_size(bytes.len().saturating_mul(2))?;
        call.give_text(&to_base64(&bytes))
    };
}

/// Those that take and give owned values.
pub(super) const OWNED: &[NativeDef] = &[
    NativeDef { name: "Bytes.fromHex", signature: "(String) -> Bytes!", body: Body::Outside(from_hex) },
    NativeDef { name: "Bytes.fromBase64", signature: "(String) -> Bytes!", body: Body::Outside(from_base64) },
];

fn bytes(call: &mut PureCall<'_>, arg: usize) -> Vec<u8> {
    let object = call.object(arg);
    call.spend(call.vm.heap.len(object) / 16);
    call.vm.heap.text_bytes(object).to_vec()
}

fn index_of(all: &[u8], part: &[u8], from: i64) -> Option<usize> {
    let from = usize::try_from(from).ok().filter(|from| *from <= all.len())?;
    memchr::memmem::find(&all[from..], part).map(|at| from + at)
}

fn of(call: &mut PureCall<'_>) -> Done {
    let list = call.object(0);
    let size = call.vm.heap.list_size(list);
    call.spend(size / 4);
    let mut all = Vec::with_capacity(size);
    for index in 0..size {
        let value = call.vm.list_get(Element::Scalar, list, index) as i64;
        let byte = u8::try_from(value);
        all.push(byte.map_err(|_| trapped(TrapKind::Argument, format!("{value} is no byte: 0 to 255")))?);
    }
    let object = call.vm.new_bytes(&all)?;
    call.give_object(object)
}

fn refused(message: String) -> Failure {
    let fault = vec![Fault::User];
    Failure::Error(ErrorValue { code: "format".into(), message, fault, cause: None, data: Vec::new() })
}

fn from_hex(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    let text = call.string(0);
    let digit = |(at, c): (usize, char)| {
        let digit = c.to_digit(16).map(|d| d as u8);
        digit.ok_or_else(|| refused(format!("{c:?} at {at} is no hexadecimal digit")))
    };
    let digits: Vec<u8> = text.chars().enumerate().map(digit).collect::<Result<_, _>>()?;
    if !digits.len().is_multiple_of(2) {
        return Err(refused(format!("{} hexadecimal digits are no whole bytes", digits.len())));
    }
    Ok(Value::Bytes(digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn to_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = 0u32;
        for (i, byte) in chunk.iter().enumerate() {
            group |= u32::from(*byte) << (16 - 8 * i);
        }
        for i in 0..4 {
            let sextet = (group >> (18 - 6 * i) & 63) as usize;
            out.push(if i <= chunk.len() { char::from(BASE64[sextet]) } else { '=' });
        }
    }
    out
}

/// RFC 4648's alphabet with its padding, nothing else.
pub(super) fn parse_base64(text: &str) -> Result<Vec<u8>, String> {
    if !text.len().is_multiple_of(4) {
        return Err("the length of a Base64 text is a multiple of 4".into());
    }
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 {
        return Err("a Base64 text ends with at most two `=`".into());
    }
    let mut out = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut group, mut bits) = (0u32, 0);
    for (at, c) in digits.chars().enumerate() {
        let sextet = BASE64.iter().position(|d| char::from(*d) == c);
        let sextet = sextet.ok_or_else(|| format!("{c:?} at {at} is no Base64 digit"))?;
        group = group << 6 | sextet as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((group >> bits) as u8);
            group &= (1 << bits) - 1;
        }
    }
    if group != 0 {
        return Err("the last Base64 digit holds bits of no byte".into());
    }
    Ok(out)
}

fn from_base64(call: &mut OutsideCall<'_>) -> Result<Value, Failure> {
    parse_base64(call.string(0)).map(Value::Bytes).map_err(refused)
}
