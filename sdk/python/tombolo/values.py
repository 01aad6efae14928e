"""Entries, their values, and edits.

Values are plain Python: `str` is text, `bool` boolean, `int` integer, `Decimal` decimal, `Instant` an instant, `bytes`
bytes; a `dict` of these (or of lists of these) is one complex value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias


class Instant(str):
    """A point in time as RFC 3339 text in UTC: `2026-01-31T08:00:00Z`."""

    __slots__ = ()


Scalar: TypeAlias = str | bool | int | Decimal | Instant | bytes
Value: TypeAlias = Scalar | dict[str, Any]


def fold(text: str) -> str:
    """Text without the difference between upper and lower case."""
    return text.lower()


def same(left: Value, right: Value) -> bool:
    """Whether two values are one. Python's `True == 1` is none of it."""
    return type(left) is type(right) and left == right


class EditKind(Enum):
    """What an edit does to an attribute's values."""

    PUT = "put"
    ADD = "add"
    REMOVE = "remove"


@dataclass
class Edit:
    """One change of one attribute: exactly these values, these too, or these no longer."""

    kind: EditKind
    name: str
    values: list[Value]


@dataclass
class Entry:
    """One object: its key in the target, its version there, and a list of values for each attribute that has any."""

    anchor: str
    attributes: dict[str, list[Value]] = field(default_factory=dict)
    version: str | None = None

    @classmethod
    def of(cls, anchor: str, attributes: Mapping[str, Any], version: str | None = None) -> "Entry":
        """An entry of plain values: `None` and `[]` are absent, anything that is no list is one value."""
        lists = {name: value if isinstance(value, list) else [value] for name, value in attributes.items()}
        return cls(anchor, {name: values for name, values in lists.items() if values not in ([], [None])}, version)

    def first(self, name: str, default: Any = None) -> Any:
        """The attribute's first value."""
        values = self.attributes.get(name)
        return values[0] if values else default

    def keep(self, wanted: Iterable[str]) -> "Entry":
        """This entry with the wanted attributes only; none wanted means all."""
        names = set(wanted)
        if names:
            self.attributes = {name: values for name, values in self.attributes.items() if name in names}
        return self

    def apply(self, edits: Iterable[Edit]) -> None:
        """Applies edits in order. An attribute that loses its last value is gone."""
        for edit in edits:
            values = list(self.attributes.get(edit.name, []))
            if edit.kind is EditKind.PUT:
                values = list(edit.values)
            elif edit.kind is EditKind.ADD:
                for value in edit.values:
                    if not any(same(value, held) for held in values):
                        values.append(value)
            else:
                values = [held for held in values if not any(same(held, value) for value in edit.values)]
            if values:
                self.attributes[edit.name] = values
            else:
                self.attributes.pop(edit.name, None)
