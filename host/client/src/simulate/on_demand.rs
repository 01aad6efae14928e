//! Provisioning on demand (entra.md 4.8): test the connection, import, scope, match, act. One user, or one group with at
//! most five members. Always in the legacy dialect: the flag on the tenant URL does not reach this path.

use serde::Serialize;

use super::cycle::{Simulation, apply};
use super::dialect::Dialects;
use super::escrow::Entry;
use super::failure::{Failure, Weight};
use super::log::Status;
use super::quarantine::ReasonCode;
use super::service::{Claims, Service};
use super::tenant::{Group, Tenant, User};
use super::work::Done;

/// Entra's limit.
pub(crate) const MEMBERS: usize = 5;

/// One step of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// `testConnection`, `import`, `scoping`, `matching`, `export`, `referenceResolution`.
    pub step: &'static str,
    /// About whom.
    pub object: String,
    /// `success`, `skipped` or `failure`.
    pub status: &'static str,
    /// What was found or done.
    pub description: String,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnDemand {
    /// Step by step.
    pub steps: Vec<Step>,
    /// What failed, in the log's words.
    pub failure: Option<Failure>,
    /// The failure is one that puts a job into quarantine.
    pub quarantine: Option<ReasonCode>,
}

/// Why it could not begin.
#[derive(Debug, thiserror::Error)]
pub enum OnDemandError {
    /// The source has nobody of that name.
    #[error(
        "`{0}` is no user (id or userPrincipalName) and no group (id or displayName) of the source"
    )]
    Unknown(String),
    /// Too many members for Entra.
    #[error("`{group}` has {members} members: choose at most {MEMBERS} with --member")]
    TooMany {
        /// The group.
        group: String,
        /// How many.
        members: usize,
    },
    /// Somebody else's member.
    #[error("`{member}` is no member of `{group}`")]
    NoMember {
        /// The group.
        group: String,
        /// Who was chosen.
        member: String,
    },
    /// The log cannot be written.
    #[error("cannot write the log: {0}")]
    Log(#[from] std::io::Error),
}

/// What was named.
enum Target<'a> {
    User(&'a User),
    Group(&'a Group, Vec<&'a User>),
}

impl Simulation {
    /// Provisions the user or group that `name` names; of a group, the members `chosen`, or all if they are few.
    pub async fn on_demand(
        &mut self,
        tenant: &Tenant,
        name: &str,
        chosen: &[String],
    ) -> Result<OnDemand, OnDemandError> {
        let target = find(tenant, name, chosen)?;
        let mut report = OnDemand::default();
        let number = self.state.cycles + 1;
        self.wire.begin(self.log.job().cycle(number));
        if let Err(failure) = self.probe(number).await {
            report.step("testConnection", name, Status::Failure, &failure.reason);
            report.fail(failure);
            return Ok(report);
        }
        report.step(
            "testConnection",
            name,
            Status::Success,
            "the endpoint answers as it should",
        );
        match target {
            Target::User(user) => {
                self.one_user(tenant, user, &mut report).await?;
            }
            Target::Group(group, members) => {
                for user in members.iter().filter(|user| !user.is_soft_deleted()) {
                    self.one_user(tenant, user, &mut report).await?;
                }
                // Nobody but the chosen is looked at; who was written before stays.
                let mut part = group.clone();
                let written = self
                    .state
                    .groups
                    .get(&group.id)
                    .map(|link| link.members.clone())
                    .unwrap_or_default();
                part.members.retain(|member| {
                    written.contains(member) || members.iter().any(|user| user.id == *member)
                });
                self.one(tenant, &mut report, async |service| {
                    service.group(&part).await
                })
                .await?;
                self.one(tenant, &mut report, async |service| {
                    service.members(&part).await
                })
                .await?;
            }
        }
        self.log.flush()?;
        Ok(report)
    }

    async fn one_user(
        &mut self,
        tenant: &Tenant,
        user: &User,
        report: &mut OnDemand,
    ) -> Result<(), OnDemandError> {
        self.one(tenant, report, async |service| service.user(user).await)
            .await?;
        if user.manager.is_some() {
            self.one(tenant, report, async |service| service.manager(user).await)
                .await?;
        }
        Ok(())
    }

    async fn one(
        &mut self,
        tenant: &Tenant,
        report: &mut OnDemand,
        work: impl AsyncFn(&Service<'_>) -> Done,
    ) -> Result<(), OnDemandError> {
        if report.failure.is_some() {
            return Ok(());
        }
        let cycle = self.state.cycles + 1;
        let claims = Claims::new(&self.state);
        let service = Service {
            wire: &self.wire,
            mapping: &self.settings.mapping,
            state: &self.state,
            tenant,
            dialects: Dialects::Legacy,
            seed: self.settings.seed,
            cycle,
            claims: &claims,
        };
        let done = work(&service).await;
        let now = self.state.clock;
        self.log.write(&done.row, cycle, now)?;
        for step in &done.row.steps {
            report.step(
                step.kind.name(),
                &done.row.display_name,
                step.status,
                &step.description,
            );
        }
        let references = matches!(done.row.entry, Entry::Manager(_) | Entry::Members(_));
        if let Some(failure) = done.row.failure {
            // A manager who is not there yet does not undo the user.
            match failure.weight {
                Weight::Reference if references => {}
                _ => report.fail(failure),
            }
        }
        apply(
            &mut self.state,
            &mut self.deleted,
            &done.row.entry,
            done.effect,
        );
        Ok(())
    }
}

impl OnDemand {
    fn step(&mut self, step: &'static str, object: &str, status: Status, description: &str) {
        self.steps.push(Step {
            step,
            object: object.to_owned(),
            status: status.name(),
            description: description.to_owned(),
        });
    }

    fn fail(&mut self, failure: Failure) {
        self.quarantine = (failure.weight == Weight::Job).then_some(ReasonCode::QuarantineOnDemand);
        self.failure = Some(failure);
    }
}

fn find<'a>(
    tenant: &'a Tenant,
    name: &str,
    chosen: &[String],
) -> Result<Target<'a>, OnDemandError> {
    if let Some(user) = tenant.find_user(name) {
        return Ok(Target::User(user));
    }
    let group = tenant
        .find_group(name)
        .ok_or_else(|| OnDemandError::Unknown(name.to_owned()))?;
    let too_many = |members| OnDemandError::TooMany {
        group: group.display_name.clone(),
        members,
    };
    if chosen.len() > MEMBERS {
        return Err(too_many(chosen.len()));
    }
    if !chosen.is_empty() {
        let members = chosen.iter().map(|member| {
            tenant
                .find_user(member)
                .filter(|user| group.members.contains(&user.id))
                .ok_or_else(|| OnDemandError::NoMember {
                    group: group.display_name.clone(),
                    member: member.clone(),
                })
        });
        return Ok(Target::Group(group, members.collect::<Result<_, _>>()?));
    }
    if group.members.len() > MEMBERS {
        return Err(too_many(group.members.len()));
    }
    let members = group
        .members
        .iter()
        .filter_map(|member| tenant.users.get(member));
    Ok(Target::Group(group, members.collect()))
}
