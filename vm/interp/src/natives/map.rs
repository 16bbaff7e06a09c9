//! Map and Set. Their entries have numbers in the order of insertion, by which loops walk them.

use super::{Done, natives};
use crate::list::list_words;
use crate::map::{MapType, map_words};
use crate::native::{PureCall, Trapped};
use crate::vm::trapped;
use dscript_bytecode::trap::TrapKind;

natives! {
    "Map.new" "<K, V>() -> Map<K, V>" new;
    "Map.get" "<K, V>(Map<K, V>, K) -> V?" |call| {
        let (kind, entry) = find(call)?;
        let map = call.object(0);
        call.give_optional(entry.map(|e| call.vm.map_value(&kind, map, e)))
    };
    "Map.put" "<K, V>(Map<K, V>, K, V) -> void" |call| {
        let (map, key, value) = (call.object(0), call.bits(1), call.bits(2));
        let kind = call.vm.map_type_of(map);
        call.vm.map_put(&kind, map, key, value).map(|_| ())
    };
    "Map.remove" "<K, V>(Map<K, V>, K) -> V?" |call| {
        let (kind, entry) = find(call)?;
        let map = call.object(0);
        let value = entry.map(|e| call.vm.map_value(&kind, map, e));
        if let Some(entry) = entry {
            call.vm.map_remove(&kind, map, entry);
        }
        call.give_optional(value)
    };
    "Map.containsKey" "<K, V>(Map<K, V>, K) -> boolean" contains;
    "Map.size" "<K, V>(Map<K, V>) -> int" size;
    "Map.clear" "<K, V>(Map<K, V>) -> void" clear;
    "Map.keys" "<K, V>(Map<K, V>) -> List<K>" keys;
    "Map.values" "<K, V>(Map<K, V>) -> List<V>" |call| {
        collect(call, |call, kind, entry| call.vm.map_value(kind, call.object(0), entry))
    };
    "Map.nextIndex" "<K, V>(Map<K, V>, int) -> int" next_index;
    "Map.keyAt" "<K, V>(Map<K, V>, int) -> K" key_at;
    "Map.valueAt" "<K, V>(Map<K, V>, int) -> V" |call| {
        let (kind, entry) = entry_at(call)?;
        let value = call.vm.map_value(&kind, call.object(0), entry);
        call.set_bits(0, value);
        Ok(())
    };
    "Set.new" "<T>() -> Set<T>" new;
    "Set.add" "<T>(Set<T>, T) -> boolean" |call| {
        let (set, value) = (call.object(0), call.bits(1));
        let kind = call.vm.map_type_of(set);
        let is_new = call.vm.map_put(&kind, set, value, 0)?;
        call.give_bool(is_new)
    };
    "Set.contains" "<T>(Set<T>, T) -> boolean" contains;
    "Set.remove" "<T>(Set<T>, T) -> boolean" |call| {
        let (kind, entry) = find(call)?;
        if let Some(entry) = entry {
            let set = call.object(0);
            call.vm.map_remove(&kind, set, entry);
        }
        call.give_bool(entry.is_some())
    };
    "Set.size" "<T>(Set<T>) -> int" size;
    "Set.clear" "<T>(Set<T>) -> void" clear;
    "Set.values" "<T>(Set<T>) -> List<T>" keys;
    "Set.nextIndex" "<T>(Set<T>, int) -> int" next_index;
    "Set.at" "<T>(Set<T>, int) -> T" key_at;
}

fn new(call: &mut PureCall<'_>) -> Done {
    let kind = call.vm.map_type(call.result_type());
    call.vm.reserve(map_words(&kind, 0))?;
    let map = call.vm.new_map(&kind, 0);
    call.give_object(map)
}

fn find(call: &mut PureCall<'_>) -> Result<(MapType, Option<usize>), Trapped> {
    let (map, key) = (call.object(0), call.bits(1));
    let kind = call.vm.map_type_of(map);
    Ok((kind, call.vm.map_find(&kind, map, key)?))
}

fn contains(call: &mut PureCall<'_>) -> Done {
    let (_, entry) = find(call)?;
    call.give_bool(entry.is_some())
}

fn size(call: &mut PureCall<'_>) -> Done {
    call.give_int(call.vm.map_size(call.object(0)) as i64)
}

fn clear(call: &mut PureCall<'_>) -> Done {
    let map = call.object(0);
    call.vm.map_clear(map);
    Ok(())
}

/// The number of the first entry after the given one, -1 being before the first; -1 where there is none.
fn next_index(call: &mut PureCall<'_>) -> Done {
    let next = call.vm.map_after(call.object(0), call.int(1));
    call.give_int(next)
}

fn entry_at(call: &PureCall<'_>) -> Result<(MapType, usize), Trapped> {
    let (map, index) = (call.object(0), call.int(1));
    let entry = call.vm.map_entry(map, index);
    let entry = entry.ok_or_else(|| trapped(TrapKind::Index, format!("no entry has number {index}")))?;
    Ok((call.vm.map_type_of(map), entry))
}

fn key_at(call: &mut PureCall<'_>) -> Done {
    let (kind, entry) = entry_at(call)?;
    let key = call.vm.map_key(&kind, call.object(0), entry);
    call.set_bits(0, key);
    Ok(())
}

fn keys(call: &mut PureCall<'_>) -> Done {
    collect(call, |call, kind, entry| call.vm.map_key(kind, call.object(0), entry))
}

fn collect(call: &mut PureCall<'_>, part: fn(&PureCall<'_>, &MapType, usize) -> u64) -> Done {
    let kind = call.vm.map_type_of(call.object(0));
    let (ty, count) = (call.result_type(), call.vm.map_size(call.object(0)));
    let (_, element) = call.vm.list_element(ty);
    call.vm.reserve(list_words(element, count))?;
    call.spend(count / 4);
    let list = call.vm.new_list(ty, count);
    let array = call.vm.heap.list_array(list);
    let mut at = 0;
    for index in 0..count {
        let Some(entry) = call.vm.map_next(call.object(0), at) else { break };
        let bits = part(call, &kind, entry);
        call.vm.array_set(element, array, index, bits);
        at = entry + 1;
    }
    call.vm.heap.list_resized(list, count);
    call.give_object(list)
}
