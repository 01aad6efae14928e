//! SCIM filters in the shape that a connector understands.
//!
//! A translation may let through more than the SCIM filter does, never less; it
//! says whether it is exact. So a host may always ask the target with it and
//! look at what comes back. Elements beyond the first that match a value path
//! (two `work` addresses) live in the host alone and are found there.

mod leaf;

use serde::{Deserialize, Serialize};
use tombolo_scim::AttributePath;
use tombolo_scim::filter::{CompareOp, Filter, Literal};
use tombolo_scim::schema::Type;

use crate::kind::KindType;
use crate::mapping::{Flow, Mapping};
use crate::object::Scalar;
use crate::place::{Leaf, conjuncts, literal_value, same};
use crate::references::{Reference, References};
use leaf::LeafRef;

/// How an attribute and a value are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Contains.
    Contains,
    /// Starts with.
    StartsWith,
    /// Ends with.
    EndsWith,
    /// Greater.
    Greater,
    /// Greater or equal.
    AtLeast,
    /// Less.
    Less,
    /// Less or equal.
    AtMost,
}

/// One node of a filter. Numbers are positions of earlier nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectNode {
    /// Some value of the attribute compares so.
    Test(String, Comparison, Scalar),
    /// The attribute has a value.
    Present(String),
    /// All of them.
    All(Vec<u32>),
    /// One of them.
    Any(Vec<u32>),
    /// Not that one.
    Negate(u32),
    /// That one, for one value of a complex attribute; it names the parts.
    Element(String, u32),
}

/// A filter: children first, the last node is the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectFilter(pub Vec<ObjectNode>);

/// A filter in the connector's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The filter.
    pub filter: ObjectFilter,
    /// Does it let through exactly what the SCIM filter does? If not, more.
    pub exact: bool,
}

impl Mapping {
    /// The SCIM filter in the connector's shape; `None` when the host has to
    /// filter by itself. Filters on references need
    /// [`Mapping::translate_with`].
    pub fn translate(&self, filter: &Filter) -> Option<Translation> {
        self.translate_with(filter, &References::new())
    }

    /// Translates a filter that may name SCIM ids in references.
    pub fn translate_with(&self, filter: &Filter, references: &References) -> Option<Translation> {
        let mut translator = Translator {
            mapping: self,
            references,
            nodes: Vec::new(),
        };
        let root = translator.filter(filter)?;
        translator.nodes.truncate(root.node as usize + 1);
        Some(Translation {
            filter: ObjectFilter(translator.nodes),
            exact: root.exact,
        })
    }

    /// The SCIM ids that the filter compares references with, by kind.
    pub fn filter_references(&self, filter: &Filter) -> Vec<Reference> {
        let mut found = Vec::new();
        self.collect_filter_references(filter, &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }

    fn collect_filter_references(&self, filter: &Filter, found: &mut Vec<Reference>) {
        match filter {
            Filter::And(a, b) | Filter::Or(a, b) => {
                self.collect_filter_references(a, found);
                self.collect_filter_references(b, found);
            }
            Filter::Not(inner) => self.collect_filter_references(inner, found),
            Filter::Test(path, _, Literal::Text(id)) => {
                if let Some((flow, _)) = self.flow_at(path)
                    && let Some(kind) = flow
                        .attribute
                        .to
                        .clone()
                        .filter(|_| flow.attribute.data == KindType::Reference)
                {
                    found.push(Reference {
                        kind,
                        value: id.clone(),
                    });
                }
            }
            Filter::Element(attribute, inner) => {
                for test in conjuncts(inner) {
                    if let Filter::Test(path, op, literal) = test {
                        let below = AttributePath {
                            sub: Some(path.attribute.clone()),
                            ..attribute.clone()
                        };
                        self.collect_filter_references(
                            &Filter::Test(below, *op, literal.clone()),
                            found,
                        );
                    }
                }
            }
            Filter::Test(..) | Filter::Present(_) => {}
        }
    }

    /// The readable flow of a path that names all values of it, and the
    /// canonical sub-attribute.
    fn flow_at(&self, path: &AttributePath) -> Option<(&Flow, Option<String>)> {
        let resolved = self.resource_type.resolve(path)?;
        let sub = match resolved.sub {
            Some(sub) => Some(sub.name.clone()),
            // `manager eq "…"` means its value (RFC 7643, section 2.4).
            None => (resolved.attribute.kind == Type::Complex).then(|| "value".to_owned()),
        };
        let flow = self.flows.iter().find(|flow| {
            let place = &flow.place;
            flow.is_readable()
                && place.element.is_empty()
                && place.is_at(resolved.extension, &resolved.attribute.name)
                && place.covers(sub.as_deref())
        })?;
        Some((flow, sub))
    }
}

/// A node that stands, and whether it is exact.
#[derive(Clone, Copy)]
struct Built {
    node: u32,
    exact: bool,
}

struct Translator<'m> {
    mapping: &'m Mapping,
    references: &'m References,
    nodes: Vec<ObjectNode>,
}

