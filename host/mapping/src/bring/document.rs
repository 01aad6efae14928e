//! Entra's synchronization schema as JSON: what Microsoft Graph returns for `…/jobs/ID/schema`, and what the portal
//! downloads. What is not needed is passed over when it is read.

use serde::{Deserialize, Serialize};

/// The whole schema.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Schema {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// What flows where.
    pub synchronization_rules: Vec<SynchronizationRule>,
    /// The two sides and their objects.
    pub directories: Vec<Directory>,
}

/// A rule: from one directory to another.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SynchronizationRule {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// May it be edited?
    pub editable: bool,
    /// The lowest comes first.
    pub priority: i64,
    /// Where it reads.
    pub source_directory_name: String,
    /// Where it writes.
    pub target_directory_name: String,
    /// By object.
    pub object_mappings: Vec<ObjectMapping>,
}

/// How one kind of object becomes another.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMapping {
    /// Is it in use?
    pub enabled: bool,
    /// `Add,Update,Delete`
    pub flow_types: String,
    /// Its name.
    pub name: String,
    /// What is read.
    pub source_object_name: String,
    /// What is written.
    pub target_object_name: String,
    /// Who is in scope.
    pub scope: Option<Filter>,
    /// The flows.
    pub attribute_mappings: Vec<AttributeMapping>,
}

/// One flow.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AttributeMapping {
    /// For new objects, when there is no value.
    pub default_value: Option<String>,
    /// Microsoft's own affair.
    pub export_missing_references: bool,
    /// `FlowWhenChanged` or `FlowAlways`.
    pub flow_behavior: String,
    /// `Always`, `ObjectAddOnly`, …
    pub flow_type: String,
    /// Above 0: objects are matched by it.
    pub matching_priority: i64,
    /// What is written.
    pub target_attribute_name: String,
    /// What it is made of.
    pub source: Option<Source>,
}

/// What a value is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    /// As text.
    pub expression: Option<String>,
    /// The attribute, the function, or the constant.
    pub name: Option<String>,
    /// `Attribute`, `Constant` or `Function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of a function.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameter {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: Source,
}

/// Scoping filters.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    /// One of them has to hold.
    pub groups: Vec<FilterGroup>,
    /// Microsoft's own: by category.
    pub category_filter_groups: Vec<FilterGroup>,
    /// Microsoft's own: before anything is read.
    pub input_filter_groups: Vec<FilterGroup>,
}

/// One scoping filter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterGroup {
    /// Its title.
    pub name: Option<String>,
    /// All of them have to hold.
    pub clauses: Vec<FilterClause>,
}

/// One clause.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FilterClause {
    /// Such as `EQUALS`.
    pub operator_name: String,
    /// The attribute.
    pub source_operand_name: String,
    /// What it is compared with.
    pub target_operand: Option<FilterOperand>,
}

/// What a clause compares with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterOperand {
    /// Usually one.
    pub values: Vec<String>,
}

/// One side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Directory {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its objects.
    pub objects: Vec<ObjectDefinition>,
}

/// A kind of object.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectDefinition {
    /// Its name.
    pub name: String,
    /// Its attributes.
    pub attributes: Vec<AttributeDefinition>,
}

/// An attribute.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(clippy::struct_excessive_bools)] // The document's own shape.
pub struct AttributeDefinition {
    /// Its name.
    pub name: String,
    /// `String`, `Boolean`, `Integer`, `DateTime`, `Binary`, `Reference`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Is it the key?
    pub anchor: bool,
    /// Does case matter?
    pub case_exact: bool,
    /// Several values?
    pub multivalued: bool,
    /// Must it be there?
    pub required: bool,
    /// `ReadWrite`, `ReadOnly`, …
    pub mutability: String,
}

impl Schema {
    /// Reads one.
    pub fn read(text: &str) -> Result<Self, super::BringError> {
        let wrong = |why: String| super::BringError::Schema(why);
        let schema: Self = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if schema.synchronization_rules.is_empty() {
            return Err(wrong("it has no `synchronizationRules`".to_owned()));
        }
        Ok(schema)
    }
}
