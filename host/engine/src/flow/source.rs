//! Reading an app's target, past its mirror: a flow wants what is true now, in the target's own words.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tombolo_mapping::{KindAttribute, KindType};
use tombolo_runtime::contract::{Changes, Entry, Fault, Page, Query};
use tombolo_runtime::{Call, CallError};

use super::FlowError;
use crate::app::App;

/// Entries a page.
pub(crate) const PAGE: u32 = 500;
/// Changes a page: they are queued in one commit.
pub(crate) const CHANGES: u32 = 200;
/// Members a page.
const MEMBERS: u32 = 1000;
/// What one page may take; the app's own limits are usually narrower.
const PATIENCE: Duration = Duration::from_mins(10);
/// The waits between tries of a page.
const WAITS: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// Where a flow finds the apps of its host, in the generation that serves now.
pub trait Apps: Send + Sync {
    /// The app of this name.
    ///
    /// # Errors
    /// Why it cannot be used.
    fn app(&self, name: &str) -> Result<Arc<App>, String>;
}

/// What a flow reads from.
#[async_trait::async_trait]
pub(crate) trait Source: Send + Sync {
    /// Whether it tells of changes.
    fn tells_changes(&self) -> bool;
    /// The attributes of its objects.
    fn attributes(&self) -> &[KindAttribute];
    /// One page of everything.
    async fn page(&self, cursor: Option<String>) -> Result<Page, FlowError>;
    /// Changes since a token; none when the token is of no use any more.
    async fn since(&self, token: Option<&str>) -> Result<Option<Changes>, FlowError>;
    /// One object, if it is there.
    async fn get(&self, anchor: &str) -> Result<Option<Entry>, FlowError>;
    /// The anchors of a group's members.
    async fn members(&self, anchor: &str) -> Result<Vec<String>, FlowError>;
}

/// An app of this host.
pub(crate) struct AppSource {
    app: Arc<App>,
    kind: String,
    attributes: Vec<KindAttribute>,
    /// Those that are asked for.
    wanted: Vec<String>,
    run: String,
}

impl AppSource {
    /// `reads` are the attributes that the flow makes something of.
    pub(crate) fn new(
        app: Arc<App>,
        kind: &str,
        reads: Vec<String>,
        run: &str,
    ) -> Result<Self, FlowError> {
        let misfit = |why: String| FlowError::Misfit(why);
        let found = app
            .kind_of_name(kind)
            .map_err(|error| misfit(error.to_string()))?;
        let attributes = found.mapping.kind().attributes.clone();
        for name in &reads {
            if !attributes.iter().any(|attribute| attribute.name == *name) {
                let names: Vec<&str> = attributes.iter().map(|has| has.name.as_str()).collect();
                return Err(misfit(format!(
                    "app `{}` has no attribute `{name}` in its kind `{kind}`; it has {}",
                    app.name(),
                    names.join(", ")
                )));
            }
        }
        Ok(Self {
            app,
            kind: kind.to_owned(),
            attributes,
            wanted: reads,
            run: run.to_owned(),
        })
    }

    fn call(&self) -> Call {
        Call {
            request_id: self.run.clone(),
            deadline: Instant::now() + PATIENCE,
        }
    }

    fn failed(&self, why: CallError) -> FlowError {
        FlowError::Source(self.app.target(why).to_scim().detail)
    }
}

/// After a read that failed: whether it was waited, and it may be tried again.
async fn waited(error: &CallError, waits: &mut impl Iterator<Item = Duration>) -> bool {
    let Some(wait) = waits.next().filter(|_| passes(error)) else {
        return false;
    };
    tokio::time::sleep(wait).await;
    true
}

/// May the same read go well in a moment?
fn passes(error: &CallError) -> bool {
    match error {
        CallError::Failure(failure) => matches!(
            failure.fault,
            Fault::Busy | Fault::Unavailable | Fault::Timeout
        ),
        CallError::Busy { .. } => true,
        _ => false,
    }
}

#[async_trait::async_trait]
impl Source for AppSource {
    fn tells_changes(&self) -> bool {
        self.app.connector.abilities().delta
    }

    fn attributes(&self) -> &[KindAttribute] {
        &self.attributes
    }

    async fn page(&self, cursor: Option<String>) -> Result<Page, FlowError> {
        let mut waits = WAITS.into_iter();
        loop {
            let query = Query {
                filter: None,
                attributes: self.wanted.clone(),
                cursor: cursor.clone(),
                limit: PAGE,
            };
            let connector = &self.app.connector;
            let read = connector.search(&self.call(), &self.kind, query).await;
            match read {
                Ok(page) => return Ok(page),
                Err(why) if waited(&why, &mut waits).await => {}
                Err(why) => return Err(self.failed(why)),
            }
        }
    }

    async fn since(&self, token: Option<&str>) -> Result<Option<Changes>, FlowError> {
        let mut waits = WAITS.into_iter();
        loop {
            let connector = &self.app.connector;
            let read = connector
                .since(&self.call(), &self.kind, token, CHANGES)
                .await;
            match read {
                Ok(changes) => return Ok(Some(changes)),
                // It tells of no changes as it is configured; or it has forgotten what the token stands for.
                Err(CallError::Failure(failure))
                    if failure.fault == Fault::Unsupported
                        || token.is_some()
                            && matches!(
                                failure.fault,
                                Fault::Invalid | Fault::Changed | Fault::NotFound
                            ) =>
                {
                    return Ok(None);
                }
                Err(why) if waited(&why, &mut waits).await => {}
                Err(why) => return Err(self.failed(why)),
            }
        }
    }

    async fn get(&self, anchor: &str) -> Result<Option<Entry>, FlowError> {
        let mut waits = WAITS.into_iter();
        loop {
            let connector = &self.app.connector;
            let read = connector
                .get(&self.call(), &self.kind, anchor, &self.wanted)
                .await;
            match read {
                Ok(entry) => return Ok(Some(entry)),
                Err(CallError::Failure(failure)) if failure.fault == Fault::NotFound => {
                    return Ok(None);
                }
                Err(why) if waited(&why, &mut waits).await => {}
                Err(why) => return Err(self.failed(why)),
            }
        }
    }

    async fn members(&self, anchor: &str) -> Result<Vec<String>, FlowError> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        let mut waits = WAITS.into_iter();
        loop {
            let connector = &self.app.connector;
            let read = connector
                .list_members(&self.call(), anchor, cursor.as_deref(), MEMBERS)
                .await;
            match read {
                Ok(page) => {
                    all.extend(page.members);
                    match page.cursor {
                        Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
                        _ => return Ok(all),
                    }
                }
                Err(why) if waited(&why, &mut waits).await => {}
                Err(why) => return Err(self.failed(why)),
            }
        }
    }
}

/// The attributes that point at other objects.
pub(crate) fn references(source: &dyn Source) -> impl Iterator<Item = &KindAttribute> {
    let attributes = source.attributes().iter();
    attributes.filter(|attribute| attribute.data == KindType::Reference)
}
