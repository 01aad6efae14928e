"""Small things that a connector remembers from call to call, kept by the host for the app: tokens, checkpoints."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from . import _host
from .failure import Changed, Failure, Other, Unavailable

LISTED = 1000
"""The most keys that one `list_keys` answers."""


@dataclass
class Item:
    """A value and its version, which grows with every put."""

    value: bytes
    version: int


def get(key: str) -> Item | None:
    """The value under a key."""
    item = _call(lambda: _host.state.get(key))
    return None if item is None else Item(item.value, item.version)


def put(key: str, value: bytes, if_version: int | None = None) -> int:
    """Puts a value and answers its version. With `if_version` (0: if there is none), `Changed` when it is another."""
    return int(_call(lambda: _host.state.put(key, value, if_version)))


def delete(key: str) -> None:
    """Forgets a key."""
    _call(lambda: _host.state.delete(key))


def list_keys(prefix: str, after: str | None = None, limit: int = LISTED) -> list[str]:
    """Keys with a prefix, in order, after one."""
    return list(_call(lambda: _host.state.list(prefix, after, limit)))


def all_keys(prefix: str) -> Iterator[str]:
    """Every key with a prefix, in order."""
    keys = list_keys(prefix)
    while keys:
        yield from keys
        keys = list_keys(prefix, keys[-1]) if len(keys) == LISTED else []


def _call(what: Callable[[], Any]) -> Any:
    try:
        return what()
    except Exception as error:
        # The bindings raise `Err` around a case of `state-error`.
        raise _failure(getattr(error, "value", error)) from None


def _failure(error: object) -> Failure:
    case = type(error).__name__.removeprefix("StateError_")
    if case == "Full":
        return Other("the app's state is full")
    if case == "Changed":
        return Changed("another call has changed this part of the app's state")
    return Unavailable(f"the app's state: {getattr(error, 'value', error)}")
