//! From a connector's description and an operator's overrides to a mapping.

use tombolo_scim::filter::{CompareOp, Filter, Literal};
use tombolo_scim::schema::{Attribute, Mutability, Returned, Type, Uniqueness};
use tombolo_scim::{AttributePath, Path, ResourceType};

use crate::convert;
use crate::error::{MappingError, Problem, near_names};
use crate::expressed;
use crate::kind::{Kind, KindAttribute, KindMutability, KindType};
use crate::mapping::{Flow, Mapping};
use crate::overrides::{Choice, Direct, Overrides, Terms};
use crate::place::Place;
use crate::rule::Rule;

/// What the server itself says of a resource: membership has an interface of
/// its own, and the rest is no target's business.
pub(crate) const SERVER_KEPT: [&str; 5] = ["id", "meta", "schemas", "members", "groups"];

/// A path and the attribute that it is to be mapped to.
struct Plan<'k> {
    path: Path,
    text: String,
    attribute: &'k KindAttribute,
    terms: Terms,
}

pub(crate) fn mapping(kind: &Kind, overrides: &Overrides) -> Result<Mapping, MappingError> {
    onto(base_type(kind), kind, overrides)
}

/// The mapping onto a resource type, which gets what the flows need and it has not.
pub(crate) fn onto(
    mut resource_type: ResourceType,
    kind: &Kind,
    overrides: &Overrides,
) -> Result<Mapping, MappingError> {
    kind.validate()?;
    let mut problems = Vec::new();
    let plans = plan(kind, overrides, &resource_type, &mut problems);
    let mut flows: Vec<Flow> = Vec::new();
    for plan in &plans {
        match flow(&mut resource_type, plan) {
            Ok(flow) => flows.push(flow),
            Err(cause) => problems.push(Problem::Unmappable {
                path: plan.text.clone(),
                cause,
            }),
        }
    }
    refine_all(&mut resource_type, &plans);
    // The schema is final now: what the places remember of it, too.
    for (flow, plan) in flows.iter_mut().zip(&plans) {
        if let Ok(place) = place(&resource_type, plan) {
            flow.place = place;
        }
    }
    check_overlaps(&flows, &mut problems);
    let constants = constants(kind, overrides, &mut problems);
    let expressed = expressed::all(&mut resource_type, kind, overrides, &flows, &mut problems);
    for attribute in &kind.attributes {
        let fed = flows
            .iter()
            .any(|flow| flow.attribute.name == attribute.name)
            || constants.iter().any(|(name, _)| *name == attribute.name)
            || overrides.expressions.contains_key(&attribute.name);
        if attribute.required && attribute.is_writable() && !fed {
            problems.push(Problem::NotFed {
                attribute: attribute.name.clone(),
            });
        }
    }
    MappingError::unless_empty(&kind.kind, problems)?;
    Ok(Mapping {
        kind: kind.clone(),
        resource_type,
        flows,
        expressed,
        constants,
        default_domain: overrides.default_domain.clone(),
    })
}

/// The resource type before anything is mapped.
fn base_type(kind: &Kind) -> ResourceType {
    match kind.resource.as_str() {
        "User" => ResourceType::user(),
        "Group" => ResourceType::group(),
        name => {
            let endpoint = kind.endpoint.clone().unwrap_or_else(|| format!("{name}s"));
            let mut ty = ResourceType::new(name, endpoint, kind.schema.clone().unwrap_or_default());
            ty.description.clone_from(&kind.description);
            ty.schema.description.clone_from(&kind.description);
            ty
        }
    }
}

