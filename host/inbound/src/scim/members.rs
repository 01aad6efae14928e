//! Who is in a group.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::difference::patch;
use super::entry::{Kind, Members};
use super::{Server, Trouble, member, refused};
use crate::auth::below;

/// Members a PATCH, of a server as the RFCs have it.
const STANDARD: usize = 500;
/// Entra's SCIM API: at most 20 in one operation, and only one goes at a time.
const ENTRA_ADD: usize = 20;
/// Pages of Entra's that are read at most.
const PAGES: usize = 10_000;

/// Who comes and who goes.
pub(super) fn change(current: &BTreeSet<String>, wanted: &Members) -> (Vec<String>, Vec<String>) {
    match wanted {
        Members::Exactly(wanted) => {
            let wanted: BTreeSet<String> = wanted.iter().cloned().collect();
            (
                wanted.difference(current).cloned().collect(),
                current.difference(&wanted).cloned().collect(),
            )
        }
        Members::Change { add, remove } => {
            let add = add.iter().filter(|id| !current.contains(*id)).cloned();
            let remove = remove.iter().filter(|id| current.contains(*id)).cloned();
            (add.collect(), remove.collect())
        }
    }
}

impl Server {
    /// Makes the members as wanted; says whether anything was to do.
    pub(super) async fn set_members(&self, group: &str, wanted: &Members) -> Result<bool, Trouble> {
        let (add, remove) = match wanted {
            Members::Exactly(_) => change(&self.members(group).await?, wanted),
            Members::Change { add, remove } => (add.clone(), remove.clone()),
        };
        let (adding, removing) = if self.is_entra() {
            (ENTRA_ADD, 1)
        } else {
            (STANDARD, STANDARD)
        };
        for some in add.chunks(adding) {
            let values: Vec<Value> = some.iter().map(|id| json!({"value": id})).collect();
            let operation = json!({"op": "add", "path": "members", "value": values});
            self.patch_members(group, &[operation], StatusCode::OK)
                .await?;
        }
        for some in remove.chunks(removing) {
            let operations: Vec<Value> = some
                .iter()
                .map(|id| {
                    let path = format!("members[value eq {}]", Value::from(id.as_str()));
                    json!({"op": "remove", "path": path})
                })
                .collect();
            // Who is not in it any more has gone.
            let gone = if self.is_entra() {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::OK
            };
            self.patch_members(group, &operations, gone).await?;
        }
        Ok(!add.is_empty() || !remove.is_empty())
    }

    async fn patch_members(
        &self,
        group: &str,
        operations: &[Value],
        too: StatusCode,
    ) -> Result<(), Trouble> {
        let path = [self.endpoint(Kind::Group), group];
        let body = patch(operations);
        let answer = self.send(Method::PATCH, &path, Some(&body)).await?;
        if answer.status.is_success() || answer.status == too {
            return Ok(());
        }
        Err(refused(&answer))
    }

    /// Who is in a group now.
    pub(super) async fn members(&self, group: &str) -> Result<BTreeSet<String>, Trouble> {
        if self.is_entra() {
            return self.entra_members(group).await;
        }
        let mut url = below(&self.base, &[self.endpoint(Kind::Group), group]);
        url.query_pairs_mut().append_pair("attributes", "members");
        let answer = self.send_to(Method::GET, url, None).await?;
        if answer.status != StatusCode::OK {
            return Err(refused(&answer));
        }
        let body = answer.json();
        let members = member(&body, "members").as_array();
        let ids = members.into_iter().flatten();
        let ids = ids.filter_map(|one| member(one, "value").as_str());
        Ok(ids.map(str::to_owned).collect())
    }

    /// Entra shows no group's members, but the users of a group, page by page.
    async fn entra_members(&self, group: &str) -> Result<BTreeSet<String>, Trouble> {
        let filter = format!("groups.value eq {}", Value::from(group));
        let mut members = BTreeSet::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let mut url: Url = below(&self.base, &[self.endpoint(Kind::User)]);
            url.query_pairs_mut()
                .append_pair("filter", &filter)
                .append_pair("attributes", "id")
                .append_pair("count", "100");
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let answer = self.send_to(Method::GET, url, None).await?;
            if answer.status != StatusCode::OK {
                return Err(refused(&answer));
            }
            let body = answer.json();
            let page = member(&body, "Resources").as_array();
            let ids = page.into_iter().flatten();
            let ids = ids.filter_map(|one| member(one, "id").as_str());
            members.extend(ids.map(str::to_owned));
            let next = member(&body, "nextCursor").as_str();
            let next = next.filter(|next| !next.is_empty()).map(str::to_owned);
            if next.is_none() {
                return Ok(members);
            }
            cursor = next;
        }
        Err(Trouble::Refused(format!(
            "the members of the group have more than {PAGES} pages"
        )))
    }
}
