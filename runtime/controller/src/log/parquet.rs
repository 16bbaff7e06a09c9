//! Log records as a Parquet file: a column for each part of the meta data and for each field, a group of rows at a time.
//!
//! Which columns there are stands at the head of what is written and is not known from a record alone, so the fields are
//! asked for first. Values of a group are kept by column and go out when enough of them are there: memory holds one
//! group, however many records pass.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use dscript_logpool::{FieldInfo, FieldKind, FieldValue, Query, Record, value_text};
use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type as Schema};

use super::show::{META, column_names};
use super::source::{Failed, Source};

/// Rows of a group, at most: what readers of the format take at a time.
const GROUP_ROWS_MAX: usize = 122_880;
/// What the values of a group take, about; with more columns a group has fewer rows.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// A number and whether it is there.
const CELL_BYTES: usize = 10;
/// Of the columns that every record has.
const KINDS: [Kind; META.len()] =
    [Kind::Time, Kind::Text, Kind::Text, Kind::Text, Kind::Text, Kind::Text, Kind::Number];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    /// Without a sign.
    Number,
    Double,
    Text,
    Bytes,
    /// Nanoseconds.
    Duration,
    Time,
}

impl Kind {
    /// What holds all values of a field.
    fn of(kinds: &[FieldKind]) -> Kind {
        let kinds: Vec<FieldKind> = kinds.iter().copied().filter(|&kind| kind != FieldKind::Null).collect();
        match kinds[..] {
            [FieldKind::Bool] => Kind::Bool,
            [FieldKind::Int] => Kind::Int,
            [FieldKind::Double]
            | [FieldKind::Int, FieldKind::Double]
            | [FieldKind::Double, FieldKind::Int] => Kind::Double,
            [FieldKind::Bytes] => Kind::Bytes,
            [FieldKind::Duration] => Kind::Duration,
            [FieldKind::Time] => Kind::Time,
            _ => Kind::Text,
        }
    }

    fn schema(self, name: &str, repetition: Repetition) -> parquet::errors::Result<Schema> {
        let (physical, logical) = match self {
            Kind::Bool => (Physical::BOOLEAN, None),
            Kind::Int | Kind::Duration => (Physical::INT64, None),
            Kind::Number => (Physical::INT64, Some(LogicalType::integer(64, false))),
            Kind::Double => (Physical::DOUBLE, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Bytes => (Physical::BYTE_ARRAY, None),
            Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::NANOS))),
        };
        Schema::primitive_type_builder(name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical)
            .build()
    }

    /// With room for so many: growing would take more than the room itself.
    fn values(self, rows: usize) -> Values {
        match self {
            Kind::Bool => Values::Bools(Vec::with_capacity(rows)),
            Kind::Int | Kind::Number | Kind::Duration | Kind::Time => Values::Ints(Vec::with_capacity(rows)),
            Kind::Double => Values::Doubles(Vec::with_capacity(rows)),
            Kind::Text | Kind::Bytes => Values::Blobs(Vec::with_capacity(rows)),
        }
    }
}

/// How many records went out.
pub fn write(
    source: &mut Source,
    query: &Query,
    fields: &[FieldInfo],
    out: impl Write + Send,
) -> Result<u64, Failed> {
    let mut table = Table::new(out, fields)?;
    let (mut count, mut added) = (0, Ok(()));
    let read = source.each(query, |record| {
        count += 1;
        added = table.add(&record);
        added.is_ok()
    });
    added?;
    read?;
    table.finish()?;
    Ok(count)
}

impl From<ParquetError> for Failed {
    fn from(error: ParquetError) -> Failed {
        match error {
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => Failed::Write(*error),
                Err(other) => Failed::Other(other.to_string()),
            },
            other => Failed::Other(other.to_string()),
        }
    }
}

struct Table<W: Write + Send> {
    file: SerializedFileWriter<W>,
    meta: [Column; META.len()],
    fields: Vec<Column>,
    /// By name, places among the fields.
    places: HashMap<String, usize>,
    rows: usize,
    rows_max: usize,
    /// What texts take.
    bytes: usize,
}

