//! Begins requests through wasi:http, waits for none of them and keeps them all.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    use wasip2::http::outgoing_handler::handle;
    use wasip2::http::types::{Fields, OutgoingRequest, Scheme};
    let mut kept = Vec::new();
    loop {
        let request = OutgoingRequest::new(Fields::new());
        let _ = request.set_scheme(Some(&Scheme::Http));
        let _ = request.set_authority(Some("web"));
        let _ = request.set_path_with_query(Some("/drip"));
        kept.push(handle(request, None));
    }
}
