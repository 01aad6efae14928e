//! An account that was in the target before its client knew of it.
//!
//! Entra looks for an account before it creates one, by the attributes that its administrator picked; who is found is
//! linked, and nothing of this is needed. Where a client POSTs all the same, the matching attributes of the app's own
//! mapping say who that would be, the first of them first. One account is refused as taken, or becomes the client's,
//! as the app's owner wants it. Of several none is: nobody guesses whose account it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tombolo_mapping::References;
use tombolo_runtime::contract::{Comparison, Fault, Node, Query};
use tombolo_scim::patch::MemberEdit;
use tombolo_scim::resource::{Member, Resource};
use tombolo_store::{Commit, Range};

use super::schedule::OnPost;
use crate::app::App;
use crate::audit::{Action, Change, label};
use crate::convert;
use crate::error::Error;
use crate::index::Indexed;
use crate::keys::id_of;
use crate::kind::Kind;
use crate::request::Request;

/// More of the target's answers tell nothing that two do not.
const SEVERAL: u32 = 20;

/// A local account, and whether it could be adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adoption {
    /// Its SCIM id.
    pub id: String,
    /// The resource type.
    pub kind: String,
    /// A name by which people know it.
    pub name: Option<String>,
    /// The attribute by which it is known from all others.
    pub attribute: Option<String>,
    /// Why not.
    pub why: Option<String>,
}

impl App {
    /// Whether what a client wants created is there already, by the matching attributes of the app's file. Answers
    /// the account that becomes the client's.
    pub(crate) async fn account_for(
        &self,
        r: &Request,
        kind: &Kind,
        wanted: &Resource,
    ) -> Result<Option<String>, Error> {
        if !kind.matching_is_said() {
            return Ok(None);
        }
        let ty = &kind.ty().name;
        for index in kind.matching() {
            let values = index.values(wanted);
            let [value] = values.as_slice() else { continue };
            let mut ids = self.present_with(r, kind, &index.label, value).await?;
            if ids.is_empty() {
                self.look_for(r, kind, index, wanted).await?;
                ids = self.present_with(r, kind, &index.label, value).await?;
            }
            let shown = format!("{} `{value}`", index.label);
            match ids.len() {
                0 => {}
                1 => {
                    let id = ids.into_iter().next().unwrap_or_default();
                    let local = match self.load(kind, &id).await? {
                        Some(stored) => stored.record.found,
                        None => continue,
                    };
                    if local && self.imports.on_post == OnPost::Adopt {
                        return Ok(Some(id));
                    }
                    let hint = if local {
                        "let the client find it by that attribute, or say `[import] on-post = \"adopt\"` in the app's file"
                    } else {
                        "let the client find it by that attribute"
                    };
                    return Err(Error::Taken {
                        message: format!(
                            "a {ty} with the {shown} is there already: `{id}`; {hint}"
                        ),
                    });
                }
                _ => {
                    self.note_ambiguity(kind, &index.label, value, &ids).await?;
                    let named: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
                    return Err(Error::Taken {
                        message: format!(
                            "several {ty}s have the {shown}: {}; nobody can tell which one is meant. Give all but one of them another value in the target; `tombolo import report` lists them",
                            named.join(", ")
                        ),
                    });
                }
            }
        }
        Ok(None)
    }

