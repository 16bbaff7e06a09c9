//! Whether a switch covers every case, and which arms are never reached.
//!
//! Coverage is decided on a matrix of patterns, column by column (Maranget, Warnings for pattern matching, 2007):
//! a row is useful when some value reaches it and no earlier row; a switch is exhaustive when a wildcard row
//! behind it would not be useful.

use super::Checker;
use crate::defs::{Def, TypeDefId, TypeKind};
use crate::names::{Found, lookup};
use crate::types::Ty;
use dscript_grammar::ast;
use dscript_grammar::codes;
use dscript_grammar::span::Span;
use rustc_hash::FxHashMap;

/// Steps one question of coverage may take; past it the switch is taken to be covered.
pub(super) const WORK_MAX: u32 = 400_000;

/// Cases that a message names.
const NAMED_MAX: usize = 6;
/// Cases that an edit adds; where there are more it adds a `default`.
const ADDED_MAX: usize = 32;

/// A case that no arm covers.
pub(super) struct Missing {
    /// As a message shows it.
    name: String,
    /// As a `case` has it; none where its type has no name here.
    label: Option<String>,
}

/// A pattern as coverage sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Any,
    Null,
    /// A constant of a type with endlessly many.
    Const(Key),
    /// One of finitely many of a type: a boolean, or an enum's constant by its place.
    Case(Ty, u32),
    /// An object of a type, with the shapes of a record's components.
    Object(Ty, Vec<Shape>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Int(i64),
    Double(u64),
    Text(String),
}

/// What a row's first column names, where only rows of the same name, and wide ones, have to do with each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Head {
    Null,
    Const(Key),
    Case(Ty, u32),
    Object(Ty),
}

/// The rows of a switch so far, found by their first column: a question about one case looks at few of many.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) all: Vec<Vec<Shape>>,
    /// Where each stands.
    pub(super) spans: Vec<Span>,
    by_head: FxHashMap<Head, Vec<usize>>,
    /// Rows without a head: they may match anything.
    wide: Vec<usize>,
}

impl Rows {
    pub(super) fn add(&mut self, row: Vec<Shape>, head: Option<Head>, span: Span) {
        let index = self.all.len();
        match head {
            Some(head) => self.by_head.entry(head).or_default().push(index),
            None => self.wide.push(index),
        }
        self.all.push(row);
        self.spans.push(span);
    }

    /// The rows that may match something that begins so.
    pub(super) fn about(&self, head: Option<&Head>) -> Vec<Vec<Shape>> {
        let Some(head) = head else { return self.all.clone() };
        let own = self.by_head.get(head).map_or(&[][..], Vec::as_slice);
        own.iter().chain(&self.wide).map(|&index| self.all[index].clone()).collect()
    }
}

impl Checker<'_, '_> {
    /// An example of a case that no row covers.
    pub(super) fn exhaustive(&mut self, subject: Ty, rows: &Rows) -> Option<Vec<Missing>> {
        if subject == Ty::POISON {
            return None;
        }
        let mut work = WORK_MAX;
        if !self.useful(&rows.all, &[Shape::Any], &[subject], &mut work) {
            return None;
        }
        // Name what is missing by trying the cases one by one.
        let mut missing = Vec::new();
        for (case, name) in self.cases(subject).unwrap_or_default() {
            let mut work = WORK_MAX;
            let head = self.head(&case);
            let about = rows.about(head.as_ref());
            if self.useful(&about, std::slice::from_ref(&case), &[subject], &mut work) {
                let label = self.missing_label(&case, name.trim_matches('`'));
                missing.push(Missing { name, label });
            }
        }
        Some(missing)
    }

    /// What a shape names, if no row with another name has to do with it.
    pub(super) fn head(&self, shape: &Shape) -> Option<Head> {
        match shape {
            Shape::Any => None,
            Shape::Null => Some(Head::Null),
            Shape::Const(key) => Some(Head::Const(key.clone())),
            Shape::Case(ty, place) => Some(Head::Case(*ty, *place)),
            Shape::Object(ty, _) => {
                let (def, _) = self.types.nominal_parts(*ty)?;
                let kind = self.defs.types[def.index()].kind;
                matches!(kind, TypeKind::Record | TypeKind::Class).then_some(Head::Object(*ty))
            }
        }
    }

