//! {{name}}: people and groups, kept in the host's own state. Put your target where `state` is.

use tombolo_sdk::schema::{Description, Kind};
use tombolo_sdk::{Attribute, Attributes, Connector, Edit, Entry, Failure, Filter, MemberPage, Members, Page, Query};
use tombolo_sdk::{Read, Result, Write, filter::fold_case, state};

struct People(Description);

impl Connector for People {
    fn open() -> Result<Self> {
        let user = Kind::user().text("login").required().unique().scim("userName").text("label").scim("displayName");
        let user = user.text("mail").scim("emails[type eq \"work\"].value").boolean("active").scim("active");
        let user = user.reference("boss", "user").enterprise("manager");
        let group = Kind::group().text("label").required().unique().scim("displayName");
        Ok(Self(Description::new("{{name}}", env!("CARGO_PKG_VERSION")).kind(user).kind(group)))
    }
    fn describe(&self) -> Result<Description> { Ok(self.0.clone()) }
    fn check(&self) -> Result<()> { state::list("user/", None, 1).map(drop) }
}

impl Read for People {
    fn get(&self, kind: &str, anchor: &str, wanted: &[String]) -> Result<Entry> {
        Ok(state::load(self.0.find(kind)?, anchor)?.keep(wanted))
    }
    fn search(&self, kind: &str, query: &Query) -> Result<Page> {
        let (described, filter) = (self.0.find(kind)?, query.filter.as_deref().map(Filter::read).transpose()?);
        let (anchors, cursor) = state::page(&format!("{kind}/"), query.cursor.as_deref(), query.limit)?;
        let mut entries = anchors.iter().map(|anchor| state::load(described, anchor)).collect::<Result<Vec<_>>>()?;
        entries.retain(|entry| filter.as_ref().is_none_or(|filter| filter.matches(described, entry)));
        let entries = entries.into_iter().map(|entry| entry.keep(&query.attributes)).collect();
        Ok(Page { entries, cursor, total: None })
    }
}

impl Write for People {
    fn create(&self, kind: &str, attributes: &[Attribute], request: &str) -> Result<Entry> {
        // The request is the same when it is repeated, and so is the anchor made of it.
        let entry = Entry { attributes: attributes.to_vec(), ..Entry::new(request) };
        self.get(kind, request, &[]).or_else(|_| save(self.0.find(kind)?, entry, None))
    }
    fn update(&self, kind: &str, anchor: &str, edits: &[Edit], version: Option<&str>, _: &str) -> Result<Entry> {
        let old = self.get(kind, anchor, &[])?;
        if version.is_some() && old.version.as_deref() != version { return Err(Failure::changed("it has changed")); }
        let mut entry = old.clone();
        entry.apply(edits);
        save(self.0.find(kind)?, entry, Some(&old))
    }
    fn delete(&self, kind: &str, anchor: &str, _: &str) -> Result<()> {
        let old = self.get(kind, anchor, &[])?;
        let others = state::all(&if kind == "user" { "group/".to_owned() } else { format!("member/{anchor}/") })?;
        let key = |it: &String| if kind == "user" { format!("member/{it}/{anchor}") } else { format!("member/{anchor}/{it}") };
        others.iter().try_for_each(|other| state::delete(&key(other)))?;
        state::delete(&unique(self.0.find(kind)?, &old))?;
        state::delete(&format!("{kind}/{anchor}"))
    }
}

impl Members for People {
    fn list_members(&self, group: &str, cursor: Option<&str>, limit: u32) -> Result<MemberPage> {
        let group = self.get("group", group, &[])?.anchor;
        let page = state::page(&format!("member/{group}/"), cursor, limit);
        page.map(|(members, cursor)| MemberPage { members, cursor })
    }
    fn change_members(&self, group: &str, add: &[String], remove: &[String], _: &str) -> Result<()> {
        self.get("group", group, &[])?;
        for member in add {
            self.get("user", member, &[]).map_err(|_| Failure::invalid(format!("no user {member}")).attribute("members"))?;
        }
        remove.iter().try_for_each(|member| state::delete(&format!("member/{group}/{member}")))?;
        add.iter().try_for_each(|member| state::put(&format!("member/{group}/{member}"), b"").map(drop))
    }
}

/// The key that holds who has an object's unique value.
fn unique(kind: &Kind, entry: &Entry) -> String {
    let value = kind.uniques().find_map(|field| entry.text(&field.name)).unwrap_or_default();
    format!("unique/{}/{}", kind.kind, fold_case(value))
}

fn save(kind: &Kind, entry: Entry, old: Option<&Entry>) -> Result<Entry> {
    kind.check(&entry)?;
    let key = unique(kind, &entry);
    state::claim(&key, &entry.anchor, kind.uniques().next().map_or("", |field| &field.name))?;
    let left = old.map(|old| unique(kind, old)).filter(|left| *left != key);
    left.map_or(Ok(()), |left| state::delete(&left))?;
    state::store(kind, entry)
}

tombolo_sdk::export!(People: read, write, members);
