//! Who may call an app, and how they show it.
//!
//! An app's file says what is accepted ([`crate::config::auth`]); here a request is held against it. Nothing here knows
//! SCIM: what comes out is "come in", or a reason with a status. Every decision is one line of the audit record, and
//! no credential is in any line, error or file.
//!
//! | way in | where it is shown | judged by |
//! |---|---|---|
//! | static bearer token | at the SCIM URL | its hash: `bearer` |
//! | client secret | at the token endpoint | its hash: `grant` |
//! | assertion signed by Entra (RFC 7523) | at the token endpoint | `assertion` |
//! | access token that the token endpoint gave | at the SCIM URL | `access` |
//! | Entra's own token, for a blank Secret Token | at the SCIM URL | `assertion` |
//!
//! Besides, and before all that: the address (`source`) and the client's certificate ([`certificate`]).
//!
//! | module | idea |
//! |---|---|
//! | `guard` | holds a request against an app's file, in order |
//! | `bearer` | the `Authorization` header; credentials kept as hashes |
//! | `grant` | the token endpoint's request and answer (RFC 6749) |
//! | `access` | access tokens: signed by this host, nothing kept of them |
//! | `secret_key` | the key they are signed with |
//! | `shared_key` | the same for several hosts |
//! | `assertion` | tokens that somebody else signed: Entra |
//! | `jwt` | signatures, by ring |
//! | `key_set` | Entra's public keys, kept over its outages |
//! | `used` | assertions that were used once |
//! | `observed` | what a refused assertion really said, for `tombolo auth observe` |
//! | `source` | who a request really comes from |
//! | [`certificate`] | client certificates |
//! | `failures` | sources that fail too often |
//! | `pace` | how often something may happen |
//! | `refused` | every reason to turn a request away |
//! | `audit` | the record of decisions |
//! | `schemes` | what ServiceProviderConfig says of all this |

mod access;
mod assertion;
mod audit;
mod bearer;
pub mod certificate;
mod failures;
mod grant;
mod guard;
mod jwt;
mod key_set;
pub mod observed;
mod pace;
mod refused;
mod schemes;
mod secret_key;
mod shared_key;
mod source;
mod used;

pub use audit::TARGET as AUDIT;
pub use grant::{GrantError, Granted};
pub use guard::{Attempt, Guard, GuardError};
pub use refused::{Denied, Refused};
pub use schemes::schemes;
pub use shared_key::{key_of_passwords, share_key};
