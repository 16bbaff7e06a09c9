//! List.

use super::{Done, cells, count, natives};
use crate::arithmetic::Operation;
use crate::equal::double_bits;
use crate::heap::{Heap, Ref, low, string_words};
use crate::list::list_words;
use crate::native::{PureCall, Trapped};
use crate::program::Element;
use crate::vm::trapped;
use dscript_bytecode::image::{TimeOperands, Type};
use dscript_bytecode::trap::TrapKind;
use rustc_hash::{FxHashMap, FxHashSet};

/// Texts that are sorted by comparing them.
const FEW: usize = 16;
/// Elements that a list which is cleared keeps room for.
const KEPT_MAX: usize = 64;

natives! {
    "List.size" "<T>(List<T>) -> int" |call| call.give_int(call.vm.heap.list_size(call.object(0)) as i64);
    "List.add" "<T>(List<T>, T) -> void" |call| {
        let (_, element) = call.type_arg(0);
        let (list, value) = (call.object(0), call.bits(1));
        call.vm.list_add(element, list, value)
    };
    "List.insert" "<T>(List<T>, int, T) -> void" insert;
    "List.get" "<T>(List<T>, int) -> T?" |call| {
        let (_, element) = call.type_arg(0);
        let (list, index) = (call.object(0), call.int(1));
        let index = usize::try_from(index).ok().filter(|i| *i < call.vm.heap.list_size(list));
        call.give_optional(index.map(|i| call.vm.list_get(element, list, i)))
    };
    "List.set" "<T>(List<T>, int, T) -> void" |call| {
        let (_, element) = call.type_arg(0);
        let (list, value) = (call.object(0), call.bits(2));
        let index = call.vm.index(call.int(1), call.vm.heap.list_size(list))?;
        call.vm.list_set(element, list, index, value);
        Ok(())
    };
    "List.remove" "<T>(List<T>, T) -> boolean" |call| {
        let at = find(call)?;
        if let Some(at) = at {
            remove(call, at);
        }
        call.give_bool(at.is_some())
    };
    "List.removeAt" "<T>(List<T>, int) -> T" |call| {
        let (_, element) = call.type_arg(0);
        let list = call.object(0);
        let index = call.vm.index(call.int(1), call.vm.heap.list_size(list))?;
        let value = call.vm.list_get(element, list, index);
        remove(call, index);
        call.set_bits(0, value);
        Ok(())
    };
    "List.contains" "<T>(List<T>, T) -> boolean" |call| {
        let found = find(call)?.is_some();
        call.give_bool(found)
    };
    "List.indexOf" "<T>(List<T>, T) -> int" |call| {
        let at = find(call)?;
        call.give_int(at.map_or(-1, |at| at as i64))
    };
    "List.clear" "<T>(List<T>) -> void" |call| {
        let (_, element) = call.type_arg(0);
        let list = call.object(0);
        let array = call.vm.heap.list_array(list);
        if array != 0 && call.vm.heap.len(array) <= KEPT_MAX {
            (0..call.vm.heap.list_size(list)).for_each(|at| call.vm.array_set(element, array, at, 0));
        } else {
            call.vm.heap.set_ref_at(list, 2, 0, 0);
        }
        call.vm.heap.list_resized(list, 0);
        Ok(())
    };
    "List.addAll" "<T>(List<T>, List<T>) -> void" add_all;
    "List.reverse" "<T>(List<T>) -> void" |call| {
        let mut all = take(call);
        all.reverse();
        put(call, all);
        Ok(())
    };
    "List.slice" "<T>(List<T>, int, int) -> List<T>" slice;
    "List.filled" "<T>(int, T) -> List<T>" filled;
    "List.sortNatural" "<T>(List<T>) -> void" sort;
    "List.joinTexts" "(List<String>, String) -> String" join;
    "List.compareAt" "<T>(List<T>, int, int) -> int" compare_at;
    "List.order" "<T>(List<T>) -> List<int>" order;
    "List.sum" "<T>(List<T>) -> T" sum;
    "List.distinct" "<T>(List<T>) -> List<T>" distinct;
}

