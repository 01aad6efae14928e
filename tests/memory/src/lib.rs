//! A connector without a target: it keeps what it is given, and does nothing else.
//!
//! With it, a test of the host is a test of the host: nothing that a file or a directory does or refuses is in it.
//! Objects are JSON in the host's state, one a key, since an instance may be fresh for every call.

use serde_json::{Map, Value as Json};
use tombolo_sdk::filter::fold_case;
use tombolo_sdk::schema::{Description, Field, Kind, Type};
use tombolo_sdk::{
    Attribute, Attributes, Connector, Edit, Entry, Failure, Filter, MemberPage, Members, Page,
    Query, Read, Result, Scalar, Value, Write, state,
};

/// What this build does amiss. A test writes another text of the same length into the file and has a worse revision:
/// see `tests/src/revision.rs`.
#[used]
static DEED: [u8; 64] = *b"tombolo-test-deed:nothing.......................................";

/// Whether this is the build that does that.
fn does(deed: &str) -> bool {
    let text = std::hint::black_box(&DEED);
    text.split(|byte| matches!(byte, b':' | b'.')).nth(1) == Some(deed.as_bytes())
}

/// Everything that is in the host's state.
struct Memory;

impl Connector for Memory {
    fn open() -> Result<Self> {
        Ok(Self)
    }

    fn describe(&self) -> Result<Description> {
        Ok(Description::new("memory", env!("CARGO_PKG_VERSION"))
            .kind(people())
            .kind(groups()))
    }

    fn check(&self) -> Result<()> {
        if does("unreachable") {
            return Err(Failure::unavailable("not reached, as it was told"));
        }
        Ok(())
    }
}

fn people() -> Kind {
    Kind::user()
        .text("login")
        .required()
        .unique()
        .scim("userName")
        .text("key")
        .case_exact()
        .scim("externalId")
        .boolean("active")
        .scim("active")
        .text("label")
        .scim("displayName")
        .text("given")
        .scim("name.givenName")
        .text("family")
        .scim("name.familyName")
        .text("title")
        .scim("title")
        .text("mail")
        .scim("emails[type eq \"work\"].value")
        .text("phone")
        .scim("phoneNumbers[type eq \"mobile\"].value")
        .text("city")
        .scim("addresses[type eq \"work\"].locality")
        .text("country")
        .scim("addresses[type eq \"work\"].country")
        .text("number")
        .enterprise("employeeNumber")
        .text("department")
        .enterprise("department")
        .reference("manager", "user")
        .enterprise("manager")
}

fn groups() -> Kind {
    Kind::group()
        .text("label")
        .required()
        .unique()
        .scim("displayName")
        .text("key")
        .case_exact()
        .scim("externalId")
}

impl Read for Memory {
    fn get(&self, kind: &str, anchor: &str, wanted: &[String]) -> Result<Entry> {
        let described = kind_of(kind)?;
        let item = state::get(&key(kind, anchor))?
            .ok_or_else(|| Failure::not_found(format!("there is no {kind} {anchor}")))?;
        let kept: Map<String, Json> = serde_json::from_slice(&item.value)
            .map_err(|why| Failure::other(format!("{kind} {anchor}: {why}")))?;
        let mut entry = Entry::new(if does("babble") { "" } else { anchor });
        for (name, value) in &kept {
            if let Some(value) = described
                .attribute(name)
                .and_then(|field| shown(field, value))
            {
                entry = entry.with(name, value);
            }
        }
        Ok(entry.keep(wanted))
    }

    fn search(&self, kind: &str, query: &Query) -> Result<Page> {
        let described = kind_of(kind)?;
        let filter = query.filter.as_deref().map(Filter::read).transpose()?;
        let mut found: Vec<Entry> = Vec::new();
        for entry in self.all(kind)? {
            if filter
                .as_ref()
                .is_none_or(|f| f.matches(&described, &entry))
            {
                found.push(entry.keep(&query.attributes));
            }
        }
        let (page, cursor) = tombolo_sdk::paging::page(
            &found,
            |entry| entry.anchor.as_str(),
            query.cursor.as_deref(),
            query.limit,
        );
        Ok(Page {
            entries: page.into_iter().cloned().collect(),
            cursor,
            total: u64::try_from(found.len()).ok(),
        })
    }
}

impl Write for Memory {
    fn create(&self, kind: &str, attributes: &[Attribute], request: &str) -> Result<Entry> {
        // The request is the same when it is repeated, and so is what it makes.
        let mut entry = Entry::new(request);
        for attribute in attributes {
            entry.attributes.push(attribute.clone());
        }
        self.keep(kind, &entry)
    }

    fn update(
        &self,
        kind: &str,
        anchor: &str,
        edits: &[Edit],
        _if_version: Option<&str>,
        _request: &str,
    ) -> Result<Entry> {
        let mut entry = self.get(kind, anchor, &[])?;
        entry.apply(edits);
        self.keep(kind, &entry)
    }

