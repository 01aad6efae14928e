//! The app's secret in a log line, on both standard streams and in a field.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let secret = "open-sesame/+42";
    println!("key {secret}");
    eprintln!("key {secret}");
    let fields = [("key".to_owned(), secret.to_owned())];
    tombolo::connector::log::emit(tombolo::connector::log::Level::Error, secret, &fields);
    Ok(Answer::Said("told".to_owned()))
}
