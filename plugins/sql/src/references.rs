//! What refers to an object: memberships, and references of other objects. It goes when the object goes.

use tombolo_sdk::Result;
use tombolo_sdk::schema::Mutability;
use tombolo_sdk::sql::{Cell, Statements};

use crate::model::{Kind, Model, Place};
use crate::read::Shape;
use crate::settings::Literal;
use crate::statement::{Name, Sql};

/// Removes what refers to an object that goes: memberships on either side, and references that may be empty.
pub fn forget(
    model: &Model,
    on: &dyn Statements,
    kind: &Kind,
    shape: &Shape<'_>,
    row: &[Cell],
    for_good: bool,
) -> Result<()> {
    for group in &model.kinds {
        for membership in group.members.iter().filter(|m| m.remove.is_empty()) {
            let mut sides = Vec::new();
            if membership.member.to == kind.name {
                sides.push(&membership.member.pairs);
            }
            if group.name == kind.name {
                sides.push(&membership.group);
            }
            for pairs in sides {
                let cells = shape.cells(row, pairs.iter().map(|(_, there)| there));
                let mut sql = Sql::new("DELETE FROM ");
                sql.name(&membership.table).push(" WHERE ");
                matching(&mut sql, pairs, &cells, &membership.rows);
                sql.execute(on)?;
            }
        }
        if for_good {
            unrefer(on, group, kind, shape, row)?;
        }
    }
    Ok(())
}

/// Empties the references to an object that goes, where they may be empty.
fn unrefer(
    on: &dyn Statements,
    from: &Kind,
    to: &Kind,
    shape: &Shape<'_>,
    row: &[Cell],
) -> Result<()> {
    let Some(table) = from.table.as_ref().filter(|_| from.update.is_empty()) else {
        return Ok(());
    };
    for attribute in &from.attributes {
        let Place::Reference(link) = &attribute.place else {
            continue;
        };
        let writable = !matches!(
            attribute.field.mutability,
            Mutability::ReadOnly | Mutability::Immutable
        );
        // A column that is part of the row's own key stays.
        let keys = from.key_names();
        let free: Vec<&Name> = link
            .pairs
            .iter()
            .map(|(here, _)| here)
            .filter(|here| !keys.contains(here))
            .collect();
        if link.to != to.name || attribute.field.required || !writable || free.is_empty() {
            continue;
        }
        let cells = shape.cells(row, link.pairs.iter().map(|(_, there)| there));
        let mut sql = Sql::new("UPDATE ");
        sql.name(table).push(" SET ").join(free, ", ", |sql, name| {
            sql.name(name).push(" = NULL");
        });
        sql.push(" WHERE ");
        matching(&mut sql, &link.pairs, &cells, &Vec::new());
        sql.execute(on)?;
    }
    Ok(())
}

/// Adds the condition that the columns hold these cells, and these literals.
pub fn matching(sql: &mut Sql, pairs: &[(Name, Name)], cells: &[Cell], rows: &[(Name, Literal)]) {
    let pairs = pairs
        .iter()
        .zip(cells)
        .map(|((here, _), cell)| (here, cell.clone()));
    let rows = rows.iter().map(|(name, literal)| (name, literal.cell()));
    sql.join(pairs.chain(rows), " AND ", |sql, (name, cell)| {
        sql.equals(None, name, &cell);
    });
}

/// Everything of the row that others refer to.
pub fn also_referred<'m>(model: &'m Model, kind: &Kind, shape: &mut Shape<'m>) {
    for other in &model.kinds {
        for membership in &other.members {
            if membership.member.to == kind.name {
                membership
                    .member
                    .pairs
                    .iter()
                    .for_each(|(_, there)| shape.also(there));
            }
            if other.name == kind.name {
                membership
                    .group
                    .iter()
                    .for_each(|(_, there)| shape.also(there));
            }
        }
        for attribute in &other.attributes {
            if let Place::Reference(link) = &attribute.place
                && link.to == kind.name
            {
                link.pairs.iter().for_each(|(_, there)| shape.also(there));
            }
        }
    }
}
