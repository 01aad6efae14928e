//! A bulk request being done, and its answer.

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde_json::{Map, Value, json};

use super::operation::{BulkRequest, Item, Method, Work};
use super::order::{Plan, Step, plan};
use super::{RESPONSE_URN, reference};
use crate::Error;
use crate::patch::PATCH_URN;

/// A bulk request being done.
pub struct Run {
    base_url: String,
    items: Vec<Item>,
    makers: HashMap<String, usize>,
    steps: VecDeque<Step>,
    later: HashMap<usize, BTreeSet<String>>,
    /// What was taken out of a resource in a circle, to be added once the others are there.
    links: HashMap<usize, Vec<Value>>,
    /// The ids of what was made, by `bulkId`.
    ids: HashMap<String, String>,
    outcomes: Vec<Option<Outcome>>,
    errors: u64,
    fail_on_errors: u64,
}

/// What to do next, as if it had come alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    index: usize,
    link: bool,
    /// What.
    pub method: Method,
    /// The resource type's endpoint: `Users`.
    pub endpoint: String,
    /// Whom it is about; none with POST.
    pub id: Option<String>,
    /// The version that the client thinks it has, as in `If-Match`.
    pub version: Option<String>,
    /// The body; empty with DELETE.
    pub body: Vec<u8>,
}

/// What came of a task that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The status that it would have alone.
    pub status: u16,
    /// The resource.
    pub id: String,
    /// Its URI.
    pub location: String,
    /// Its entity tag; none after DELETE.
    pub version: Option<String>,
}

struct Outcome {
    status: u16,
    location: Option<String>,
    version: Option<String>,
    error: Option<Error>,
}

impl BulkRequest {
    /// Begins. `base_url` is where the endpoints are.
    pub fn begin(self, base_url: &str) -> Run {
        let Plan { steps, later } = plan(&self.items);
        Run {
            base_url: base_url.trim_end_matches('/').to_owned(),
            makers: reference::makers(&self.items),
            outcomes: self.items.iter().map(|_| None).collect(),
            items: self.items,
            steps: steps.into(),
            later,
            links: HashMap::new(),
            ids: HashMap::new(),
            errors: 0,
            fail_on_errors: self.fail_on_errors.unwrap_or(u64::MAX),
        }
    }
}

impl Run {
    /// What to do next; none when everything is done, or when there were as many errors as the client accepts.
    pub fn next_task(&mut self) -> Option<Task> {
        while self.errors < self.fail_on_errors {
            let step = self.steps.pop_front()?;
            let (index, task) = match step {
                Step::Do(index) => (index, self.operation(index)),
                Step::Link(index) => (index, self.link(index)),
            };
            match task {
                Ok(Some(task)) => return Some(task),
                Ok(None) => {}
                Err(error) => self.fail(index, error),
            }
        }
        None
    }

    fn operation(&mut self, index: usize) -> Result<Option<Task>, Error> {
        let mut work = self.items[index].work.clone()?;
        if let Some(later) = self.later.get(&index) {
            let operations = reference::postpone(&mut work.data, later, &self.makers);
            self.links.insert(index, operations);
        }
        self.task(index, false, work).map(Some)
    }

    fn link(&mut self, index: usize) -> Result<Option<Task>, Error> {
        let work = self.items[index].work.clone()?;
        let made = self.items[index]
            .bulk_id
            .as_ref()
            .and_then(|name| self.ids.get(name));
        // Without the resource there is nothing to link, and its error is told.
        let (Some(id), Some(operations)) = (made, self.links.remove(&index)) else {
            return Ok(None);
        };
        let mut data = Map::new();
        data.insert("schemas".into(), json!([PATCH_URN]));
        data.insert("Operations".into(), Value::Array(operations));
        let patch = Work {
            method: Method::Patch,
            endpoint: work.endpoint,
            id: Some(id.clone()),
            version: None,
            data,
        };
        self.task(index, true, patch).map(Some).map_err(unlinked)
    }

    fn task(&self, index: usize, link: bool, mut work: Work) -> Result<Task, Error> {
        let named = reference::names(&work, &self.makers);
        if let Some(missing) = named.iter().find(|name| !self.ids.contains_key(*name)) {
            return Err(Error::conflict(format!(
                "this needs what the operation with bulkId `{}` would have made, and that failed",
                missing.chars().take(100).collect::<String>()
            )));
        }
        reference::resolve(&mut work, &self.ids);
        let body = if work.method == Method::Delete {
            Vec::new()
        } else {
            Value::Object(work.data).to_string().into_bytes()
        };
        Ok(Task {
            index,
            link,
            method: work.method,
            endpoint: work.endpoint,
            id: work.id,
            version: work.version,
            body,
        })
    }

    /// Takes what came of a task.
    pub fn finish(&mut self, task: &Task, outcome: Result<Done, Error>) {
        let index = task.index;
        match outcome {
            Err(error) if task.link => self.fail(index, unlinked(error)),
            Err(error) => self.fail(index, error),
            Ok(done) if task.link => {
                if let Some(made) = &mut self.outcomes[index] {
                    made.version = done.version;
                }
            }
            Ok(done) => {
                if let (Method::Post, Some(name)) = (task.method, &self.items[index].bulk_id) {
                    self.ids.insert(name.clone(), done.id);
                }
                self.outcomes[index] = Some(Outcome {
                    status: done.status,
                    location: Some(done.location),
                    version: done.version,
                    error: None,
                });
            }
        }
    }

    fn fail(&mut self, index: usize, error: Error) {
        self.errors += 1;
        let made = self.outcomes[index].take().and_then(|made| made.location);
        let location = made.or_else(|| {
            let work = self.items[index].work.as_ref().ok()?;
            let id = work.id.as_ref()?;
            let id = match id.strip_prefix(reference::PREFIX) {
                Some(name) => self.ids.get(name)?,
                None => id,
            };
            Some(format!("{}/{}/{id}", self.base_url, work.endpoint))
        });
        self.outcomes[index] = Some(Outcome {
            status: error.status,
            location,
            version: None,
            error: Some(error),
        });
    }

    /// The answer: what was done, in the request's order (RFC 7644, section 3.7).
    pub fn answer(self) -> Value {
        let answered = self.items.iter().zip(self.outcomes);
        let operations: Vec<Value> = answered
            .filter_map(|(item, outcome)| Some(answer(item, outcome?)))
            .collect();
        json!({"schemas": [RESPONSE_URN], "Operations": operations})
    }
}

/// It is there, without what the others were needed for: the client has to know both.
fn unlinked(mut error: Error) -> Error {
    error.detail = format!(
        "the resource was made, but without what refers to other operations: {}",
        error.detail
    );
    error
}

fn answer(item: &Item, outcome: Outcome) -> Value {
    let mut answer = Map::new();
    let texts = [
        ("location", outcome.location.as_ref()),
        ("method", item.method.as_ref()),
        ("bulkId", item.bulk_id.as_ref()),
        ("version", outcome.version.as_ref()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            answer.insert(name.into(), text.as_str().into());
        }
    }
    answer.insert("status".into(), outcome.status.to_string().into());
    if let Some(error) = outcome.error {
        answer.insert("response".into(), error.to_json());
    }
    Value::Object(answer)
}
