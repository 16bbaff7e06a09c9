//! Packing a block: its records are pieces of payloads, and each of its columns is put together from these and written before the next
//! one is looked at.

use rustc_hash::FxHashMap;

use crate::block::{Kind, VERSION};
use crate::codec::{self, Malformed};
use crate::column;
use crate::cpu::wide;
use crate::flat;
use crate::incoming::{Known, Piece, copy_numbers, copy_times};
use crate::names::Names;

/// A block as it is stored, and the times of its first and its last record.
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub first: i64,
    pub last: i64,
}

/// Of records of one series.
pub fn encode(series: u32, pieces: &[Piece], known: &Known, names: &mut Names) -> Result<Encoded, Malformed> {
    let count = pieces.iter().map(|piece| piece.count as usize).sum();
    let mut runs: Vec<u32> = Vec::new();
    let mut run_of: Vec<i64> = Vec::with_capacity(count);
    let mut times: Vec<i64> = Vec::new();
    copy_times(pieces, known, &mut times);
    let mut numbers: Vec<i64> = Vec::new();
    copy_numbers(pieces, known, &mut numbers);
    let mut of: Vec<i64> = Vec::with_capacity(count);
    let mut located = Vec::with_capacity(pieces.len());
    let Fields { columns, shapes, forms } = Fields::of(pieces, known)?;
    for piece in pieces {
        // Few runs write to one series at a time, and the last one is the likely one.
        let run = runs.iter().rposition(|run| *run == piece.run).unwrap_or_else(|| {
            runs.push(piece.run);
            runs.len() - 1
        });
        let section = piece.section(known);
        let of_form = &forms[&section.form];
        located.push((section, of_form, *piece));
        let end = of.len() + piece.count as usize;
        run_of.resize(end, run as i64);
        of.resize(end, of_form.shape as i64);
    }
    let mut out = vec![VERSION];
    out.extend_from_slice(&series.to_le_bytes());
    codec::put_varint(&mut out, count as u64);
    let mut part = Vec::new();
    column::put_ints(&mut part, &times);
    section(&mut out, &part);

    part.clear();
    codec::put_varint(&mut part, runs.len() as u64);
    for &run in &runs {
        part.extend_from_slice(&known.runs[run as usize].0.to_be_bytes());
    }
    if runs.len() > 1 {
        column::put_ints(&mut part, &run_of);
    }
    section(&mut out, &part);

    part.clear();
    column::put_ints(&mut part, &numbers);
    section(&mut out, &part);

    part.clear();
    let task = |piece: &Piece| known.forms[piece.form(known) as usize].task.as_bytes();
    if pieces.windows(2).all(|pair| task(&pair[0]) == task(&pair[1])) {
        column::put_same_blob(&mut part, pieces.first().map_or(&[], task));
    } else {
        let tasks = pieces.iter().flat_map(|piece| std::iter::repeat_n(task(piece), piece.count as usize));
        column::put_blobs(&mut part, &tasks.collect::<Vec<_>>());
    }
    section(&mut out, &part);

    part.clear();
    codec::put_varint(&mut part, columns.len() as u64);
    for (name, kind) in &columns {
        names.put(&mut part, name);
        part.push(*kind as u8);
    }
    codec::put_varint(&mut part, shapes.len() as u64);
    for shape in &shapes {
        codec::put_varint(&mut part, shape.len() as u64);
        for &at in shape {
            codec::put_varint(&mut part, at as u64);
        }
    }
    if shapes.len() > 1 {
        column::put_ints(&mut part, &of);
    }
    section(&mut out, &part);

    let mut stretches = Vec::with_capacity(pieces.len());
    for (at, (_, kind)) in columns.iter().enumerate() {
        stretches.clear();
        for (section, of_form, piece) in &located {
            if let Some(&Some(field)) = of_form.field_of.get(at) {
                stretches.push((&section.columns[field], *piece));
            }
        }
        part.clear();
        put_column(&mut part, *kind, &stretches, &mut numbers)?;
        section(&mut out, &part);
    }
    let (first, last) = (times.iter().copied().min(), times.iter().copied().max());
    Ok(Encoded { bytes: out, first: first.unwrap_or(i64::MAX), last: last.unwrap_or(i64::MIN) })
}

/// The fields that the records of some pieces have.
#[derive(Default)]
struct Fields<'a> {
    columns: Vec<(&'a str, Kind)>,
    shapes: Vec<Vec<usize>>,
    /// By the number of a form.
    forms: FxHashMap<u32, OfForm>,
}

/// What the fields of a form are among those of the others.
struct OfForm {
    shape: usize,
    /// Which of the form's fields lies in each column.
    field_of: Vec<Option<usize>>,
}

