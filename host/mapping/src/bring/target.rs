//! Which attribute of the connector's a foreign target attribute is, and how a flow to it is written down.

use crate::ecma::ECMA_URN;
use crate::expression::Node;
use crate::kind::Kind;
use crate::overrides::{Apply, Choice, Constant, Direct, Formula, Overrides, Terms};

/// Collects flows as overrides of a kind, if the kind is known.
pub(super) struct Target<'k> {
    kind: Option<&'k Kind>,
    pub(super) overrides: Overrides,
}

/// Why an attribute takes no flow.
pub(super) enum NoTarget {
    /// The connector has none of that name.
    Unknown,
    /// It has, and does not let it be written.
    ReadOnly,
}

impl<'k> Target<'k> {
    pub(super) fn new(kind: Option<&'k Kind>) -> Self {
        Self {
            kind,
            overrides: Overrides::none(),
        }
    }

    /// The connector's name of an attribute: the same name, or that which stands at the same SCIM path.
    pub(super) fn attribute(&self, foreign: &str) -> Result<String, NoTarget> {
        let plain = foreign
            .strip_prefix(ECMA_URN)
            .and_then(|rest| rest.strip_prefix(':'))
            .unwrap_or(foreign);
        let Some(kind) = self.kind else {
            return Ok(plain.to_owned());
        };
        let by_name = || {
            let mut exact = kind.attributes.iter();
            exact.find(|attribute| attribute.name == plain).or_else(|| {
                let mut folded = kind.attributes.iter();
                folded.find(|attribute| attribute.name.eq_ignore_ascii_case(plain))
            })
        };
        let at_path = || {
            kind.attributes.iter().find(|attribute| {
                attribute
                    .scim
                    .as_ref()
                    .is_some_and(|path| same_path(path, foreign))
            })
        };
        let special = || match plain {
            "-dn-" | "_distinguishedName" => kind.attribute("dn"),
            "export_password" => kind
                .attributes
                .iter()
                .find(|attribute| attribute.scim.as_deref() == Some("password")),
            _ => None,
        };
        let attribute = by_name()
            .or_else(at_path)
            .or_else(special)
            .ok_or(NoTarget::Unknown)?;
        if !attribute.is_writable() {
            return Err(NoTarget::ReadOnly);
        }
        Ok(attribute.name.clone())
    }

    /// Writes a flow down in the plainest way that it allows; says how.
    pub(super) fn flow(&mut self, attribute: &str, source: &Node, terms: Terms) -> &'static str {
        match source {
            Node::Text(text) if terms.apply == Apply::Always && terms.matching.is_none() => {
                let constant = Constant::Text(text.clone());
                self.overrides
                    .constants
                    .insert(attribute.to_owned(), constant);
                "a constant"
            }
            Node::Attribute(path) if !self.overrides.paths.contains_key(path) => {
                let choice = if terms == Terms::default() {
                    Choice::Attribute(attribute.to_owned())
                } else {
                    Choice::Direct(Direct {
                        attribute: attribute.to_owned(),
                        terms,
                    })
                };
                self.overrides.paths.insert(path.clone(), choice);
                "a direct flow"
            }
            source => {
                let mut formula = Formula::new(source.to_string());
                formula.terms = terms;
                self.overrides
                    .expressions
                    .insert(attribute.to_owned(), formula);
                "an expression, which is only ever written"
            }
        }
    }

    /// What the connector suggests and the file does not say is not sent there, so it is not sent here; unless the
    /// target, or the person's employer, cannot do without it. Returns those.
    pub(super) fn unmap_the_rest(&mut self) -> Vec<String> {
        let mut kept = Vec::new();
        for attribute in self.kind.iter().flat_map(|kind| &kind.attributes) {
            let Some(path) = &attribute.scim else {
                continue;
            };
            if self.overrides.places(&attribute.name) || !attribute.is_writable() {
                continue;
            }
            // Without `active` nobody could be disabled.
            if attribute.required || path.eq_ignore_ascii_case("active") {
                kept.push(attribute.name.clone());
            } else if !self.overrides.paths.keys().any(|own| same_path(own, path)) {
                self.overrides.paths.insert(path.clone(), Choice::Unmapped);
            }
        }
        kept
    }
}

/// Two spellings of one path: the enterprise extension's name, and blanks and case.
fn same_path(a: &str, b: &str) -> bool {
    let plain = |path: &str| {
        tombolo_scim::Path::parse(path).map(|path| {
            let text = path.to_string().to_lowercase();
            // The path may end at a complex attribute.
            text.strip_suffix(".value")
                .filter(|_| path.filter.is_none())
                .map_or(text.clone(), str::to_owned)
        })
    };
    match (plain(a), plain(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}