/// Which path goes to which attribute: the operator's word, then the connector's.
fn plan<'k>(
    kind: &'k Kind,
    overrides: &Overrides,
    ty: &ResourceType,
    problems: &mut Vec<Problem>,
) -> Vec<Plan<'k>> {
    let parse = |text: &str| {
        Path::parse(text).map_err(|error| Problem::BadPath {
            path: text.to_owned(),
            cause: error.to_string(),
        })
    };
    let mut suggested: Vec<Plan<'k>> = Vec::new();
    for attribute in &kind.attributes {
        let Some(text) = &attribute.scim else {
            continue;
        };
        match parse(text) {
            Ok(path) => suggested.push(Plan {
                path,
                text: text.clone(),
                attribute,
                terms: Terms::default(),
            }),
            Err(problem) => problems.push(problem),
        }
    }
    let mut chosen: Vec<Plan<'k>> = Vec::new();
    for (text, choice) in &overrides.paths {
        let path = match parse(text) {
            Ok(path) => path,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let before = suggested.len();
        suggested.retain(|plan| !same_path(ty, &plan.path, &path));
        match choice {
            Choice::Unmapped if before == suggested.len() => {
                let paths = kind
                    .attributes
                    .iter()
                    .filter_map(|attribute| attribute.scim.as_deref());
                problems.push(Problem::NothingToUnmap {
                    path: text.clone(),
                    near: near_names(text, paths),
                });
            }
            Choice::Unmapped => {}
            Choice::Attribute(name)
            | Choice::Direct(Direct {
                attribute: name, ..
            }) => match kind.attribute(name) {
                Some(attribute) => chosen.push(Plan {
                    path,
                    text: text.clone(),
                    attribute,
                    terms: choice.terms(),
                }),
                None => problems.push(Problem::UnknownAttribute {
                    path: text.clone(),
                    attribute: name.clone(),
                    near: near_names(
                        name,
                        kind.attributes
                            .iter()
                            .map(|attribute| attribute.name.as_str()),
                    ),
                }),
            },
        }
    }
    // An attribute that the operator sends elsewhere leaves the suggested path.
    suggested.retain(|plan| {
        !chosen
            .iter()
            .any(|other| other.attribute.name == plan.attribute.name)
            && !overrides.constants.contains_key(&plan.attribute.name)
            && !overrides.expressions.contains_key(&plan.attribute.name)
    });
    chosen.extend(suggested);
    chosen.sort_by_key(|plan| {
        kind.attributes
            .iter()
            .position(|attribute| attribute.name == plan.attribute.name)
    });
    for pair in chosen.windows(2) {
        if pair[0].attribute.name == pair[1].attribute.name {
            problems.push(Problem::TwoPaths {
                attribute: pair[0].attribute.name.clone(),
                path: pair[0].text.clone(),
                other: pair[1].text.clone(),
            });
        }
    }
    chosen
}

/// Two spellings of one path?
fn same_path(ty: &ResourceType, a: &Path, b: &Path) -> bool {
    let canonical = |path: &Path| {
        let mut whole = path.attribute.clone();
        whole.sub = None;
        let (urn, attribute, fallback) = match ty.resolve(&whole) {
            Some(found) => {
                let complex = found.attribute.kind == Type::Complex;
                let urn = found.extension.map(str::to_lowercase);
                (
                    urn,
                    found.attribute.name.to_lowercase(),
                    complex.then(|| "value".to_owned()),
                )
            }
            None => (
                whole.urn.map(|urn| urn.to_lowercase()),
                whole.attribute.to_lowercase(),
                None,
            ),
        };
        let sub = path.sub().map(str::to_lowercase).or(fallback);
        let filter = path
            .filter
            .as_ref()
            .map(|filter| filter.to_string().to_lowercase());
        (urn, attribute, filter, sub)
    };
    canonical(a) == canonical(b)
}

/// Makes room for the path in the schema and finds the place.
fn flow(ty: &mut ResourceType, plan: &Plan<'_>) -> Result<Flow, String> {
    if plan.path.attribute.urn.is_none()
        && SERVER_KEPT
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&plan.path.attribute.attribute))
    {
        return Err(
            "the server keeps it itself (members go through the connector's members interface)"
                .to_owned(),
        );
    }
    ensure(ty, plan)?;
    Ok(Flow {
        path: plan.text.clone(),
        attribute: plan.attribute.clone(),
        place: place(ty, plan)?,
        rule: Rule::of(&plan.terms, plan.attribute)?,
    })
}

/// A flow between a path and an attribute that no connector describes: what an expression is turned back into.
pub(crate) fn synthetic(
    ty: &mut ResourceType,
    text: &str,
    of: impl FnOnce(Option<&Attribute>, &Path) -> KindAttribute,
) -> Result<Flow, String> {
    let path = Path::parse(text).map_err(|error| error.to_string())?;
    let mut whole = path.attribute.clone();
    whole.sub = None;
    let mut end = ty.attribute(&whole);
    if let (Some(attribute), Some(sub)) = (end, path.sub()) {
        end = attribute.sub(sub);
    } else if let Some(attribute) = end.filter(|attribute| attribute.kind == Type::Complex) {
        end = attribute.sub("value");
    }
    let many = ty.attribute(&whole).filter(|_| path.filter.is_none());
    let many = many.is_some_and(|attribute| attribute.multi_valued);
    let mut attribute = of(end, &path);
    attribute.multi |= many;
    flow(
        ty,
        &Plan {
            path,
            text: text.to_owned(),
            attribute: &attribute,
            terms: Terms::default(),
        },
    )
}

