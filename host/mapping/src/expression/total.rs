//! Whether an expression comes to a value for every object.
//!
//! Entra disables an account whose update says nothing of `active`. So the expression of such an attribute must show by its
//! form alone that it never comes to nothing: what it reads may be absent, and then there has to be a value all the same.
//! One that fails is no omission: nothing is sent at all.

use super::function::Function;
use super::node::{Call, Node};

/// Is there a value, whatever the object holds?
pub(super) fn has_value(node: &Node) -> bool {
    match node {
        Node::Absent | Node::Attribute(_) | Node::Case(_) => false,
        Node::Text(text) => !text.is_empty(),
        Node::Integer(_) | Node::Boolean(_) | Node::Compare(..) => true,
        Node::Call(call) => call_has_value(call),
    }
}

fn call_has_value(call: &Call) -> bool {
    let all = |nodes: &[Node]| !nodes.is_empty() && nodes.iter().all(has_value);
    let arguments = call.arguments.as_slice();
    match call.function {
        // One that is there is enough.
        Function::Coalesce => arguments.iter().any(has_value),
        // The default, and what each key leads to.
        Function::Switch => {
            arguments.get(1).is_some_and(has_value)
                && arguments.iter().skip(3).step_by(2).all(has_value)
        }
        Function::IIF => all(arguments.get(1..).unwrap_or_default()),
        Function::IsNull | Function::IsNullOrEmpty | Function::IsPresent | Function::IsString => {
            true
        }
        Function::Not
        | Function::CBool
        | Function::CStr
        | Function::ToLower
        | Function::ToUpper
        | Function::Redact => arguments.first().is_some_and(has_value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::expression::Expression;

    fn always(text: &str) -> bool {
        let expression = Expression::parse(text).expect("an expression");
        expression.always_has_value()
    }

    #[test]
    fn what_may_be_absent_needs_something_to_fall_back_on() {
        for total in [
            "True",
            r#""True""#,
            r#"Switch([status], "True", "left", "False")"#,
            r#"Coalesce([active], "True")"#,
            r#"IIF([status] = "left", False, True)"#,
            "Not(IsPresent([left]))",
            r#"CBool(Coalesce([active], "False"))"#,
            r#"[status] = "active""#,
        ] {
            assert!(always(total), "{total}");
        }
        for partial in [
            "[active]",
            r#""""#,
            "CBool([active])",
            "Not([left])",
            r#"Switch([status], , "left", "False")"#,
            r#"Switch([status], "True", "left", [other])"#,
            "Coalesce([a], [b])",
            r#"IIF([status] = "left", False, [active])"#,
            "IgnoreFlowIfNullOrEmpty(\"True\")",
            "Trim(\" \")",
        ] {
            assert!(!always(partial), "{partial}");
        }
    }
}
