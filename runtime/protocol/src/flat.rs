//! Log records on the wire. Values nest, and a decoder that followed the nesting of a hostile message would run out
//! of stack; so a value travels as a flat list of pieces and is put together with a limit on its depth.

use dscript_logpool::{FieldValue, Record, RunId};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::VALUE_DEPTH_MAX;

#[derive(Serialize, Deserialize)]
struct FlatRecord {
    pool: String,
    key: String,
    node: String,
    task: String,
    run: RunId,
    seq: u64,
    time: i64,
    /// For each field its name and its value, the value's own pieces following.
    fields: u32,
    pieces: Vec<Piece>,
}

#[derive(Serialize, Deserialize)]
enum Piece {
    Null,
    Int(i64),
    Double(f64),
    Bool(bool),
    String(String),
    Bytes(#[serde(with = "crate::codec::bytes")] Vec<u8>),
    Duration(i64),
    Time(i64),
    /// That many values follow.
    List(u32),
    /// That many names and values follow.
    Map(u32),
    Name(String),
}

pub fn serialize<S: Serializer>(records: &[Record], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(records.iter().map(flatten))
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Record>, D::Error> {
    let flat = Vec::<FlatRecord>::deserialize(from)?;
    flat.into_iter()
        .map(|record| rebuild(record).ok_or_else(|| D::Error::custom("a log record is broken")))
        .collect()
}

fn flatten(record: &Record) -> FlatRecord {
    let mut pieces = Vec::with_capacity(2 * record.fields.len());
    for (name, value) in &record.fields {
        pieces.push(Piece::Name(name.clone()));
        push(value, &mut pieces);
    }
    FlatRecord {
        pool: record.pool.clone(),
        key: record.key.clone(),
        node: record.node.clone(),
        task: record.task.clone(),
        run: record.run,
        seq: record.seq,
        time: record.time,
        fields: record.fields.len() as u32,
        pieces,
    }
}

fn push(value: &FieldValue, pieces: &mut Vec<Piece>) {
    pieces.push(match value {
        FieldValue::Null => Piece::Null,
        FieldValue::Int(value) => Piece::Int(*value),
        FieldValue::Double(value) => Piece::Double(*value),
        FieldValue::Bool(value) => Piece::Bool(*value),
        FieldValue::String(value) => Piece::String(value.clone()),
        FieldValue::Bytes(value) => Piece::Bytes(value.clone()),
        FieldValue::Duration(value) => Piece::Duration(*value),
        FieldValue::Time(value) => Piece::Time(*value),
        FieldValue::List(values) => Piece::List(values.len() as u32),
        FieldValue::Map(entries) => Piece::Map(entries.len() as u32),
    });
    match value {
        FieldValue::List(values) => values.iter().for_each(|value| push(value, pieces)),
        FieldValue::Map(entries) => entries.iter().for_each(|(name, value)| {
            pieces.push(Piece::Name(name.clone()));
            push(value, pieces);
        }),
        _ => {}
    }
}

fn rebuild(flat: FlatRecord) -> Option<Record> {
    let mut pieces = flat.pieces.into_iter();
    let fields = named(flat.fields, &mut pieces, 0)?;
    if pieces.next().is_some() {
        return None;
    }
    Some(Record {
        pool: flat.pool,
        key: flat.key,
        node: flat.node,
        task: flat.task,
        run: flat.run,
        seq: flat.seq,
        time: flat.time,
        fields,
    })
}

fn named(
    count: u32,
    pieces: &mut std::vec::IntoIter<Piece>,
    depth: usize,
) -> Option<Vec<(String, FieldValue)>> {
    // Each needs two pieces, so a false count cannot make this large.
    let mut all = Vec::with_capacity((count as usize).min(pieces.len() / 2));
    for _ in 0..count {
        let Some(Piece::Name(name)) = pieces.next() else { return None };
        all.push((name, value(pieces, depth)?));
    }
    Some(all)
}

fn value(pieces: &mut std::vec::IntoIter<Piece>, depth: usize) -> Option<FieldValue> {
    if depth > VALUE_DEPTH_MAX {
        return None;
    }
    Some(match pieces.next()? {
        Piece::Null => FieldValue::Null,
        Piece::Int(value) => FieldValue::Int(value),
        Piece::Double(value) => FieldValue::Double(value),
        Piece::Bool(value) => FieldValue::Bool(value),
        Piece::String(value) => FieldValue::String(value),
        Piece::Bytes(value) => FieldValue::Bytes(value),
        Piece::Duration(value) => FieldValue::Duration(value),
        Piece::Time(value) => FieldValue::Time(value),
        Piece::List(count) => {
            let mut values = Vec::with_capacity((count as usize).min(pieces.len()));
            for _ in 0..count {
                values.push(value(pieces, depth + 1)?);
            }
            FieldValue::List(values)
        }
        Piece::Map(count) => FieldValue::Map(named(count, pieces, depth + 1)?),
        Piece::Name(_) => return None,
    })
}
