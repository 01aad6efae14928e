"""A host for unit tests: settings, log, secrets and state, of this process.

    from tombolo import testing

    def test_something():
        testing.reset(settings={"base": "ou=people"})
        ...
"""

import json
import sys
from dataclasses import dataclass
from enum import Enum
from typing import Any


class StateError_Changed(Exception):
    """As the bindings call this case of `state-error`."""


@dataclass
class _Item:
    value: bytes
    version: int


class config:  # noqa: N801 - stands for a module of the bindings
    """The app's settings."""

    text = "{}"

    @classmethod
    def settings(cls) -> str:
        return cls.text


class context:  # noqa: N801
    """A call that has time."""

    @staticmethod
    def remaining_ms() -> int:
        return 30_000

    @staticmethod
    def request_id() -> str:
        return "test"


class log:  # noqa: N801
    """Lines on standard error."""

    class Level(Enum):
        DEBUG = 0
        INFO = 1
        WARN = 2
        ERROR = 3

    @staticmethod
    def emit(level: "log.Level", message: str, fields: list[tuple[str, str]]) -> None:
        print(level.name, message, fields, file=sys.stderr)


class secrets:  # noqa: N801
    """No secret is granted."""

    @staticmethod
    def open(name: str) -> None:
        return None


class state:  # noqa: N801
    """Keys in memory."""

    items: dict[str, _Item] = {}
    last_version = 0

    @classmethod
    def get(cls, key: str) -> _Item | None:
        return cls.items.get(key)

    @classmethod
    def put(cls, key: str, value: bytes, if_version: int | None) -> int:
        held = cls.items.get(key)
        if if_version is not None and if_version != (held.version if held else 0):
            raise StateError_Changed
        cls.last_version += 1
        cls.items[key] = _Item(value, cls.last_version)
        return cls.last_version

    @classmethod
    def delete(cls, key: str) -> None:
        cls.items.pop(key, None)

    @classmethod
    def list(cls, prefix: str, after: str | None, limit: int) -> "list[str]":
        keys = sorted(key for key in cls.items if key.startswith(prefix) and (after is None or key > after))
        return keys[:limit]


def reset(settings: Any = None) -> None:
    """Forgets everything, and sets the settings."""
    config.text = json.dumps(settings or {})
    state.items.clear()
