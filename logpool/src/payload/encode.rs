//! Writing payloads: records are taken one by one, and their values put down in columns; when a payload is full or there
//! are no more records, what has form and origin in common is brought together, and each column written.
//!
//! Most records are of the form of the one before and all of ints, and origins take turns in one order, as nodes do that send at
//! intervals; that is looked for first.

use std::borrow::Borrow;
use std::cell::Cell;

use rustc_hash::FxHashMap;

use crate::codec::*;
use crate::error::Result;
use crate::fields::Shape;
use crate::flat;
use crate::limits::*;
use crate::name::Name;
use crate::payload::IN_COLUMNS;
use crate::record::{FieldValue, Record, RunId};

/// A record that is lent, or whose values are given away.
pub trait Given: Borrow<Record> {
    /// It is not needed any more.
    fn done(self, added: Added);
}

impl Given for &Record {
    fn done(self, _: Added) {}
}

impl Given for &mut Record {
    fn done(self, added: Added) {
        self.fields.drop_values(added == Added::Ints);
    }
}

/// What a payload says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// There is no room for it.
    Full,
    /// All its values are ints.
    Ints,
    Any,
}

/// Packs records into payloads of frames, none (but for a single large record) longer than a frame may be. Records that
/// lose their values lose them one by one, while these are in the cache.
pub fn encode_payloads(
    records: impl IntoIterator<Item = impl Given, IntoIter: ExactSizeIterator>,
) -> Result<Vec<Vec<u8>>> {
    let records = records.into_iter();
    check("the number of records in one append", records.len(), APPEND_RECORDS_MAX)?;
    let mut payloads = Vec::new();
    if records.len() == 0 {
        return Ok(payloads);
    }
    let mut total = 0;
    let mut finish = |payload: Payload| {
        let bytes = payload.finish();
        total += bytes.len();
        payloads.push(bytes);
        check("the size in bytes of one append", total, APPEND_BYTES_MAX)
    };
    let mut payload = Payload::new();
    for record in records {
        let mut added = payload.add(record.borrow())?;
        if added == Added::Full {
            finish(std::mem::replace(&mut payload, Payload::new()))?;
            added = payload.add(record.borrow())?;
        }
        record.done(added);
    }
    finish(payload)?;
    Ok(payloads)
}

/// What a record takes beside its values, in columns of its own: its time, its number and its group.
const RECORD_BYTES: usize = 20;
/// What a column takes beside its values.
const COLUMN_BYTES: usize = 11;
/// What a group takes at most.
const GROUP_BYTES: usize = 26;

/// A payload that is being written.
struct Payload {
    /// Its records.
    count: usize,
    /// As many as it may become.
    bytes: usize,
    forms: Vec<Form>,
    /// The one that was used last: the next record likely has it too.
    form: usize,
    origins: Origins,
    groups: usize,
    /// The group of each record.
    order: Vec<i64>,
    /// Values that are no numbers, as they came, and the cells of one record.
    blobs: Vec<u8>,
    row: Vec<i64>,
    /// Room for one, and for what is written.
    column: Vec<i64>,
    out: Vec<u8>,
    /// Room for the first form, until there is one.
    cells: Vec<[i64; TILE]>,
    of: Vec<u32>,
}

/// Records of one form. Each value is a *cell*: a number; the bits of a double; or where in `blobs` it ends, above its
/// length (32 bits each).
struct Form {
    pool: Name,
    key: Name,
    task: Name,
    shape: Shape,
    tags: Vec<u8>,
    /// All fields are ints.
    ints: bool,
    /// Times, numbers and each field's values: of so many records at a time those of a column side by side.
    cells: Vec<[i64; TILE]>,
    count: usize,
    /// By origin. The number is among those of the form.
    groups: Vec<Group>,
    by_origin: Vec<u32>,
    /// The group of each record.
    of: Vec<u32>,
}

struct Group {
    /// In the order of all groups of the payload, as they came.
    number: usize,
    origin: usize,
    count: usize,
    first: u64,
}

const NONE: u32 = u32::MAX;
/// Records whose cells lie together.
const TILE: usize = 16;
/// Columns that are not a field's.
const TIMES: usize = 0;
const NUMBERS: usize = 1;
const META: usize = 2;

impl Payload {
    fn new() -> Payload {
        let Room { cells, mut of, mut order, column, mut blobs, mut origins, mut out } = ROOM.take();
        out.clear();
        blobs.clear();
        of.clear();
        order.clear();
        origins.clear();
        Payload {
            count: 0,
            bytes: 1 + 3 * COLUMN_BYTES,
            forms: Vec::new(),
            form: 0,
            origins,
            groups: 0,
            order,
            blobs,
            row: Vec::new(),
            column,
            out,
            cells,
            of,
        }
    }

