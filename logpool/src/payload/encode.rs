//! Writing payloads: records are taken one by one, and their values put down in columns; when a payload is full or there
//! are no more records, what has form and origin in common is brought together, and each column written.
//!
//! Most records are of the form of the one before and all of ints, and origins take turns in one order, as nodes do that send at
//! intervals; that is looked for first.

use rustc_hash::FxHashMap;

use crate::codec::*;
use crate::error::Result;
use crate::flat;
use crate::limits::*;
use crate::name::Name;
use crate::payload::IN_COLUMNS;
use crate::record::{FieldValue, Record, RunId};

/// Packs records into payloads of frames, none (but for a single large record) longer than a frame may be.
pub fn encode_payloads(records: &[Record]) -> Result<Vec<Vec<u8>>> {
    check("the number of records in one append", records.len(), APPEND_RECORDS_MAX)?;
    let mut payloads = Vec::new();
    let (mut from, mut total) = (0, 0);
    while from < records.len() {
        let mut payload = Payload::new(&records[from..]);
        while payload.count < payload.records.len() && payload.add()? {}
        from += payload.count;
        let bytes = payload.finish()?;
        total += bytes.len();
        check("the size in bytes of one append", total, APPEND_BYTES_MAX)?;
        payloads.push(bytes);
    }
    Ok(payloads)
}

/// What a record takes beside its values, in columns of its own: its time, its number and its group.
const RECORD_BYTES: usize = 20;
/// What a column takes beside its values.
const COLUMN_BYTES: usize = 11;
/// What a group takes at most.
const GROUP_BYTES: usize = 26;

/// A payload that is being written.
struct Payload<'a> {
    /// From its first one on.
    records: &'a [Record],
    /// How many of them are in it.
    count: usize,
    /// As many as it may become.
    bytes: usize,
    forms: Vec<Form<'a>>,
    /// The one that was used last: the next record likely has it too.
    form: usize,
    origins: Origins<'a>,
    groups: usize,
    /// The group of each record.
    order: Vec<i64>,
    /// Values that are no numbers, as they came, and the cells of one record.
    blobs: Vec<u8>,
    row: Vec<i64>,
}

/// Records of one form. Each value is a *cell*: a number; the bits of a double; or where in `blobs` it ends, above its
/// length (32 bits each).
struct Form<'a> {
    first: &'a Record,
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

