//! The contract's filter as a condition of SQL.
//!
//! A database compares text by its collation, and the contract by its own rule. So the condition finds every row that
//! passes and perhaps some that do not; whoever searches asks [`Filter::matches`](tombolo_sdk::Filter::matches) of what
//! was found. What a condition cannot narrow at all (the order of texts; the negation of an equality that may find too
//! much) is none, and the search `unsupported`: the host then filters itself.
//!
//! A condition is true or false and never NULL, so that it can be negated.

use tombolo_sdk::schema::Type;
use tombolo_sdk::{Comparison, Filter, Scalar};

use crate::column::Column;
use crate::key;
use crate::model::{Attribute, Child, Kind, Link, Model, Place};
use crate::read::ROW;
use crate::settings::Case;
use crate::statement::Sql;

/// What stands before the wildcards of `LIKE` that are meant as themselves. Not a backslash: MySQL has its own for it.
const ESCAPE: char = '!';

/// A condition on rows.
pub struct Condition {
    /// The SQL.
    pub sql: Sql,
    /// Whether it finds only what passes.
    pub exact: bool,
}

impl Condition {
    fn constant(value: bool) -> Self {
        Self {
            sql: Sql::new(if value { "1 = 1" } else { "1 = 0" }),
            exact: true,
        }
    }

    fn negated(self) -> Option<Self> {
        let mut sql = Sql::new("NOT (");
        sql.append(self.sql).push(")");
        self.exact.then_some(Self { sql, exact: true })
    }
}

/// The condition of a filter on rows of the kind; none: it narrows nothing.
pub fn condition(model: &Model, kind: &Kind, filter: &Filter) -> Option<Condition> {
    let context = Context { model, kind };
    tree(filter, &|filter| context.leaf(filter))
}

fn tree(filter: &Filter, leaf: &dyn Fn(&Filter) -> Option<Condition>) -> Option<Condition> {
    match filter {
        Filter::All(children) => {
            let all = children.len();
            // What cannot be narrowed narrows nothing, and the others still do.
            let found: Vec<Condition> = children
                .iter()
                .filter_map(|child| tree(child, leaf))
                .collect();
            if found.is_empty() && all > 0 {
                return None;
            }
            let whole = found.len() == all;
            let mut joined = joined(found, " AND ", true);
            joined.exact &= whole;
            Some(joined)
        }
        Filter::Any(children) => {
            let found: Option<Vec<Condition>> =
                children.iter().map(|child| tree(child, leaf)).collect();
            Some(joined(found?, " OR ", false))
        }
        Filter::Not(child) => tree(child, leaf)?.negated(),
        Filter::Test(name, Comparison::NotEqual, value) => leaf(&Filter::Test(
            name.clone(),
            Comparison::Equal,
            value.clone(),
        ))?
        .negated(),
        other => leaf(other),
    }
}

struct Context<'m> {
    model: &'m Model,
    kind: &'m Kind,
}

impl Context<'_> {
    /// A test of the kind's own attributes.
    fn leaf(&self, filter: &Filter) -> Option<Condition> {
        let (Filter::Test(name, ..) | Filter::Present(name) | Filter::Element(name, _)) = filter
        else {
            return None;
        };
        // An unknown attribute has no values.
        let Ok(attribute) = self.kind.attribute(name) else {
            return Some(Condition::constant(false));
        };
        if !attribute.is_readable() {
            return None;
        }
        match (&attribute.place, filter) {
            (Place::Column(column), Filter::Present(_)) => Some(present(ROW, column)),
            (Place::Column(column), Filter::Test(_, comparison, value)) => {
                test(ROW, column, attribute.case, *comparison, value)
            }
            (Place::Reference(link), Filter::Test(_, Comparison::Equal, value)) => {
                self.refers(link, value)
            }
            (Place::Child(child), Filter::Present(_)) => {
                let parts = child.parts.iter();
                let any = parts.map(|(_, column)| present("c", column)).collect();
                Some(exists(child, joined(any, " OR ", false)))
            }
            // Of several rows the first is the value, and a condition does not know which that is.
            (Place::Child(child), Filter::Test(_, comparison, value))
                if child.is_simple() && attribute.field.multi =>
            {
                let (_, column) = child.parts.first()?;
                let inner = test("c", column, attribute.case, *comparison, value)?;
                Some(exists(child, inner))
            }
            (Place::Child(child), Filter::Test(_, comparison, value)) if child.is_simple() => {
                let (_, column) = child.parts.first()?;
                let mut inner = test("c", column, attribute.case, *comparison, value)?;
                inner.exact = false;
                Some(exists(child, inner))
            }
            (Place::Child(child), Filter::Element(_, inner)) => {
                let mut inner = tree(inner, &|filter| part(child, attribute, filter))?;
                inner.exact &= attribute.field.multi;
                Some(exists(child, inner))
            }
            _ => None,
        }
    }

    /// Whether the row's columns hold the key of this anchor.
    fn refers(&self, link: &Link, value: &Scalar) -> Option<Condition> {
        let kind = self.model.kind(&link.to).ok()?;
        let Scalar::Text(anchor) = value else {
            return Some(Condition::constant(false));
        };
        let mut sql = Sql::default();
        let Some(key) = key::cells(kind, anchor) else {
            return Some(Condition::constant(false));
        };
        let names = kind.key_names();
        if names.len() != link.pairs.len() {
            return None;
        }
        for (at, (here, there)) in link.pairs.iter().enumerate() {
            let cell = names
                .iter()
                .position(|name| *name == there)
                .and_then(|at| key.get(at))?;
            sql.push(if at > 0 { " AND " } else { "" });
            sql.column(ROW, here)
                .push(" IS NOT NULL AND ")
                .equals(Some(ROW), here, cell);
        }
        Some(Condition {
            sql,
            exact: key
                .iter()
                .all(|cell| matches!(cell.scalar(), Some(Scalar::Integer(_)))),
        })
    }
}

