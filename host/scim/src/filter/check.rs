//! Can a filter's comparisons be made? (RFC 7644, section 3.4.2.2)

use super::{CompareOp, Filter};
use crate::path::AttributePath;
use crate::schema::{Attribute, ResourceType, Type};
use crate::{Deviation, Error, Rules};

pub(super) fn check(filter: &Filter, types: &[&ResourceType], rules: &Rules) -> Result<(), Error> {
    match filter {
        Filter::And(a, b) | Filter::Or(a, b) => {
            check(a, types, rules)?;
            check(b, types, rules)
        }
        Filter::Not(inner) => check(inner, types, rules),
        Filter::Present(path) => found(path, types, rules).map(drop),
        Filter::Test(path, op, _) => {
            let found = found(path, types, rules)?;
            found
                .iter()
                .try_for_each(|attribute| comparable(attribute, *op, &path.to_string()))
        }
        Filter::Element(path, inner) => {
            let found = found(path, types, rules)?;
            found
                .iter()
                .try_for_each(|attribute| element(inner, attribute, rules))
        }
    }
}

/// What the path means in each type that has it.
fn found<'t>(
    path: &AttributePath,
    types: &[&'t ResourceType],
    rules: &Rules,
) -> Result<Vec<&'t Attribute>, Error> {
    let resolved = types.iter().filter_map(|ty| ty.resolve(path));
    let found: Vec<_> = resolved
        .filter(|target| {
            let bare = path.urn.is_none() && target.extension.is_some();
            !bare || rules.accepts(Deviation::BareExtensionName)
        })
        .map(|target| target.leaf())
        .collect();
    if found.is_empty() && !rules.accepts(Deviation::UnknownFilterAttribute) {
        return Err(unknown(&path.to_string()));
    }
    Ok(found)
}

fn element(filter: &Filter, attribute: &Attribute, rules: &Rules) -> Result<(), Error> {
    match filter {
        Filter::And(a, b) | Filter::Or(a, b) => {
            element(a, attribute, rules)?;
            element(b, attribute, rules)
        }
        Filter::Not(inner) => element(inner, attribute, rules),
        Filter::Present(path) | Filter::Test(path, ..) => {
            let name = format!("{}.{path}", attribute.name);
            let leaf = match attribute.sub(&path.attribute) {
                Some(sub) => sub,
                // A simple value is its own `value`.
                None if attribute.sub_attributes.is_empty() => attribute,
                None if rules.accepts(Deviation::UnknownFilterAttribute) => return Ok(()),
                None => return Err(unknown(&name)),
            };
            match filter {
                Filter::Test(_, op, _) => comparable(leaf, *op, &name),
                _ => Ok(()),
            }
        }
        // The grammar has no value path in a value path.
        Filter::Element(..) => Ok(()),
    }
}

fn unknown(name: &str) -> Error {
    Error::invalid_filter(format!(
        "the filter asks for `{name}`, which no resource type here has; `/Schemas` lists what there is"
    ))
}

fn comparable(attribute: &Attribute, op: CompareOp, name: &str) -> Result<(), Error> {
    use CompareOp::{Ge, Gt, Le, Lt};
    let unordered = matches!(attribute.kind, Type::Boolean | Type::Binary);
    if unordered && matches!(op, Gt | Ge | Lt | Le) {
        return Err(Error::invalid_filter(format!(
            "`{name}` is {} and has no order, so `{op}` cannot be asked of it",
            attribute.kind.as_str()
        )));
    }
    Ok(())
}
