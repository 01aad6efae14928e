//! Reading the audit.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tombolo_store::{Range, Store, StoreError};

use super::account::Account;
use super::keys;

/// Accounts read at a time.
const PAGE: usize = 500;

/// Which accounts are wanted; what is not said is no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// Of this app.
    #[serde(default)]
    pub app: Option<String>,
    /// This one.
    #[serde(default)]
    pub id: Option<String>,
    /// Of this resource: its SCIM id, its anchor or its name.
    #[serde(default)]
    pub resource: Option<String>,
    /// Of this operation of Entra's.
    #[serde(default)]
    pub activity: Option<String>,
    /// Of this request.
    #[serde(default)]
    pub request: Option<String>,
    /// Not before.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// Before.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// The newest so many only.
    #[serde(default)]
    pub newest: Option<usize>,
}

impl Search {
    fn takes(&self, account: &Account) -> bool {
        let is = |wanted: &Option<String>, has: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| has.is_some_and(|has| has.eq_ignore_ascii_case(wanted)))
        };
        let of_resource = [&account.resource, &account.anchor, &account.name]
            .into_iter()
            .any(|has| is(&self.resource, has.as_deref()));
        is(&self.app, Some(&account.app))
            && is(&self.id, Some(&account.id))
            && is(&self.activity, account.by.activity.as_deref())
            && is(&self.request, Some(&account.by.request))
            && (self.resource.is_none() || of_resource)
            && self.since.is_none_or(|since| account.at >= since)
            && self.until.is_none_or(|until| account.at < until)
    }

    /// The accounts, in the order of time.
    pub(crate) async fn run(&self, store: &dyn Store) -> Result<Vec<Account>, StoreError> {
        let most = self.newest.unwrap_or(usize::MAX);
        let mut found = Vec::new();
        for stream in keys::streams(store).await? {
            let mut of_stream = 0;
            let mut range = Range::prefix(keys::entries(&stream)).reverse().limit(PAGE);
            'stream: loop {
                let page = store.scan(range).await?;
                let Some((last, _)) = page.last() else { break };
                range = Range::prefix(keys::entries(&stream))
                    .reverse()
                    .after(last.clone())
                    .limit(PAGE);
                for (_, bytes) in &page {
                    // What cannot be read is for `verify` to tell of.
                    let Ok(account) = serde_json::from_slice::<Account>(bytes) else {
                        continue;
                    };
                    if self.takes(&account) {
                        found.push(account);
                        of_stream += 1;
                        if of_stream >= most {
                            break 'stream;
                        }
                    }
                }
            }
        }
        found.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let surplus = found.len().saturating_sub(most);
        Ok(found.split_off(surplus))
    }
}