impl<'a> Payload<'a> {
    fn new(records: &'a [Record]) -> Payload<'a> {
        Payload {
            records,
            count: 0,
            bytes: 1 + 3 * COLUMN_BYTES,
            forms: Vec::new(),
            form: 0,
            origins: Origins::default(),
            groups: 0,
            order: Vec::with_capacity(records.len()),
            blobs: Vec::new(),
            row: Vec::new(),
        }
    }

    /// Adds the next record; false if the payload is full without it.
    fn add(&mut self) -> Result<bool> {
        let record = &self.records[self.count];
        let values = record.fields.values();
        let bytes = self.bytes + RECORD_BYTES + 8 * values.len();
        if let Some(form) = self.forms.get_mut(self.form)
            && form.ints
            && bytes + GROUP_BYTES + ORIGIN_BYTES + record.node.len() <= FRAME_BYTES_MAX
            && form.has_names_of(record)
            && form.put_ints(record)
        {
            self.bytes = bytes;
            self.arrived(record);
            return Ok(true);
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
            return Ok(false);
        }
        self.form = match known {
            Some(form) => form,
            None => {
                let room = if self.forms.is_empty() { self.records.len() } else { 1 };
                self.forms.push(Form::new(record, room)?);
                self.forms.len() - 1
            }
        };
        self.bytes = bytes;
        self.forms[self.form].put(record, &self.row);
        self.arrived(record);
        Ok(true)
    }

    /// Puts the record that came to its group.
    fn arrived(&mut self, record: &'a Record) {
        let origin = self.origins.number(record);
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
    }

    fn known_form(&self, record: &Record) -> Option<usize> {
        let is = |&number: &usize| self.forms[number].is_of(record);
        let recent = self.forms.len().saturating_sub(FORMS_SEARCHED_MAX)..self.forms.len();
        let last = (self.form < self.forms.len()).then_some(self.form);
        last.filter(is).or_else(|| recent.rev().find(is))
    }

    fn finish(self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(self.bytes);
        out.push(IN_COLUMNS);
        put_varint(&mut out, self.forms.len() as u64);
        self.forms.iter().try_for_each(|form| put_form(&mut out, form.first))?;
        put_varint(&mut out, self.origins.all.len() as u64);
        for (run, node) in &self.origins.all {
            out.extend_from_slice(&run.0.to_be_bytes());
            put_name(&mut out, "the node's name", node, NAME_BYTES_MAX)?;
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
        let mut column = Vec::with_capacity(self.count);
        for form in &self.forms {
            form.finish(&self.blobs, &mut column, &mut out);
        }
        Ok(out)
    }
}

impl<'a> Form<'a> {
    fn new(first: &'a Record, room: usize) -> Result<Form<'a>> {
        check("the number of fields", first.fields.len(), FIELDS_MAX)?;
        let tags: Vec<u8> = first.fields.values().iter().map(tag).collect();
        let room = room.min(FRAME_BYTES_MAX / (8 * (META + tags.len())));
        Ok(Form {
            first,
            ints: tags.iter().all(|&tag| tag == INT),
            cells: Vec::with_capacity(room.div_ceil(TILE) * (META + tags.len())),
            tags,
            count: 0,
            groups: Vec::new(),
            by_origin: Vec::new(),
            of: Vec::with_capacity(room),
        })
    }

    /// Whether a record is of the form if its values are.
    fn has_names_of(&self, record: &Record) -> bool {
        let first = self.first;
        first.fields.shape() == record.fields.shape()
            && first.key == record.key
            && first.pool == record.pool
            && first.task == record.task
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

    fn put(&mut self, record: &Record, row: &[i64]) {
        let lane = self.count % TILE;
        self.next_tile(record).iter_mut().zip(row).for_each(|(cells, value)| cells[lane] = *value);
        self.count += 1;
    }

    /// Where the values of the record that comes next belong, those of each field; its time and its number are put down.
    fn next_tile(&mut self, record: &Record) -> &mut [[i64; TILE]] {
        let (columns, lane) = (META + self.tags.len(), self.count % TILE);
        let start = self.count / TILE * columns;
        if self.cells.len() == start {
            self.cells.resize(start + columns, [0; TILE]);
        }
        let cells = &mut self.cells[start..];
        cells[TIMES][lane] = record.time;
        cells[NUMBERS][lane] = record.seq as i64;
        &mut cells[META..]
    }

    /// Writes the columns, group by group. `column` is room for one.
    fn finish(&self, blobs: &[u8], column: &mut Vec<i64>, out: &mut Vec<u8>) {
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
struct Origins<'a> {
    all: Vec<(RunId, &'a Name)>,
    by_run: FxHashMap<RunId, usize>,
    /// The one that came after each, when that came last.
    after: Vec<usize>,
    last: usize,
}

impl<'a> Origins<'a> {
    fn number(&mut self, record: &'a Record) -> usize {
        let is = |all: &[(RunId, &Name)], number: usize| {
            all.get(number).is_some_and(|(run, node)| *run == record.run && **node == record.node)
        };
        let guess = self.after.get(self.last).copied().unwrap_or(0);
        if is(&self.all, guess) {
            self.last = guess;
            return guess;
        }
        let known = self.by_run.get(&record.run).copied().filter(|&number| is(&self.all, number));
        let number = known.unwrap_or_else(|| {
            self.by_run.insert(record.run, self.all.len());
            self.all.push((record.run, &record.node));
            self.after.push(0);
            self.all.len() - 1
        });
        self.after[self.last] = number;
        self.last = number;
        number
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

/// As many bytes as `put_form` takes at most, and the columns.
fn form_bytes(record: &Record) -> usize {
    let names = [&record.pool, &record.key, &record.task].map(|name| name.len() + 3);
    let fields = record.fields.names().iter().map(|name| name.len() + 4 + COLUMN_BYTES);
    names.iter().sum::<usize>() + fields.sum::<usize>() + 3 * COLUMN_BYTES
}

fn put_form(out: &mut Vec<u8>, record: &Record) -> Result<()> {
    put_name(out, "the pool's name", &record.pool, NAME_BYTES_MAX)?;
    put_name(out, "the key", &record.key, NAME_BYTES_MAX)?;
    put_name(out, "the task's name", &record.task, NAME_BYTES_MAX)?;
    put_varint(out, record.fields.len() as u64);
    for (name, value) in &record.fields {
        put_name(out, "a field's name", name, FIELD_NAME_BYTES_MAX)?;
        out.push(tag(value));
    }
    Ok(())
}