fn place(ty: &ResourceType, plan: &Plan<'_>) -> Result<Place, String> {
    let sub = leaf_sub(ty, plan);
    Place::of(
        ty,
        &plan.path,
        plan.attribute,
        sub.as_deref(),
        &parts(plan.attribute),
    )
}

/// The parts of a complex attribute with their sub-attributes.
fn parts(attribute: &KindAttribute) -> Vec<(KindAttribute, String)> {
    let named = |part: &KindAttribute| {
        (
            part.clone(),
            part.scim.clone().unwrap_or_else(|| part.name.clone()),
        )
    };
    attribute.parts.iter().map(named).collect()
}

/// The sub-attribute that a simple attribute goes to: the one that is named, or
/// `value` when the path ends at a complex attribute (`manager`, `emails`).
fn leaf_sub(ty: &ResourceType, plan: &Plan<'_>) -> Option<String> {
    if let Some(sub) = plan.path.sub() {
        return Some(sub.to_owned());
    }
    let mut whole = plan.path.attribute.clone();
    whole.sub = None;
    let complex = ty
        .attribute(&whole)
        .is_some_and(|attribute| attribute.kind == Type::Complex);
    (complex && plan.attribute.data != KindType::Complex).then(|| "value".to_owned())
}

fn ensure(ty: &mut ResourceType, plan: &Plan<'_>) -> Result<(), String> {
    let attribute = plan.attribute;
    let mut path = plan.path.attribute.clone();
    path.sub = None;
    if attribute.data == KindType::Complex {
        if plan.path.sub().is_some() {
            return Err(format!(
                "`{}` is complex and cannot go to a sub-attribute",
                attribute.name
            ));
        }
        let known = ty.attribute(&path).is_some();
        let definition = ty
            .ensure(&path, Type::Complex)
            .map_err(|error| error.to_string())?;
        if definition.kind != Type::Complex {
            return Err(format!(
                "it is {} and `{}` is complex",
                definition.kind.as_str(),
                attribute.name
            ));
        }
        if !known {
            definition.multi_valued = attribute.multi;
            definition.description.clone_from(&attribute.description);
        }
        for (part, sub) in parts(attribute) {
            let below = AttributePath {
                sub: Some(sub),
                ..path.clone()
            };
            add(ty, &below, &part)?;
        }
        return Ok(());
    }
    if plan.path.filter.is_some() && ty.attribute(&path).is_none() {
        return Err("it has a filter, and the resource type has no such attribute".to_owned());
    }
    path.sub = leaf_sub(ty, plan);
    add(ty, &path, attribute)
}

/// Adds the path to the schema, unless it is there.
fn add(
    ty: &mut ResourceType,
    path: &AttributePath,
    attribute: &KindAttribute,
) -> Result<(), String> {
    if ty.attribute(path).is_some() && !path.attribute.eq_ignore_ascii_case("externalId") {
        let own = ty
            .ensure(path, Type::String)
            .map_err(|error| error.to_string())?;
        if own.description.is_empty() {
            own.description.clone_from(&attribute.description);
        }
        return Ok(());
    }
    let data = match attribute.data {
        // A reference is shown as the id of a resource.
        KindType::Text | KindType::Reference | KindType::Complex => Type::String,
        KindType::Boolean => Type::Boolean,
        KindType::Integer => Type::Integer,
        KindType::Decimal => Type::Decimal,
        KindType::Instant => Type::DateTime,
        KindType::Binary => Type::Binary,
    };
    let definition = ty.ensure(path, data).map_err(|error| error.to_string())?;
    definition.multi_valued = attribute.multi;
    definition.description.clone_from(&attribute.description);
    Ok(())
}

