//! A hundred thousand values that weigh next to nothing each.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut heavy = entry("a", "strike", "");
    heavy.attributes.push(Attribute {
        name: "label".to_owned(),
        values: vec![Value::Simple(Scalar::Boolean(true)); 100_000],
    });
    Ok(Answer::Page(page(vec![heavy])))
}
