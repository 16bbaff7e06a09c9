use super::*;
use crate::limits::EXACT_VALUES_MAX;

struct One(Option<ValueRef<'static>>, &'static str);

impl Row for One {
    fn field(&self, _: usize) -> Option<ValueRef<'static>> {
        self.0
    }

    fn meta(&self, meta: Meta) -> ValueRef<'static> {
        if meta == Meta::Time { ValueRef::Time(0) } else { ValueRef::String(self.1) }
    }
}

const SECOND: i64 = 1_000_000_000;

fn table(aggregates: &str, by: &str, every: Option<i64>, rows: &[(i64, One)]) -> Vec<StatsRow> {
    let stats = Stats::parse(aggregates, by, every).unwrap_or_else(|e| panic!("{e}"));
    let mut table = Table::new(&stats);
    for (time, row) in rows {
        table.add(At { time: *time, series: 0, until: i64::MIN }, row).unwrap();
    }
    table.finish()
}

fn ints(values: &[i64]) -> Vec<(i64, One)> {
    values.iter().enumerate().map(|(i, v)| (i as i64 * SECOND, One(Some(ValueRef::Int(*v)), "n"))).collect()
}

fn one(aggregate: &str, values: &[i64]) -> FieldValue {
    table(aggregate, "", None, &ints(values))[0].values[0].clone()
}

#[test]
fn aggregates() {
    let values = [5, -1, 3, 3];
    for (aggregate, expected) in [
        ("count()", FieldValue::Int(4)),
        ("count", FieldValue::Int(4)),
        ("count(x)", FieldValue::Int(4)),
        ("sum(x)", FieldValue::Int(10)),
        ("avg(x)", FieldValue::Double(2.5)),
        ("min(x)", FieldValue::Int(-1)),
        ("max(x + 1)", FieldValue::Int(6)),
        ("first(x)", FieldValue::Int(5)),
        ("last(x)", FieldValue::Int(3)),
        // From 5 to -1 and from 3 to 3 it began anew.
        ("rate(x)", FieldValue::Double((-1.0 + 4.0) / 3.0)),
        ("count(x > 3)", FieldValue::Int(1)),
        ("count(!has(x))", FieldValue::Int(0)),
        ("distinct(x)", FieldValue::Int(3)),
        ("p50(x)", FieldValue::Int(3)),
        ("p99.9(x)", FieldValue::Int(5)),
        ("p1(x)", FieldValue::Int(-1)),
    ] {
        assert_eq!(one(aggregate, &values), expected, "{aggregate}");
    }
    for aggregate in ["sum(x)", "avg(x)", "min(x)", "last(x)", "rate(x)", "p50(x)"] {
        assert_eq!(one(aggregate, &[]), FieldValue::Null, "{aggregate}");
    }
    assert_eq!(one("count()", &[]), FieldValue::Int(0));
    assert_eq!(one("sum(x)", &[i64::MAX, i64::MAX]), FieldValue::Double(2.0 * i64::MAX as f64));
    let durations =
        [(0, One(Some(ValueRef::Duration(10)), "n")), (1, One(Some(ValueRef::Duration(20)), "n"))];
    assert_eq!(
        table("avg(x), p50(x)", "", None, &durations)[0].values,
        [FieldValue::Duration(15), FieldValue::Duration(10)]
    );
}

