//! `/Bulk`: the operations of one request, done one after the other as if each had come alone.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Response, StatusCode};
use tokio::time::Instant;
use tombolo_engine::{Answer, App, Error as EngineError, Request};
use tombolo_scim::bulk::{BulkRequest, Done, Method, Task};
use tombolo_scim::error::Error as ScimError;
use tombolo_scim::project::Projection;

use super::{condition, respond};

/// What an operation must have left of the request's time to be begun.
const LEAST: Duration = Duration::from_millis(500);

pub(super) async fn answer(
    app: &Arc<App>,
    request: &Request,
    body: &[u8],
) -> Result<Response<Body>, EngineError> {
    let mut run = BulkRequest::parse(app.rules(), body)?.begin(&request.base_url);
    while let Some(task) = run.next_task() {
        // The answer has to say what was done; a request that is cut off says nothing.
        let outcome = if Instant::now() + LEAST < request.deadline {
            carry_out(app, request, &task)
                .await
                .map_err(|failed| failed.to_scim())
        } else {
            Err(ScimError::new(
                503,
                None,
                "the time for the whole bulk request is over and this operation was not begun; send it again",
            ))
        };
        run.finish(&task, outcome);
    }
    Ok(respond::json(StatusCode::OK, &run.answer()))
}

async fn carry_out(app: &Arc<App>, request: &Request, task: &Task) -> Result<Done, EngineError> {
    let ty = app.catalog().by_endpoint(&task.endpoint).ok_or_else(|| {
        let endpoint: String = task.endpoint.chars().take(100).collect();
        ScimError::not_found(format!("there is no resource type at `/{endpoint}`"))
    })?;
    let if_match = task
        .version
        .as_deref()
        .and_then(|tag| condition::demand(tag).version());
    // The answer to an operation names the resource and does not show it.
    let bare = Projection::parse(Some("id"), None)?;
    let id = task.id.as_deref().unwrap_or_default();
    let (status, answer) = match task.method {
        Method::Post => (201, app.create(request, ty, &task.body, &bare).await?),
        Method::Put => {
            let replaced = app.replace(request, ty, id, &task.body, if_match, &bare);
            (200, replaced.await?)
        }
        Method::Patch => {
            let patched = app.patch(request, ty, id, &task.body, if_match, &bare);
            (200, patched.await?)
        }
        Method::Delete => {
            app.delete(request, ty, id, if_match).await?;
            return Ok(Done {
                status: 204,
                location: tombolo_scim::render::location(ty, &request.base_url, id),
                id: id.to_owned(),
                version: None,
            });
        }
    };
    Ok(done(status, answer))
}

fn done(status: u16, answer: Answer) -> Done {
    Done {
        status,
        version: Some(respond::etag(answer.version)),
        id: answer.id,
        location: answer.location,
    }
}
