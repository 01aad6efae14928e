//! How an app shows its objects: as SCIM's resources, or as Microsoft's ECMA Connector Host would.

use crate::ecma;
use crate::error::MappingError;
use crate::kind::Kind;
use crate::mapping::Mapping;
use crate::overrides::Overrides;

/// How an app shows its objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// RFC 7643's resource types, at the paths that the connector suggests and the operator chooses.
    #[default]
    Scim,
    /// Users only, each attribute of the target under its own name; see [`ecma`].
    Ecma,
}

impl Shape {
    /// The mapping of a kind in this shape; `None` for a kind that it does not show.
    pub fn mapping(
        self,
        kind: &Kind,
        overrides: &Overrides,
    ) -> Result<Option<Mapping>, MappingError> {
        match self {
            Self::Scim => Mapping::new(kind, overrides).map(Some),
            Self::Ecma if kind.resource == "User" => ecma::mapping(kind, overrides).map(Some),
            Self::Ecma => Ok(None),
        }
    }
}