    /// Those that have this value, as fresh as the app asks for.
    async fn present_with(
        &self,
        r: &Request,
        kind: &Kind,
        label: &str,
        value: &str,
    ) -> Result<BTreeSet<String>, Error> {
        for id in self.with_value(kind, label, value).await? {
            match self.fresh(r, kind, &id).await {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // Who has gone, or has another value, is not in the index any more.
        self.with_value(kind, label, value).await
    }

    /// Asks the target for those with the value that `wanted` has, and links them.
    async fn look_for(
        &self,
        r: &Request,
        kind: &Kind,
        index: &Indexed,
        wanted: &Resource,
    ) -> Result<(), Error> {
        let references: References = self.references_of_resource(kind, wanted).await?;
        let object = kind.mapping.to_object(wanted, &references);
        let object = object.unwrap_or_default();
        let path = index.label.as_str();
        let flows = kind.mapping.flows().iter();
        let named = flows.filter(|flow| crate::index::is_at(kind.ty(), flow.path(), path));
        for flow in named {
            let name = flow.attribute().name.clone();
            let [tombolo_mapping::ObjectValue::Simple(scalar)] = object.get(&name) else {
                continue;
            };
            let test = Node::Test((name, Comparison::Equal, convert::scalar(scalar)));
            let query = Query {
                filter: Some(vec![test]),
                attributes: Vec::new(),
                cursor: None,
                limit: SEVERAL,
            };
            let asked = Instant::now();
            let page = self.connector.search(&r.call(), &kind.name, query).await;
            match page.map_err(|error| self.target(error)) {
                Ok(page) => {
                    for entry in &page.entries {
                        self.absorb(kind, entry, asked).await?;
                    }
                }
                // Then what imports have shown is what is known.
                Err(error) if error.fault() == Some(Fault::Unsupported) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes an account the client's: what it wants is written over what is there.
    pub(crate) async fn adopt_for(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
        wanted: &Resource,
        members: Vec<Member>,
    ) -> Result<(), Error> {
        let Some(stored) = self.load(kind, id).await? else {
            return Err(Error::Contended);
        };
        let mut merged = stored.record.resource.clone();
        for (name, value) in wanted.as_map() {
            merged.as_map_mut().insert(name.clone(), value.clone());
        }
        let members: Vec<MemberEdit> = if members.is_empty() {
            Vec::new()
        } else {
            vec![MemberEdit::Add(members)]
        };
        self.write_inner(r, &kind.ty().name, id, merged, &members)
            .await?;
        // Nothing may have differed; the account is the client's all the same.
        self.own(r, kind, id).await
    }

    /// The ids of all accounts that no client has written to.
    ///
    /// # Errors
    /// The store fails.
    pub async fn local_ids(&self) -> Result<Vec<String>, Error> {
        let mut ids = Vec::new();
        for kind in &self.kinds {
            let room = self.keys.locals(&kind.ty().name);
            let pairs = self.store.scan(Range::prefix(room)).await?;
            ids.extend(pairs.iter().map(|(key, _)| id_of(key)));
        }
        Ok(ids)
    }

    /// Makes a local account one that a client manages, if the matching attributes tell it from all others; without
    /// `write` it says whether they do.
    ///
    /// # Errors
    /// 404 for what is no local account.
    pub async fn adopt_local(&self, r: &Request, id: &str, write: bool) -> Result<Adoption, Error> {
        for kind in &self.kinds {
            let Some(stored) = self.load(kind, id).await? else {
                continue;
            };
            if !stored.record.found {
                break;
            }
            let resource = &stored.record.resource;
            let mut adoption = Adoption {
                id: id.to_owned(),
                kind: kind.ty().name.clone(),
                name: label(resource),
                attribute: None,
                why: Some("it has no value of any attribute by which it could be known".to_owned()),
            };
            for index in kind.matching() {
                let values = index.values(resource);
                let [value] = values.as_slice() else { continue };
                let others: BTreeSet<String> = self.with_value(kind, &index.label, value).await?;
                adoption.attribute = Some(index.label.clone());
                adoption.why = others.iter().find(|other| *other != id).map(|other| {
                    format!(
                        "`{other}` has the {} `{value}` too; give one of them another value in the target",
                        index.label
                    )
                });
                break;
            }
            if write && adoption.why.is_none() {
                self.own(r, kind, id).await?;
            }
            return Ok(adoption);
        }
        Err(Error::NotFound {
            kind: "local account".to_owned(),
            id: id.to_owned(),
        })
    }

    /// Notes that an account is a client's, and tells of it.
    async fn own(&self, r: &Request, kind: &Kind, id: &str) -> Result<(), Error> {
        let _held = self.shared.locks.lock(id).await;
        let Some(stored) = self.load(kind, id).await? else {
            return Err(Error::Contended);
        };
        if !stored.record.found {
            return Ok(());
        }
        let mut record = stored.record.clone();
        record.found = false;
        let (commit, new) = self
            .put_record(kind, id, Some(&stored), &record, Commit::new())
            .await?;
        let told = r.told(Action::Adopt);
        let account = told.success(
            &self.name,
            &kind.ty().name,
            id,
            &new.record.anchor,
            label(&new.record.resource),
            Change::default(),
        );
        Ok(self.commit_told(commit, &told, &account).await?)
    }
}