impl Translator<'_> {
    fn push(&mut self, node: ObjectNode, exact: bool) -> Option<Built> {
        let position = u32::try_from(self.nodes.len()).ok()?;
        self.nodes.push(node);
        Some(Built {
            node: position,
            exact,
        })
    }

    /// Tries; what a failed try left behind is taken back.
    fn attempt(&mut self, translate: impl FnOnce(&mut Self) -> Option<Built>) -> Option<Built> {
        let mark = self.nodes.len();
        let built = translate(self);
        if built.is_none() {
            self.nodes.truncate(mark);
        }
        built
    }

    fn filter(&mut self, filter: &Filter) -> Option<Built> {
        match filter {
            Filter::And(a, b) => {
                let a = self.attempt(|this| this.filter(a));
                let b = self.attempt(|this| this.filter(b));
                self.all(&[a, b])
            }
            Filter::Or(a, b) => {
                let a = self.filter(a)?;
                let b = self.filter(b)?;
                self.push(ObjectNode::Any(vec![a.node, b.node]), a.exact && b.exact)
            }
            Filter::Not(inner) => {
                let inner = self.filter(inner)?;
                // What lets through more, negated, lets through less.
                if !inner.exact {
                    return None;
                }
                self.push(ObjectNode::Negate(inner.node), true)
            }
            Filter::Test(path, op, literal) => {
                let (flow, sub) = self.mapping.flow_at(path)?;
                let flow = flow.clone();
                self.at_leaf(&flow, sub.as_deref(), |this, leaf| {
                    this.test(leaf, *op, literal)
                })
            }
            Filter::Present(path) => {
                let resolved = self.mapping.resource_type.resolve(path)?;
                // The host may keep a part of it that the target does not have.
                if resolved.leaf().kind == Type::Complex {
                    return None;
                }
                let (flow, sub) = self.mapping.flow_at(path)?;
                let flow = flow.clone();
                self.at_leaf(&flow, sub.as_deref(), |this, leaf| {
                    this.push(ObjectNode::Present(leaf.attribute.name.clone()), true)
                })
            }
            Filter::Element(path, inner) => self.element(path, inner),
        }
    }

    /// Joins what could be translated; what could not makes it inexact.
    fn all(&mut self, parts: &[Option<Built>]) -> Option<Built> {
        let built: Vec<Built> = parts.iter().copied().flatten().collect();
        let exact = built.len() == parts.len() && built.iter().all(|part| part.exact);
        match built.as_slice() {
            [] => None,
            // The root has to be the last node.
            [only] if only.node as usize + 1 == self.nodes.len() => Some(Built { exact, ..*only }),
            several => self.push(
                ObjectNode::All(several.iter().map(|part| part.node).collect()),
                exact,
            ),
        }
    }

    /// Builds a node about the flow's leaf; of a complex attribute, inside it.
    fn at_leaf(
        &mut self,
        flow: &Flow,
        sub: Option<&str>,
        build: impl FnOnce(&mut Self, &LeafRef<'_>) -> Option<Built>,
    ) -> Option<Built> {
        match &flow.place.leaf {
            Leaf::Whole | Leaf::Sub(_) => build(
                self,
                &LeafRef {
                    attribute: &flow.attribute,
                    data: flow.place.data,
                    case_exact: flow.place.case_exact,
                    many: flow.attribute.multi,
                },
            ),
            Leaf::Parts(parts) => {
                let part = parts.iter().find(|part| Some(part.sub.as_str()) == sub)?;
                let inner = build(
                    self,
                    &LeafRef {
                        attribute: &part.attribute,
                        data: part.data,
                        case_exact: part.case_exact,
                        many: flow.attribute.multi || part.attribute.multi,
                    },
                )?;
                self.push(
                    ObjectNode::Element(flow.attribute.name.clone(), inner.node),
                    inner.exact,
                )
            }
        }
    }

    fn test(&mut self, leaf: &LeafRef<'_>, op: CompareOp, literal: &Literal) -> Option<Built> {
        let name = leaf.attribute.name.clone();
        match op {
            CompareOp::Eq => {
                let (scalar, exact) = leaf.equal(literal, self.references)?;
                self.push(ObjectNode::Test(name, Comparison::Equal, scalar), exact)
            }
            CompareOp::Ne => {
                // Whether an absent value differs is a matter of opinion: ask
                // for more. With several values `ne` is no negation of `eq`.
                let (scalar, exact) = leaf.equal(literal, self.references)?;
                if leaf.many || !exact {
                    return None;
                }
                let equal = self.push(ObjectNode::Test(name, Comparison::Equal, scalar), true)?;
                self.push(ObjectNode::Negate(equal.node), false)
            }
            CompareOp::Co | CompareOp::Sw | CompareOp::Ew => {
                let Literal::Text(text) = literal else {
                    return None;
                };
                if text.is_empty() || leaf.data != Type::String {
                    return None;
                }
                let exact = leaf.text_comparison()?;
                let comparison = match op {
                    CompareOp::Co => Comparison::Contains,
                    CompareOp::Sw => Comparison::StartsWith,
                    _ => Comparison::EndsWith,
                };
                self.push(
                    ObjectNode::Test(name, comparison, Scalar::Text(text.clone())),
                    exact,
                )
            }
            CompareOp::Gt | CompareOp::Ge | CompareOp::Lt | CompareOp::Le => {
                let comparison = match op {
                    CompareOp::Gt => Comparison::Greater,
                    CompareOp::Ge => Comparison::AtLeast,
                    CompareOp::Lt => Comparison::Less,
                    _ => Comparison::AtMost,
                };
                let (scalar, exact) = leaf.ordered(literal)?;
                self.push(ObjectNode::Test(name, comparison, scalar), exact)
            }
        }
    }

    /// `emails[type eq "work" and value eq "x"]`
    fn element(&mut self, path: &AttributePath, inner: &Filter) -> Option<Built> {
        let resolved = self.mapping.resource_type.resolve(path)?;
        let tests = conjuncts(inner);
        let flows: Vec<Flow> = self
            .mapping
            .flows
            .iter()
            .filter(|flow| {
                flow.is_readable()
                    && flow
                        .place
                        .is_at(resolved.extension, &resolved.attribute.name)
            })
            .filter(|flow| names_element(flow, &tests))
            .cloned()
            .collect();
        let mut rest: Vec<&Filter> = tests.clone();
        let mut built = Vec::new();
        let mut correlated = true;
        for flow in &flows {
            let mut own = Vec::new();
            rest.retain(|test| {
                let is_equality = flow
                    .place
                    .element
                    .iter()
                    .any(|wanted| is_equality(test, wanted));
                let sub = sub_of(test).filter(|sub| flow.place.covers(Some(sub)));
                if sub.is_some() {
                    own.push(*test);
                }
                sub.is_none() && !is_equality
            });
            if own.is_empty() {
                continue;
            }
            // Of a list, several tests could be passed by several elements.
            correlated &= own.len() == 1 || !flow.attribute.multi;
            let part = match &flow.place.leaf {
                Leaf::Parts(_) => self.attempt(|this| this.parts(flow, &own)),
                _ => self.attempt(|this| {
                    let each: Vec<Option<Built>> = own
                        .iter()
                        .map(|test| this.attempt(|this| this.inside(flow, test)))
                        .collect();
                    this.all(&each)
                }),
            };
            built.push(part);
        }
        correlated &= built.len() == 1;
        let whole = self.all(&built)?;
        Some(Built {
            exact: whole.exact && rest.is_empty() && correlated,
            ..whole
        })
    }

    /// Several tests inside one value of a complex attribute.
    fn parts(&mut self, flow: &Flow, tests: &[&Filter]) -> Option<Built> {
        let each: Vec<Option<Built>> = tests
            .iter()
            .map(|test| self.attempt(|this| this.inside(flow, test)))
            .collect();
        let inner = self.all(&each)?;
        self.push(
            ObjectNode::Element(flow.attribute.name.clone(), inner.node),
            inner.exact,
        )
    }

    /// One test inside an element.
    fn inside(&mut self, flow: &Flow, test: &Filter) -> Option<Built> {
        let sub = sub_of(test)?;
        let leaf = match &flow.place.leaf {
            Leaf::Parts(parts) => {
                let part = parts
                    .iter()
                    .find(|part| part.sub.eq_ignore_ascii_case(sub))?;
                LeafRef {
                    attribute: &part.attribute,
                    data: part.data,
                    case_exact: part.case_exact,
                    many: part.attribute.multi,
                }
            }
            _ => LeafRef {
                attribute: &flow.attribute,
                data: flow.place.data,
                case_exact: flow.place.case_exact,
                many: flow.attribute.multi,
            },
        };
        match test {
            Filter::Test(_, op, literal) => self.test(&leaf, *op, literal),
            Filter::Present(_) => self.push(ObjectNode::Present(leaf.attribute.name.clone()), true),
            _ => None,
        }
    }
}

/// The element filter asks for elements that the flow has, all of them.
fn names_element(flow: &Flow, tests: &[&Filter]) -> bool {
    flow.place
        .element
        .iter()
        .all(|wanted| tests.iter().any(|test| is_equality(test, wanted)))
}

fn is_equality(test: &Filter, (sub, wanted): &(String, serde_json::Value)) -> bool {
    match test {
        Filter::Test(path, CompareOp::Eq, literal) => {
            path.attribute.eq_ignore_ascii_case(sub)
                && literal_value(literal, Type::String).is_some_and(|value| same(&value, wanted))
        }
        _ => false,
    }
}

/// The sub-attribute that a test inside an element is about.
fn sub_of(test: &Filter) -> Option<&str> {
    match test {
        Filter::Test(path, ..) | Filter::Present(path) => Some(&path.attribute),
        _ => None,
    }
}
