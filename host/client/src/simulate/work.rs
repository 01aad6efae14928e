//! One object on its way through a cycle: what was done to it, for the log, and what it leaves behind, for the state.

use std::time::Instant;

use serde_json::Value;

use super::escrow::Entry;
use super::failure::Failure;
use super::log::{Action, Modified, Row, Status, Step, StepType};
use super::state::{GroupLink, UserLink};

/// What an object leaves in the state, also when it failed half-way.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Effect {
    #[default]
    None,
    User(UserLink),
    Group(GroupLink),
    /// It is gone from the target, or not managed any more.
    Gone,
}

/// How an object ended that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    /// Nothing was to be done, and why.
    Skipped(String),
}

/// The result of one object's work.
pub(crate) type Outcome = Result<End, Failure>;

/// One object on its way.
pub(crate) struct Work {
    entry: Entry,
    display_name: String,
    began: Instant,
    steps: Vec<Step>,
    /// The step that is under way: the one that a failure belongs to.
    under_way: (StepType, &'static str),
    modified: Vec<Modified>,
    pub(crate) target: Option<String>,
    pub(crate) action: Action,
    pub(crate) effect: Effect,
}

impl Work {
    pub(crate) fn new(entry: Entry, display_name: impl Into<String>) -> Self {
        Self {
            entry,
            display_name: display_name.into(),
            began: Instant::now(),
            steps: Vec::new(),
            under_way: (StepType::Import, "EntryImport"),
            modified: Vec::new(),
            target: None,
            action: Action::Other,
            effect: Effect::None,
        }
    }

    /// What it is about.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// A step is begun.
    pub(crate) fn begin(&mut self, kind: StepType) {
        self.under_way = (kind, name(kind, self.action));
    }

    /// Writing is begun.
    pub(crate) fn act(&mut self, action: Action) {
        self.action = action;
        self.begin(StepType::Export);
    }

    /// The step that was begun is taken.
    pub(crate) fn done(&mut self, description: impl Into<String>) {
        self.push(Status::Success, description.into());
    }

    fn push(&mut self, status: Status, description: String) {
        let (kind, name) = self.under_way;
        self.steps.push(Step {
            kind,
            name,
            status,
            description,
        });
    }

    /// An attribute that was written.
    pub(crate) fn modified(&mut self, name: &str, old: Option<Value>, new: Option<Value>) {
        self.modified.push(Modified {
            name: name.to_owned(),
            old,
            new,
        });
    }

    /// The row for the log, and the effect on the state.
    pub(crate) fn finish(mut self, outcome: Outcome) -> Done {
        let (status, failure) = match outcome {
            Ok(End::Done) => (Status::Success, None),
            Ok(End::Skipped(why)) => {
                self.under_way = (StepType::Scoping, "EntrySynchronizationSkipped");
                self.push(Status::Skipped, why);
                (Status::Skipped, None)
            }
            Err(failure) => {
                self.push(Status::Failure, failure.reason.clone());
                (Status::Failure, Some(failure))
            }
        };
        Done {
            row: Row {
                entry: self.entry,
                display_name: self.display_name,
                target: self.target,
                action: self.action,
                status,
                failure,
                steps: self.steps,
                modified: self.modified,
                took: self.began.elapsed(),
            },
            effect: self.effect,
        }
    }
}

/// Entra's names of the steps.
fn name(kind: StepType, action: Action) -> &'static str {
    match (kind, action) {
        (StepType::Import, _) => "EntryImport",
        (StepType::Scoping, _) => "EntrySynchronizationScoping",
        (StepType::Matching, _) => "EntryMatching",
        (_, Action::Create) => "EntryExportAdd",
        (_, Action::Delete | Action::StagedDelete) => "EntryExportDelete",
        (StepType::ReferenceResolution | StepType::Export, _) => "EntryExportUpdate",
    }
}

/// An object that is through.
pub(crate) struct Done {
    pub(crate) row: Row,
    pub(crate) effect: Effect,
}
