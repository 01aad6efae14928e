//! The app's `[settings]`, as `manifest.json` describes them: an API in words.
//!
//! | module | idea |
//! |---|---|
//! | `verify` | what their JSON Schema cannot say |
//! | `schema` | what SCIM is offered |

mod schema;
mod verify;

use crate::path::Path;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use tombolo_sdk::{Failure, Fault, Result};

/// Everything that is said about an API.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// Header fields of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Header field that takes the request's stable id, where the API knows idempotency keys.
    pub idempotency_header: Option<String>,
    /// Where an answer says what is wrong.
    #[serde(default)]
    pub message: OneOrMore<Path>,
    /// What proves address and credentials.
    pub check: Call,
    /// What errors mean, in order.
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
    /// Kinds of object.
    pub kinds: Vec<Kind>,
}

/// One thing or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum OneOrMore<T> {
    More(Vec<T>),
    One(T),
}

impl<T> Default for OneOrMore<T> {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

impl<T> OneOrMore<T> {
    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::More(list) => list,
            Self::One(one) => std::slice::from_ref(one),
        }
    }
}

/// One request.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Call {
    /// The method; absent: what the operation usually has.
    pub method: Option<String>,
    /// Path below the target's URL.
    pub path: String,
    /// Query parameters.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Header fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    pub body: Option<Value>,
    /// An XML body.
    pub xml: Option<String>,
    /// A form as the body.
    pub form: Option<BTreeMap<String, String>>,
    /// Further statuses that mean success.
    #[serde(default)]
    pub ok: Vec<u16>,
}

/// What an answer means that is no success, or only looks like one.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ErrorRule {
    /// Of these statuses; absent: of any that is no success.
    #[serde(default)]
    pub status: OneOrMore<u16>,
    /// Whose message has this in it, in any case.
    pub contains: Option<String>,
    /// Whose body has something here, whatever its status.
    pub path: Option<Path>,
    /// What it is.
    pub fault: FaultName,
    /// The attribute that is to blame.
    pub attribute: Option<String>,
    /// Words of the message, and the attribute that they blame.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Header field that says in how many seconds to come again.
    pub retry_after_header: Option<String>,
}

/// A fault of the contract.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum FaultName {
    NotFound,
    AlreadyExists,
    Changed,
    Invalid,
    Unsupported,
    Unauthenticated,
    Forbidden,
    Busy,
    Unavailable,
    Timeout,
    Other,
}

impl From<FaultName> for Fault {
    fn from(name: FaultName) -> Self {
        match name {
            FaultName::NotFound => Self::NotFound,
            FaultName::AlreadyExists => Self::AlreadyExists,
            FaultName::Changed => Self::Changed,
            FaultName::Invalid => Self::Invalid,
            FaultName::Unsupported => Self::Unsupported,
            FaultName::Unauthenticated => Self::Unauthenticated,
            FaultName::Forbidden => Self::Forbidden,
            FaultName::Busy => Self::Busy,
            FaultName::Unavailable => Self::Unavailable,
            FaultName::Timeout => Self::Timeout,
            FaultName::Other => Self::Other,
        }
    }
}

/// A kind of object.
#[derive(Clone, Debug, Deserialize)]
pub struct Kind {
    /// Its name.
    pub kind: String,
    /// The SCIM resource type; absent: `User` or `Group`, as the name says.
    pub resource: Option<String>,
    /// Of a resource type of its own: its path segment.
    pub endpoint: Option<String>,
    /// Of a resource type of its own: its schema URN.
    pub schema: Option<String>,
    /// Where an object's key is.
    pub id: Path,
    /// Where an object's version is.
    pub version: Option<Path>,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// How all of them are listed; several listings are read one after the other.
    pub list: OneOrMore<Listing>,
    /// How some of them are found by an attribute.
    #[serde(default)]
    pub find: Vec<Find>,
    /// How one of them is read.
    pub get: Get,
    /// How one is created.
    pub create: Option<Create>,
    /// How one is changed.
    pub update: Option<Update>,
    /// How attributes with endpoints of their own are changed.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// How one is deleted.
    pub delete: Option<Call>,
    /// How its members are read and changed.
    pub members: Option<Members>,
}

/// One attribute.
#[derive(Clone, Debug, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own about an attribute
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// The type of its values.
    #[serde(default, rename = "type")]
    pub kind: TypeName,
    /// Where it is in an object; absent: under its name.
    pub path: Option<Path>,
    /// The SCIM path suggested for it.
    pub scim: Option<String>,
    /// Whether an object cannot be without it.
    #[serde(default)]
    pub required: bool,
    /// Whether each value occurs once.
    #[serde(default)]
    pub unique: bool,
    /// Whether it may have several values.
    #[serde(default)]
    pub multi: bool,
    /// Whether upper and lower case differ.
    #[serde(default, rename = "case-exact")]
    pub case_exact: bool,
    /// Who may change it.
    #[serde(default)]
    pub mutability: MutabilityName,
    /// Of a reference: the kind it points at.
    pub to: Option<String>,
    /// Its values here, and what the API says for them.
    pub values: Option<BTreeMap<String, Value>>,
    /// What the API takes for "no value"; absent: null.
    pub empty: Option<Value>,
    /// What it means.
    pub description: Option<String>,
    /// Of a complex attribute: what one value is made of.
    #[serde(default)]
    pub parts: Vec<Attribute>,
}

/// The type of an attribute's values.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum TypeName {
    #[default]
    Text,
    Boolean,
    Integer,
    Decimal,
    Instant,
    Binary,
    Reference,
    Complex,
}

/// Who may change an attribute.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum MutabilityName {
    #[default]
    ReadWrite,
    ReadOnly,
    Immutable,
    WriteOnly,
}

