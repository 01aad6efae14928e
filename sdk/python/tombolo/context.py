"""What the host tells a call."""

import json
from typing import Any

from . import _host


def settings() -> Any:
    """The app's settings, which the host has checked against the manifest's schema."""
    return json.loads(_host.config.settings())


def remaining_ms() -> int:
    """Milliseconds that this call has left."""
    return _host.context.remaining_ms()


def request_id() -> str:
    """The id under which host and client log the request."""
    return _host.context.request_id()