/// A test of one part of a complex value.
fn part(child: &Child, attribute: &Attribute, filter: &Filter) -> Option<Condition> {
    let (Filter::Test(name, ..) | Filter::Present(name)) = filter else {
        return None;
    };
    let own = |(part, _): &&(String, Column)| part == name || (part.is_empty() && name == "value");
    let Some((_, column)) = child.parts.iter().find(own) else {
        return Some(Condition::constant(false));
    };
    match filter {
        Filter::Test(_, comparison, value) => test("c", column, attribute.case, *comparison, value),
        _ => Some(present("c", column)),
    }
}

fn joined(conditions: Vec<Condition>, between: &str, empty: bool) -> Condition {
    if conditions.is_empty() {
        return Condition::constant(empty);
    }
    let exact = conditions.iter().all(|condition| condition.exact);
    let mut sql = Sql::default();
    sql.join(conditions, between, |sql, condition| {
        sql.push("(").append(condition.sql).push(")");
    });
    Condition { sql, exact }
}

/// Some row of the child passes.
fn exists(child: &Child, inner: Condition) -> Condition {
    let mut sql = Sql::new("EXISTS (SELECT 1 FROM ");
    sql.name(&child.table).push(" c WHERE ");
    sql.join(&child.link, " AND ", |sql, (here, own)| {
        sql.column("c", here).push(" = ").column(ROW, own);
    });
    for (name, literal) in &child.rows {
        sql.push(" AND ").equals(Some("c"), name, &literal.cell());
    }
    sql.push(" AND (").append(inner.sql).push("))");
    Condition {
        sql,
        exact: inner.exact,
    }
}

/// The column holds a value.
fn present(alias: &str, column: &Column) -> Condition {
    // Only reading tells what is none of the listed values, or stands for none.
    let mut sql = Sql::default();
    sql.column(alias, &column.name).push(" IS NOT NULL");
    let plain = column.values.is_empty() && column.null.is_none();
    Condition {
        sql,
        exact: plain && column.kind == Type::Text,
    }
}

/// The column's value compares so.
fn test(
    alias: &str,
    column: &Column,
    case: Case,
    comparison: Comparison,
    value: &Scalar,
) -> Option<Condition> {
    let comparable = matches!(
        (column.kind, value),
        (Type::Text | Type::Reference, Scalar::Text(_))
            | (Type::Boolean, Scalar::Boolean(_))
            | (
                Type::Integer | Type::Decimal,
                Scalar::Integer(_) | Scalar::Decimal(_)
            )
            | (Type::Instant, Scalar::Instant(_))
            | (Type::Binary, Scalar::Bytes(_))
    );
    if !comparable {
        // Values of different types are never equal, nor anything else.
        return Some(Condition::constant(false));
    }
    if !column.values.is_empty() {
        return listed(alias, column, comparison, value);
    }
    match value {
        Scalar::Text(text) => texts(alias, column, case, comparison, text),
        Scalar::Bytes(_) | Scalar::Boolean(_) if comparison != Comparison::Equal => {
            Some(Condition::constant(false))
        }
        // A time may be kept as text, whose order and spelling are its own; and bytes as whatever there is.
        Scalar::Bytes(_) | Scalar::Instant(_) => None,
        Scalar::Boolean(_) => Some(compared(alias, column, " = ", value, false)),
        Scalar::Integer(_) | Scalar::Decimal(_) => {
            let operator = match comparison {
                Comparison::Equal => " = ",
                Comparison::Greater => " > ",
                Comparison::AtLeast => " >= ",
                Comparison::Less => " < ",
                Comparison::AtMost => " <= ",
                _ => return Some(Condition::constant(false)),
            };
            // Whole numbers compare as such everywhere; MySQL makes a float of a decimal. And the column may hold what
            // stands for none.
            let exact = matches!(value, Scalar::Integer(_)) && column.null.is_none();
            Some(compared(alias, column, operator, value, exact))
        }
    }
}