    /// The label of a case that is to be added.
    fn missing_label(&mut self, case: &Shape, name: &str) -> Option<String> {
        let Shape::Object(ty, _) = case else { return Some(name.to_string()) };
        if let Some((def, _)) = self.types.nominal_parts(*ty) {
            let known = lookup(self.defs, self.cx.module, self.defs.types[def.index()].name);
            if !matches!(known, Found::One(Def::Type(found)) if found == def) {
                return None;
            }
        }
        // A variable named after the type, which no other variable hides.
        let plain = name.split('<').next().unwrap_or(name);
        let mut letters = plain.chars();
        let lower: String = letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect();
        let first: String = lower.chars().take(1).collect();
        let is_free = |checker: &Self, text: &str| {
            checker.interner.get(text).is_none_or(|symbol| checker.local_index(symbol).is_none())
        };
        let variable = if is_free(self, &first) { first } else { format!("{lower}_") };
        Some(format!("{name} {variable}"))
    }

    /// `value` says what arms give, in a `switch` that is an expression.
    pub(super) fn report_missing(&mut self, switch: &ast::Switch, missing: &[Missing], value: Option<&str>) {
        let mut report =
            self.diagnostic(codes::NOT_EXHAUSTIVE, switch.keyword, "the switch does not cover every case");
        let names: Vec<&str> = missing.iter().take(NAMED_MAX).map(|m| m.name.as_str()).collect();
        report = match &names[..] {
            [] => report.help("add a `default`"),
            names if names.len() < missing.len() => report.help(format!(
                "missing: {}, and {} more",
                names.join(", "),
                missing.len() - names.len()
            )),
            names => report.help(format!("missing: {}", names.join(", "))),
        };
        for guard in switch.arms.iter().filter_map(|arm| arm.guard.as_ref()).take(NAMED_MAX) {
            report = report.label(guard.span, "a case covers nothing where its guard may be false");
        }
        if let (Some(last), Some(body)) = (switch.arms.last(), value) {
            let start = last.span.start as usize;
            let text = self.map.get(self.file()).text();
            let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
            let own_line = text[line..start].trim().is_empty();
            let indent = if own_line { format!("\n{}", &text[line..start]) } else { " ".to_string() };
            let mut added = String::new();
            let arms: Option<Vec<&str>> = missing.iter().map(|m| m.label.as_deref()).collect();
            let arms = arms.unwrap_or_default();
            for label in arms.iter().take(ADDED_MAX) {
                added.push_str(&format!("{indent}case {label} -> {body}"));
            }
            if arms.is_empty() || arms.len() > ADDED_MAX {
                added = format!("{indent}default -> {body}");
            }
            report = report.edit(Span::new(last.span.end, last.span.end), added);
        }
        self.diagnostics.push(report);
    }