    fn add(&mut self, record: &Record) -> Result<Added> {
        let values = record.fields.values();
        let bytes = self.bytes + RECORD_BYTES + 8 * values.len();
        if let Some(form) = self.forms.get_mut(self.form)
            && form.ints
            && bytes + GROUP_BYTES + ORIGIN_BYTES + record.node.len() <= FRAME_BYTES_MAX
            && form.has_names_of(record)
            && form.put_ints(record)
        {
            self.bytes = bytes;
            self.arrived(record)?;
            return Ok(Added::Ints);
        }
        let (known, blobs) = (self.known_form(record), self.blobs.len());
        self.row.clear();
        for value in values {
            let cell = cell(value, &mut self.blobs, blobs)?;
            self.row.push(cell);
        }
        let blobs_bytes = self.blobs.len() - blobs;
        let own = known.map_or_else(|| form_bytes(record), |_| 0) + record.node.len() + blobs_bytes;
        check("the size in bytes", own + 8 * values.len(), RECORD_BYTES_MAX)?;
        let bytes = bytes + own + GROUP_BYTES + ORIGIN_BYTES;
        if self.count > 0 && bytes > FRAME_BYTES_MAX {
            self.blobs.truncate(blobs);
            return Ok(Added::Full);
        }
        self.form = match known {
            Some(form) => form,
            None => {
                let (cells, of) = (std::mem::take(&mut self.cells), std::mem::take(&mut self.of));
                self.forms.push(Form::new(record, cells, of)?);
                self.forms.len() - 1
            }
        };
        self.bytes = bytes;
        self.forms[self.form].put_row(record, &self.row);
        self.arrived(record)?;
        Ok(Added::Any)
    }

    /// Puts the record that came to its group.
    fn arrived(&mut self, record: &Record) -> Result<()> {
        let origin = self.origins.number(record)?;
        let form = &mut self.forms[self.form];
        if form.by_origin.len() <= origin {
            form.by_origin.resize(origin + 1, NONE);
        }
        let group = &mut form.by_origin[origin];
        if *group == NONE {
            *group = form.groups.len() as u32;
            form.groups.push(Group { number: self.groups, origin, count: 0, first: record.seq });
            self.groups += 1;
            self.bytes += GROUP_BYTES + ORIGIN_BYTES + record.node.len();
        }
        form.of.push(*group);
        let group = &mut form.groups[*group as usize];
        group.count += 1;
        self.order.push(group.number as i64);
        self.count += 1;
        Ok(())
    }

    fn known_form(&self, record: &Record) -> Option<usize> {
        let is = |&number: &usize| self.forms[number].is_of(record);
        let recent = self.forms.len().saturating_sub(FORMS_SEARCHED_MAX)..self.forms.len();
        let last = (self.form < self.forms.len()).then_some(self.form);
        last.filter(is).or_else(|| recent.rev().find(is))
    }

    /// It has records.
    fn finish(mut self) -> Vec<u8> {
        let mut out = self.out;
        out.push(IN_COLUMNS);
        put_varint(&mut out, self.forms.len() as u64);
        self.forms.iter().for_each(|form| form.put(&mut out));
        put_varint(&mut out, self.origins.all.len() as u64);
        for (run, node) in &self.origins.all {
            out.extend_from_slice(&run.0.to_be_bytes());
            put_text(&mut out, node);
        }
        // From the order in which they came to that of the forms.
        let mut places = vec![0; self.groups];
        for (place, group) in self.forms.iter().flat_map(|form| &form.groups).enumerate() {
            places[group.number] = place as i64;
        }
        for form in &self.forms {
            put_varint(&mut out, form.groups.len() as u64);
            for group in &form.groups {
                put_varint(&mut out, group.origin as u64);
                put_varint(&mut out, group.count as u64);
                put_varint(&mut out, group.first);
            }
        }
        if self.groups > 1 {
            let order: Vec<i64> = self.order.iter().map(|&group| places[group as usize]).collect();
            flat::put_numbers(&mut out, &order);
        }
        let mut column = self.column;
        for form in &self.forms {
            form.put_columns(&self.blobs, &mut column, &mut out);
        }
        let payload = out.clone();
        let Payload { order, blobs, origins, .. } = self;
        let Form { cells, of, .. } = self.forms.swap_remove(0);
        ROOM.set(Room { cells, of, order, column, blobs, origins, out });
        payload
    }
}