fn compared(
    alias: &str,
    column: &Column,
    operator: &str,
    value: &Scalar,
    exact: bool,
) -> Condition {
    let mut sql = Sql::default();
    sql.column(alias, &column.name).push(" IS NOT NULL AND ");
    sql.column(alias, &column.name)
        .push(operator)
        .bind(value.clone().into());
    Condition { sql, exact }
}

/// The column holds what the operator has listed for this value.
fn listed(
    alias: &str,
    column: &Column,
    comparison: Comparison,
    value: &Scalar,
) -> Option<Condition> {
    if comparison != Comparison::Equal {
        return None;
    }
    let plain = value.to_plain()?;
    // Text compares without case, and so do the values that are listed.
    let held: Vec<_> = column
        .values
        .iter()
        .filter(|(listed, _)| listed.to_lowercase() == plain.to_lowercase())
        .flat_map(|(_, held)| held)
        .collect();
    if held.is_empty() {
        return Some(Condition::constant(false));
    }
    let mut sql = Sql::default();
    sql.column(alias, &column.name).push(" IS NOT NULL AND ");
    sql.column(alias, &column.name)
        .push(" IN (")
        .join(&held, ", ", |sql, literal| {
            sql.bind(literal.cell());
        });
    sql.push(")");
    if column.trim {
        return None;
    }
    let numbers = held
        .iter()
        .all(|literal| !matches!(literal, crate::settings::Literal::Text(_)));
    Some(Condition {
        sql,
        exact: numbers,
    })
}

/// Text, under a rule that the column's collation may not share.
fn texts(
    alias: &str,
    column: &Column,
    case: Case,
    comparison: Comparison,
    text: &str,
) -> Option<Condition> {
    let folds = case == Case::Ignore;
    let folded = if folds {
        text.to_lowercase()
    } else {
        text.to_owned()
    };
    let mut sql = Sql::default();
    sql.column(alias, &column.name).push(" IS NOT NULL AND ");
    if folds {
        sql.push("LOWER(").column(alias, &column.name).push(")");
    } else {
        sql.column(alias, &column.name);
    }
    let plain = is_plain(&folded, folds) && !column.trim;
    match comparison {
        Comparison::Equal if plain => {
            sql.push(" = ").bind(folded.into());
        }
        // A collation that ignores case may know pairs that `LIKE` does not.
        _ if case == Case::Database && !text.is_ascii() => return None,
        Comparison::Equal
        | Comparison::Contains
        | Comparison::StartsWith
        | Comparison::EndsWith => {
            let (before, after) = match comparison {
                Comparison::Equal => ("", if column.trim { "%" } else { "" }),
                Comparison::StartsWith => ("", "%"),
                Comparison::EndsWith if !column.trim => ("%", ""),
                _ => ("%", "%"),
            };
            let pattern = format!("{before}{}{after}", pattern(&folded, folds));
            sql.push(" LIKE ").bind(pattern.into()).push(" ESCAPE '!'");
        }
        // The order of a collation is not the order of the contract.
        _ => return None,
    }
    Some(Condition { sql, exact: false })
}

/// Whether every database makes the same of the text's upper and lower case, and can be given it.
fn is_plain(text: &str, folds: bool) -> bool {
    !text.contains('\0') && (!folds || text.is_ascii())
}

