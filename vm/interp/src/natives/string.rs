//! String.

use super::{Done, as_char, count, cut, natives, pattern};
use crate::heap::{Heap, Ref, string_words};
use crate::native::{PureCall, Trapped};
use crate::text::{code_points, piece_words};
use crate::vm::trapped;
use dscript_bytecode::trap::TrapKind;
use memchr::memmem;

natives! {
    "print" "(String) -> void" print;
    "String.length" "(String) -> int" |call| call.give_int(call.vm.heap.code_points(call.object(0)) as i64);
    "String.isEmpty" "(String) -> boolean" |call| call.give_bool(call.vm.heap.len(call.object(0)) == 0);
    "String.charAt" "(String, int) -> int" char_at;
    "String.slice" "(String, int, int) -> String" substring;
    "String.trim" "(String) -> String" trim;
    "String.lines" "(String) -> List<String>" lines;
    "String.split" "(String, String, int) -> List<String>" split;
    "String.contains" "(String, String) -> boolean" |call| {
        call.spend(call.str(0).len() / 16);
        let found = memmem::find(call.str(0).as_bytes(), call.str(1).as_bytes()).is_some();
        call.give_bool(found)
    };
    "String.startsWith" "(String, String) -> boolean" |call| {
        call.give_bool(call.str(0).starts_with(call.str(1)))
    };
    "String.endsWith" "(String, String) -> boolean" |call| {
        call.give_bool(call.str(0).ends_with(call.str(1)))
    };
    "String.indexOf" "(String, String, int) -> int" index_of;
    "String.lastIndexOf" "(String, String) -> int" |call| find(call, |text, part| text.rfind(part));
    "String.replace" "(String, String, String) -> String" replace;
    "String.toLower" "(String) -> String" |call| {
        let text = call.text(0).to_lowercase();
        call.give_text(&text)
    };
    "String.toUpper" "(String) -> String" |call| {
        let text = call.text(0).to_uppercase();
        call.give_text(&text)
    };
    "String.repeat" "(String, int) -> String" repeat;
    "String.compareTo" "(String, String) -> int" |call| {
        let order = call.vm.heap.compare_text(call.object(0), call.object(1));
        call.give_int(order as i64)
    };
    "String.reverse" "(String) -> String" |call| {
        let text: String = call.text(0).chars().rev().collect();
        call.give_text(&text)
    };
    "String.toBytes" "(String) -> Bytes" |call| {
        let bytes = call.vm.heap.text_bytes(call.object(0)).to_vec();
        let object = call.vm.new_bytes(&bytes)?;
        call.give_object(object)
    };
    "String.fromCodePoint" "(int) -> String" from_code_point;
    "String.fromCodePoints" "(List<int>) -> String" from_code_points;
    "String.chars" "(String) -> List<int>" |call| {
        let text = call.text(0);
        call.give_ints(text.chars().map(|c| u64::from(u32::from(c))))
    };
    "String.isBlank" "(String) -> boolean" |call| {
        call.give_bool(call.str(0).chars().all(char::is_whitespace))
    };
    "String.words" "(String) -> List<String>" |call| {
        if call.vm.heap.is_ascii(call.object(0)) {
            return call.give_pieces(0, cut::ascii_words);
        }
        call.give_pieces(0, |text, most, pieces| {
            for word in text.split_whitespace().take(most) {
                let start = word.as_ptr() as usize - text.as_ptr() as usize;
                pieces.push((start as u32, (start + word.len()) as u32));
            }
        })
    };
    "String.count" "(String, String) -> int" |call| {
        let (text, part) = (call.text(0), call.text(1));
        let count = if part.is_empty() { text.chars().count() + 1 } else { text.matches(&*part).count() };
        call.give_int(count as i64)
    };
    "String.equalsIgnoreCase" "(String, String) -> boolean" |call| {
        let (text, other) = (call.text(0), call.text(1));
        call.give_bool(text == other || fold(&text).eq(fold(&other)))
    };
    "String.formatInt" "(int, String, int) -> String" |call| {
        let (value, spec, width) = (call.int(0), call.text(1), call.int(2));
        call.give_text(&pattern::int(value, &spec, width as usize))
    };
    "String.formatDouble" "(double, String, int, int) -> String" |call| {
        let (value, spec) = (call.double(0), call.text(1));
        call.give_text(&pattern::double(value, &spec, call.int(2) as usize, call.int(3) as usize))
    };
    "String.formatText" "(String, String, int, int) -> String" |call| {
        let (text, spec) = (call.text(0), call.text(1));
        let text = pattern::text(&text, &spec, call.int(2) as usize, call.int(3));
        call.give_text(&text)
    };
}

