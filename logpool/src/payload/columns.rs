//! Reading a payload whose values lie in columns: what its records have in common, and where their values are.

use crate::codec::*;
use crate::flat::{Column, Numbers};
use crate::limits::*;
use crate::record::RunId;

/// A payload that was checked: every value of it can be read.
pub struct Columns<'a> {
    pub origins: Vec<(RunId, &'a str)>,
    pub sections: Vec<Section<'a>>,
    /// Those of a section one behind the other.
    pub groups: Vec<Group>,
    /// The group of each record, in the order in which they came, where there are several.
    order: Option<Numbers<'a>>,
    pub count: usize,
}

/// The records of one form, group by group.
pub struct Section<'a> {
    pub form: Form<'a>,
    pub count: usize,
    pub times: Numbers<'a>,
    /// The records' numbers, less what they would be if those of a group were consecutive.
    pub numbers: Numbers<'a>,
    /// Of each field.
    pub columns: Vec<Column<'a>>,
    /// The same, as they lie there.
    bytes: &'a [u8],
}

/// What records of a program have in common.
#[derive(Clone, Debug)]
pub struct Form<'a> {
    pub pool: &'a str,
    pub key: &'a str,
    pub task: &'a str,
    /// From the number of fields on.
    pub fields: &'a [u8],
    pub tags: Vec<u8>,
}

/// Records of one form and origin.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub section: usize,
    pub origin: usize,
    /// Its place in the section's columns.
    pub start: usize,
    pub count: usize,
    /// The number that its first record would have.
    pub first: u64,
}

impl Group {
    /// The number of the record at a place of the section's columns.
    pub fn number(&self, numbers: &Numbers, at: usize) -> u64 {
        self.first.wrapping_add((at - self.start) as u64).wrapping_add(numbers.get(at) as u64)
    }
}

impl<'a> Form<'a> {
    pub fn read(input: &mut Input<'a>) -> Decoded<Form<'a>> {
        let (pool, key) = (input.name(NAME_BYTES_MAX)?, input.name(NAME_BYTES_MAX)?);
        let task = input.name(NAME_BYTES_MAX)?;
        let start = input.bytes;
        let count = input.count(FIELDS_MAX, 2)?;
        let mut tags = Vec::with_capacity(count);
        for _ in 0..count {
            input.name(FIELD_NAME_BYTES_MAX)?;
            tags.push(input.array::<1>()?[0]);
        }
        let fields = &start[..start.len() - input.bytes.len()];
        Ok(Form { pool, key, task, fields, tags })
    }
}

impl<'a> Columns<'a> {
    /// From what follows the first byte on.
    pub fn read(mut input: Input<'a>) -> Decoded<Columns<'a>> {
        let input = &mut input;
        let forms = input.count(APPEND_RECORDS_MAX, 4)?;
        let forms = (0..forms).map(|_| Form::read(input)).collect::<Decoded<Vec<_>>>()?;
        let origins = input.count(APPEND_RECORDS_MAX, 17)?;
        let origin = |_| Ok((RunId(u128::from_be_bytes(input.array()?)), input.name(NAME_BYTES_MAX)?));
        let origins = (0..origins).map(origin).collect::<Decoded<Vec<_>>>()?;
        let mut groups = Vec::new();
        let mut counts = Vec::with_capacity(forms.len());
        let mut left = APPEND_RECORDS_MAX;
        for section in 0..forms.len() {
            let mut start = 0;
            for _ in 0..input.count(APPEND_RECORDS_MAX, 3)? {
                let origin = input.place(origins.len())?;
                let count = input.place(left + 1)?;
                let first = input.varint()?;
                groups.push(Group { section, origin, start, count, first });
                start += count;
                left -= count;
            }
            counts.push(start);
        }
        if groups.iter().any(|group| group.count == 0) || counts.contains(&0) {
            return Err(Malformed);
        }
        let count = APPEND_RECORDS_MAX - left;
        let order = if groups.len() > 1 { Some(Numbers::read(input, count)?) } else { None };
        if let Some(order) = &order {
            check_order(order, &groups, count)?;
        }
        let sections = forms.into_iter().zip(counts).map(|(form, count)| Section::read(input, form, count));
        let sections = sections.collect::<Decoded<Vec<_>>>()?;
        input.end()?;
        Ok(Columns { origins, sections, groups, order, count })
    }
}

/// Each group has as many records as it says.
fn check_order(order: &Numbers, groups: &[Group], count: usize) -> Decoded<()> {
    let mut numbers = vec![0; count];
    order.copy(0, &mut numbers);
    let mut left: Vec<usize> = groups.iter().map(|group| group.count).collect();
    for number in numbers {
        let group = usize::try_from(number).ok().and_then(|number| left.get_mut(number));
        let left = group.ok_or(Malformed)?;
        *left = left.checked_sub(1).ok_or(Malformed)?;
    }
    Ok(())
}

impl<'a> Section<'a> {
    fn read(input: &mut Input<'a>, form: Form<'a>, count: usize) -> Decoded<Section<'a>> {
        let (times, numbers) = (Numbers::read(input, count)?, Numbers::read(input, count)?);
        let start = input.bytes;
        let mut columns = Vec::with_capacity(form.tags.len());
        for &tag in &form.tags {
            let column = Column::read(input, tag, count)?;
            column.check(tag, count)?;
            columns.push(column);
        }
        let bytes = &start[..start.len() - input.bytes.len()];
        Ok(Section { form, count, times, numbers, columns, bytes })
    }
}

/// The records of a payload, in the order in which they came.
pub struct ColumnRecords<'a> {
    columns: Columns<'a>,
    next: usize,
    /// How many records of each group there were.
    taken: Vec<usize>,
}

impl<'a> ColumnRecords<'a> {
    pub fn new(columns: Columns<'a>) -> ColumnRecords<'a> {
        ColumnRecords { next: 0, taken: vec![0; columns.groups.len()], columns }
    }
}

impl<'a> Iterator for ColumnRecords<'a> {
    type Item = RecordHead<'a>;

    fn next(&mut self) -> Option<RecordHead<'a>> {
        let columns = &self.columns;
        if self.next == columns.count {
            return None;
        }
        let group = columns.order.map_or(0, |order| order.get(self.next) as usize);
        self.next += 1;
        let Group { section, origin, start, .. } = columns.groups[group];
        let at = start + self.taken[group];
        self.taken[group] += 1;
        let Section { form, count, times, numbers, bytes, .. } = &columns.sections[section];
        let (run, node) = columns.origins[origin];
        Some(RecordHead {
            run,
            seq: columns.groups[group].number(numbers, at),
            time: times.get(at),
            pool: form.pool,
            key: form.key,
            node,
            task: form.task,
            form: form.fields,
            values: Values::InColumns { bytes, count: *count, at },
        })
    }
}