/// Room for a payload: what it fills anew.
#[derive(Default)]
struct Room {
    /// Of the first form.
    cells: Vec<[i64; TILE]>,
    of: Vec<u32>,
    order: Vec<i64>,
    column: Vec<i64>,
    blobs: Vec<u8>,
    origins: Origins,
    /// The payload itself, which may take far less than there must be room for.
    out: Vec<u8>,
}

thread_local! {
    /// What the last payload of a thread leaves to the next one, of no more than a frame takes.
    static ROOM: Cell<Room> = Cell::default();
}

impl Form {
    /// `cells` and `of` are room for them.
    fn new(first: &Record, cells: Vec<[i64; TILE]>, of: Vec<u32>) -> Result<Form> {
        let Record { pool, key, task, fields, .. } = first;
        check("the number of fields", fields.len(), FIELDS_MAX)?;
        check("the pool's name", pool.len(), NAME_BYTES_MAX)?;
        check("the key", key.len(), NAME_BYTES_MAX)?;
        check("the task's name", task.len(), NAME_BYTES_MAX)?;
        for name in fields.names() {
            check("a field's name", name.len(), FIELD_NAME_BYTES_MAX)?;
        }
        let tags: Vec<u8> = fields.values().iter().map(tag).collect();
        Ok(Form {
            pool: pool.clone(),
            key: key.clone(),
            task: task.clone(),
            shape: fields.shape().clone(),
            ints: tags.iter().all(|&tag| tag == INT),
            tags,
            cells,
            count: 0,
            groups: Vec::new(),
            by_origin: Vec::new(),
            of,
        })
    }

    /// Whether a record is of the form if its values are.
    fn has_names_of(&self, record: &Record) -> bool {
        self.shape == *record.fields.shape()
            && self.key == record.key
            && self.pool == record.pool
            && self.task == record.task
    }

    fn is_of(&self, record: &Record) -> bool {
        self.has_names_of(record)
            && self.tags.iter().zip(record.fields.values()).all(|(&known, value)| known == tag(value))
    }

    /// Puts down a record that has the form's names, if all its values are ints.
    fn put_ints(&mut self, record: &Record) -> bool {
        let lane = self.count % TILE;
        for (cells, value) in self.next_tile(record).iter_mut().zip(record.fields.values()) {
            let FieldValue::Int(value) = value else { return false };
            cells[lane] = *value;
        }
        self.count += 1;
        true
    }

    fn put_row(&mut self, record: &Record, row: &[i64]) {
        let lane = self.count % TILE;
        self.next_tile(record).iter_mut().zip(row).for_each(|(cells, value)| cells[lane] = *value);
        self.count += 1;
    }

    /// Where the values of the record that comes next belong, those of each field; its time and its number are put down.
    fn next_tile(&mut self, record: &Record) -> &mut [[i64; TILE]] {
        let (columns, lane) = (META + self.tags.len(), self.count % TILE);
        let start = self.count / TILE * columns;
        if self.cells.len() < start + columns {
            self.cells.resize(start + columns, [0; TILE]);
        }
        let cells = &mut self.cells[start..];
        cells[TIMES][lane] = record.time;
        cells[NUMBERS][lane] = record.seq as i64;
        &mut cells[META..]
    }

    fn put(&self, out: &mut Vec<u8>) {
        [&self.pool, &self.key, &self.task].into_iter().for_each(|name| put_text(out, name));
        put_varint(out, self.tags.len() as u64);
        for (name, &tag) in self.shape.names().iter().zip(&self.tags) {
            put_text(out, name);
            out.push(tag);
        }
    }

    /// Writes the columns, group by group. `column` is room for one.
    fn put_columns(&self, blobs: &[u8], column: &mut Vec<i64>, out: &mut Vec<u8>) {
        let mut starts = Vec::with_capacity(self.groups.len());
        let mut start = 0;
        for group in &self.groups {
            starts.push(start);
            start += group.count as u32;
        }
        // Where the first cell of each record is.
        let mut next = starts.clone();
        let mut arranged = vec![0u32; self.count];
        let columns = META + self.tags.len();
        for (record, &group) in self.of.iter().enumerate() {
            let next = &mut next[group as usize];
            arranged[*next as usize] = (record / TILE * TILE * columns + record % TILE) as u32;
            *next += 1;
        }
        let arrange = |number: usize, column: &mut Vec<i64>| {
            let cells = &self.cells.as_flattened()[TILE * number..];
            column.clear();
            column.extend(arranged.iter().map(|&first| cells[first as usize]));
        };
        arrange(TIMES, column);
        flat::put_numbers(out, column);
        arrange(NUMBERS, column);
        for (group, &start) in self.groups.iter().zip(&starts) {
            for (nth, number) in column[start as usize..][..group.count].iter_mut().enumerate() {
                *number = number.wrapping_sub(group.first as i64).wrapping_sub(nth as i64);
            }
        }
        flat::put_numbers(out, column);
        for (number, &tag) in self.tags.iter().enumerate() {
            match tag {
                NULL => {}
                DOUBLE => {
                    arrange(META + number, column);
                    column.iter().for_each(|bits| out.extend_from_slice(&bits.to_le_bytes()));
                }
                STRING | BYTES | LIST => {
                    arrange(META + number, column);
                    let cells = column.clone();
                    let mut end = 0;
                    for cell in column.iter_mut() {
                        end += *cell & i64::from(u32::MAX);
                        *cell = end;
                    }
                    flat::put_numbers(out, column);
                    for cell in cells {
                        let (end, length) = ((cell >> 32) as usize, cell as u32 as usize);
                        out.extend_from_slice(&blobs[end - length..end]);
                    }
                }
                _ => {
                    arrange(META + number, column);
                    flat::put_numbers(out, column);
                }
            }
        }
    }
}