/// As Java folds: by the upper case of each code point, and the lower case of that.
fn fold(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

fn print(call: &mut PureCall<'_>) -> Done {
    // Work before may have come back late.
    if call.vm.is_late() {
        return Err(trapped(TrapKind::Timeout, "the time is up"));
    }
    // A line costs the world more than a step of the program.
    call.spend(16 + call.str(0).len() / 16);
    let bytes = call.str(0).len();
    call.vm.printed.line(bytes, &*call.vm.host)?;
    call.vm.host.print(call.str(0));
    Ok(())
}

fn char_at(call: &mut PureCall<'_>) -> Done {
    let string = call.object(0);
    let index = call.vm.index(call.int(1), call.vm.heap.code_points(string))?;
    let (code, cost) = char_of(&mut call.vm.heap, string, index);
    call.spend(cost);
    call.give_int(code.into())
}

/// A code point of a String that has so many, and what looking for it costs.
pub(crate) fn char_of(heap: &mut Heap, string: Ref, index: usize) -> (u32, usize) {
    if heap.is_ascii(string) {
        return (heap.byte(string, index).into(), 0);
    }
    let (at, cost) = heap.byte_of(string, index);
    (heap.text(string)[at..].chars().next().map_or(0, u32::from), cost)
}

fn substring(call: &mut PureCall<'_>) -> Done {
    let string = call.object(0);
    let (from, to) = call.range(1, 2, call.vm.heap.code_points(string))?;
    let (start, cost) = call.vm.heap.byte_of(string, from);
    let (end, more) = call.vm.heap.byte_of(string, to);
    call.spend(cost + more);
    part(call, start, end, to - from)
}

/// The bytes of the first argument from `start` to `end`, which are so many code points.
fn part(call: &mut PureCall<'_>, start: usize, end: usize, points: usize) -> Done {
    let bytes = end - start;
    if bytes == call.vm.heap.len(call.object(0)) {
        return call.give_object(call.object(0));
    }
    call.vm.reserve(piece_words(bytes))?;
    let string = call.object(0);
    let object = call.vm.heap.piece(string, start, bytes, points);
    call.give_object(object)
}

fn trim(call: &mut PureCall<'_>) -> Done {
    let string = call.object(0);
    let bytes = call.vm.heap.text_bytes(string);
    let (start, end) = trimmed(bytes);
    let points = call.vm.heap.code_points(string) - start - (bytes.len() - end);
    part(call, start, end, points)
}

/// Where what is left of a text begins and ends, without the space around it.
pub(crate) fn trimmed(bytes: &[u8]) -> (usize, usize) {
    let is_space = |b: &&u8| **b <= b' ';
    let start = bytes.iter().take_while(is_space).count();
    (start, bytes.len() - bytes[start..].iter().rev().take_while(is_space).count())
}

fn lines(call: &mut PureCall<'_>) -> Done {
    if memchr::memchr(b'\r', call.str(0).as_bytes()).is_some() {
        let text = call.text(0).replace("\r\n", "\n").replace('\r', "\n");
        return call.give_texts(text.lines());
    }
    call.give_pieces(0, |text, most, pieces| {
        // The end of the last line is no line of its own.
        let body = text.strip_suffix('\n').unwrap_or(text);
        if !text.is_empty() {
            cut::at(body.len(), memchr::memchr_iter(b'\n', body.as_bytes()).take(most - 1), 1, pieces);
        }
    })
}

fn split(call: &mut PureCall<'_>) -> Done {
    let separator = call.str(1);
    let limit = usize::try_from(call.int(2)).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    if separator.is_empty() {
        return call.give_pieces(0, |text, most, pieces| {
            let ends = text.char_indices().skip(1).map(|(at, _)| at);
            cut::at(text.len(), ends.take(limit.min(most) - 1), 0, pieces);
        });
    }
    if let [byte] = *separator.as_bytes() {
        return call.give_pieces(0, |text, most, pieces| {
            cut::at_byte(text.as_bytes(), byte, limit.min(most), pieces);
        });
    }
    let finder = memmem::Finder::new(separator.as_bytes()).into_owned();
    let size = separator.len();
    call.give_pieces(0, |text, most, pieces| {
        let ends = finder.find_iter(text.as_bytes()).take(limit.min(most) - 1);
        cut::at(text.len(), ends, size, pieces);
    })
}

fn find(call: &mut PureCall<'_>, search: fn(&str, &str) -> Option<usize>) -> Done {
    call.spend(call.str(0).len() / 16);
    let (text, part) = (call.str(0), call.str(1));
    let at = search(text, part).map(|at| i64::from(code_points(&text.as_bytes()[..at])));
    call.give_int(at.unwrap_or(-1))
}

/// From a position on, which may lie outside, as in Java.
fn index_of(call: &mut PureCall<'_>) -> Done {
    let string = call.object(0);
    let points = call.vm.heap.code_points(string);
    let from = call.int(2).clamp(0, points as i64) as usize;
    let (start, cost) = call.vm.heap.byte_of(string, from);
    let (text, part) = (&call.str(0).as_bytes()[start..], call.str(1).as_bytes());
    let found = memmem::find(text, part);
    let looked = found.unwrap_or(text.len());
    let at = found.map(|at| from as i64 + i64::from(code_points(&text[..at])));
    call.spend(cost + looked / 16);
    call.give_int(at.unwrap_or(-1))
}

fn replace(call: &mut PureCall<'_>) -> Done {
    let (text, from, to) = (call.str(0), call.str(1), call.str(2));
    if from.is_empty() {
        let gaps = call.vm.heap.code_points(call.object(0)) + 1;
        call.vm.check_size(gaps.saturating_mul(to.len()).saturating_add(text.len()))?;
        return call.give_text(&text.replace(from, to));
    }
    let finder = memmem::Finder::new(from.as_bytes()).into_owned();
    let found = finder.find_iter(text.as_bytes()).count();
    if found == 0 {
        return call.give_object(call.object(0));
    }
    let replaced =
        |all: usize, old: usize, new: usize| found.saturating_mul(new).saturating_add(all - found * old);
    let bytes = replaced(text.len(), from.len(), to.len());
    call.vm.check_size(bytes)?;
    let [all, old, new] = [0, 1, 2].map(|arg| call.vm.heap.code_points(call.object(arg)));
    call.vm.reserve(string_words(bytes))?;
    let (text, to) = (call.object(0), call.object(2));
    let heap = &mut call.vm.heap;
    let object = heap.new_text(bytes, replaced(all, old, new));
    let (size, needle) = (heap.len(to), finder.needle().len());
    let (mut read, mut written) = (0, 0);
    for _ in 0..found {
        let before = finder.find(&heap.text_bytes(text)[read..]).unwrap_or_default();
        heap.fill_text(object, written, text, read, before);
        heap.fill_text(object, written + before, to, 0, size);
        read += before + needle;
        written += before + size;
    }
    heap.fill_text(object, written, text, read, bytes - written);
    call.give_object(object)
}

fn repeat(call: &mut PureCall<'_>) -> Done {
    let times = count(call.int(1), "the number of repetitions")?;
    let bytes = call.vm.heap.len(call.object(0)).saturating_mul(times);
    call.vm.check_size(bytes)?;
    if bytes == 0 {
        return call.give_text("");
    }
    call.vm.reserve(string_words(bytes))?;
    let string = call.object(0);
    let heap = &mut call.vm.heap;
    let (len, points) = (heap.len(string), heap.code_points(string));
    let object = heap.new_text(bytes, points * times);
    for i in 0..times {
        heap.fill_text(object, i * len, string, 0, len);
    }
    call.give_object(object)
}

fn from_code_point(call: &mut PureCall<'_>) -> Done {
    let c = code_point(call.int(0))?;
    call.give_text(c.encode_utf8(&mut [0; 4]))
}

fn from_code_points(call: &mut PureCall<'_>) -> Done {
    let list = call.object(0);
    let size = call.vm.heap.list_size(list);
    call.vm.check_size(size)?;
    call.spend(size / 4);
    let codes = &call.vm.heap.scalars(call.vm.heap.list_array(list))[..size];
    // Which most texts are made of.
    let is_ascii = codes.iter().fold(0, |all, code| all | code) < 0x80;
    if !is_ascii {
        let text: String =
            codes.iter().map(|code| code_point(*code as i64)).collect::<Result<_, Trapped>>()?;
        return call.give_text(&text);
    }
    call.vm.reserve(string_words(size))?;
    let array = call.vm.heap.list_array(call.object(0));
    let text = call.vm.heap.text_of_ascii(array, size);
    call.give_object(text)
}

fn code_point(code: i64) -> Result<char, Trapped> {
    as_char(code).ok_or_else(|| trapped(TrapKind::Argument, format!("{code} is no code point")))
}