fn insert(call: &mut PureCall<'_>) -> Done {
    let (_, element) = call.type_arg(0);
    let size = call.vm.heap.list_size(call.object(0));
    let index = call.vm.index(call.int(1), size + 1)?;
    let list = call.object(0);
    let (list, []) = call.vm.list_room(element, list, 1, [])?;
    let array = call.vm.heap.list_array(list);
    call.vm.array_copy(element, array, index, array, index + 1, size - index);
    call.spend((size - index) / 16);
    // Its register was kept by the collector.
    let value = call.bits(2);
    call.vm.list_set(element, list, index, value);
    call.vm.heap.list_resized(list, size + 1);
    Ok(())
}

fn remove(call: &mut PureCall<'_>, index: usize) {
    let (_, element) = call.type_arg(0);
    let list = call.object(0);
    let (array, size) = (call.vm.heap.list_array(list), call.vm.heap.list_size(list));
    call.vm.array_copy(element, array, index + 1, array, index, size - index - 1);
    call.vm.array_set(element, array, size - 1, 0);
    call.vm.heap.list_resized(list, size - 1);
    call.spend((size - index) / 16);
}

/// The first element equal to the second argument.
fn find(call: &mut PureCall<'_>) -> Result<Option<usize>, Trapped> {
    let (ty, element) = call.type_arg(0);
    let (list, wanted) = (call.object(0), call.bits(1));
    let size = call.vm.heap.list_size(list);
    call.spend(size / 4);
    let (vm, array) = (&*call.vm, call.vm.heap.list_array(list));
    let words = || vm.heap.scalars(array)[..size].iter();
    Ok(match (element, vm.program.ty(ty)) {
        (_, Type::Double) => words().position(|bits| double_bits(*bits) == double_bits(wanted)),
        (Element::Scalar, _) => words().position(|bits| *bits == wanted),
        (Element::Bool, _) => vm.heap.bools(array)[..size].iter().position(|b| u64::from(*b) == wanted),
        (_, Type::String | Type::Bytes) => {
            (0..size).position(|at| vm.same_text_or_none(vm.heap.ref_at(array, 1, at), low(wanted)))
        }
        _ => {
            for index in 0..size {
                let (a, b) = cells(vm, ty, vm.array_get(element, array, index), wanted);
                if vm.equal(ty, a, b)? {
                    return Ok(Some(index));
                }
            }
            None
        }
    })
}

/// The items, each once, in the order they came first.
fn distinct(call: &mut PureCall<'_>) -> Done {
    let (ty, element) = call.type_arg(0);
    let source = call.object(0);
    if element.is_scalar() && !matches!(call.vm.program.ty(ty), Type::Double) {
        let mut known = FxHashSet::default();
        let all = take(call).into_iter().enumerate();
        let kept = all.filter(|(_, bits)| known.insert(*bits)).map(|(place, _)| place).collect();
        return give_items(call, kept);
    }
    // The place of each first one, and the one before it with the same hash; the last of each hash is in `last`.
    let mut kept: Vec<(usize, Option<usize>)> = Vec::new();
    let mut last: FxHashMap<u32, usize> = FxHashMap::default();
    for (place, bits) in take(call).into_iter().enumerate() {
        let cell = call.vm.unboxed(ty, bits);
        let hash = call.vm.hash(ty, cell)?;
        let newest = last.get(&hash).copied();
        let mut next = newest;
        let mut is_new = true;
        while let Some(at) = next
            && is_new
        {
            call.spend(1);
            let known = call.vm.list_get(element, source, kept[at].0);
            let (a, b) = cells(call.vm, ty, known, bits);
            is_new = !call.vm.equal(ty, a, b)?;
            next = kept[at].1;
        }
        if is_new {
            last.insert(hash, kept.len());
            kept.push((place, newest));
        }
    }
    give_items(call, kept.into_iter().map(|(place, _)| place).collect())
}

