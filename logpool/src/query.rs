//! What is asked of the LogPool, and whether a record is part of the answer. It reads nothing itself.

use crate::codec::{Malformed, RecordHead};
use crate::expr::{Expr, ExprError, FieldNames, Parser};
use crate::order::Order;
use crate::record::{FieldValue, Record, RunPrefix};
use crate::rows::{HeadRow, RecordRow};

/// Which records are wanted. The default wants all of them, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub pool: Pattern,
    pub key: Pattern,
    pub node: Pattern,
    pub task: Pattern,
    pub run: Option<RunPrefix>,
    /// Nanoseconds since 1970, inclusive.
    pub since: Option<i64>,
    /// Nanoseconds since 1970, exclusive.
    pub until: Option<i64>,
    /// What must be true of the record.
    pub condition: Option<Condition>,
    /// So many: the first in the order asked for, or else the newest.
    pub limit: Option<usize>,
    /// Oldest first where none is asked for.
    pub order: Option<Order>,
    /// The fields that the records are given with; all where none is named.
    pub fields: Vec<String>,
}

impl Query {
    /// All records of a key, as a program asks for them: `*` means itself.
    pub fn of_key(pool: &str, key: &str) -> Query {
        Query {
            pool: Pattern::Exact(pool.to_owned()),
            key: Pattern::Exact(key.to_owned()),
            ..Query::default()
        }
    }

    pub fn matches(&self, record: &Record) -> bool {
        self.matches_series(&record.pool, &record.key, &record.node)
            && self.matches_time(record.time)
            && self.run.is_none_or(|run| run.matches(record.run))
            && self.task.matches(&record.task)
            && self.condition.as_ref().is_none_or(|condition| condition.holds(record))
    }

    /// The same of a record whose body was not decoded.
    pub(crate) fn matches_head(&self, head: &RecordHead) -> Result<bool, Malformed> {
        if !self.matches_series(head.pool, head.key, head.node)
            || !self.matches_time(head.time)
            || !self.run.is_none_or(|run| run.matches(head.run))
            || !self.task.matches(head.task)
        {
            return Ok(false);
        }
        let Some(Condition { expr, fields, .. }) = &self.condition else { return Ok(true) };
        Ok(expr.holds(&HeadRow::new(*head, Some(fields))?))
    }

    pub(crate) fn matches_series(&self, pool: &str, key: &str, node: &str) -> bool {
        self.pool.matches(pool) && self.key.matches(key) && self.node.matches(node)
    }

    /// Whether records are given with a field.
    pub fn wants(&self, field: &str) -> bool {
        self.fields.is_empty() || self.fields.iter().any(|wanted| wanted == field)
    }

    /// The record with the fields that are wanted.
    pub fn project(&self, mut record: Record) -> Record {
        if !self.fields.is_empty() {
            let wanted = record.fields.iter().filter(|(name, _)| self.wants(name));
            record.fields = wanted.map(|(name, value)| (name, value.clone())).collect::<Vec<_>>().into();
        }
        record
    }

    /// By what the limit chooses.
    pub(crate) fn choice(&self) -> Order {
        match (&self.order, self.limit) {
            (Some(order), _) => order.clone(),
            (None, Some(_)) => Order::newest_first(),
            (None, None) => Order::default(),
        }
    }

    /// The answer made of all records that match: ordered, and no more than the limit.
    pub fn answer(&self, records: Vec<Record>) -> Vec<Record> {
        let choice = self.choice();
        let ranked = records.into_iter().map(|record| (choice.values_of(&record), record));
        self.cut(&choice, ranked.collect())
    }

    /// The same of records with what they are ordered by.
    pub(crate) fn cut(&self, choice: &Order, mut ranked: Vec<(Vec<FieldValue>, Record)>) -> Vec<Record> {
        ranked.sort_unstable_by(|a, b| choice.compare((&a.0, &a.1), (&b.0, &b.1)));
        ranked.truncate(self.limit.unwrap_or(usize::MAX));
        if self.order.is_none() && self.limit.is_some() {
            ranked.reverse();
        }
        ranked.into_iter().map(|(_, record)| record).collect()
    }

    pub(crate) fn matches_time(&self, time: i64) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}

/// An expression that is true of the wanted records, such as `wa > 20 && node like "web-*"` (see `expr`).
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    pub(crate) expr: Expr,
    pub(crate) fields: FieldNames,
    /// The fields that must be booleans, by number.
    tested: Vec<usize>,
}

impl Condition {
    pub fn parse(text: &str) -> Result<Condition, ExprError> {
        let mut fields = FieldNames::default();
        let (expr, tested) = Parser::new(text, &mut fields)?.condition()?;
        Ok(Condition { text: text.to_owned(), expr, fields, tested })
    }

    /// What holds where all of these do; none for none.
    pub fn all(mut conditions: Vec<Condition>) -> Result<Option<Condition>, ExprError> {
        if conditions.len() < 2 {
            return Ok(conditions.pop());
        }
        let texts: Vec<String> = conditions.iter().map(|condition| format!("({})", condition.text)).collect();
        Condition::parse(&texts.join(" && ")).map(Some)
    }

    /// The names of the fields that it looks at, and whether they must be booleans.
    pub fn fields(&self) -> impl Iterator<Item = (&str, bool)> {
        let names = self.fields.names().iter().enumerate();
        names.map(|(number, name)| (&name[..], self.tested.contains(&number)))
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn holds(&self, record: &Record) -> bool {
        self.expr.holds(&RecordRow::new(record, &self.fields))
    }
}

/// What a name must look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pattern {
    #[default]
    Any,
    Exact(String),
    /// `*` stands for any characters, none included.
    Glob(String),
}

impl Pattern {
    /// As an operator types it: a `*` makes it a glob.
    pub fn parse(text: &str) -> Pattern {
        match text {
            "*" => Pattern::Any,
            _ if text.contains('*') => Pattern::Glob(text.to_owned()),
            _ => Pattern::Exact(text.to_owned()),
        }
    }

    pub fn is_any(&self) -> bool {
        matches!(self, Pattern::Any)
    }

    pub fn matches(&self, name: &str) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Exact(text) => text == name,
            Pattern::Glob(glob) => matches_glob(glob, name),
        }
    }
}

/// Each piece between two stars is taken at its first occurrence, which is never worse than a later one.
fn matches_glob(glob: &str, name: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        match name.find(piece) {
            Some(at) => name = &name[at + piece.len()..],
            None => return false,
        }
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let check = |glob: &str, name: &str, expected: bool| {
            assert_eq!(Pattern::parse(glob).matches(name), expected, "{glob} on {name}");
        };
        check("*", "", true);
        check("web-*", "web-1", true);
        check("web-*", "web-", true);
        check("web-*", "we", false);
        check("*.log", "a.log", true);
        check("*.log", "a.logs", false);
        check("a*b*c", "abc", true);
        check("a*b*c", "aXbYbZc", true);
        check("a*b*c", "acb", false);
        check("ab*ba", "aba", false);
        check("ab*ba", "abba", true);
        check("**", "x", true);
        check("*é*", "caféteria", true);
        check("exact", "exact", true);
        check("exact", "exactly", false);
        assert!(!Pattern::Exact("a*".into()).matches("ab"));
    }
}
