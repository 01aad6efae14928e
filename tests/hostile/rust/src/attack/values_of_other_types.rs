//! Bytes where a text belongs, a number where a name does, parts where there are none.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let odd = |name: &str, value| Attribute {
        name: name.to_owned(),
        values: vec![value],
    };
    let mut wrong = entry("odd", "strike", "");
    wrong.attributes = vec![
        odd("login", Value::Simple(Scalar::Bytes(vec![0xff, 0xfe]))),
        odd("label", Value::Complex(Vec::new())),
        odd("login", Value::Simple(Scalar::Integer(i64::MIN))),
        odd("label", Value::Simple(Scalar::Instant("the 30th of February".to_owned()))),
        odd("label", Value::Simple(Scalar::Decimal("NaN".to_owned()))),
    ];
    Ok(Answer::Page(page(vec![wrong])))
}