/// What an origin takes beside its node's name.
const ORIGIN_BYTES: usize = 18;

/// The origins of the payload that is being written.
#[derive(Default)]
struct Origins {
    all: Vec<(RunId, Name)>,
    by_run: FxHashMap<RunId, usize>,
    /// The one that came after each, when that came last.
    after: Vec<usize>,
    last: usize,
}

impl Origins {
    fn clear(&mut self) {
        self.all.clear();
        self.by_run.clear();
        self.after.clear();
        self.last = 0;
    }

    fn number(&mut self, record: &Record) -> Result<usize> {
        let is = |all: &[(RunId, Name)], number: usize| {
            all.get(number).is_some_and(|(run, node)| *run == record.run && *node == record.node)
        };
        let guess = self.after.get(self.last).copied().unwrap_or(0);
        if is(&self.all, guess) {
            self.last = guess;
            return Ok(guess);
        }
        let known = self.by_run.get(&record.run).copied().filter(|&number| is(&self.all, number));
        let number = match known {
            Some(number) => number,
            None => {
                check("the node's name", record.node.len(), NAME_BYTES_MAX)?;
                self.by_run.insert(record.run, self.all.len());
                self.all.push((record.run, record.node.clone()));
                self.after.push(0);
                self.all.len() - 1
            }
        };
        self.after[self.last] = number;
        self.last = number;
        Ok(number)
    }
}

fn tag(value: &FieldValue) -> u8 {
    match value {
        FieldValue::Null => NULL,
        FieldValue::Bool(_) => FALSE,
        FieldValue::Int(_) => INT,
        FieldValue::Double(_) => DOUBLE,
        FieldValue::String(_) => STRING,
        FieldValue::Bytes(_) => BYTES,
        FieldValue::Duration(_) => DURATION,
        FieldValue::Time(_) => TIME,
        FieldValue::List(_) | FieldValue::Map(_) => LIST,
    }
}

/// `start` is where the record's values among `blobs` begin.
fn cell(value: &FieldValue, blobs: &mut Vec<u8>, start: usize) -> Result<i64> {
    let before = blobs.len();
    match value {
        FieldValue::Null => return Ok(0),
        FieldValue::Bool(value) => return Ok(i64::from(*value)),
        FieldValue::Double(value) => return Ok(value.to_bits() as i64),
        FieldValue::Int(value) | FieldValue::Duration(value) | FieldValue::Time(value) => return Ok(*value),
        FieldValue::String(text) => put_blob(blobs, text.as_bytes(), start)?,
        FieldValue::Bytes(bytes) => put_blob(blobs, bytes, start)?,
        FieldValue::List(_) | FieldValue::Map(_) => put_value(blobs, value, start, 0)?,
    }
    Ok((blobs.len() as i64) << 32 | (blobs.len() - before) as i64)
}

/// The size is looked at first, so that a huge value is not copied before it is refused.
fn put_blob(blobs: &mut Vec<u8>, bytes: &[u8], start: usize) -> Result<()> {
    check("the size in bytes", blobs.len() - start + bytes.len(), RECORD_BYTES_MAX)?;
    blobs.extend_from_slice(bytes);
    Ok(())
}

/// As many bytes as a form takes at most, and the columns.
fn form_bytes(record: &Record) -> usize {
    let names = [&record.pool, &record.key, &record.task].map(|name| name.len() + 3);
    let fields = record.fields.names().iter().map(|name| name.len() + 4 + COLUMN_BYTES);
    names.iter().sum::<usize>() + fields.sum::<usize>() + 3 * COLUMN_BYTES
}
