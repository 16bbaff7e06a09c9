//! Bytes.

use super::natives;
use crate::heap::{BYTES, bytes_words};

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
        call.vm.heap.append_bytes(bytes, from, count, object, 0);
        call.give_object(object)
    };
    "Bytes.toText" "(Bytes) -> String" |call| {
        let bytes = call.vm.heap.copy_bytes(call.object(0));
        call.give_text(&String::from_utf8_lossy(&bytes))
    };
}