impl<W: Write + Send> Table<W> {
    fn new(out: W, fields: &[FieldInfo]) -> Result<Table<W>, Failed> {
        let names: Vec<&str> = fields.iter().map(|field| &field.name[..]).collect();
        let names = column_names(&names, &META);
        let mut schema = Vec::new();
        for (name, kind) in META.into_iter().zip(KINDS) {
            schema.push(Arc::new(kind.schema(name, Repetition::REQUIRED)?));
        }
        for (field, name) in fields.iter().zip(names) {
            schema.push(Arc::new(Kind::of(&field.kinds).schema(&name, Repetition::OPTIONAL)?));
        }
        let schema = Schema::group_type_builder("records").with_fields(schema).build()?;
        let mut properties = WriterProperties::builder()
            .set_created_by(format!("dsctl {}", env!("CARGO_PKG_VERSION")))
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true);
        // Hardly any of these is there twice.
        for name in ["time", "seq"] {
            let path = ColumnPath::from(name);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        let columns = META.len() + fields.len();
        let rows_max = (GROUP_BYTES_MAX / CELL_BYTES / columns).clamp(1, GROUP_ROWS_MAX);
        Ok(Table {
            file: SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties.build()))?,
            meta: KINDS.map(|kind| Column::new(kind, false, rows_max)),
            fields: fields.iter().map(|field| Column::new(Kind::of(&field.kinds), true, rows_max)).collect(),
            places: fields.iter().enumerate().map(|(at, field)| (field.name.clone(), at)).collect(),
            rows: 0,
            rows_max,
            bytes: 0,
        })
    }

    fn add(&mut self, record: &Record) -> Result<(), Failed> {
        let run = record.run.to_string();
        let texts: [&str; 5] = [&record.pool, &record.key, &record.node, &record.task, &run];
        let [time, pool, key, node, task, of_run, seq] = &mut self.meta;
        time.int(record.time);
        for (column, text) in [pool, key, node, task, of_run].into_iter().zip(texts) {
            self.bytes += column.blob(text.as_bytes());
        }
        // As the unsigned number's bits.
        seq.int(record.seq as i64);
        for (nth, (name, value)) in record.fields.iter().enumerate() {
            // Most records have the same fields in the same order.
            let changed = || {
                Failed::Other(format!("other values of `{name}` than before came meanwhile: export again"))
            };
            let at = match self.fields.get(nth) {
                Some(_) if self.places.get(name) == Some(&nth) => nth,
                _ => *self.places.get(name).ok_or_else(changed)?,
            };
            self.bytes += self.fields[at].put(self.rows, value).ok_or_else(changed)?;
        }
        self.rows += 1;
        if self.rows == self.rows_max || self.bytes > GROUP_BYTES_MAX { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<(), Failed> {
        let mut group = self.file.next_row_group()?;
        let mut columns = self.meta.iter_mut().chain(&mut self.fields);
        while let Some(mut writer) = group.next_column()? {
            if let Some(column) = columns.next() {
                column.write(self.rows, &mut writer)?;
            }
            writer.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// The end of the file, without which there is none.
    fn finish(mut self) -> Result<(), Failed> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.file.finish()?;
        Ok(())
    }
}

enum Values {
    Bools(Vec<bool>),
    Ints(Vec<i64>),
    Doubles(Vec<f64>),
    Blobs(Vec<ByteArray>),
}

/// A column's part of a group.
struct Column {
    kind: Kind,
    values: Values,
    /// Whether each row has a value, where it need not have one: 1 or 0.
    there: Option<Vec<i16>>,
}

impl Column {
    fn new(kind: Kind, optional: bool, rows: usize) -> Column {
        Column { kind, values: kind.values(rows), there: optional.then(|| Vec::with_capacity(rows)) }
    }

    fn int(&mut self, value: i64) {
        if let Values::Ints(all) = &mut self.values {
            all.push(value);
        }
    }

    /// What it takes. One that is there again takes no room of its own.
    fn blob(&mut self, bytes: &[u8]) -> usize {
        let Values::Blobs(all) = &mut self.values else { return 0 };
        let (blob, room) = match all.last() {
            Some(last) if last.data() == bytes => (last.clone(), 0),
            _ => (ByteArray::from(bytes.to_vec()), bytes.len()),
        };
        all.push(blob);
        size_of::<ByteArray>() + room
    }

    /// What the value takes besides its cell; `None` if it does not fit the column.
    fn put(&mut self, row: usize, value: &FieldValue) -> Option<usize> {
        let there = self.there.get_or_insert_default();
        // A second field of the same name counts for nothing, as everywhere.
        if there.len() > row || *value == FieldValue::Null {
            return Some(0);
        }
        match (self.kind, &mut self.values, value) {
            (Kind::Bool, Values::Bools(all), FieldValue::Bool(value)) => all.push(*value),
            (Kind::Int, Values::Ints(all), FieldValue::Int(value))
            | (Kind::Duration, Values::Ints(all), FieldValue::Duration(value))
            | (Kind::Time, Values::Ints(all), FieldValue::Time(value)) => all.push(*value),
            (Kind::Double, Values::Doubles(all), FieldValue::Double(value)) => all.push(*value),
            (Kind::Double, Values::Doubles(all), FieldValue::Int(value)) => all.push(*value as f64),
            (Kind::Bytes, _, FieldValue::Bytes(_)) | (Kind::Text, ..) => {}
            _ => return None,
        }
        there.resize(row, 0);
        there.push(1);
        Some(match (self.kind, value) {
            (Kind::Bytes, FieldValue::Bytes(bytes)) => self.blob(bytes),
            (Kind::Text, FieldValue::String(text)) => self.blob(text.as_bytes()),
            (Kind::Text, value) => self.blob(value_text(value).as_bytes()),
            _ => 0,
        })
    }

    fn write(&mut self, rows: usize, out: &mut SerializedColumnWriter) -> Result<(), Failed> {
        if let Some(there) = &mut self.there {
            there.resize(rows, 0);
        }
        let levels = self.there.as_deref();
        match (&mut self.values, out.untyped()) {
            (Values::Bools(all), ColumnWriter::BoolColumnWriter(to)) => to.write_batch(all, levels, None)?,
            (Values::Ints(all), ColumnWriter::Int64ColumnWriter(to)) => to.write_batch(all, levels, None)?,
            (Values::Doubles(all), ColumnWriter::DoubleColumnWriter(to)) => {
                to.write_batch(all, levels, None)?
            }
            (Values::Blobs(all), ColumnWriter::ByteArrayColumnWriter(to)) => {
                to.write_batch(all, levels, None)?
            }
            _ => return Err(Failed::Other("a column is of another kind than its schema says".into())),
        };
        match &mut self.values {
            Values::Bools(all) => all.clear(),
            Values::Ints(all) => all.clear(),
            Values::Doubles(all) => all.clear(),
            Values::Blobs(all) => all.clear(),
        }
        self.there.iter_mut().for_each(Vec::clear);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use dscript_logpool::{Name, Reader, RunId, Writer};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Row;

    use super::*;

    fn record(seq: u64, fields: Vec<(&str, FieldValue)>) -> Record {
        let [pool, key, node, task] = ["p", "k", "n", "t"].map(Name::from);
        let (run, fields) = (RunId(7), fields.into());
        Record { pool, key, node, task, run, seq, time: 1_700_000_000_000_000_001, fields }
    }

    fn field(name: &str, kinds: &[FieldKind]) -> FieldInfo {
        FieldInfo { name: name.into(), kinds: kinds.to_vec() }
    }

    fn rows(path: &std::path::Path) -> (usize, Vec<Row>) {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        (reader.num_row_groups(), rows)
    }

    /// What each row's columns hold, after those of the meta data.
    fn cells(rows: &[Row]) -> Vec<Vec<(String, String)>> {
        let cell = |(name, value): (&String, &parquet::record::Field)| (name.clone(), value.to_string());
        rows.iter().map(|row| row.get_column_iter().skip(META.len()).map(cell).collect()).collect()
    }

    #[test]
    fn fields_of_every_kind_come_back_with_their_types() {
        let scratch = tempfile::tempdir().unwrap();
        let (first, second) = (
            record(
                1,
                vec![
                    ("int", FieldValue::Int(-5)),
                    ("number", FieldValue::Int(1)),
                    ("yes", FieldValue::Bool(true)),
                    ("took", FieldValue::Duration(90_000_000_000)),
                    ("at", FieldValue::Time(1_700_000_000_000_000_000)),
                    ("name", FieldValue::String("x, \"y\"".into())),
                    ("bytes", FieldValue::Bytes(vec![0, 255])),
                    ("any", FieldValue::Int(3)),
                    ("time", FieldValue::Int(4)),
                    ("nothing", FieldValue::Null),
                ],
            ),
            record(
                u64::MAX,
                vec![
                    ("number", FieldValue::Double(0.5)),
                    ("any", FieldValue::List(vec![FieldValue::Int(1), FieldValue::Null])),
                ],
            ),
        );
        let writer = Writer::open(scratch.path()).unwrap();
        writer.append(vec![first, second]).unwrap();
        let mut source = Source::folder(Reader::open(scratch.path()));
        let fields = source.fields(&Query::default()).unwrap();
        let path = scratch.path().join("x.parquet");
        let written = write(&mut source, &Query::default(), &fields, File::create(&path).unwrap());
        assert_eq!(written.unwrap(), 2);
        let (groups, rows) = rows(&path);
        assert_eq!(groups, 1);
        let meta: Vec<String> =
            rows[1].get_column_iter().take(META.len()).map(|(_, v)| v.to_string()).collect();
        let run = format!("\"{}\"", RunId(7));
        let seq = u64::MAX.to_string();
        assert_eq!(meta, ["1700000000000000001", "\"p\"", "\"k\"", "\"n\"", "\"t\"", &run, &seq]);
        let expected = |values: [&str; 10]| {
            let names =
                ["int", "number", "yes", "took", "at", "name", "bytes", "any", "field_time", "nothing"];
            names
                .iter()
                .zip(values)
                .map(|(name, value)| ((*name).to_owned(), value.to_owned()))
                .collect::<Vec<_>>()
        };
        let nothing = "null";
        assert_eq!(
            cells(&rows),
            [
                expected([
                    "-5",
                    "1.0",
                    "true",
                    "90000000000",
                    "1700000000000000000",
                    "\"x, \"y\"\"",
                    "[0, 255]",
                    "\"3\"",
                    "4",
                    nothing
                ]),
                expected([
                    nothing,
                    "0.5",
                    nothing,
                    nothing,
                    nothing,
                    nothing,
                    nothing,
                    "\"[1, null]\"",
                    nothing,
                    nothing
                ]),
            ]
        );
    }

    #[test]
    fn groups_are_bounded_and_what_is_new_meanwhile_is_said() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x.parquet");
        let fields = [field("a", &[FieldKind::Int])];
        let new = || Table::new(File::create(&path).unwrap(), &fields).map_err(drop).unwrap();
        for (name, value) in [("b", FieldValue::Int(1)), ("a", FieldValue::Bool(true))] {
            let Err(Failed::Other(why)) = new().add(&record(1, vec![(name, value)])) else {
                panic!("{name}")
            };
            assert!(why.contains(&format!("`{name}`")) && why.contains("again"), "{why}");
        }
        let mut table = new();
        table.rows_max = 100;
        for seq in 0..250 {
            let fields = if seq % 2 == 0 { vec![("a", FieldValue::Int(seq))] } else { vec![] };
            assert!(table.add(&record(seq as u64, fields)).is_ok());
        }
        assert!(table.finish().is_ok());
        let (groups, rows) = rows(&path);
        assert_eq!((groups, rows.len()), (3, 250));
        for (seq, row) in cells(&rows).iter().enumerate() {
            let expected = if seq % 2 == 0 { seq.to_string() } else { "null".into() };
            assert_eq!(row[..], [("a".to_owned(), expected)]);
        }
    }
}
