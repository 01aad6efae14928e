use serde_json::{Map, Value};
use super::Filter;
use crate::schema::{Attribute, ResourceType};
/// Folds.
pub fn fold_case(text: &str) -> String { text.to_lowercase() }
pub(super) fn matches(_f: &Filter, _ty: &ResourceType, _r: &Map<String, Value>) -> bool { todo!() }
pub(crate) fn matches_element(_f: &Filter, _a: &Attribute, _v: &Value) -> bool { todo!() }
