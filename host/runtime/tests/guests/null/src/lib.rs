//! The connector that does nothing: what is left is the price of the sandbox.

wit_bindgen::generate!({ path: "../../../../../wit", world: "provisioner", generate_all });

use exports::tombolo::connector::{connector, read, write};
use tombolo::connector::types::{Attribute, Edit, Entry, Failure, Page, Query, Scalar, Value};

#[unsafe(link_section = "tombolo:manifest")]
#[used]
static MANIFEST: [u8; include_bytes!("../manifest.json").len()] = *include_bytes!("../manifest.json");

struct Null;
export!(Null);

fn entry(anchor: &str) -> Entry {
    let text = |name: &str, value: &str| Attribute {
        name: name.to_owned(),
        values: vec![Value::Simple(Scalar::Text(value.to_owned()))],
    };
    Entry {
        anchor: anchor.to_owned(),
        version: Some("1".to_owned()),
        attributes: vec![text("name", anchor), text("givenName", "Ada"), text("familyName", "Lovelace")],
    }
}

impl connector::Guest for Null {
    fn describe() -> Result<String, Failure> {
        Ok(include_str!("../describe.json").to_owned())
    }

    fn check() -> Result<(), Failure> {
        Ok(())
    }
}

impl read::Guest for Null {
    fn get(_kind: String, anchor: String, _attributes: Vec<String>) -> Result<Entry, Failure> {
        Ok(entry(&anchor))
    }

    fn search(_kind: String, query: Query) -> Result<Page, Failure> {
        let entries = (0..query.limit.min(10)).map(|number| entry(&number.to_string())).collect();
        Ok(Page { entries, cursor: None, total: None })
    }
}

impl write::Guest for Null {
    fn create(_kind: String, attributes: Vec<Attribute>, request: String) -> Result<Entry, Failure> {
        Ok(Entry { anchor: request, version: None, attributes })
    }

    fn update(
        _kind: String,
        anchor: String,
        _edits: Vec<Edit>,
        _if_version: Option<String>,
        _request: String,
    ) -> Result<Entry, Failure> {
        Ok(entry(&anchor))
    }

    fn delete(_kind: String, _anchor: String, _request: String) -> Result<(), Failure> {
        Ok(())
    }
}
