//! From a mapping to Entra's synchronization schema.
//!
//! The schema says of each of the target's attributes what it is made of, in Entra's own names where SCIM's paths have
//! one. Brought back with [`super::entra`], it is the same mapping.

use super::document::{
    AttributeDefinition, AttributeMapping, Directory, Filter, FilterClause, FilterGroup,
    FilterOperand, ObjectDefinition, ObjectMapping, Parameter, Schema, Source, SynchronizationRule,
};
use super::names;
use crate::expression::Node;
use crate::kind::{KindAttribute, KindMutability, KindType};
use crate::mapping::Mapping;
use crate::object::{ObjectValue, Scalar};
use crate::overrides::Apply;
use crate::rule::Rule;
use crate::scope::Scope;

/// What Entra calls itself in a schema.
const ENTRA: &str = "Azure Active Directory";

/// The schema of an application with these mappings.
pub fn export(app: &str, mappings: &[(&Mapping, &Scope)]) -> Schema {
    let object_mappings = mappings
        .iter()
        .map(|(mapping, scope)| object_mapping(mapping, scope))
        .collect();
    let sources = mappings.iter().map(|(mapping, _)| ObjectDefinition {
        name: mapping.kind().resource.clone(),
        attributes: source_attributes(mapping),
    });
    let targets = mappings.iter().map(|(mapping, _)| ObjectDefinition {
        name: mapping.kind().kind.clone(),
        attributes: mapping.kind().attributes.iter().map(defined).collect(),
    });
    Schema {
        id: app.to_owned(),
        version: "1".to_owned(),
        synchronization_rules: vec![SynchronizationRule {
            id: format!("{app}-outbound"),
            name: format!("{app} outbound"),
            editable: true,
            priority: 1,
            source_directory_name: ENTRA.to_owned(),
            target_directory_name: app.to_owned(),
            object_mappings,
        }],
        directories: vec![
            Directory {
                id: ENTRA.to_owned(),
                name: ENTRA.to_owned(),
                objects: sources.collect(),
            },
            Directory {
                id: app.to_owned(),
                name: app.to_owned(),
                objects: targets.collect(),
            },
        ],
    }
}

fn object_mapping(mapping: &Mapping, scope: &Scope) -> ObjectMapping {
    let kind = mapping.kind();
    let direct = mapping
        .flows()
        .iter()
        .filter(|flow| flow.attribute.is_writable())
        .map(|flow| {
            let source = attribute(&flow.path);
            flow_of(&flow.attribute.name, source, &flow.rule)
        });
    let made = mapping.expressed().iter().map(|made| {
        let source = source(&renamed(made.expression.root()));
        flow_of(&made.attribute.name, source, &made.rule)
    });
    let constants = mapping.constants.iter().filter_map(|(name, values)| {
        let text = values.first().and_then(shown)?;
        Some(flow_of(name, source(&Node::Text(text)), &Rule::default()))
    });
    ObjectMapping {
        enabled: true,
        flow_types: "Add, Update, Delete".to_owned(),
        name: format!("Synchronize {} to {}", kind.resource, kind.kind),
        source_object_name: kind.resource.clone(),
        target_object_name: kind.kind.clone(),
        scope: filter(scope),
        attribute_mappings: direct.chain(made).chain(constants).collect(),
    }
}

fn flow_of(name: &str, source: Source, rule: &Rule) -> AttributeMapping {
    AttributeMapping {
        default_value: rule.default.first().and_then(shown),
        export_missing_references: false,
        flow_behavior: "FlowWhenChanged".to_owned(),
        flow_type: match rule.apply {
            Apply::Always => "Always",
            Apply::Create => "ObjectAddOnly",
        }
        .to_owned(),
        matching_priority: rule.matching.map_or(0, i64::from),
        target_attribute_name: name.to_owned(),
        source: Some(source),
    }
}

/// Names as Entra has them. It writes "active" with `IsSoftDeleted`.
fn renamed(node: &Node) -> Node {
    let mut rename = |name: &str| Ok(Node::Attribute(names::entra_name(name)));
    names::rename(node, &mut rename).unwrap_or_else(|_| node.clone())
}

