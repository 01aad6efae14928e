use serde_json::Value;
use super::Path;
use crate::{Error, Resource, ResourceType};
/// Every value at the path.
pub fn get(_ty: &ResourceType, _r: &Resource, _p: &Path) -> Vec<Value> { todo!() }
/// Sets.
pub fn set(_ty: &ResourceType, _r: &mut Resource, _p: &Path, _v: Value) -> Result<(), Error> { todo!() }
/// Removes; was there anything?
pub fn remove(_ty: &ResourceType, _r: &mut Resource, _p: &Path) -> Result<bool, Error> { todo!() }