/// The text as a pattern of `LIKE`. Where databases differ (`LOWER` of what is not ASCII; a NUL, which some refuse)
/// anything may stand: what is found too much is sorted out.
fn pattern(text: &str, folds: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        // `İ` in lower case is an `i` and a dot above it; a database may leave it as it is.
        let dotted = folds && c == 'i' && characters.peek() == Some(&'\u{307}');
        if c == '\0' || dotted || (folds && !c.is_ascii()) {
            out.push('%');
            continue;
        }
        // SQL Server has sets in brackets.
        if matches!(c, '%' | '_' | '[' | ESCAPE) {
            out.push(ESCAPE);
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::model;

    fn sql(filter: &Filter) -> Option<(String, bool)> {
        let model = model(
            "[kinds.user]\ntable = 'p'\nkey = 'id'\n\
             [kinds.user.attributes]\n\
             login = {}\ncode = { case = 'exact' }\nroom = { type = 'integer' }\nsince = { type = 'instant' }\n\
             active = { column = 's', type = 'boolean', values = { true = ['A', 'L'], false = 'I' } }\n\
             mail = { multi = true, table = 'm', link = { p = 'id' } }",
        );
        let found = condition(&model, &model.kinds[0], filter)?;
        Some((found.sql.text, found.exact))
    }

    fn test(name: &str, comparison: Comparison, value: impl Into<Scalar>) -> Filter {
        Filter::Test(name.to_owned(), comparison, value.into())
    }

    #[test]
    fn wildcards_in_values_are_no_wildcards() {
        assert_eq!(
            pattern("50%_of![x]", true),
            "50!%!_of!![x]".replace('[', "![")
        );
        assert_eq!(pattern("Áb\0c", false), "Áb%c");
        assert_eq!(pattern("áb", true), "%b");
        assert_eq!(pattern("i\u{307}x", true), "%%x");
    }

    #[test]
    fn text_is_searched_without_case_and_never_sure() {
        let (text, exact) = sql(&test("login", Comparison::Equal, "ANA")).expect("a condition");
        assert_eq!(text, "t.`login` IS NOT NULL AND LOWER(t.`login`) = ?");
        assert!(!exact);
        assert!(
            sql(&test("login", Comparison::Equal, "Ána"))
                .expect("a condition")
                .0
                .contains("LIKE")
        );
        assert_eq!(
            sql(&test("code", Comparison::Equal, "Ána"))
                .expect("a condition")
                .0,
            "t.`code` IS NOT NULL AND t.`code` = ?"
        );
        assert!(sql(&test("login", Comparison::Greater, "a")).is_none());
    }

    #[test]
    fn only_what_is_sure_is_negated() {
        let not = |filter| Filter::Not(Box::new(filter));
        assert!(sql(&not(test("login", Comparison::Equal, "a"))).is_none());
        assert!(sql(&test("login", Comparison::NotEqual, "a")).is_none());
        let (text, exact) = sql(&not(test("room", Comparison::Greater, 4))).expect("a condition");
        assert_eq!(text, "NOT (t.`room` IS NOT NULL AND t.`room` > ?)");
        assert!(exact);
        assert!(sql(&not(Filter::Present("login".to_owned()))).is_some());
    }

    #[test]
    fn what_narrows_nothing_is_left_out_of_all_and_spoils_any() {
        let sure = || test("room", Comparison::Equal, 4);
        let order = || test("login", Comparison::Less, "m");
        let (text, exact) = sql(&Filter::All(vec![sure(), order()])).expect("a condition");
        assert_eq!(text, "(t.`room` IS NOT NULL AND t.`room` = ?)");
        assert!(!exact);
        assert!(sql(&Filter::Any(vec![sure(), order()])).is_none());
        assert_eq!(
            sql(&Filter::All(Vec::new())),
            Some(("1 = 1".to_owned(), true))
        );
        assert_eq!(
            sql(&Filter::Any(Vec::new())),
            Some(("1 = 0".to_owned(), true))
        );
    }

    #[test]
    fn types_that_never_meet_and_attributes_that_are_not_there_find_nothing() {
        for filter in [
            test("room", Comparison::Equal, "4"),
            test("nothing", Comparison::Equal, "4"),
            test("active", Comparison::Equal, "A"),
            Filter::Present("nothing".to_owned()),
        ] {
            assert_eq!(sql(&filter), Some(("1 = 0".to_owned(), true)), "{filter:?}");
        }
    }

    #[test]
    fn listed_values_and_rows_of_other_tables_are_searched() {
        assert_eq!(
            sql(&test("active", Comparison::Equal, true))
                .expect("a condition")
                .0,
            "t.`s` IS NOT NULL AND t.`s` IN (?, ?)"
        );
        let (text, _) = sql(&test("mail", Comparison::StartsWith, "a")).expect("a condition");
        assert!(
            text.starts_with("EXISTS (SELECT 1 FROM `m` c WHERE c.`p` = t.`id` AND ("),
            "{text}"
        );
    }
}
