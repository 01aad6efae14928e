//! A connector for the contract kit to be tested with: honest as it is, and wrong in one way when the setting `defect`
//! says so.
//!
//! Each defect is one that somebody has made: a cursor that counts, a filter that forgets who has no value, an update
//! that answers half of the object. `tests/tests/kit.rs` says which check must notice which.

mod defects;
mod keep;
mod kinds;

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use tombolo_sdk::filter::fold_case;
use tombolo_sdk::host::ldap;
use tombolo_sdk::schema::{Description, Field, Kind, Mutability, Type};
use tombolo_sdk::{
    Attribute, Attributes, Change, Changes, Connector, Delta, Edit, EditKind, Entry, Failure,
    MemberPage, Members, Page, Password, Query, Read, Result, Scalar, Secret, Value, Write, state,
};

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    defect: String,
}

/// The connector, and what is wrong with it.
pub struct Broken {
    defect: String,
}

impl Broken {
    pub(crate) fn is(&self, defect: &str) -> bool {
        self.defect == defect
    }

    fn kind(&self, name: &str) -> Result<Kind> {
        match name {
            "user" => Ok(kinds::people()),
            "group" => Ok(kinds::groups()),
            _ if self.is("unknown-kinds-are-empty") => Ok(kinds::groups()),
            other => Err(Failure::no_such_kind(other)),
        }
    }

    /// The object, or that there is none.
    fn find(&self, kind: &str, anchor: &str) -> Result<Entry> {
        let found = keep::get(kind, anchor);
        let found = match found {
            Err(_) if self.is("lost-is-not-found") => None,
            found => found?,
        };
        found.ok_or_else(|| {
            if self.is("missing-is-other") {
                Failure::other("no such thing")
            } else {
                Failure::not_found(format!("there is no {kind} {anchor:?}"))
            }
        })
    }

    /// What is shown of it.
    fn shown(&self, kind: &Kind, mut entry: Entry, wanted: &[String]) -> Entry {
        let hidden = |name: &str| {
            kind.attribute(name)
                .is_none_or(|field| field.mutability == Mutability::WriteOnly)
        };
        if !self.is("write-only-is-shown") {
            entry.attributes.retain(|held| !hidden(&held.name));
        }
        if self.is("versions-are-by-selection") && !wanted.is_empty() {
            entry.version = Some("part".to_owned());
        }
        if self.is("integers-are-texts") {
            for held in entry
                .attributes
                .iter_mut()
                .filter(|held| held.name == "room")
            {
                held.values = vec!["seven".into()];
            }
        }
        if self.is("selections-are-ignored") {
            return entry;
        }
        entry.keep(wanted)
    }

    fn check_value(&self, field: &Field, attribute: &Attribute) -> Result<()> {
        let invalid = |what: &str| {
            Err(Failure::invalid(format!("{} {what}", field.name)).attribute(&field.name))
        };
        if !field.multi && attribute.values.len() > 1 {
            return invalid("has one value");
        }
        let fits = |value: &Value| {
            matches!(
                (field.kind, value),
                (Type::Text | Type::Reference, Value::Simple(Scalar::Text(_)))
                    | (Type::Boolean, Value::Simple(Scalar::Boolean(_)))
                    | (Type::Integer, Value::Simple(Scalar::Integer(_)))
                    | (Type::Decimal, Value::Simple(Scalar::Decimal(_)))
                    | (Type::Instant, Value::Simple(Scalar::Instant(_)))
                    | (Type::Binary, Value::Simple(Scalar::Bytes(_)))
                    | (Type::Complex, Value::Complex(_))
            )
        };
        if !attribute.values.iter().all(fits) && !self.is("types-are-ignored") {
            return invalid("is of another type");
        }
        Ok(())
    }

