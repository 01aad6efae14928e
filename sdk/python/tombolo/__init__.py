"""What the author of a Tombolo connector in Python uses.

A connector knows its target and nothing else: it never sees SCIM, HTTP, tokens, addresses or passwords. Subclass
`Connector`, answer with `Entry` and `Page`, raise a `Failure`, and describe the kinds of object with `schema`.

Everything here also works in plain Python, for unit tests: `testing` plays the host.
"""

from . import log, schema, secrets, state
from .connector import Connector
from .context import remaining_ms, request_id, settings
from .failure import (
    AlreadyExists,
    Busy,
    Changed,
    Failure,
    Forbidden,
    Invalid,
    NotFound,
    Other,
    Timeout,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from .filter import Comparison, Filter
from .paging import Page, page
from .query import Query
from .values import Edit, EditKind, Entry, Instant, Scalar, Value, fold

__all__ = [
    "AlreadyExists", "Busy", "Changed", "Comparison", "Connector", "Edit", "EditKind", "Entry", "Failure", "Filter",
    "Forbidden", "Instant", "Invalid", "NotFound", "Other", "Page", "Query", "Scalar", "Timeout", "Unauthenticated",
    "Unavailable", "Unsupported", "Value", "fold", "log", "page", "remaining_ms", "request_id", "schema", "secrets",
    "settings", "state",
]
