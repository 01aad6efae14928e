//! Entra's provisioning service, played against any SCIM URL.
//!
//! It is what entra.md says of the service, sections 1.3 to 1.7 and 4.6 to 4.8, and nothing of how our own server works:
//! a target that satisfies it satisfies the service as far as that is known. The same seed sends the same requests;
//! only their order depends on how fast answers come.
//!
//! | module | idea |
//! |---|---|
//! | `tenant` | users and groups as Entra has them |
//! | `source` | a tenant from files |
//! | `people` | a generated tenant, and how it changes |
//! | `mapping`, `path` | which property flows where |
//! | `dialect` | PATCH in both dialects |
//! | `state` | links, watermark, escrow: what is kept between cycles |
//! | `plan` | what a cycle has to do |
//! | `service`, `references` | what is done to one object |
//! | `work` | one object on its way: its log row, and its effect on the state |
//! | `cycle` | a job and its cycles |
//! | `escrow`, `quarantine` | what becomes of failures |
//! | `on_demand` | one object at once |
//! | `wire`, `pace`, `meter` | requests: when, how long they took |
//! | `kind`, `answer`, `failure` | requests by what they are for, and what answers are worth |
//! | `verify` | everything is read back |
//! | `log` | the provisioning log |
//! | `run` | so many cycles, and the report |

mod answer;
mod cycle;
mod dialect;
mod dice;
mod escrow;
mod failure;
mod kind;
mod log;
mod mapping;
mod meter;
mod on_demand;
mod pace;
mod path;
mod people;
mod plan;
mod quarantine;
mod references;
mod run;
mod service;
mod source;
mod state;
mod tenant;
mod verify;
mod wire;
mod work;

pub use cycle::{Counts, CycleError, CycleReport, Event, Settings, Simulation, Watcher};
pub use dialect::Dialects;
pub use escrow::{Case, Entry, Escrow};
pub use failure::{ErrorCode, Failure, Weight};
pub use kind::Kind;
pub use mapping::{Mapping, MappingError};
pub use meter::Line;
pub use on_demand::{OnDemand, OnDemandError, Step};
pub use path::InvalidPath;
pub use people::Population;
pub use quarantine::{Quarantine, ReasonCode};
pub use run::{Report, Run, RunError, Source, Verdict};
pub use source::{SourceError, read};
pub use state::{GroupLink, Origin, State, StateError, UserLink};
pub use tenant::{Group, Tenant, User};
pub use verify::Verified;
pub use wire::Unexpected;
