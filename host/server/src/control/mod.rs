//! Orders of an administrator on the host's own machine, to the host that runs.
//!
//! They come by a socket in the store's directory, which only the host's own user (and root) can open: whoever may read
//! the store may give orders, and nobody else. There is no port, no password and no token.
//!
//! An order is one line of JSON, the answer is lines of JSON: any number of items, and an end. Where no host runs, the
//! command does by itself what needs no connector.
//!
//! | module | idea |
//! |---|---|
//! | `order` | what can be ordered, and doing it |
//! | `flow` | orders about flows |
//! | `import` | the same of imports |
//! | `listen` | the host's end of the socket |
//! | `ask` | the command's end, or the store itself |

mod ask;
mod flow;
mod import;
mod listen;
mod order;

use std::path::{Path, PathBuf};

pub use ask::ask;
pub use flow::FlowOrder;
pub use import::Import;
pub use listen::Listening;
pub use order::{Order, Reply};

/// Where the socket is; its directory is the host's user's alone.
fn directory(state: &Path) -> PathBuf {
    state.join("control")
}

fn socket(state: &Path) -> PathBuf {
    directory(state).join("socket")
}
