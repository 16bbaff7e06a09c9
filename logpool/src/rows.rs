//! Records as expressions see them: decoded ones, and those of a block, of which only the columns that are read are
//! decoded.

use std::cell::OnceCell;
use std::collections::HashMap;

use crate::block::{Block, Decoded, Kind};
use crate::codec::{Malformed, RecordHead, ValueRef};
use crate::expr::{Expr, FieldNames, Meta, Row};
use crate::record::{Record, RunId};
use crate::segment::Series;

/// A record that is there whole.
pub struct RecordRow<'a> {
    record: &'a Record,
    fields: &'a FieldNames,
    /// As a text, once it was asked for.
    run: OnceCell<String>,
}

impl<'a> RecordRow<'a> {
    pub fn new(record: &'a Record, fields: &'a FieldNames) -> RecordRow<'a> {
        RecordRow { record, fields, run: OnceCell::new() }
    }
}

impl Row for RecordRow<'_> {
    fn field(&self, number: usize) -> Option<ValueRef<'_>> {
        self.record.field(&self.fields.names()[number]).map(|value| match ValueRef::of(value) {
            Some(value) => value,
            // Nothing compares with a list or a map.
            None => ValueRef::Nested(&[]),
        })
    }

    fn meta(&self, meta: Meta) -> ValueRef<'_> {
        match meta {
            Meta::Pool => ValueRef::String(&self.record.pool),
            Meta::Key => ValueRef::String(&self.record.key),
            Meta::Node => ValueRef::String(&self.record.node),
            Meta::Task => ValueRef::String(&self.record.task),
            Meta::Run => ValueRef::String(self.run.get_or_init(|| self.record.run.to_string())),
            Meta::Time => ValueRef::Time(self.record.time),
        }
    }
}

/// A record of a log file.
pub struct HeadRow<'a> {
    head: RecordHead<'a>,
    fields: Vec<Option<ValueRef<'a>>>,
    run: OnceCell<String>,
}

impl<'a> HeadRow<'a> {
    pub fn new(head: RecordHead<'a>, wanted: Option<&FieldNames>) -> Result<HeadRow<'a>, Malformed> {
        let names = wanted.map_or(&[][..], FieldNames::names);
        let mut fields = vec![None; names.len()];
        if !names.is_empty() {
            for field in head.fields()? {
                let (name, value) = field?;
                if let Some(at) = names.iter().position(|wanted| wanted == name) {
                    fields[at].get_or_insert(value);
                }
            }
        }
        Ok(HeadRow { head, fields, run: OnceCell::new() })
    }
}

impl Row for HeadRow<'_> {
    fn field(&self, number: usize) -> Option<ValueRef<'_>> {
        self.fields[number]
    }

    fn meta(&self, meta: Meta) -> ValueRef<'_> {
        match meta {
            Meta::Pool => ValueRef::String(self.head.pool),
            Meta::Key => ValueRef::String(self.head.key),
            Meta::Node => ValueRef::String(self.head.node),
            Meta::Task => ValueRef::String(self.head.task),
            Meta::Run => ValueRef::String(self.run.get_or_init(|| self.head.run.to_string())),
            Meta::Time => ValueRef::Time(self.head.time),
        }
    }
}

/// The wanted columns of a block.
pub struct BlockRows<'a> {
    series: &'a Series,
    times: &'a [i64],
    tasks: Vec<&'a str>,
    /// The runs of the block as texts, and the place of each record's among them.
    runs: Vec<String>,
    run_of: Vec<i64>,
    columns: Vec<Wanted<'a>>,
}

enum Wanted<'a> {
    /// No record has it.
    Absent,
    /// Every record has it.
    Dense(Decoded<'a>),
    Sparse(Vec<Option<ValueRef<'a>>>),
}

impl<'a> BlockRows<'a> {
    pub fn new(
        block: &Block<'a>,
        series: &'a Series,
        times: &'a [i64],
        wanted: &FieldNames,
    ) -> Result<BlockRows<'a>, Malformed> {
        let mut columns = Vec::with_capacity(wanted.names().len());
        for name in wanted.names() {
            let places: Vec<usize> =
                (0..block.columns.len()).filter(|&at| block.columns[at].name == name).collect();
            columns.push(match places[..] {
                [] => Wanted::Absent,
                [at] if block.columns[at].len == block.len => Wanted::Dense(block.values(at)?),
                _ => Wanted::Sparse(sparse(block, &places)?),
            });
        }
        let tasks = if wanted.tasks { block.tasks()? } else { Vec::new() };
        let runs = if wanted.runs { block.runs().iter().map(RunId::to_string).collect() } else { Vec::new() };
        let run_of = if wanted.runs { block.run_of()? } else { Vec::new() };
        Ok(BlockRows { series, times, tasks, runs, run_of, columns })
    }

    /// The values of an expression that is a field which every record has as an int.
    pub fn ints_of(&self, expr: &Expr) -> Option<&[i64]> {
        match expr {
            Expr::Field(number) => match &self.columns[*number] {
                Wanted::Dense(Decoded::Ints(Kind::Int, all)) => Some(all),
                _ => None,
            },
            _ => None,
        }
    }

    pub fn row(&self, at: usize) -> BlockRow<'a, '_> {
        BlockRow { rows: self, at }
    }
}

/// What of the places each record has; the first, where it has several.
fn sparse<'a>(block: &Block<'a>, places: &[usize]) -> Result<Vec<Option<ValueRef<'a>>>, Malformed> {
    let mut columns: HashMap<usize, (Decoded, usize)> = HashMap::new();
    for &at in places {
        columns.insert(at, (block.values(at)?, 0));
    }
    let mut values = Vec::with_capacity(block.len);
    for record in 0..block.len {
        let mut value = None;
        for at in block.shape(record) {
            if let Some((column, next)) = columns.get_mut(at) {
                let found = column.get(*next)?;
                *next += 1;
                value.get_or_insert(found);
            }
        }
        values.push(value);
    }
    Ok(values)
}

/// Whether no record of the block can fulfil the condition, by what the directory says of its columns.
pub fn rules_out(block: &Block, condition: &Expr, fields: &FieldNames) -> bool {
    condition.rules_out(&|number| {
        let name = &fields.names()[number];
        let mut places = (0..block.columns.len()).filter(|&at| block.columns[at].name == name);
        match (places.next(), places.next()) {
            // Nothing compares with what is not there.
            (None, _) => Some((f64::INFINITY, f64::NEG_INFINITY)),
            (Some(at), None) => block.bounds(at).ok().flatten(),
            _ => None,
        }
    })
}

#[derive(Clone, Copy)]
pub struct BlockRow<'a, 'r> {
    rows: &'r BlockRows<'a>,
    at: usize,
}

impl Row for BlockRow<'_, '_> {
    fn field(&self, number: usize) -> Option<ValueRef<'_>> {
        match &self.rows.columns[number] {
            Wanted::Absent => None,
            Wanted::Dense(column) => column.get(self.at).ok(),
            Wanted::Sparse(values) => values[self.at],
        }
    }

    fn meta(&self, meta: Meta) -> ValueRef<'_> {
        match meta {
            Meta::Pool => ValueRef::String(&self.rows.series.pool),
            Meta::Key => ValueRef::String(&self.rows.series.key),
            Meta::Node => ValueRef::String(&self.rows.series.node),
            Meta::Task => ValueRef::String(self.rows.tasks[self.at]),
            Meta::Run => ValueRef::String(&self.rows.runs[self.rows.run_of[self.at] as usize]),
            Meta::Time => ValueRef::Time(self.rows.times[self.at]),
        }
    }
}
