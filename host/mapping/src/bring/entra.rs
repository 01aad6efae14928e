//! From Entra's synchronization schema to overrides.

use super::document::{AttributeMapping, Filter, ObjectMapping, Schema, Source};
use super::names::{self, Standing};
use super::target::{NoTarget, Target};
use super::{BringError, Brought, Fate, Note, listed};
use crate::expression::{Expression, Function, Node};
use crate::kind::Kind;
use crate::overrides::{Apply, Constant, Terms};
use crate::scope::{ClauseTable, FilterTable, Scope, ScopeTable};

/// Brings the mapping of one kind of object over. `object` is what Entra reads: `User` or `Group`.
pub fn bring(schema: &Schema, object: &str, kind: Option<&Kind>) -> Result<Brought, BringError> {
    let mapping = find(schema, object)?;
    let mut target = Target::new(kind);
    let mut notes = Vec::new();
    for flow in &mapping.attribute_mappings {
        notes.push(bring_flow(flow, &mut target));
    }
    for required in target.unmap_the_rest() {
        notes.push(Note {
            attribute: required,
            fate: Fate::Look,
            text: "not in the schema; it cannot be missing, so the connector's suggestion stays"
                .to_owned(),
        });
    }
    let scope = scope(mapping.scope.as_ref(), &mut notes);
    Ok(Brought {
        overrides: target.overrides,
        scope,
        notes,
    })
}

/// The kinds of object that the schema reads.
pub fn objects(schema: &Schema) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for mapping in mappings(schema) {
        let name = &mapping.source_object_name;
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.clone());
        }
    }
    names
}

fn mappings(schema: &Schema) -> impl Iterator<Item = &ObjectMapping> {
    let rules = schema.synchronization_rules.iter();
    rules.flat_map(|rule| &rule.object_mappings)
}

/// One that is in use, if there is one.
fn find<'s>(schema: &'s Schema, object: &str) -> Result<&'s ObjectMapping, BringError> {
    let of_object = || {
        mappings(schema).filter(|mapping| mapping.source_object_name.eq_ignore_ascii_case(object))
    };
    of_object()
        .find(|mapping| mapping.enabled)
        .or_else(|| of_object().next())
        .ok_or_else(|| BringError::NoObject {
            wanted: object.to_owned(),
            known: listed(&objects(schema)),
        })
}

fn bring_flow(flow: &AttributeMapping, target: &mut Target<'_>) -> Note {
    let foreign = &flow.target_attribute_name;
    let told = |fate, text: String| Note {
        attribute: foreign.clone(),
        fate,
        text,
    };
    if foreign.eq_ignore_ascii_case("members") || foreign.eq_ignore_ascii_case("member") {
        return told(
            Fate::Same,
            "members go by the connector's own way".to_owned(),
        );
    }
    let attribute = match target.attribute(foreign) {
        Ok(attribute) => attribute,
        Err(NoTarget::Unknown) => {
            return told(
                Fate::Left,
                "the connector has no attribute of that name".to_owned(),
            );
        }
        Err(NoTarget::ReadOnly) => {
            return told(
                Fate::Left,
                "the connector does not let it be written".to_owned(),
            );
        }
    };
    let node = match flow.source.as_ref().map(node).transpose() {
        Ok(Some(node)) => node,
        Ok(None) => {
            return told(
                Fate::Left,
                "it has no source: Entra only fills in its default".to_owned(),
            );
        }
        Err(why) => return told(Fate::Left, why),
    };
    let mut to_do = Vec::new();
    let node = if names::is_active(&node) {
        Node::Attribute("active".to_owned())
    } else {
        let renamed = names::rename(&node, &mut |name| renamed(name, &mut to_do));
        match renamed {
            Ok(node) => node,
            Err(why) => return told(Fate::Left, why),
        }
    };
    let terms = terms(flow, &node, &mut to_do);
    // Checked once more: the names are other ones now.
    if let Err(error) = Expression::parse(&node.to_string()) {
        return told(
            Fate::Left,
            format!("its expression is not understood {error}"),
        );
    }
    let how = target.flow(&attribute, &node, terms);
    if to_do.is_empty() {
        return told(Fate::Same, how.to_owned());
    }
    told(Fate::Look, format!("{how}; {}", to_do.join("; ")))
}

