//! One trait an ability. What a connector does not implement, it does not export, and the host does not offer to SCIM.
//!
//! Each call starts with [`Connector::open`]: instances may be fresh for every call, so nothing is promised to live
//! from one call to the next except what [`state`](crate::state) and the target hold.

use crate::schema::Description;
use crate::{Attribute, Changes, Edit, Entry, MemberPage, Page, Query, Result, Secret};

/// What every connector can.
pub trait Connector: Sized {
    /// Reads the settings ([`crate::settings`]) and whatever else the calls need. Called before each of them: cheap,
    /// and without reaching the target.
    fn open() -> Result<Self>;

    /// The kinds of object and their attributes. May depend on the settings; reaches no target.
    fn describe(&self) -> Result<Description>;

    /// Reaches the target and proves the credentials, without changing anything.
    fn check(&self) -> Result<()>;
}

/// Reading and listing.
pub trait Read: Connector {
    /// The object with this anchor; [`Failure::not_found`](crate::Failure::not_found) when there is none. `wanted` names the attributes;
    /// empty wants all.
    fn get(&self, kind: &str, anchor: &str, wanted: &[String]) -> Result<Entry>;

    /// One page of the objects that pass the query's filter, in a stable order. A filter that cannot be answered in
    /// full is [`Failure::unsupported`](crate::Failure::unsupported): the host lists without it and filters itself.
    fn search(&self, kind: &str, query: &Query) -> Result<Page>;
}

/// Creating, changing and deleting.
pub trait Write: Connector {
    /// Creates an object and answers it as it is now. `request` is the same when the host repeats this very create
    /// (after a crash, say): answer the object that the first attempt made, if the target has a way to know it.
    fn create(&self, kind: &str, attributes: &[Attribute], request: &str) -> Result<Entry>;

    /// Applies the edits in order and answers the whole object as it is now, with its anchor, which may have changed.
    /// With `if_version`, an object of another version is left alone: [`Failure::changed`](crate::Failure::changed).
    fn update(
        &self,
        kind: &str,
        anchor: &str,
        edits: &[Edit],
        if_version: Option<&str>,
        request: &str,
    ) -> Result<Entry>;

    /// Deletes the object; [`Failure::not_found`](crate::Failure::not_found) when there is none.
    fn delete(&self, kind: &str, anchor: &str, request: &str) -> Result<()>;
}

/// Who is in a group.
pub trait Members: Connector {
    /// One page of the members' anchors, in a stable order.
    fn list_members(&self, group: &str, cursor: Option<&str>, limit: u32) -> Result<MemberPage>;

    /// Adds and removes members. Adding who is there and removing who is not succeeds; an unknown object to add is
    /// [`Failure::invalid`](crate::Failure::invalid) and changes nothing.
    fn change_members(
        &self,
        group: &str,
        add: &[String],
        remove: &[String],
        request: &str,
    ) -> Result<()>;
}

/// Setting passwords. The connector holds a handle; the host puts the value where it is used.
pub trait Password: Connector {
    /// Sets the password of the object with this anchor.
    fn set_password(&self, anchor: &str, value: &Secret, must_change: bool) -> Result<()>;
}

/// Telling what has changed since a token.
pub trait Delta: Connector {
    /// What has changed since `token` (none: nothing yet, only a token for now), and the token to go on with.
    fn since(&self, kind: &str, token: Option<&str>, limit: u32) -> Result<Changes>;
}