/// Gives a list of those items of the first argument that have these places.
fn give_items(call: &mut PureCall<'_>, places: Vec<usize>) -> Done {
    let (_, element) = call.type_arg(0);
    let (result, count) = (call.result_type(), places.len());
    call.vm.reserve(list_words(element, count))?;
    let (source, new) = (call.object(0), call.vm.new_list(result, count));
    let (from, to) = (call.vm.heap.list_array(source), call.vm.heap.list_array(new));
    for (index, place) in places.into_iter().enumerate() {
        call.vm.array_copy(element, from, place, to, index, 1);
    }
    call.vm.heap.list_resized(new, count);
    call.give_object(new)
}

fn add_all(call: &mut PureCall<'_>) -> Done {
    let (_, element) = call.type_arg(0);
    let (list, other) = (call.object(0), call.object(1));
    let count = call.vm.heap.list_size(other);
    if count == 0 {
        return Ok(());
    }
    let (list, [other]) = call.vm.list_room(element, list, count, [other])?;
    let size = call.vm.heap.list_size(list);
    let (from, to) = (call.vm.heap.list_array(other), call.vm.heap.list_array(list));
    call.vm.array_copy(element, from, 0, to, size, count);
    call.vm.heap.list_resized(list, size + count);
    Ok(())
}

fn slice(call: &mut PureCall<'_>) -> Done {
    let (_, element) = call.type_arg(0);
    let (from, to) = call.range(1, 2, call.vm.heap.list_size(call.object(0)))?;
    let (ty, count) = (call.result_type(), to - from);
    call.vm.reserve(list_words(element, count))?;
    let list = call.object(0);
    let new = call.vm.new_list(ty, count);
    let (source, target) = (call.vm.heap.list_array(list), call.vm.heap.list_array(new));
    call.vm.array_copy(element, source, from, target, 0, count);
    call.vm.heap.list_resized(new, count);
    call.give_object(new)
}

fn filled(call: &mut PureCall<'_>) -> Done {
    let (_, element) = call.type_arg(0);
    let (ty, count) = (call.result_type(), count(call.int(0), "the size of a list")?);
    call.vm.check_size(list_words(element, count).saturating_mul(8))?;
    call.vm.reserve(list_words(element, count))?;
    let list = call.vm.new_list(ty, count);
    let (array, value) = (call.vm.heap.list_array(list), call.bits(1));
    match element {
        _ if count == 0 => {}
        Element::Scalar => call.vm.heap.scalars_mut(array).fill(value),
        Element::Bool => call.vm.heap.bools_mut(array).fill(value as u8),
        _ => (0..count).for_each(|i| call.vm.array_set(element, array, i, value)),
    }
    call.vm.heap.list_resized(list, count);
    call.give_object(list)
}

/// The elements of the first argument; nothing may allocate until `put`.
fn take(call: &mut PureCall<'_>) -> Vec<u64> {
    let (_, element) = call.type_arg(0);
    let list = call.object(0);
    let size = call.vm.heap.list_size(list);
    call.spend(size / 2);
    (0..size).map(|i| call.vm.list_get(element, list, i)).collect()
}

fn put(call: &mut PureCall<'_>, all: Vec<u64>) {
    let (_, element) = call.type_arg(0);
    let list = call.object(0);
    for (index, value) in all.iter().enumerate() {
        call.vm.list_set(element, list, index, *value);
    }
    call.vm.heap.list_resized(list, all.len());
}

/// Stable, by natural order; doubles as Java's `Double.compare`.
fn sort(call: &mut PureCall<'_>) -> Done {
    let mut all = take(call);
    if natural_order(call)? == Natural::Int {
        // Equal ones are the same.
        all.sort_unstable_by_key(|bits| *bits as i64);
    } else {
        let (items, steps) = sorted(call, &all)?;
        call.spend(steps);
        all = items.into_iter().map(|item| all[item.at as usize]).collect();
    }
    put(call, all);
    Ok(())
}

