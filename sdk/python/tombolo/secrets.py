"""Secrets that the operator granted, as handles: the host puts the value where it is used."""

from typing import Protocol

from . import _host


class Secret(Protocol):
    """A handle, not a value."""

    def name(self) -> str:
        """The name under which it was granted."""
        ...


def open_secret(name: str) -> Secret | None:
    """The handle of a secret; none when there is no such grant."""
    handle: Secret | None = _host.secrets.open(name)
    return handle
