//! Helpers that native code calls as functions in Rust are called, and that give a value at once: they collect nothing.

use dscript_bytecode::ids::Label;
use dscript_interp::door::{self, Exit};

use super::Context;

macro_rules! of_doubles {
    ($($name:ident($($x:ident),+) = $value:expr;)*) => {
        $(pub extern "C" fn $name($($x: f64),+) -> f64 {
            $value
        })*
    };
}

of_doubles! {
    remainder(a, b) = a % b;
    floor(x) = x.floor();
    ceil(x) = x.ceil();
    rint(x) = x.round_ties_even();
    exp(x) = x.exp();
    log(x) = x.ln();
    sin(x) = x.sin();
    cos(x) = x.cos();
    tan(x) = x.tan();
    pow(x, y) = door::power(x, y);
    atan2(x, y) = x.atan2(y);
}

macro_rules! of_ints {
    ($($name:ident)*) => {
        $(pub extern "C" fn $name(code: i64) -> i64 {
            door::characters::$name(code).into()
        })*
    };
}

of_ints! { is_letter is_whitespace is_upper is_lower to_upper to_lower }

pub unsafe extern "C" fn map_get(context: *mut Context, map: u32, key: u64) -> i64 {
    // SAFETY: native code calls with its own context.
    unsafe {
        let value = (*context).running().map_get(map, key);
        (*context).values[0] = value.unwrap_or_default();
        value.is_some().into()
    }
}

pub unsafe extern "C" fn map_has(context: *mut Context, map: u32, key: u64) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe { (*context).running().map_has(map, key).into() }
}

pub unsafe extern "C" fn map_put(context: *mut Context, map: u32, key: u64, value: u64) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe { (*context).running().map_put(map, key, value).map_or(-1, i64::from) }
}

pub unsafe extern "C" fn pair_place(context: *mut Context, map: u32, key: u64) -> *mut u64 {
    // SAFETY: native code calls with its own context, which knows the heap, and a map of its function's types.
    unsafe {
        match door::pair_place((*context).heap, map, key) {
            Some(place) => place.as_ptr(),
            None => {
                (*context).values[0] = 0;
                std::ptr::null_mut()
            }
        }
    }
}

pub unsafe extern "C" fn pair_put(context: *mut Context, map: u32, key: u64, value: u64) -> i64 {
    // SAFETY: as in `pair_place`.
    unsafe { door::pair_put((*context).heap, map, key, value).map_or(-1, i64::from) }
}

pub unsafe extern "C" fn map_next(context: *mut Context, map: u32, after: i64) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe { (*context).running().map_next(map, after) }
}

pub unsafe extern "C" fn map_key_at(context: *mut Context, map: u32, index: i64) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe {
        let key = (*context).running().map_key_at(map, index);
        (*context).values[0] = key.unwrap_or_default();
        key.is_some().into()
    }
}

pub unsafe extern "C" fn map_value_at(context: *mut Context, map: u32, index: i64) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe {
        let value = (*context).running().map_value_at(map, index);
        (*context).values[0] = value.unwrap_or_default();
        value.is_some().into()
    }
}

pub unsafe extern "C" fn same_text(context: *mut Context, a: u32, b: u32) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe { (*context).running().same_text(a, b).into() }
}

pub unsafe extern "C" fn compare_text(context: *mut Context, a: u32, b: u32) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe { (*context).running().compare_text(a, b) }
}

pub unsafe extern "C" fn starts_with(context: *mut Context, text: u32, part: u32) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe { (*context).running().starts_with(text, part).into() }
}

pub unsafe extern "C" fn ends_with(context: *mut Context, text: u32, part: u32) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe { (*context).running().ends_with(text, part).into() }
}

pub unsafe extern "C" fn contains(context: *mut Context, text: u32, part: u32) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe { (*context).running().contains_now(text, part).map_or(-1, i64::from) }
}

pub unsafe extern "C" fn parse_int(context: *mut Context, text: u32, radix: i64) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe {
        let value = (*context).running().parse_int_now(text, radix);
        (*context).values[0] = value.unwrap_or_default();
        value.is_some().into()
    }
}

