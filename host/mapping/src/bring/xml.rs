//! A configuration file's XML as a tree: elements, attributes, text. Names come without their prefix.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// How deep elements may stand in each other; a management agent's go ten deep.
const MAX_DEPTH: usize = 64;

/// An element.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
    text: String,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text without the blanks around it.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// Every element of that name below this one, however deep.
    pub(super) fn all<'e>(&'e self, name: &str, found: &mut Vec<&'e Element>) {
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            child.all(name, found);
        }
    }
}

/// Reads a document. Entities other than XML's own are not resolved, so none can grow.
pub(super) fn read(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        let event = reader
            .read_event()
            .map_err(|error| format!("{error}, at byte {}", reader.error_position()))?;
        match event {
            Event::Start(start) => {
                if open.len() > MAX_DEPTH {
                    return Err(format!("elements are nested more than {MAX_DEPTH} deep"));
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => {
                let element = element(&start)?;
                if let Some(parent) = open.last_mut() {
                    parent.children.push(element);
                }
            }
            Event::End(_) => {
                if let (Some(element), Some(parent)) = (open.pop(), open.last_mut()) {
                    parent.children.push(element);
                }
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|error| error.to_string())?;
                add(&mut open, &text);
            }
            Event::CData(text) => {
                let text = text.decode().map_err(|error| error.to_string())?;
                add(&mut open, &text);
            }
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|error| error.to_string())?;
                let raw = format!("&{name};");
                let resolved =
                    quick_xml::escape::unescape(&raw).map_err(|error| error.to_string())?;
                add(&mut open, &resolved);
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    let mut root = open.pop().unwrap_or_default();
    if !open.is_empty() {
        return Err("an element is not closed".to_owned());
    }
    if root.children.len() != 1 {
        return Err("it is no XML document".to_owned());
    }
    Ok(root.children.swap_remove(0))
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let local = |name: quick_xml::name::QName<'_>| {
        String::from_utf8_lossy(name.local_name().as_ref()).into_owned()
    };
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let raw = String::from_utf8_lossy(&attribute.value).into_owned();
        let value = quick_xml::escape::unescape(&raw).map_err(|error| error.to_string())?;
        attributes.push((local(attribute.key), value.into_owned()));
    }
    Ok(Element {
        name: local(start.name()),
        attributes,
        ..Element::default()
    })
}