/// How objects are listed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listing {
    /// The request.
    #[serde(flatten)]
    pub call: Call,
    /// Where the objects are in the answer.
    pub items: Path,
    /// How the next page is asked for.
    #[serde(default)]
    pub paging: Paging,
    /// Objects a page; the API gives no fewer while there are more.
    #[serde(default = "hundred")]
    pub page_size: usize,
    /// The number of the first page.
    #[serde(default = "one")]
    pub first_page: usize,
    /// Where the number of all objects is.
    pub total: Option<Path>,
    /// Where the next page's cursor or link is.
    pub next: Option<Path>,
    /// Whether each object is read by itself, because the listing tells too little.
    #[serde(default)]
    pub each: bool,
    /// Values that all objects of this listing have.
    #[serde(default)]
    pub known: BTreeMap<String, Value>,
}

fn hundred() -> usize {
    100
}

fn one() -> usize {
    1
}

/// How the next page is asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Paging {
    /// There is one page.
    #[default]
    None,
    /// `{{ page }}` and `{{ limit }}`.
    Page,
    /// `{{ offset }}` and `{{ limit }}`.
    Offset,
    /// `{{ cursor }}`, from `next`.
    Cursor,
    /// The link in `next`.
    Next,
    /// The header field `Link` with `rel="next"` (RFC 8288).
    Link,
}

/// How objects are found by the value of one attribute, `{{ value }}`. What the API finds too much is left out.
#[derive(Clone, Debug, Deserialize)]
pub struct Find {
    /// The attribute.
    pub attribute: String,
    /// The request, and reading its answer.
    #[serde(flatten)]
    pub listing: Listing,
}

/// How one object is read.
#[derive(Clone, Debug, Deserialize)]
pub struct Get {
    /// The request.
    #[serde(flatten)]
    pub call: Call,
    /// Where the object is in the answer.
    #[serde(default)]
    pub object: Path,
}

/// How an object is created. Without `id` and `location` it is looked up afterwards.
#[derive(Clone, Debug, Deserialize)]
pub struct Create {
    /// The request.
    #[serde(flatten)]
    pub call: Call,
    /// Where its key is in the answer.
    pub id: Option<Path>,
    /// Whether its key is the last part of the header field `Location`.
    #[serde(default)]
    pub location: bool,
    /// Further requests that finish it.
    #[serde(default)]
    pub then: Vec<Step>,
}

/// A further request.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    /// The request.
    #[serde(flatten)]
    pub call: Call,
    /// It is made if one of these attributes is given; absent: always.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// How an object is changed.
#[derive(Clone, Debug, Deserialize)]
pub struct Update {
    /// The request.
    #[serde(flatten)]
    pub call: Call,
    /// Whether the request says the whole object, not only what changes.
    #[serde(default)]
    pub whole: bool,
    /// Whether what else the API showed of the object is said again: the body is laid over it.
    #[serde(default)]
    pub keep: bool,
}

/// How one attribute is changed that has endpoints of its own.
#[derive(Clone, Debug, Deserialize)]
pub struct Change {
    /// The request; `{{ value }}` is the value.
    #[serde(flatten)]
    pub call: Call,
    /// The attribute.
    pub attribute: String,
    /// When: the value is set, or a value comes to or goes from many.
    #[serde(default)]
    pub on: When,
    /// Only for this value, as the API would say it.
    pub value: Option<Value>,
}

/// When a [`Change`] is made.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum When {
    #[default]
    Set,
    Add,
    Remove,
}

/// How members are read and changed; `{{ id }}` is the group.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Members {
    /// The kinds that members are of.
    #[serde(default = "users")]
    pub of: Vec<String>,
    /// How they are listed.
    pub list: Listing,
    /// Where a member's key is in an item of the listing; absent: the item itself.
    #[serde(default)]
    pub member: Path,
    /// How one is added, `{{ member }}`, or many, `{{ members }}`.
    pub add: Option<MemberCall>,
    /// How one is removed, or many.
    pub remove: Option<MemberCall>,
    /// For APIs that only take all of them, `{{ members }}`.
    pub replace: Option<Call>,
    /// Whether new members are looked for first, for APIs that take anybody.
    #[serde(default = "yes")]
    pub look_first: bool,
}

fn users() -> Vec<String> {
    vec!["user".to_owned()]
}

fn yes() -> bool {
    true
}

/// How members are added or removed.
#[derive(Clone, Debug, Deserialize)]
pub struct MemberCall {
    /// The request.
    #[serde(flatten)]
    pub call: Call,
    /// How many at once.
    #[serde(default = "one")]
    pub batch: usize,
}

impl Settings {
    /// The settings, from the JSON that the host gives.
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| {
            Failure::invalid(format!(
                "the app's [settings] do not fit the rest connector: {error}"
            ))
        })
    }

    /// The kind of this name.
    pub fn kind(&self, name: &str) -> Result<&Kind> {
        self.kinds
            .iter()
            .find(|kind| kind.kind == name)
            .ok_or_else(|| Failure::no_such_kind(name))
    }

    /// The kind that has members.
    pub fn group(&self) -> Result<(&Kind, &Members)> {
        self.kinds
            .iter()
            .find_map(|kind| Some((kind, kind.members.as_ref()?)))
            .ok_or_else(|| Failure::unsupported("no kind in [settings] has `members`"))
    }
}

impl Kind {
    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.name == name)
    }

    /// Whether each value of this attribute occurs once.
    pub fn is_unique(&self, name: &str) -> bool {
        self.attribute(name).is_some_and(|a| a.unique)
    }
}

impl Get {
    /// The names that lead to the object in an answer, and so in a body that is like it.
    pub fn object_names(&self) -> Vec<String> {
        self.object.names()
    }
}