pub unsafe extern "C" fn remove_at(context: *mut Context, list: u32, index: i64) -> i64 {
    // SAFETY: as in `text_of_int`.
    unsafe {
        let running = (*context).running();
        let value = running.list_remove_now((*context).top, list, index);
        (*context).values[0] = value.unwrap_or_default();
        value.is_some().into()
    }
}

pub unsafe extern "C" fn text_of_int(context: *mut Context, value: i64) -> i64 {
    // SAFETY: as in `map_get`; what native code has made of the heap is told.
    unsafe {
        let running = (*context).running();
        running.text_of_int_now(&mut (*context).top, value).into()
    }
}

pub unsafe extern "C" fn text_of_code(context: *mut Context, code: i64) -> i64 {
    // SAFETY: as in `text_of_int`.
    unsafe {
        let running = (*context).running();
        running.text_of_code_now(&mut (*context).top, code).into()
    }
}

pub unsafe extern "C" fn slice(context: *mut Context, text: u32, from: i64, to: i64) -> i64 {
    // SAFETY: as in `text_of_int`.
    unsafe {
        let running = (*context).running();
        running.slice_now(&mut (*context).top, text, from, to).into()
    }
}

pub unsafe extern "C" fn trim(context: *mut Context, text: u32) -> i64 {
    // SAFETY: as in `text_of_int`.
    unsafe {
        let running = (*context).running();
        running.trim_now(&mut (*context).top, text).into()
    }
}

pub unsafe extern "C" fn map_remove(context: *mut Context, map: u32, key: u64) -> i64 {
    // SAFETY: as in `text_of_int`.
    unsafe {
        let value = (*context).running().map_remove_now((*context).top, map, key);
        (*context).values[0] = value.unwrap_or_default();
        value.is_some().into()
    }
}

pub unsafe extern "C" fn same_objects(context: *mut Context, a: u32, b: u32) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe { (*context).running().same_now(a, b).map_or(-1, i64::from) }
}

pub unsafe extern "C" fn grow_list(context: *mut Context, list: u32) -> i64 {
    // SAFETY: as in `text_of_int`.
    unsafe {
        let running = (*context).running();
        running.list_grow_now(&mut (*context).top, list).into()
    }
}

pub unsafe extern "C" fn concat(context: *mut Context, count: usize) -> i64 {
    // SAFETY: as in `text_of_int`.
    unsafe {
        let running = (*context).running();
        let Context { top, values, .. } = &mut *context;
        running.concat_now(top, &values[..count]).into()
    }
}

pub unsafe extern "C" fn char_at(context: *mut Context, text: u32, index: i64) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe {
        let (code, cost) = (*context).running().char_at(text, index).unwrap_or((-1, 0));
        (*context).values[0] = cost as u64;
        code
    }
}

pub unsafe extern "C" fn enter_region(context: *mut Context, limit: i64, to: u32) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe { (*context).running().enter_region(limit, Label(to)).map_or(-1, |place| place as i64) }
}

pub unsafe extern "C" fn end_region(context: *mut Context) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe {
        (*context).exit = (*context).running().end_region().err();
        -i64::from((*context).exit.is_some())
    }
}

pub unsafe extern "C" fn leave_region(context: *mut Context, place: usize) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe {
        if !matches!((*context).exit, Some(Exit::Limit(limit)) if limit == place) {
            return -1;
        }
        (*context).exit = None;
        let running = (*context).running();
        running.leave_native_region(place);
        running.state().fuel.max(0)
    }
}

pub unsafe extern "C" fn regions_open(context: *mut Context) -> i64 {
    // SAFETY: as in `map_get`.
    unsafe { (*context).running().regions_open() as i64 }
}

pub unsafe extern "C" fn drop_regions(context: *mut Context, place: i64) {
    // SAFETY: as in `map_get`.
    unsafe {
        if let Ok(place) = usize::try_from(place) {
            (*context).running().drop_regions(place);
        }
    }
}