/// An item of a list that is sorted.
struct Item {
    /// Sorts as it does; of a text, as a part of it does.
    key: u64,
    text: Ref,
    /// Where it stands.
    at: u32,
}

/// The items in the order of sorting, equal ones in the order they stand; and the steps that comparing texts took.
fn sorted(call: &PureCall<'_>, all: &[u64]) -> Result<(Vec<Item>, usize), Trapped> {
    let (order, heap) = (natural_order(call)?, &call.vm.heap);
    let key = |bits: u64| match order {
        Natural::Int => bits ^ 1 << 63,
        Natural::Double => double_key(bits),
        Natural::Text => 0,
    };
    let item = |(at, bits): (usize, &u64)| Item { key: key(*bits), text: low(*bits), at: at as u32 };
    let mut items: Vec<Item> = all.iter().enumerate().map(item).collect();
    let mut steps = 0;
    match order {
        Natural::Text => steps = sort_texts(heap, &mut items),
        _ => items.sort_by_key(|item| item.key),
    }
    Ok((items, steps))
}

/// Sorts items by their texts: by eight bytes at a time, from where those differ that are alike until there. Gives the steps
/// that took.
fn sort_texts(heap: &Heap, items: &mut [Item]) -> usize {
    let mut steps = 0;
    // Stretches of texts that are alike in so many bytes.
    let mut rest = vec![(0..items.len(), 0)];
    while let Some((stretch, same)) = rest.pop() {
        let items = &mut items[stretch.clone()];
        steps += items.len();
        if items.len() <= FEW {
            items.sort_by(|a, b| {
                let (a, b) = (heap.text_bytes(a.text), heap.text_bytes(b.text));
                steps += a.len().min(b.len()) / 64;
                a[same..].cmp(&b[same..])
            });
            continue;
        }
        let from = same + shared(heap, items, same, &mut steps);
        for item in &mut *items {
            item.key = heap.text_word(item.text, from);
        }
        items.sort_by_key(|item| item.key);
        let mut start = stretch.start;
        for items in items.chunk_by_mut(|a, b| a.key == b.key) {
            let end = start + items.len();
            if items.len() > 1 {
                // Those that end here come first, the shorter ones before: they may end in bytes that are 0.
                let left = |item: &Item| heap.len(item.text) - from;
                items.sort_by_key(|item| left(item).min(9));
                let ended = items.partition_point(|item| left(item) <= 8);
                rest.push((start + ended..end, from + 8));
            }
            start = end;
        }
    }
    steps
}

/// How many bytes from a place on are the same in all these texts, which are alike until there.
fn shared(heap: &Heap, items: &[Item], from: usize, steps: &mut usize) -> usize {
    let first = &heap.text_bytes(items[0].text)[from..];
    let mut shared = first.len();
    for item in &items[1..] {
        let text = &heap.text_bytes(item.text)[from..];
        shared = alike(&first[..shared], text);
        *steps += shared / 64;
        if shared == 0 {
            break;
        }
    }
    shared
}

/// How many bytes are the same at the begin of both.
fn alike(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let from = 8 * words.take_while(|(a, b)| a == b).count();
    from + a[from..].iter().zip(&b[from..]).take_while(|(a, b)| a == b).count()
}

/// Below, at or above 0 as one item sorts before, with or after another.
fn compare_at(call: &mut PureCall<'_>) -> Done {
    let (_, element) = call.type_arg(0);
    let list = call.object(0);
    let size = call.vm.heap.list_size(list);
    let (first, second) = (call.vm.index(call.int(1), size)?, call.vm.index(call.int(2), size)?);
    let a = call.vm.list_get(element, list, first);
    let b = call.vm.list_get(element, list, second);
    let order = match natural_order(call)? {
        Natural::Int => (a as i64).cmp(&(b as i64)),
        Natural::Double => double_key(a).cmp(&double_key(b)),
        Natural::Text => call.vm.heap.compare_text(low(a), low(b)),
    };
    call.give_int(order as i64)
}