    /// The field that an edit names, if it may be changed so.
    fn writable<'k>(
        &self,
        kind: &'k Kind,
        attribute: &Attribute,
        new: bool,
    ) -> Result<Option<&'k Field>> {
        let Some(field) = kind.attribute(&attribute.name) else {
            if self.is("unknown-attributes-are-dropped") {
                return Ok(None);
            }
            let what = format!("a {} has no attribute {}", kind.kind, attribute.name);
            return Err(Failure::invalid(what).attribute(&attribute.name));
        };
        let fixed = match field.mutability {
            Mutability::ReadOnly => !self.is("read-only-is-taken"),
            Mutability::Immutable => !new && !self.is("immutable-is-changed"),
            Mutability::ReadWrite | Mutability::WriteOnly => false,
        };
        if fixed {
            let what = format!("{} cannot be changed", field.name);
            return Err(Failure::invalid(what).attribute(&field.name));
        }
        self.check_value(field, attribute)?;
        Ok(Some(field))
    }

    /// Keeps it, unless somebody has one of its unique values.
    fn keep(&self, kind: &Kind, mut entry: Entry, new: bool) -> Result<Entry> {
        for field in kind.attributes.iter().filter(|field| field.required) {
            let may_go = self.is("required-is-cleared") && !new;
            if entry.values(&field.name).is_empty() && !may_go {
                return Err(
                    Failure::invalid(format!("{} is required", field.name)).attribute(&field.name)
                );
            }
        }
        let unchecked = self.is("duplicates-are-taken")
            || self.is("creates-double")
            || (self.is("updates-take-names") && !new);
        for field in kind
            .attributes
            .iter()
            .filter(|field| field.unique && !unchecked)
        {
            let Some(value) = entry.text(&field.name).map(str::to_owned) else {
                continue;
            };
            let fold = |text: &str| {
                if self.is("names-differ-by-case") {
                    text.to_owned()
                } else {
                    fold_case(text)
                }
            };
            let itself = self.is("own-name-is-taken");
            let taken = keep::all(&kind.kind)?.into_iter().any(|other| {
                (itself && !new || other.anchor != entry.anchor)
                    && other
                        .text(&field.name)
                        .is_some_and(|held| fold(held) == fold(&value))
            });
            let ghost = self.is("names-are-never-free")
                && new
                && state::get(&format!("ghost/{}", fold(&value)))?.is_some();
            if taken || ghost {
                let what = format!("{} {value:?} is taken", field.name);
                let failure = Failure::already_exists(what);
                return Err(if self.is("conflicts-name-nothing") {
                    failure
                } else {
                    failure.attribute(&field.name)
                });
            }
        }
        self.mangle(&mut entry);
        let version = keep::next()?.to_string();
        entry.version = Some(if self.is("versions-are-constant") {
            "1".to_owned()
        } else {
            version
        });
        keep::put(&kind.kind, &entry)?;
        keep::journal(&kind.kind, &entry.anchor)?;
        Ok(entry)
    }
}

impl Connector for Broken {
    fn open() -> Result<Self> {
        let settings: Settings = tombolo_sdk::settings()?;
        Ok(Self {
            defect: settings.defect,
        })
    }

    fn describe(&self) -> Result<Description> {
        if self.is("describe-reaches-a-target") {
            let request = ldap::SearchRequest {
                base: String::new(),
                scope: ldap::Scope::Base,
                filter: "(objectClass=*)".to_owned(),
                attributes: Vec::new(),
                cursor: None,
                limit: 1,
            };
            drop(ldap::search("directory", &request));
        }
        let name = if self.is("another-name") {
            "somebody-else"
        } else {
            "broken"
        };
        let mut version = env!("CARGO_PKG_VERSION").to_owned();
        if self.is("describe-varies") {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            version = format!("{}", now.unwrap_or_default().as_nanos());
        }
        let mut people = kinds::people();
        if self.is("an-attribute-twice") {
            people = people.text("label");
        }
        if self.is("a-path-twice") {
            people = people.text("nick").scim("displayname");
        }
        if self.is("no-such-reference") {
            people = people.reference("office", "building");
        }
        if self.is("no-kinds") {
            return Ok(Description::new(name, version));
        }
        Ok(Description::new(name, version)
            .kind(people)
            .kind(kinds::groups()))
    }

    fn check(&self) -> Result<()> {
        if self.is("check-fails") {
            return Err(Failure::unavailable("not today"));
        }
        Ok(())
    }
}