impl<'a> Fields<'a> {
    fn of(pieces: &[Piece], known: &Known<'a>) -> Result<Fields<'a>, Malformed> {
        let mut fields = Fields::default();
        for stretch in pieces.chunk_by(|a, b| a.form(known) == b.form(known)) {
            let form = stretch[0].form(known);
            if !fields.forms.contains_key(&form) {
                fields.add(form, known)?;
            }
        }
        Ok(fields)
    }

    fn add(&mut self, form: u32, known: &Known<'a>) -> Result<(), Malformed> {
        let mut shape: Vec<usize> = Vec::new();
        for (name, tag) in codec::names_and_tags(known.forms[form as usize].fields)? {
            let column = (name, Kind::of_tag(tag)?);
            let there = (0..self.columns.len()).find(|at| self.columns[*at] == column && !shape.contains(at));
            shape.push(there.unwrap_or_else(|| {
                self.columns.push(column);
                self.columns.len() - 1
            }));
        }
        let mut field_of = vec![None; self.columns.len()];
        for (field, &column) in shape.iter().enumerate() {
            field_of[column] = Some(field);
        }
        let place = self.shapes.iter().position(|known| *known == shape).unwrap_or_else(|| {
            self.shapes.push(shape);
            self.shapes.len() - 1
        });
        self.forms.insert(form, OfForm { shape: place, field_of });
        Ok(())
    }
}

/// Where the values of a column lie.
type Stretches<'c, 'a> = [(&'c flat::Column<'a>, Piece)];

/// The values, one stretch after the other.
fn put_column(
    out: &mut Vec<u8>,
    kind: Kind,
    stretches: &Stretches,
    numbers: &mut Vec<i64>,
) -> Result<(), Malformed> {
    match kind {
        Kind::Null => {}
        Kind::Bool | Kind::Int | Kind::Duration | Kind::Time => {
            if let Some(value) = same_number(stretches)? {
                column::put_same_int(out, value);
                return Ok(());
            }
            numbers.clear();
            numbers.resize(stretches.iter().map(|(_, piece)| piece.count as usize).sum(), 0);
            copy_stretches(stretches, numbers)?;
            column::put_ints(out, numbers);
        }
        Kind::Double => {
            let mut all = Vec::new();
            for (column, piece) in stretches {
                let flat::Column::Doubles(bits) = column else { return Err(Malformed) };
                all.extend(bits[piece.places()].iter().map(|bits| f64::from_le_bytes(*bits)));
            }
            column::put_doubles(out, &all);
        }
        Kind::String | Kind::Bytes | Kind::Nested => {
            let mut all = Vec::new();
            for (column, piece) in stretches {
                let flat::Column::Blobs { ends, bytes } = column else { return Err(Malformed) };
                for at in piece.places() {
                    all.push(flat::blob(ends, bytes, at)?);
                }
            }
            column::put_blobs(out, &all);
        }
    }
    Ok(())
}

/// The value of a column that never changes, if the stretches say that it is one. Many are.
fn same_number(stretches: &Stretches) -> Result<Option<i64>, Malformed> {
    let mut same = None;
    for (column, _) in stretches {
        let flat::Column::Numbers(column) = column else { return Err(Malformed) };
        match (column.same(), same) {
            (Some(value), None) => same = Some(value),
            (Some(value), Some(known)) if value == known => {}
            _ => return Ok(None),
        }
    }
    Ok(same)
}

fn copy_stretches(stretches: &Stretches, into: &mut [i64]) -> Result<(), Malformed> {
    wide!(copy_all_stretches(stretches: &Stretches, into: &mut [i64]) -> Result<(), Malformed>)
}

#[inline(always)]
fn copy_all_stretches(stretches: &Stretches, mut into: &mut [i64]) -> Result<(), Malformed> {
    let fetch = |(column, piece): &(&flat::Column, Piece)| column.prefetch(piece.at as usize);
    stretches.iter().take(AHEAD).for_each(fetch);
    for (at, (column, piece)) in stretches.iter().enumerate() {
        stretches.get(at + AHEAD).into_iter().for_each(fetch);
        let flat::Column::Numbers(column) = column else { return Err(Malformed) };
        let (numbers, rest) = into.split_at_mut(piece.count as usize);
        column.copy(piece.at as usize, numbers);
        into = rest;
    }
    Ok(())
}

/// So many stretches ahead of the one that is copied are on their way into the cache: they lie anywhere.
const AHEAD: usize = 16;

fn section(out: &mut Vec<u8>, bytes: &[u8]) {
    codec::put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
