//! What an app's policy wants of one kind, put together with what the connector and the mapping have.

use tombolo_mapping::{Mapping, Overrides, References, Shape};
use tombolo_runtime::Connector;
use tombolo_scim::resource::Resource;

use crate::app::AppError;
use crate::initial::Initial;
use crate::kind::Written;
use crate::policy::Policy;
use crate::scope::Scoped;

/// See the module.
pub(crate) struct Wants {
    /// What a disable writes besides.
    pub(crate) on_disable: Vec<(String, Written)>,
    /// The first passwords of new accounts.
    pub(crate) initial: Option<Initial>,
    /// Whom the app is for.
    pub(crate) scope: Option<Scoped>,
}

/// Whether a policy can be had of a kind: for those who look at a file and make no app of it.
///
/// # Errors
/// It names what is not there.
pub fn fits(
    shape: Shape,
    kind: &tombolo_mapping::Kind,
    connector: &Connector,
    policy: &Policy,
    mut mapping: Mapping,
) -> Result<(), AppError> {
    let ability = connector.abilities().password;
    Wants::of(shape, kind, ability, policy, &mut mapping).map(|_| ())
}

impl Wants {
    pub(crate) fn of(
        shape: Shape,
        kind: &tombolo_mapping::Kind,
        ability: bool,
        policy: &Policy,
        mapping: &mut Mapping,
    ) -> Result<Self, AppError> {
        let ty = mapping.resource_type().name.clone();
        let fail = |table, message| AppError::Policy { table, message };
        let scope = policy.scope.get(&ty);
        let scope = scope.map(|scope| Scoped::new(mapping, scope)).transpose();
        let scope = scope.map_err(|why| fail("scope", why))?;
        if ty != "User" {
            return Ok(Self {
                on_disable: Vec::new(),
                initial: None,
                scope,
            });
        }
        let initial = policy.initial_password.as_ref();
        let initial = initial
            .map(|initial| Initial::new(mapping, initial, ability))
            .transpose();
        Ok(Self {
            on_disable: on_disable(shape, kind, mapping, policy)?,
            initial: initial.map_err(|why| fail("policy.initial-password", why))?,
            scope,
        })
    }
}

/// What a disable writes besides, in the types that the connector describes.
fn on_disable(
    shape: Shape,
    kind: &tombolo_mapping::Kind,
    mapping: &mut Mapping,
    policy: &Policy,
) -> Result<Vec<(String, Written)>, AppError> {
    let constants = Overrides {
        constants: policy.on_disable.clone(),
        ..Overrides::none()
    };
    let mut written = Vec::new();
    if let Some(of_constants) = shape.mapping(kind, &constants)? {
        // Of nobody it is the constants that are left.
        let object = of_constants.to_object(&Resource::default(), &References::new());
        let object = object.unwrap_or_default();
        let named = |(name, _): &(String, _)| policy.on_disable.contains_key(name);
        let constant = |(name, values)| (name, Written::Constant(values));
        written.extend(object.into_iter().filter(named).map(constant));
    }
    for (name, text) in &policy.on_disable_expressions {
        let made = mapping.expression_for(name, text);
        let made = made.map_err(|why| AppError::Policy {
            table: "policy.on-disable.expressions",
            message: format!("of `{name}`: {why}"),
        })?;
        written.push((name.clone(), Written::Made(Box::new(made))));
    }
    Ok(written)
}