impl Read for Broken {
    fn get(&self, kind: &str, anchor: &str, wanted: &[String]) -> Result<Entry> {
        let described = self.kind(kind)?;
        self.wear();
        if self.is("unknown-anchors-are-empty") && keep::get(kind, anchor)?.is_none() {
            return Ok(Entry::new(if anchor.is_empty() { "x" } else { anchor }));
        }
        let entry = self.find(kind, anchor)?;
        let entry = self.remembered(entry);
        Ok(self.shown(&described, entry, wanted))
    }

    fn search(&self, kind: &str, query: &Query) -> Result<Page> {
        let described = self.kind(kind)?;
        self.wear();
        self.locked()?;
        let entries = match keep::all(kind) {
            Err(_) if self.is("lost-is-not-found") => Vec::new(),
            entries => entries?,
        };
        self.page(&described, entries, query)
    }
}

impl Write for Broken {
    fn create(&self, kind: &str, attributes: &[Attribute], request: &str) -> Result<Entry> {
        let described = self.kind(kind)?;
        let anchor = if self.is("creates-double") {
            format!("{request}-{}", keep::next()?)
        } else {
            request.to_owned()
        };
        if let Some(there) = self.honestly(keep::get(kind, &anchor))? {
            return Ok(self.shown(&described, there, &[]));
        }
        let mut entry = Entry::new(&anchor);
        for attribute in attributes {
            if self.writable(&described, attribute, true)?.is_some()
                && !(self.is("create-drops-one") && attribute.name == "label" && kind == "user")
                && !attribute.values.is_empty()
            {
                entry.attributes.push(attribute.clone());
            }
        }
        if kind == "user" && entry.values("made").is_empty() {
            entry = entry.with("made", "by the connector");
        }
        let mut kept = self.honestly(self.keep(&described, entry, true))?;
        if self.is("groups-begin-with-somebody") && kind == "group" {
            state::put(&keep::membership(&anchor, "placeholder"), b"")?;
        }
        if self.is("create-answers-less") {
            kept.attributes.truncate(1);
        }
        Ok(self.shown(&described, kept, &[]))
    }

    fn update(
        &self,
        kind: &str,
        anchor: &str,
        edits: &[Edit],
        if_version: Option<&str>,
        request: &str,
    ) -> Result<Entry> {
        let described = self.kind(kind)?;
        let mut entry = self.honestly(self.find(kind, anchor))?;
        let stale = if_version.is_some_and(|wanted| entry.version.as_deref() != Some(wanted));
        if (stale && !self.is("stale-is-taken"))
            || (if_version.is_some() && self.is("versions-are-refused"))
        {
            return Err(Failure::changed("it has changed meanwhile"));
        }
        if self.is("updates-only-once") {
            let key = format!("done/{request}");
            if state::get(&key)?.is_some() {
                return Err(Failure::other("that was done already"));
            }
            state::put(&key, b"")?;
        }
        self.apply(&described, &mut entry, edits)?;
        self.stumble(kind, &entry)?;
        let mut kept = self.honestly(self.keep(&described, entry, false))?;
        if self.is("updates-reach-others") {
            Self::spoil(kind, anchor)?;
        }
        if self.is("updates-clear-members") && kind == "group" {
            for member in keep::keys(&keep::membership(anchor, ""))? {
                state::delete(&member)?;
            }
        }
        if self.is("update-answers-less") {
            let touched: Vec<&str> = edits.iter().map(Edit::name).collect();
            kept.attributes
                .retain(|held| touched.contains(&held.name.as_str()));
        }
        Ok(self.shown(&described, kept, &[]))
    }