/// What stands in an expression for one of Entra's attributes.
fn renamed(name: &str, to_do: &mut Vec<String>) -> Result<Node, String> {
    if name.eq_ignore_ascii_case("IsSoftDeleted") {
        return names::soft_deleted();
    }
    match names::standing(name) {
        Some(Standing::Known(path)) => Ok(Node::Attribute(path)),
        Some(Standing::Extension(path)) => {
            to_do.push(format!(
                "SCIM has no place for `{name}`: map it to `{path}` in Entra"
            ));
            Ok(Node::Attribute(path))
        }
        None => Err(format!("no SCIM path can name `{name}`")),
    }
}

fn terms(flow: &AttributeMapping, node: &Node, to_do: &mut Vec<String>) -> Terms {
    let mut apply = match flow.flow_type.as_str() {
        "ObjectAddOnly" => Apply::Create,
        "" | "Always" => Apply::Always,
        other => {
            to_do.push(format!("it flows always here, and `{other}` there"));
            Apply::Always
        }
    };
    let unique = matches!(node, Node::Call(call) if call.function == Function::SelectUniqueValue);
    if unique && apply == Apply::Always {
        apply = Apply::Create;
        to_do.push("it flows at the creation only, as `SelectUniqueValue` must".to_owned());
    }
    let default = flow.default_value.clone().filter(|text| !text.is_empty());
    Terms {
        default: default.map(Constant::Text),
        apply,
        matching: u32::try_from(flow.matching_priority)
            .ok()
            .filter(|priority| *priority > 0 && !unique),
    }
}

/// The text if there is one, else the parts.
fn node(source: &Source) -> Result<Node, String> {
    if source.kind.eq_ignore_ascii_case("Attribute")
        && let Some(name) = source.name.as_ref().filter(|name| !name.is_empty())
    {
        return Ok(Node::Attribute(name.clone()));
    }
    if source.kind.eq_ignore_ascii_case("Constant") {
        let quoted = source.expression.as_deref().map(Expression::parse);
        if let Some(Ok(constant)) = quoted {
            return Ok(constant.root().clone());
        }
        let plain = source.name.clone().or_else(|| source.expression.clone());
        return Ok(Node::Text(plain.unwrap_or_default()));
    }
    let text = match &source.expression {
        Some(text) if !text.trim().is_empty() => text.clone(),
        _ => written(source)?,
    };
    Expression::parse(&text)
        .map(|expression| expression.root().clone())
        .map_err(|error| format!("its expression is not understood {error}"))
}

/// A function as text, from its parts.
fn written(source: &Source) -> Result<String, String> {
    match source.kind.to_ascii_lowercase().as_str() {
        "function" => {
            let name = source.name.as_deref().unwrap_or_default();
            let parameters = source
                .parameters
                .iter()
                .map(|parameter| written(&parameter.value))
                .collect::<Result<Vec<String>, String>>()?;
            Ok(format!("{name}({})", parameters.join(", ")))
        }
        _ => node(source).map(|node| node.to_string()),
    }
}

fn scope(filter: Option<&Filter>, notes: &mut Vec<Note>) -> Scope {
    let Some(filter) = filter else {
        return Scope::everybody();
    };
    let mut left = |text: String| {
        notes.push(Note {
            attribute: "scope".to_owned(),
            fate: Fate::Left,
            text,
        });
    };
    if !filter.category_filter_groups.is_empty() || !filter.input_filter_groups.is_empty() {
        left("filters by category or input are Entra's own".to_owned());
    }
    let mut table = Vec::new();
    for group in &filter.groups {
        let mut clauses = Vec::new();
        for clause in &group.clauses {
            let values = clause
                .target_operand
                .as_ref()
                .map(|operand| &operand.values);
            if values.is_some_and(|values| values.len() > 1) {
                left(format!(
                    "`{}` is compared with several values at once",
                    clause.source_operand_name
                ));
            }
            let standing = names::standing(&clause.source_operand_name);
            let path = standing.as_ref().map(Standing::path);
            clauses.push(ClauseTable {
                attribute: path.unwrap_or(&clause.source_operand_name).to_owned(),
                operator: clause.operator_name.clone(),
                value: values.and_then(|values| values.first()).cloned(),
            });
        }
        table.push(FilterTable {
            title: group.name.clone().unwrap_or_default(),
            clauses,
        });
    }
    match Scope::new(&ScopeTable(table)) {
        Ok(scope) => scope,
        Err(error) => {
            left(error.to_string());
            Scope::everybody()
        }
    }
}
