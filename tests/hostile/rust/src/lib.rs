//! A connector that attacks its host as its settings say (`do = "sleeps_for_ever"`): one module an attack.
//!
//! Made on the bare contract, without the SDK, so that a fault in the SDK cannot hide one in the host. A search for
//! anybody whose name has not six letters finds nobody and is harmless: that is how the host proves that it survived.

mod attack;

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package tombolo:test-hostile;
        world guest {
            include tombolo:connector/provisioner@1.0.0;
            import tombolo:connector/reveal@1.0.0;
            import tombolo:connector/http@1.0.0;
            import tombolo:connector/net@1.0.0;
            import tombolo:connector/ldap@1.0.0;
            import tombolo:connector/sql@1.0.0;
        }
    ",
    world: "tombolo:test-hostile/guest",
    generate_all,
});

use std::sync::atomic::{AtomicBool, Ordering};

use exports::tombolo::connector::{connector, read, write};
use tombolo::connector::types::{
    Attribute, Edit, Entry, Failure, Fault, Node, Page, Query, Scalar, Value,
};
use tombolo::connector::{config, http};

/// What the file says of itself without being run.
#[unsafe(link_section = "tombolo:manifest")]
#[used]
static MANIFEST: [u8; include_bytes!("manifest.json").len()] = *include_bytes!("manifest.json");

/// What an attack comes to when it does not end the call.
enum Answer {
    /// Words, which become the label of the one entry that was looked for.
    Said(String),
    /// A page of its own making.
    Page(Page),
}

type Attack = fn(&Query) -> Result<Answer, Failure>;

/// Set by who leaves something behind; nobody must ever meet it.
static TAINTED: AtomicBool = AtomicBool::new(false);

struct Hostile;

impl connector::Guest for Hostile {
    fn describe() -> Result<String, Failure> {
        Ok(r#"{"name":"hostile","version":"0.1.0","kinds":[{"kind":"user","resource":"User","attributes":[
            {"name":"login","type":"text","required":true,"unique":true,"scim":"userName"},
            {"name":"label","type":"text","scim":"displayName"}]}]}"#
            .to_owned())
    }

    fn check() -> Result<(), Failure> {
        Ok(())
    }
}

impl read::Guest for Hostile {
    fn get(_kind: String, anchor: String, _attributes: Vec<String>) -> Result<Entry, Failure> {
        Ok(entry(&anchor, "strike", "still there"))
    }

    fn search(_kind: String, query: Query) -> Result<Page, Failure> {
        if TAINTED.load(Ordering::Relaxed) {
            return Err(failure(Fault::Other, "this instance was to be thrown away"));
        }
        let wanted = query.filter.as_ref().and_then(|nodes| nodes.first());
        let harmless = match wanted {
            Some(Node::Test((_, _, Scalar::Text(text)))) => text.len() != 6,
            Some(_) => true,
            None => false,
        };
        if harmless {
            return Ok(page(Vec::new()));
        }
        let settings: serde_json::Value =
            serde_json::from_str(&config::settings()).unwrap_or_default();
        let name = settings["do"].as_str().unwrap_or_default();
        let attack =
            attack::named(name).ok_or_else(|| failure(Fault::Other, "there is no such attack"))?;
        Ok(match attack(&query)? {
            Answer::Said(words) => page(vec![entry("struck", "strike", &words)]),
            Answer::Page(page) => page,
        })
    }
}

impl write::Guest for Hostile {
    fn create(_: String, _: Vec<Attribute>, _: String) -> Result<Entry, Failure> {
        Err(failure(Fault::Unsupported, "it only attacks"))
    }

    fn update(
        _: String,
        _: String,
        _: Vec<Edit>,
        _: Option<String>,
        _: String,
    ) -> Result<Entry, Failure> {
        Err(failure(Fault::Unsupported, "it only attacks"))
    }

    fn delete(_: String, _: String, _: String) -> Result<(), Failure> {
        Err(failure(Fault::Unsupported, "it only attacks"))
    }
}

fn page(entries: Vec<Entry>) -> Page {
    Page {
        entries,
        cursor: None,
        total: None,
    }
}

fn entry(anchor: &str, login: &str, label: &str) -> Entry {
    Entry {
        anchor: anchor.to_owned(),
        version: None,
        attributes: vec![attribute("login", login), attribute("label", label)],
    }
}

fn attribute(name: &str, value: &str) -> Attribute {
    Attribute {
        name: name.to_owned(),
        values: vec![Value::Simple(Scalar::Text(value.to_owned()))],
    }
}

fn failure(fault: Fault, message: &str) -> Failure {
    Failure {
        fault,
        message: message.to_owned(),
        attribute: None,
        target_code: None,
        retry_after_ms: None,
    }
}

/// What was tried, and whether it was allowed.
fn tried<T, E: std::fmt::Debug>(what: &str, result: Result<T, E>) -> String {
    match result {
        Ok(_) => format!("{what} ALLOWED; "),
        Err(_) => format!("{what} refused; "),
    }
}

/// What a target answers to a GET.
fn get(target: &str, path: &str) -> Option<http::Response> {
    let request = http::Request {
        target: target.to_owned(),
        method: "GET".to_owned(),
        path_and_query: path.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    http::send(&request).ok()
}

export!(Hostile);