    fn delete(&self, kind: &str, anchor: &str, _request: &str) -> Result<()> {
        let described = self.kind(kind)?;
        if self.is("deletes-nothing") {
            return Ok(());
        }
        if self.is("deletes-anything") && keep::get(kind, anchor)?.is_none() {
            return Ok(());
        }
        let entry = self.honestly(self.find(kind, anchor))?;
        if self.is("quotes-are-stuck")
            && entry.attributes.iter().any(|held| {
                held.scalar()
                    .and_then(Scalar::as_text)
                    .is_some_and(|text| text.contains('\''))
            })
        {
            return Err(Failure::other("syntax error at or near \"'\""));
        }
        for field in described.attributes.iter().filter(|field| field.unique) {
            if let (true, Some(value)) = (self.is("names-are-never-free"), entry.text(&field.name))
            {
                state::put(&format!("ghost/{}", fold_case(value)), b"")?;
            }
        }
        if self.is("deletes-too-many") {
            for other in keep::all(kind)?.iter().take(3) {
                state::delete(&keep::key(kind, &other.anchor))?;
            }
        }
        if !self.is("the-deleted-stay-members") {
            for group in keep::all("group")? {
                state::delete(&keep::membership(&group.anchor, anchor))?;
            }
        }
        for member in keep::keys(&keep::membership(anchor, ""))? {
            state::delete(&member)?;
        }
        if self.is("deletes-half") {
            // Marked first and deleted then: who comes again finds the mark and believes it.
            let mark = format!("mark/{anchor}");
            if state::get(&mark)?.is_some() {
                return Ok(());
            }
            state::put(&mark, b"")?;
        }
        self.honestly(state::delete(&keep::key(kind, anchor)))?;
        keep::journal(kind, anchor)
    }
}

impl Members for Broken {
    fn list_members(&self, group: &str, cursor: Option<&str>, limit: u32) -> Result<MemberPage> {
        if !self.is("unknown-groups-are-empty") {
            self.find("group", group)?;
        }
        let prefix = keep::membership(group, "");
        let keys = keep::keys(&prefix)?;
        let mut members: Vec<String> = keys
            .iter()
            .filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned))
            .collect();
        if self.is("members-are-cut") {
            members.truncate(40);
        }
        if self.is("member-cursors-trap")
            && let Some(cursor) = cursor
        {
            assert!(
                members.iter().any(|member| member == cursor),
                "no such cursor"
            );
        }
        let (page, next) =
            tombolo_sdk::paging::page(&members, |m: &String| m.as_str(), cursor, limit);
        let mut page: Vec<String> = page.into_iter().cloned().collect();
        if self.is("member-pages-lose") && next.is_some() && page.len() > 1 {
            page.remove(0);
        }
        Ok(MemberPage {
            members: page,
            cursor: next,
        })
    }

    fn change_members(
        &self,
        group: &str,
        add: &[String],
        remove: &[String],
        _request: &str,
    ) -> Result<()> {
        if !self.is("unknown-groups-are-empty") {
            self.honestly(self.find("group", group))?;
        }
        for member in add {
            let there = self
                .honestly(state::get(&keep::membership(group, member)))?
                .is_some();
            if there && self.is("members-once-only") {
                return Err(Failure::already_exists("is a member already").attribute("members"));
            }
            if self.is("unknown-members-half") {
                state::put(&keep::membership(group, member), b"")?;
            }
            if self.honestly(keep::get("user", member))?.is_none()
                && !self.is("unknown-members-are-taken")
            {
                return Err(
                    Failure::invalid(format!("there is no user {member:?}")).attribute("members")
                );
            }
        }
        if !self.is("members-never-leave") {
            for member in remove {
                self.honestly(state::delete(&keep::membership(group, member)))?;
            }
        }
        for member in add {
            self.honestly(state::put(&keep::membership(group, member), b""))?;
        }
        Ok(())
    }
}

impl Password for Broken {
    fn set_password(&self, anchor: &str, value: &Secret, _must_change: bool) -> Result<()> {
        if !self.is("passwords-for-anybody") {
            self.find("user", anchor)?;
        }
        if self.is("passwords-break-people") {
            let mut entry = self.find("user", anchor)?;
            entry.attributes.retain(|held| held.name != "label");
            keep::put("user", &entry)?;
        }
        if value.name().is_empty() {
            return Err(Failure::invalid("no password"));
        }
        Ok(())
    }
}