/// The positions of the items in the order of sorting; equal ones in the order they stand.
fn order(call: &mut PureCall<'_>) -> Done {
    let all = take(call);
    let (items, steps) = sorted(call, &all)?;
    call.spend(steps);
    let places: Vec<u64> = items.iter().map(|item| item.at.into()).collect();
    let ty = call.result_type();
    let (_, element) = call.vm.list_element(ty);
    call.vm.check_size(places.len().saturating_mul(8))?;
    call.vm.reserve(list_words(element, places.len()))?;
    let list = call.vm.new_list(ty, places.len());
    let array = call.vm.heap.list_array(list);
    if !places.is_empty() {
        call.vm.heap.scalars_mut(array)[..places.len()].copy_from_slice(&places);
    }
    call.vm.heap.list_resized(list, places.len());
    call.give_object(list)
}

/// The sum of ints or Durations, which traps on overflow, or of doubles.
fn sum(call: &mut PureCall<'_>) -> Done {
    let (ty, _) = call.type_arg(0);
    let all = take(call);
    if matches!(call.vm.program.ty(ty), Type::Double) {
        return call.give_double(all.into_iter().map(f64::from_bits).sum());
    }
    let operands = matches!(call.vm.program.ty(ty), Type::Duration).then_some(TimeOperands::Durations);
    let mut total = 0i64;
    for bits in all {
        let item = bits as i64;
        let sum = total.checked_add(item);
        total = sum.ok_or_else(|| Operation::Binary(total, '+', item).overflow(operands))?;
    }
    call.give_int(total)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Natural {
    Int,
    Double,
    Text,
}

fn natural_order(call: &PureCall<'_>) -> Result<Natural, Trapped> {
    let (ty, _) = call.type_arg(0);
    match call.vm.program.ty(ty) {
        Type::Int | Type::Duration | Type::Time | Type::Bool | Type::Enum { .. } => Ok(Natural::Int),
        Type::Double => Ok(Natural::Double),
        Type::String => Ok(Natural::Text),
        _ => {
            let name = call.vm.program.type_name(ty);
            Err(trapped(TrapKind::Internal, format!("{name} has no natural order")))
        }
    }
}

/// A number that sorts as a double does: NaNs are equal and come last, -0.0 is below 0.0.
fn double_key(bits: u64) -> u64 {
    if f64::from_bits(bits).is_nan() {
        return u64::MAX;
    }
    let is_negative = bits >> 63 != 0;
    if is_negative { !bits } else { bits | 1 << 63 }
}

fn join(call: &mut PureCall<'_>) -> Done {
    let size = call.vm.heap.list_size(call.object(0));
    let parts = |call: &PureCall<'_>| -> Vec<Ref> {
        let array = call.vm.heap.list_array(call.object(0));
        (0..size).map(|i| call.vm.heap.ref_at(array, 1, i)).collect()
    };
    call.spend(size / 4);
    let (mut bytes, mut points) = (0usize, 0usize);
    let separator = call.object(1);
    let heap = &call.vm.heap;
    for (index, part) in parts(call).into_iter().enumerate() {
        let both = [separator, part];
        let both = &both[usize::from(index == 0)..];
        bytes += both.iter().map(|s| heap.len(*s)).sum::<usize>();
        points += both.iter().map(|s| heap.code_points(*s)).sum::<usize>();
    }
    call.vm.check_size(bytes)?;
    call.vm.reserve(string_words(bytes))?;
    let (parts, separator) = (parts(call), call.object(1));
    let heap = &mut call.vm.heap;
    let text = heap.new_text(bytes, points);
    let mut at = 0;
    for (index, part) in parts.into_iter().enumerate() {
        let both = [separator, part];
        for part in &both[usize::from(index == 0)..] {
            let count = heap.len(*part);
            heap.fill_text(text, at, *part, 0, count);
            at += count;
        }
    }
    call.give_object(text)
}
