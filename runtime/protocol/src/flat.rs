//! Log records on the wire. Values nest, and a decoder that followed the nesting of a hostile message would run out
//! of stack; so a value travels as a flat list of pieces and is put together with a limit on its depth.

use std::borrow::Cow;

use dscript_logpool::{FieldValue, Fields, Name, Record, RunId};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::VALUE_DEPTH_MAX;

/// Its texts are those of the record or of the message.
#[derive(Serialize, Deserialize)]
struct FlatRecord<'a> {
    #[serde(borrow)]
    pool: Cow<'a, str>,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    node: Cow<'a, str>,
    #[serde(borrow)]
    task: Cow<'a, str>,
    run: RunId,
    seq: u64,
    time: i64,
    /// For each field its name and its value, the value's own pieces following.
    fields: u32,
    #[serde(borrow)]
    pieces: Vec<Piece<'a>>,
}

#[derive(Serialize, Deserialize)]
enum Piece<'a> {
    Null,
    Int(i64),
    Double(f64),
    Bool(bool),
    #[serde(borrow)]
    String(Cow<'a, str>),
    Bytes(#[serde(with = "crate::codec::bytes")] Vec<u8>),
    Duration(i64),
    Time(i64),
    /// That many values follow.
    List(u32),
    /// That many names and values follow.
    Map(u32),
    #[serde(borrow)]
    Name(Cow<'a, str>),
}

pub fn serialize<S: Serializer>(records: &[Record], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(records.iter().map(flatten))
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Record>, D::Error> {
    let flat = Vec::<FlatRecord>::deserialize(from)?;
    let mut names = Default::default();
    flat.into_iter()
        .map(|record| rebuild(record, &mut names).ok_or_else(|| D::Error::custom("a log record is broken")))
        .collect()
}

fn flatten(record: &Record) -> FlatRecord<'_> {
    let mut pieces = Vec::with_capacity(2 * record.fields.len());
    for (name, value) in &record.fields {
        pieces.push(Piece::Name(name.into()));
        push(value, &mut pieces);
    }
    FlatRecord {
        pool: Cow::Borrowed(&record.pool),
        key: Cow::Borrowed(&record.key),
        node: Cow::Borrowed(&record.node),
        task: Cow::Borrowed(&record.task),
        run: record.run,
        seq: record.seq,
        time: record.time,
        fields: record.fields.len() as u32,
        pieces,
    }
}

fn push<'a>(value: &'a FieldValue, pieces: &mut Vec<Piece<'a>>) {
    pieces.push(match value {
        FieldValue::Null => Piece::Null,
        FieldValue::Int(value) => Piece::Int(*value),
        FieldValue::Double(value) => Piece::Double(*value),
        FieldValue::Bool(value) => Piece::Bool(*value),
        FieldValue::String(value) => Piece::String(value.into()),
        FieldValue::Bytes(value) => Piece::Bytes(value.clone()),
        FieldValue::Duration(value) => Piece::Duration(*value),
        FieldValue::Time(value) => Piece::Time(*value),
        FieldValue::List(values) => Piece::List(values.len() as u32),
        FieldValue::Map(entries) => Piece::Map(entries.len() as u32),
    });
    match value {
        FieldValue::List(values) => values.iter().for_each(|value| push(value, pieces)),
        FieldValue::Map(entries) => entries.iter().for_each(|(name, value)| {
            pieces.push(Piece::Name(name.into()));
            push(value, pieces);
        }),
        _ => {}
    }
}

/// `names` are those of the record before: pool, key, node and task. Most often they are the same.
fn rebuild(flat: FlatRecord, names: &mut [Name; 4]) -> Option<Record> {
    let mut pieces = flat.pieces.into_iter();
    let fields = named(flat.fields, &mut pieces, 0).collect::<Option<Fields>>()?;
    if pieces.next().is_some() {
        return None;
    }
    for (name, text) in names.iter_mut().zip([flat.pool, flat.key, flat.node, flat.task]) {
        if *name != *text {
            *name = Name::from(&*text);
        }
    }
    let [pool, key, node, task] = names.clone();
    Some(Record { pool, key, node, task, run: flat.run, seq: flat.seq, time: flat.time, fields })
}

type Pieces<'a> = std::vec::IntoIter<Piece<'a>>;

/// So many names, each with its value; `None` where there is something else.
fn named<'a>(
    count: u32,
    pieces: &mut Pieces<'a>,
    depth: usize,
) -> impl Iterator<Item = Option<(Cow<'a, str>, FieldValue)>> {
    (0..count).map(move |_| match pieces.next()? {
        Piece::Name(name) => Some((name, value(pieces, depth)?)),
        _ => None,
    })
}

fn value(pieces: &mut Pieces<'_>, depth: usize) -> Option<FieldValue> {
    if depth > VALUE_DEPTH_MAX {
        return None;
    }
    Some(match pieces.next()? {
        Piece::Null => FieldValue::Null,
        Piece::Int(value) => FieldValue::Int(value),
        Piece::Double(value) => FieldValue::Double(value),
        Piece::Bool(value) => FieldValue::Bool(value),
        Piece::String(value) => FieldValue::String(value.into_owned()),
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
        Piece::Map(count) => {
            let entry = |(name, value): (Cow<str>, FieldValue)| (name.into_owned(), value);
            FieldValue::Map(
                named(count, pieces, depth + 1).map(|named| named.map(entry)).collect::<Option<_>>()?,
            )
        }
        Piece::Name(_) => return None,
    })
}