/// What the target demands of a value is what the schema says of it.
fn refine_all(ty: &mut ResourceType, plans: &[Plan<'_>]) {
    for plan in plans {
        let sub = leaf_sub(ty, plan);
        let direct = plan.path.filter.is_none();
        let mut path = plan.path.attribute.clone();
        path.sub = None;
        if plan.attribute.data == KindType::Complex {
            for (part, name) in parts(plan.attribute) {
                path.sub = Some(name);
                refine(ty, &path, &part, direct);
            }
            path.sub = None;
        } else {
            path.sub = sub;
        }
        refine(ty, &path, plan.attribute, direct);
        list_type(ty, &plan.path);
    }
}

/// Lists the `type` that a path chooses among the attribute's canonical values: of them Entra makes the names that an
/// administrator can map to.
fn list_type(ty: &mut ResourceType, path: &Path) {
    let Some(Filter::Test(test, CompareOp::Eq, Literal::Text(chosen))) = &path.filter else {
        return;
    };
    let sub = AttributePath {
        sub: Some("type".to_owned()),
        ..path.attribute.clone()
    };
    if !test.attribute.eq_ignore_ascii_case("type") || ty.attribute(&sub).is_none() {
        return;
    }
    let Ok(definition) = ty.ensure(&sub, Type::String) else {
        return;
    };
    let known = &mut definition.canonical_values;
    if !known.iter().any(|value| value.eq_ignore_ascii_case(chosen)) {
        known.push(chosen.clone());
    }
}

fn refine(ty: &mut ResourceType, path: &AttributePath, attribute: &KindAttribute, direct: bool) {
    if ty.attribute(path).is_none() {
        return;
    }
    let Ok(definition) = ty.ensure(path, Type::String) else {
        return;
    };
    for value in &attribute.values {
        let known = definition
            .canonical_values
            .iter()
            .any(|other| other.eq_ignore_ascii_case(value));
        if !known {
            definition.canonical_values.push(value.clone());
        }
    }
    // One element of several says nothing about the others.
    if !direct {
        return;
    }
    if definition.kind == Type::String && attribute.data == KindType::Text {
        definition.case_exact = attribute.case_exact;
    }
    definition.required |= attribute.required && attribute.is_writable();
    if attribute.unique {
        definition.uniqueness = match definition.uniqueness {
            Uniqueness::None => Uniqueness::Server,
            known => known,
        };
    }
    match attribute.mutability {
        KindMutability::ReadWrite => {}
        KindMutability::ReadOnly => definition.mutability = Mutability::ReadOnly,
        KindMutability::Immutable => definition.mutability = Mutability::Immutable,
        KindMutability::WriteOnly => {
            definition.mutability = Mutability::WriteOnly;
            definition.returned = Returned::Never;
        }
    }
}

fn check_overlaps(flows: &[Flow], problems: &mut Vec<Problem>) {
    for (index, flow) in flows.iter().enumerate() {
        for other in &flows[..index] {
            if flow.place.overlaps(&other.place) {
                problems.push(Problem::Overlap {
                    path: other.path.clone(),
                    attribute: other.attribute.name.clone(),
                    other: flow.path.clone(),
                    other_attribute: flow.attribute.name.clone(),
                });
            }
        }
    }
}

fn constants(
    kind: &Kind,
    overrides: &Overrides,
    problems: &mut Vec<Problem>,
) -> Vec<(String, Vec<crate::object::ObjectValue>)> {
    let mut values = Vec::new();
    for (name, constant) in &overrides.constants {
        let Some(attribute) = kind.attribute(name) else {
            problems.push(Problem::UnknownConstant {
                attribute: name.clone(),
                near: near_names(
                    name,
                    kind.attributes
                        .iter()
                        .map(|attribute| attribute.name.as_str()),
                ),
            });
            continue;
        };
        let mapped = overrides
            .paths
            .values()
            .any(|choice| choice.attribute() == Some(name))
            || overrides.expressions.contains_key(name);
        let converted = if mapped {
            Err("a SCIM path or an expression feeds it as well".to_owned())
        } else if attribute.is_writable() {
            convert::constants(constant, attribute)
        } else {
            Err("the target does not let it be written".to_owned())
        };
        match converted {
            Ok(list) => values.push((name.clone(), list)),
            Err(cause) => problems.push(Problem::BadConstant {
                attribute: name.clone(),
                cause,
            }),
        }
    }
    values
}
