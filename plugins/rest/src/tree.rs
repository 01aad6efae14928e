//! An answer as a tree, whether it was JSON or XML.
//!
//! An XML element becomes an object of its children by local name; what occurs several times, a list; what has only text, that text;
//! attributes are `@name`, and the text beside them [`TEXT`]. Namespaces' prefixes are left out: they are the sender's choice.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

/// The text of an element that has attributes or children too.
pub const TEXT: &str = "#text";
/// No service nests deeper; who does wants the stack.
const DEEPEST: usize = 100;

/// The tree of an answer's body; nothing for an empty one. The error says why it is none: mostly that it was cut.
pub fn parse(body: &[u8]) -> Result<Value, String> {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Ok(Value::Null),
        Some(b'<' | 0xEF) => xml(body),
        Some(_) => serde_json::from_slice(body).map_err(|error| error.to_string()),
    }
}

struct Open {
    name: String,
    members: Map<String, Value>,
    text: String,
    nil: bool,
}

impl Open {
    fn new(start: &BytesStart<'_>) -> Result<Self, String> {
        let mut open = Self {
            name: local(start.local_name().as_ref()),
            members: Map::new(),
            text: String::new(),
            nil: false,
        };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            if attribute.key.as_ref().starts_with(b"xmlns") {
                continue;
            }
            let raw = String::from_utf8_lossy(&attribute.value);
            let value = quick_xml::escape::unescape(&raw).map_err(|error| error.to_string())?;
            let name = local(attribute.key.local_name().as_ref());
            if name == "nil" {
                open.nil = value == "true" || value == "1";
            } else if name != "type" || attribute.key.prefix().is_none() {
                open.members.insert(format!("@{name}"), value.into());
            }
        }
        Ok(open)
    }

    fn add(&mut self, name: String, value: Value) {
        match self.members.get_mut(&name) {
            Some(Value::Array(list)) => list.push(value),
            Some(first) => {
                let first = std::mem::take(first);
                self.members.insert(name, Value::Array(vec![first, value]));
            }
            None => {
                self.members.insert(name, value);
            }
        }
    }

    fn close(mut self) -> (String, Value) {
        let value = if self.nil {
            Value::Null
        } else if self.members.is_empty() {
            if self.text.is_empty() {
                Value::Null
            } else {
                self.text.into()
            }
        } else {
            // Between children stand line breaks and blanks.
            if !self.text.trim().is_empty() {
                self.members.insert(TEXT.to_owned(), self.text.into());
            }
            Value::Object(self.members)
        };
        (self.name, value)
    }
}

fn local(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn xml(body: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open = vec![Open {
        name: String::new(),
        members: Map::new(),
        text: String::new(),
        nil: false,
    }];
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let depth = open.len();
        let Some(top) = open.last_mut() else {
            return Err("it ends more than it begins".to_owned());
        };
        match event {
            Event::Start(_) if depth > DEEPEST => return Err("it is nested too deep".to_owned()),
            Event::Start(start) => open.push(Open::new(&start)?),
            Event::Empty(start) => {
                let (name, value) = Open::new(&start)?.close();
                top.add(name, value);
            }
            Event::End(_) => {
                let closed = open.pop().map(Open::close);
                match (closed, open.last_mut()) {
                    (Some((name, value)), Some(parent)) => parent.add(name, value),
                    _ => return Err("it ends more than it begins".to_owned()),
                }
            }
            Event::Text(text) => {
                top.text
                    .push_str(&text.decode().map_err(|error| error.to_string())?);
            }
            Event::CData(data) => {
                top.text
                    .push_str(&data.decode().map_err(|error| error.to_string())?);
            }
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|error| error.to_string())?;
                let whole = format!("&{name};");
                // Only what XML itself defines: no entity of a document's own is ever expanded.
                let value =
                    quick_xml::escape::unescape(&whole).map_err(|error| error.to_string())?;
                top.text.push_str(&value);
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match (open.pop(), open.is_empty()) {
        (Some(root), true) if root.members.len() == 1 => Ok(Value::Object(root.members)),
        (Some(_), true) => Err("it is no XML document".to_owned()),
        _ => Err("it ends too early".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn xml_becomes_a_tree() {
        let body = br#"<?xml version="1.0"?><s:Envelope xmlns:s="urn:s"><s:Body>
            <r i="7"><e><id>1</id><n> a &lt;b&gt; &#233; </n><x/></e><e><id>2</id><n xsi:nil="true"/></e><t a="b">c</t></r>
            <d><![CDATA[<&>]]></d></s:Body></s:Envelope>"#;
        assert_eq!(
            parse(body).expect("XML"),
            json!({"Envelope": {"Body": {
                "r": {"@i": "7", "e": [{"id": "1", "n": " a <b> é ", "x": null}, {"id": "2", "n": null}], "t": {"@a": "b", "#text": "c"}},
                "d": "<&>",
            }}})
        );
    }

    #[test]
    fn half_an_answer_is_none() {
        for body in [
            "<a><b>x</b>",
            "<a",
            "{\"a\":",
            "<a/><b/>",
            "<a>&own;</a>",
            "<html><p></html>",
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
        let deep = "<a>".repeat(5000);
        assert!(parse(deep.as_bytes()).is_err());
        assert_eq!(parse(b" ").expect("nothing"), Value::Null);
    }
}