#[test]
fn groups_and_windows() {
    let row = |time: i64, value, node| (time * SECOND, One(Some(ValueRef::Int(value)), node));
    let rows = [row(1, 1, "b"), row(2, 2, "a"), row(11, 3, "b"), row(-1, 4, "b"), row(3, 9, "b")];
    let found = table("sum(x), count", "node", Some(10 * SECOND), &rows);
    let found: Vec<(i64, String, FieldValue)> = found
        .into_iter()
        .map(|row| match &row.by[..] {
            [FieldValue::String(node)] => (row.window.unwrap() / SECOND, node.clone(), row.values[0].clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [(-10, "b", 4), (0, "a", 2), (0, "b", 10), (10, "b", 3)];
    assert_eq!(found, expected.map(|(w, n, v)| (w, n.to_owned(), FieldValue::Int(v))));
}

#[test]
fn percentiles_of_many_values_are_near() {
    let count = EXACT_VALUES_MAX as i64 + 1000;
    let many: Vec<i64> = (0..count).map(|n| n * 7919 % count - 100).collect();
    for (aggregate, percent) in [("p50(x)", 0.5), ("p99(x)", 0.99), ("p0.05(x)", 0.0005)] {
        let FieldValue::Double(found) = one(aggregate, &many) else { panic!("it is a sketch") };
        let exact = (count as f64 * percent).ceil() - 101.0;
        assert!((found - exact).abs() <= exact.abs() * 0.0051 + 1e-9, "{aggregate}: {found} for {exact}");
    }
    assert_eq!(one("p50(x)", &[70_000; 9]), FieldValue::Int(70_000));
}

#[test]
fn mistakes() {
    let check = |text: &str, message: &str| {
        let error = Stats::parse(text, "", None).expect_err(text);
        assert!(error.message.starts_with(message), "{error}");
    };
    check("", "the name of an aggregate is missing");
    check("mean(x)", "`mean` is no aggregate");
    check("p100(x)", "`p100` is no percentile");
    check("p150.0(x)", "`p150.0` is no percentile: those lie between 0 and 100");
    check("avg(us > 50)", "`avg` is of numbers, and this is a condition; `count(...)` counts");
    check("p99(node)", "`p99` is of numbers, and this is a text");
    check("avg(x) as", "behind `as` stands a name");
    check("avg(x) as n, max(x) as n", "two columns are named `n`");
    check("avg", "`(` is missing");
    check("avg(x", "`)` is missing");
    check("avg(x) p99(x)", "an operator is missing");
    check("avg()", "a value is missing");
}

#[test]
fn rows_are_ordered_by_columns() {
    let row = |time: i64, value: Option<i64>, node| (time * SECOND, One(value.map(ValueRef::Int), node));
    let rows = [
        row(1, Some(5), "a"),
        row(2, Some(9), "b"),
        row(3, None, "c"),
        row(4, Some(7), "d"),
        row(11, Some(5), "b"),
    ];
    let ask = |aggregates: &str, every: Option<i64>, order: &str, limit: Option<usize>| {
        let stats = Stats::parse(aggregates, "node as host", every).unwrap_or_else(|e| panic!("{e}"));
        let stats = stats.ordered(Some(order), limit).unwrap_or_else(|e| panic!("{e}"));
        let mut table = Table::new(&stats);
        for (time, row) in &rows {
            table.add(At { time: *time, series: 0, until: i64::MIN }, row).unwrap();
        }
        let rows = table.finish();
        let node = |row: &StatsRow| match &row.by[..] {
            [FieldValue::String(node)] => node.clone(),
            other => panic!("{other:?}"),
        };
        rows.iter().map(node).collect::<Vec<_>>().join("")
    };
    assert_eq!(ask("max(x)", None, "-max(x)", None), "bdac", "what has no value comes last");
    assert_eq!(ask("max(x)", None, "max( x )", None), "adbc");
    assert_eq!(ask("max(x) as most", None, "-most", Some(2)), "bd");
    assert_eq!(ask("max(x) as most", None, "-max(x)", Some(2)), "bd");
    assert_eq!(ask("count(), max(x)", None, "-count(), host", None), "bacd");
    assert_eq!(ask("count", None, "-node", Some(1)), "d");
    assert_eq!(ask("max(x)", Some(10 * SECOND), "newest, -node", None), "bdcba");
    assert_eq!(ask("max(x)", Some(10 * SECOND), "-window", Some(2)), "ba");
    let stats = Stats::parse("avg(x) as load", "node", None).unwrap();
    for (order, says) in [
        ("worst", "`worst` is no column of the answer; there are node, load"),
        ("max(x)", "`max(x)` is no column"),
        ("newest", "`newest` is no column"),
        ("load desc", "such as `-us`"),
        ("", "a value is missing"),
    ] {
        let why = stats.clone().ordered(Some(order), None).expect_err(order).to_string();
        assert!(why.contains(says), "{order}: {why}");
    }
    assert_eq!((stats.aggregates_text(), stats.by_text()), ("avg(x) as load".into(), "node".into()));
}