    /// What the arm of a case that is to be added gives: a value to begin with, of the type that is wanted.
    pub(super) fn value_to_begin_with(&mut self, ty: Ty) -> Option<&'static str> {
        let ty = self.types.resolve(ty);
        Some(match ty {
            Ty::INT => "0;",
            Ty::DOUBLE => "0.0;",
            Ty::BOOL => "false;",
            Ty::DURATION => "0s;",
            _ if self.is_string(ty) => "\"\";",
            _ if self.types.nullable_inner(ty).is_some() => "null;",
            _ if self.is_known(ty, self.defs.known.list) => "[];",
            _ if self.is_known(ty, self.defs.known.map) => "{:};",
            _ => return None,
        })
    }

    /// The cases a type consists of, each with its name; `None` where they are endless.
    fn cases(&mut self, ty: Ty) -> Option<Vec<(Shape, String)>> {
        self.cases_within(ty, &mut Vec::new())
    }

    /// As `cases`; of the interfaces `around`, which by mistake may permit themselves, it adds none.
    fn cases_within(&mut self, ty: Ty, around: &mut Vec<TypeDefId>) -> Option<Vec<(Shape, String)>> {
        if let Some(inner) = self.types.nullable_inner(ty) {
            let mut all = match self.cases_within(inner, around) {
                Some(all) => all,
                None => vec![(Shape::Object(inner, Vec::new()), format!("`{}`", self.show(inner)))],
            };
            all.push((Shape::Null, "`null`".into()));
            return Some(all);
        }
        if ty == Ty::BOOL {
            let case = |i| Shape::Case(Ty::BOOL, i);
            return Some(vec![(case(0), "`false`".into()), (case(1), "`true`".into())]);
        }
        let (def, _) = self.types.nominal_parts(ty)?;
        let decl = &self.defs.types[def.index()];
        match decl.kind {
            TypeKind::Enum => Some(
                decl.constants
                    .iter()
                    .enumerate()
                    .map(|(i, c)| (Shape::Case(ty, i as u32), format!("`{}`", self.interner.name(c.0))))
                    .collect(),
            ),
            TypeKind::Record => {
                let wild = vec![Shape::Any; decl.fields.len()];
                Some(vec![(Shape::Object(ty, wild), format!("`{}`", self.show(ty)))])
            }
            TypeKind::Interface => {
                let permits = decl.permits.clone()?;
                let mut all = Vec::new();
                around.push(def);
                for id in permits {
                    if around.contains(&id) {
                        continue;
                    }
                    let Some(permitted) = self.permitted(id, ty) else { continue };
                    match self.defs.types[id.index()].kind {
                        TypeKind::Interface => match self.cases_within(permitted, around) {
                            Some(cases) => all.extend(cases),
                            None => all.push((
                                Shape::Object(permitted, Vec::new()),
                                format!("`{}`", self.show(permitted)),
                            )),
                        },
                        TypeKind::Record => {
                            let wild = vec![Shape::Any; self.defs.types[id.index()].fields.len()];
                            all.push((Shape::Object(permitted, wild), format!("`{}`", self.show(permitted))));
                        }
                        _ => all.push((
                            Shape::Object(permitted, Vec::new()),
                            format!("`{}`", self.show(permitted)),
                        )),
                    }
                }
                around.pop();
                Some(all)
            }
            _ => None,
        }
    }

    /// A permitted type with the type arguments that make it a `parent`; `None` when it cannot be one.
    fn permitted(&mut self, id: TypeDefId, parent: Ty) -> Option<Ty> {
        let params = self.defs.types[id.index()].type_params.clone();
        let fresh: Vec<Ty> = params.iter().map(|_| self.types.fresh()).collect();
        let open = self.types.nominal(id, &fresh);
        let (def, _) = self.types.nominal_parts(parent)?;
        let seen = self.as_super(open, def)?;
        if !self.same(seen, parent) {
            return None;
        }
        Some(self.types.resolve(open))
    }

    /// Whether some value matches `row` and no row of `rows`; `types` are those of the columns.
    pub(super) fn useful(
        &mut self,
        rows: &[Vec<Shape>],
        row: &[Shape],
        types: &[Ty],
        work: &mut u32,
    ) -> bool {
        if *work == 0 {
            return false;
        }
        *work = work.saturating_sub(1 + rows.len() as u32 / 32);
        let (Some(first), Some(&ty)) = (row.first(), types.first()) else { return rows.is_empty() };
        match first {
            Shape::Any => match self.cases(ty) {
                Some(cases) => {
                    let named = rows.iter().any(|r| r[0] != Shape::Any);
                    if !named {
                        return self.rest_useful(rows, row, types, work);
                    }
                    let mut found = Rows::default();
                    for row in rows {
                        found.add(row.clone(), self.head(&row[0]), Span::default());
                    }
                    cases.into_iter().any(|(case, _)| {
                        let head = self.head(&case);
                        let mut specific = row.to_vec();
                        specific[0] = case;
                        self.useful(&found.about(head.as_ref()), &specific, types, work)
                    })
                }
                // Endlessly many values: one that no row names.
                None => self.rest_useful(rows, row, types, work),
            },
            Shape::Null | Shape::Const(_) | Shape::Case(..) => {
                let mut left: Vec<Vec<Shape>> = Vec::new();
                for r in rows {
                    let covers = match (&r[0], first) {
                        (Shape::Any, _) => true,
                        // A row for the enum, or for an interface above it.
                        (Shape::Object(wide, _), Shape::Case(case, _)) => self.fits(*case, *wide),
                        (shape, _) => shape == first,
                    };
                    if covers {
                        left.push(r[1..].to_vec());
                    }
                }
                self.useful(&left, &row[1..], &types[1..], work)
            }
            Shape::Object(object, parts) => self.object_useful(rows, row, types, *object, parts, work),
        }
    }

    /// The rows that match whatever stands in the first column.
    fn rest_useful(&mut self, rows: &[Vec<Shape>], row: &[Shape], types: &[Ty], work: &mut u32) -> bool {
        let left: Vec<Vec<Shape>> =
            rows.iter().filter(|r| r[0] == Shape::Any).map(|r| r[1..].to_vec()).collect();
        self.useful(&left, &row[1..], &types[1..], work)
    }

    fn object_useful(
        &mut self,
        rows: &[Vec<Shape>],
        row: &[Shape],
        types: &[Ty],
        object: Ty,
        parts: &[Shape],
        work: &mut u32,
    ) -> bool {
        // An interface is the sum of what implements it.
        let is_interface = self
            .types
            .nominal_parts(object)
            .is_some_and(|(def, _)| self.defs.types[def.index()].kind == TypeKind::Interface);
        if is_interface
            && object != types[0]
            && let Some(cases) = self.cases(object)
        {
            return cases.into_iter().any(|(case, _)| {
                let mut specific = row.to_vec();
                specific[0] = case;
                self.useful(rows, &specific, types, work)
            });
        }
        // A value of a type that consists of cases is one of them.
        if !is_interface
            && parts.is_empty()
            && let Some(cases) = self.cases(object)
            && !cases.iter().any(|(case, _)| matches!(case, Shape::Object(t, _) if *t == object))
        {
            return cases.into_iter().any(|(case, _)| {
                let mut specific = row.to_vec();
                specific[0] = case;
                self.useful(rows, &specific, types, work)
            });
        }
        let fields = self.component_types(object);
        let widened = |parts: &[Shape]| {
            if parts.is_empty() { vec![Shape::Any; fields.len()] } else { parts.to_vec() }
        };
        let mut left = Vec::new();
        for r in rows {
            let inner = match &r[0] {
                Shape::Any => vec![Shape::Any; fields.len()],
                Shape::Object(t, inner) if *t == object => widened(inner),
                // A row for a wider type covers this one.
                Shape::Object(t, inner) if inner.is_empty() && self.fits(object, *t) => {
                    vec![Shape::Any; fields.len()]
                }
                _ => continue,
            };
            left.push(inner.into_iter().chain(r[1..].iter().cloned()).collect());
        }
        let next: Vec<Shape> = widened(parts).into_iter().chain(row[1..].iter().cloned()).collect();
        let next_types: Vec<Ty> = fields.iter().copied().chain(types[1..].iter().copied()).collect();
        self.useful(&left, &next, &next_types, work)
    }

    fn component_types(&mut self, ty: Ty) -> Vec<Ty> {
        let Some((def, args)) = self.types.nominal_parts(ty).map(|(d, a)| (d, a.to_vec())) else {
            return Vec::new();
        };
        let decl = &self.defs.types[def.index()];
        if decl.kind != TypeKind::Record {
            return Vec::new();
        }
        decl.fields.iter().map(|f| self.types.substitute(f.ty, &decl.type_params, &args)).collect()
    }
}
