//! From the configuration of a management agent (MIM, FIM, or exported from Microsoft's ECMA Connector Host) to overrides.
//!
//! What is in the XML and has an equal here: export attribute flows that are direct or constant, whether they flow once,
//! the join rule's attributes, object types, required attributes, and the anchor. Rules extensions are programs: they
//! are named, and left out.

use super::names::{self, Standing};
use super::target::{NoTarget, Target};
use super::xml::{self, Element};
use super::{BringError, Brought, Fate, Note, listed};
use crate::expression::Node;
use crate::kind::Kind;
use crate::overrides::{Apply, Terms};
use crate::scope::Scope;

/// A management agent's configuration.
#[derive(Debug)]
pub struct Agent {
    root: Element,
}

impl Agent {
    /// Reads one.
    pub fn read(text: &str) -> Result<Self, BringError> {
        let root = xml::read(text.trim_start_matches('\u{feff}')).map_err(BringError::Xml)?;
        let mut data = Vec::new();
        root.all("ma-data", &mut data);
        if root.name != "ma-data" && data.is_empty() {
            return Err(BringError::Xml("it has no `ma-data`".to_owned()));
        }
        Ok(Self { root })
    }

    fn all(&self, name: &str) -> Vec<&Element> {
        let mut found = Vec::new();
        self.root.all(name, &mut found);
        found
    }

    /// The types of object that flows are for, in the file's order.
    pub fn objects(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let flows = self.all("export-flow-set").into_iter();
        let flows = flows.filter_map(|set| set.attribute("cd-object-type"));
        let classes = self.all("class").into_iter();
        let classes = classes.filter_map(|class| class.attribute("id"));
        for name in flows.chain(classes) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// The attributes that are the anchor of a type, as far as the file says.
    pub fn anchors(&self, object: &str) -> Vec<String> {
        let settings = self.all("anchor-construction-settings");
        let mut names = Vec::new();
        for settings in settings {
            for of_type in &settings.children {
                let is_for = of_type
                    .attribute("object-type")
                    .is_none_or(|ty| ty == object);
                let mut attributes = Vec::new();
                of_type.all("attribute", &mut attributes);
                if of_type.name == "attribute" {
                    attributes.push(of_type);
                }
                if is_for {
                    names.extend(
                        attributes
                            .iter()
                            .map(|attribute| attribute.text().to_owned()),
                    );
                }
            }
        }
        names
    }

    /// The attributes by which a type is joined, the first rule's first.
    fn joins(&self, object: &str) -> Vec<String> {
        let mut names = Vec::new();
        for profile in self.all("join-profile") {
            if profile.attribute("cd-object-type") != Some(object) {
                continue;
            }
            let mut sources = Vec::new();
            profile.all("src-attribute", &mut sources);
            for source in sources {
                let name = source.text().to_owned();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }
}

/// Brings the flows of one type of object over.
pub fn bring(agent: &Agent, object: &str, kind: Option<&Kind>) -> Result<Brought, BringError> {
    let sets: Vec<&Element> = agent
        .all("export-flow-set")
        .into_iter()
        .filter(|set| set.attribute("cd-object-type") == Some(object))
        .collect();
    if sets.is_empty() && !agent.objects().iter().any(|known| known == object) {
        return Err(BringError::NoObject {
            wanted: object.to_owned(),
            known: listed(&agent.objects()),
        });
    }
    let joins = agent.joins(object);
    let mut target = Target::new(kind);
    let mut notes = Vec::new();
    for set in sets {
        for flow in set
            .children
            .iter()
            .filter(|child| child.name == "export-flow")
        {
            notes.push(bring_flow(flow, &joins, &mut target));
        }
    }
    for anchor in agent.anchors(object) {
        notes.push(Note {
            attribute: anchor,
            fate: Fate::Look,
            text: "is the anchor there; here the connector says by its own settings what is"
                .to_owned(),
        });
    }
    for required in target.unmap_the_rest() {
        notes.push(Note {
            attribute: required,
            fate: Fate::Look,
            text: "has no flow there; it cannot be missing, so the connector's suggestion stays"
                .to_owned(),
        });
    }
    Ok(Brought {
        overrides: target.overrides,
        scope: Scope::everybody(),
        notes,
    })
}

fn bring_flow(flow: &Element, joins: &[String], target: &mut Target<'_>) -> Note {
    let foreign = flow.attribute("cd-attribute").unwrap_or_default();
    let told = |fate, text: String| Note {
        attribute: foreign.to_owned(),
        fate,
        text,
    };
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
    let initial = flow.attribute("initial-flow-only") == Some("true");
    let mut terms = Terms {
        apply: if initial {
            Apply::Create
        } else {
            Apply::Always
        },
        ..Terms::default()
    };
    let joined = joins.iter().position(|name| name == foreign);
    terms.matching = joined.and_then(|position| u32::try_from(position + 1).ok());
    if let Some(constant) = flow.child("constant-mapping") {
        let value = constant.child("constant-value").unwrap_or(constant);
        let how = target.flow(&attribute, &Node::Text(value.text().to_owned()), terms);
        return told(Fate::Same, how.to_owned());
    }
    if let Some(script) = flow.child("scripted-mapping") {
        let name = script.child("script-context").map_or("", Element::text);
        let mut sources = Vec::new();
        script.all("src-attribute", &mut sources);
        let sources: Vec<&str> = sources.iter().map(|source| source.text()).collect();
        return told(
            Fate::Left,
            format!(
                "the rules extension `{name}` makes it of {}: write an expression for it",
                sources.join(", ")
            ),
        );
    }
    let direct = flow.child("direct-mapping");
    let source = direct.and_then(|direct| {
        let child = direct.child("src-attribute");
        child.or_else(|| direct.child("source-attribute"))
    });
    let Some(source) = source.map(Element::text).filter(|name| !name.is_empty()) else {
        return told(
            Fate::Left,
            "its mapping is neither direct nor a constant".to_owned(),
        );
    };
    match names::other_standing(source) {
        Some(Standing::Known(path)) => {
            let how = target.flow(&attribute, &Node::Attribute(path), terms);
            told(Fate::Same, how.to_owned())
        }
        Some(Standing::Extension(path)) => {
            let how = target.flow(&attribute, &Node::Attribute(path.clone()), terms);
            told(
                Fate::Look,
                format!("{how}; SCIM has no place for `{source}`: map it to `{path}` in Entra"),
            )
        }
        None => told(Fate::Left, format!("no SCIM path can name `{source}`")),
    }
}
