//! A hundred thousand texts that weigh nothing each, in each of twenty attributes.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let nothing = || Attribute {
        name: "label".to_owned(),
        values: vec![Value::Simple(Scalar::Boolean(true)); 100_000],
    };
    let mut heavy = entry("a", "strike", "");
    heavy.attributes = (0..20).map(|_| nothing()).collect();
    Ok(Answer::Page(page(vec![heavy])))
}