    fn delete(&self, kind: &str, anchor: &str, _request: &str) -> Result<()> {
        self.get(kind, anchor, &[])?;
        for group in self.all("group")? {
            if kind == "user" {
                state::delete(&membership(&group.anchor, anchor))?;
            }
        }
        if kind == "group" {
            for member in keys(&membership(anchor, ""))? {
                state::delete(&member)?;
            }
        }
        state::delete(&key(kind, anchor))
    }
}

impl Members for Memory {
    fn list_members(&self, group: &str, cursor: Option<&str>, limit: u32) -> Result<MemberPage> {
        self.get("group", group, &[])?;
        let prefix = membership(group, "");
        let members: Vec<String> = keys(&prefix)?
            .iter()
            .filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned))
            .collect();
        let (page, cursor) =
            tombolo_sdk::paging::page(&members, |m: &String| m.as_str(), cursor, limit);
        Ok(MemberPage {
            members: page.into_iter().cloned().collect(),
            cursor,
        })
    }

    fn change_members(
        &self,
        group: &str,
        add: &[String],
        remove: &[String],
        _request: &str,
    ) -> Result<()> {
        self.get("group", group, &[])?;
        for member in add {
            if state::get(&key("user", member))?.is_none() {
                let message = format!("there is no user {member}");
                return Err(Failure::invalid(message).attribute("members"));
            }
        }
        for member in remove {
            state::delete(&membership(group, member))?;
        }
        for member in add {
            state::put(&membership(group, member), b"")?;
        }
        Ok(())
    }
}

impl Memory {
    fn all(&self, kind: &str) -> Result<Vec<Entry>> {
        let prefix = key(kind, "");
        keys(&prefix)?
            .iter()
            .filter_map(|key| key.strip_prefix(&prefix))
            .map(|anchor| self.get(kind, anchor, &[]))
            .collect()
    }

    /// Keeps an object, unless another has one of its unique values.
    fn keep(&self, kind: &str, entry: &Entry) -> Result<Entry> {
        let described = kind_of(kind)?;
        for field in described.attributes.iter().filter(|field| field.unique) {
            let Some(value) = entry.attributes.text(&field.name) else {
                return Err(
                    Failure::invalid(format!("{} is required", field.name)).attribute(&field.name)
                );
            };
            let taken = self.all(kind)?.into_iter().any(|other| {
                let same = other
                    .attributes
                    .text(&field.name)
                    .is_some_and(|held| fold_case(held) == fold_case(value));
                same && other.anchor != entry.anchor
            });
            if taken {
                return Err(
                    Failure::already_exists(format!("{value} is taken")).attribute(&field.name)
                );
            }
        }
        let unknown = |name: &&str| described.attribute(name).is_none();
        let mut names = entry.attributes.iter().map(|held| held.name.as_str());
        if let Some(name) = names.find(unknown) {
            let what = format!("a {kind} has no attribute {name}");
            return Err(Failure::invalid(what).attribute(name));
        }
        let kept: Map<String, Json> = entry
            .attributes
            .iter()
            .filter_map(|attribute| {
                let text = attribute.scalar()?.to_plain()?.into_owned();
                Some((attribute.name.clone(), Json::String(text)))
            })
            .collect();
        state::put(
            &key(kind, &entry.anchor),
            Json::Object(kept).to_string().as_bytes(),
        )?;
        // The worst moment: it is done, and nobody hears of it.
        assert!(!does("crash"), "crashed, as it was told");
        self.get(kind, &entry.anchor, &[])
    }
}

fn kind_of(name: &str) -> Result<Kind> {
    match name {
        "user" => Ok(people()),
        "group" => Ok(groups()),
        other => Err(Failure::no_such_kind(other)),
    }
}

fn shown(field: &Field, kept: &Json) -> Option<Value> {
    let text = kept.as_str()?;
    let scalar = match field.kind {
        Type::Boolean => Scalar::Boolean(text == "true"),
        _ => Scalar::Text(text.to_owned()),
    };
    Some(Value::Simple(scalar))
}

fn key(kind: &str, anchor: &str) -> String {
    format!("{kind}/{anchor}")
}

fn membership(group: &str, member: &str) -> String {
    format!("member/{group}/{member}")
}

/// Every key with a prefix.
fn keys(prefix: &str) -> Result<Vec<String>> {
    let (mut all, limit) = (Vec::<String>::new(), 1000);
    loop {
        let page = state::list(prefix, all.last().map(String::as_str), limit)?;
        let done = page.len() < limit as usize;
        all.extend(page);
        if done {
            return Ok(all);
        }
    }
}

tombolo_sdk::export!(Memory: read, write, members; manifest = "manifest.json");
