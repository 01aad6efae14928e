//! `attributes`, `excludedAttributes` and `returned` (RFC 7644, section 3.9; RFC 7643, section 7).

use serde_json::{Map, Value};

use crate::{Error, Path, ResourceType};

/// Which attributes an answer carries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    only: Option<Vec<Path>>,
    without: Vec<Path>,
}

impl Projection {
    /// Reads the two parameters.
    pub fn parse(_attributes: Option<&str>, _excluded: Option<&str>) -> Result<Self, Error> {
        todo!()
    }

    /// Would the answer carry that top-level attribute? So that members need not be loaded for nothing.
    pub fn wants(&self, _ty: &ResourceType, _attribute: &str) -> bool {
        todo!()
    }

    /// Takes out what the answer must not carry.
    pub fn apply(&self, _ty: &ResourceType, _rendered: &mut Map<String, Value>) {
        todo!()
    }
}