fn attribute(path: &str) -> Source {
    if path.eq_ignore_ascii_case("active") {
        let text = r#"Switch([IsSoftDeleted], , "False", "True", "True", "False")"#;
        if let Ok(expression) = crate::Expression::parse(text) {
            return source(expression.root());
        }
    }
    source(&Node::Attribute(names::entra_name(path)))
}

/// A tree as Entra writes it: each part by itself, and its text.
fn source(node: &Node) -> Source {
    let (kind, name, parameters) = match node {
        Node::Attribute(name) => ("Attribute", name.clone(), Vec::new()),
        Node::Call(call) => {
            let parameters = call.arguments.iter().enumerate();
            let parameters = parameters.map(|(index, argument)| Parameter {
                key: call.function.argument(index).to_owned(),
                value: source(argument),
            });
            (
                "Function",
                call.function.name().to_owned(),
                parameters.collect(),
            )
        }
        Node::Compare(a, operator, b) => {
            let parameter = |key: &str, node: &Node| Parameter {
                key: key.to_owned(),
                value: source(node),
            };
            let both = vec![parameter("left", a), parameter("right", b)];
            ("Function", operator.as_str().to_owned(), both)
        }
        Node::Text(text) => ("Constant", text.clone(), Vec::new()),
        other => ("Constant", other.to_string(), Vec::new()),
    };
    Source {
        expression: Some(node.to_string()),
        name: Some(name),
        kind: kind.to_owned(),
        parameters,
    }
}

fn shown(value: &ObjectValue) -> Option<String> {
    Some(match value.as_scalar()? {
        Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text) => text.clone(),
        Scalar::Boolean(value) => if *value { "True" } else { "False" }.to_owned(),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Bytes(_) => return None,
    })
}

fn filter(scope: &Scope) -> Option<Filter> {
    let groups: Vec<FilterGroup> = scope
        .table()
        .0
        .into_iter()
        .map(|filter| FilterGroup {
            name: Some(filter.title).filter(|title| !title.is_empty()),
            clauses: filter
                .clauses
                .into_iter()
                .map(|clause| FilterClause {
                    operator_name: clause.operator,
                    source_operand_name: names::entra_name(&clause.attribute),
                    target_operand: Some(FilterOperand {
                        values: clause.value.into_iter().collect(),
                    }),
                })
                .collect(),
        })
        .collect();
    (!groups.is_empty()).then(|| Filter {
        groups,
        ..Filter::default()
    })
}

/// The attributes that the flows read.
fn source_attributes(mapping: &Mapping) -> Vec<AttributeDefinition> {
    let direct = mapping.flows().iter().map(|flow| flow.path.as_str());
    let made = mapping.expressed().iter();
    let made = made.flat_map(|made| made.sources.iter().map(|(text, _)| text.as_str()));
    let mut names: Vec<String> = direct.chain(made).map(names::entra_name).collect();
    names.sort_unstable();
    names.dedup();
    let plain = |name: String| AttributeDefinition {
        name,
        kind: "String".to_owned(),
        mutability: "ReadWrite".to_owned(),
        ..AttributeDefinition::default()
    };
    names.into_iter().map(plain).collect()
}

fn defined(attribute: &KindAttribute) -> AttributeDefinition {
    AttributeDefinition {
        name: attribute.name.clone(),
        kind: match attribute.data {
            KindType::Boolean => "Boolean",
            KindType::Integer => "Integer",
            KindType::Instant => "DateTime",
            KindType::Binary => "Binary",
            KindType::Reference => "Reference",
            KindType::Text | KindType::Decimal | KindType::Complex => "String",
        }
        .to_owned(),
        anchor: false,
        case_exact: attribute.case_exact,
        multivalued: attribute.multi,
        required: attribute.required,
        mutability: match attribute.mutability {
            KindMutability::ReadWrite => "ReadWrite",
            KindMutability::ReadOnly => "ReadOnly",
            KindMutability::Immutable => "Immutable",
            KindMutability::WriteOnly => "WriteOnly",
        }
        .to_owned(),
    }
}