impl Delta for Broken {
    fn since(&self, kind: &str, token: Option<&str>, limit: u32) -> Result<Changes> {
        let described = self.kind(kind)?;
        let prefix = format!("log/{kind}/");
        let log = keep::keys(&prefix)?;
        let last = log.last().map_or(prefix.as_str(), String::as_str);
        let Some(token) = token
            .map(str::to_owned)
            .or_else(|| self.is("now-is-everything").then(|| prefix.clone()))
        else {
            return Ok(Changes {
                changes: Vec::new(),
                token: last.to_owned(),
                more: false,
            });
        };
        if !token.starts_with(&prefix) {
            assert!(!self.is("forged-tokens-trap"), "no token");
            return Err(Failure::invalid("that is no token"));
        }
        let mut token = token;
        if self.is("tokens-are-used-up") {
            // Remembers how far anybody has read, whatever the token says.
            static READ: AtomicU64 = AtomicU64::new(0);
            let kept = state::get("read")?
                .and_then(|item| String::from_utf8(item.value).ok())
                .unwrap_or_default();
            READ.fetch_add(1, Ordering::Relaxed);
            token = token.max(kept);
        }
        let after = |key: &&String| {
            if self.is("tokens-double") {
                **key >= token
            } else {
                **key > token
            }
        };
        let rest: Vec<&String> = log.iter().filter(after).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        let mut changes = Vec::new();
        for key in rest.iter().take(limit) {
            let anchor = state::get(key)?
                .and_then(|item| String::from_utf8(item.value).ok())
                .unwrap_or_default();
            match keep::get(kind, &anchor)? {
                Some(entry) => changes.push(Change::Changed(self.shown(&described, entry, &[]))),
                None if self.is("the-gone-are-not-told") => {}
                None => changes.push(Change::Gone(anchor)),
            }
        }
        let token = rest
            .iter()
            .take(limit)
            .next_back()
            .map_or(token, |key| (*key).clone());
        if self.is("tokens-are-used-up") {
            state::put("read", token.as_bytes())?;
        }
        Ok(Changes {
            changes,
            token,
            more: rest.len() > limit,
        })
    }
}

impl Broken {
    /// The edits, one after another.
    fn apply(&self, kind: &Kind, entry: &mut Entry, edits: &[Edit]) -> Result<()> {
        let mut edits = edits.to_vec();
        if self.is("edits-backwards") {
            edits.reverse();
        }
        if self.is("first-edit-only") {
            edits.truncate(1);
        }
        for edit in &edits {
            let half = self.is("edits-by-halves");
            match self.writable(kind, &edit.attribute, false) {
                Err(failure) if half => {
                    keep::put(&kind.kind, entry)?;
                    return Err(failure);
                }
                field => drop(field?),
            }
            if self.clumsy(entry, edit) {
                continue;
            }
            entry.apply(std::slice::from_ref(edit));
        }
        entry
            .attributes
            .retain(|held| kind.attribute(&held.name).is_some());
        Ok(())
    }

    /// Edits done wrong; false for one that is to be done right.
    fn clumsy(&self, entry: &mut Entry, edit: &Edit) -> bool {
        let name = edit.name();
        let at = entry.attributes.iter().position(|held| held.name == name);
        match (edit.kind, edit.attribute.values.is_empty()) {
            (EditKind::Put, true) => self.is("clearing-is-ignored"),
            (EditKind::Put, false) if self.is("put-adds") => {
                if let Some(at) = at {
                    entry.attributes[at]
                        .values
                        .extend(edit.attribute.values.clone());
                    let multi = kinds::people()
                        .attribute(name)
                        .is_some_and(|field| field.multi);
                    if !multi {
                        entry.attributes[at].values.truncate(1);
                    }
                    return true;
                }
                false
            }
            (EditKind::Add, _) if self.is("add-doubles") => {
                if let Some(at) = at {
                    entry.attributes[at]
                        .values
                        .extend(edit.attribute.values.clone());
                    return true;
                }
                false
            }
            (EditKind::Remove, _) if self.is("remove-clears") => {
                entry.attributes.retain(|held| held.name != name);
                true
            }
            _ => false,
        }
    }
}

tombolo_sdk::export!(Broken: read, write, members, password, delta; manifest = "manifest.json");
