"""Filters as a tree, and whether an entry passes one."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from operator import eq, ge, gt, le, lt
from typing import Any

from .failure import Invalid
from .schema import Kind
from .values import Entry, Instant, Scalar, Value, fold


class Comparison(Enum):
    """How a test compares."""

    EQUAL = "equal"
    NOT_EQUAL = "not-equal"
    CONTAINS = "contains"
    STARTS_WITH = "starts-with"
    ENDS_WITH = "ends-with"
    GREATER = "greater"
    AT_LEAST = "at-least"
    LESS = "less"
    AT_MOST = "at-most"


_ORDER: dict[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.EQUAL: eq,
    Comparison.GREATER: gt,
    Comparison.AT_LEAST: ge,
    Comparison.LESS: lt,
    Comparison.AT_MOST: le,
}
_TEXT: dict[Comparison, Callable[[str, str], bool]] = {
    Comparison.CONTAINS: lambda held, wanted: wanted in held,
    Comparison.STARTS_WITH: str.startswith,
    Comparison.ENDS_WITH: str.endswith,
}
_Values = Callable[[str], list[Value]]


@dataclass
class Filter:
    """A node and its children. `kind` is `test`, `present`, `all`, `any`, `not` or `element`."""

    kind: str
    name: str = ""
    comparison: Comparison = Comparison.EQUAL
    value: Scalar = ""
    children: tuple["Filter", ...] = ()

    @staticmethod
    def test(name: str, comparison: Comparison, value: Scalar) -> "Filter":
        """Any value of the attribute compares so; `NOT_EQUAL` is the negation of `EQUAL`."""
        return Filter("test", name, comparison, value)

    @staticmethod
    def read(nodes: "list[tuple[str, Any]]") -> "Filter":
        """The tree of the host's flat list: children come before their parents, the last node is the root."""
        made: list[Filter | None] = []

        def take(at: int) -> Filter:
            # Each node has one parent: a list that shares nodes could unfold to a tree without end.
            child = made[at] if at < len(made) else None
            if child is None:
                raise Invalid(f"the filter's node {at} is not a child that is still free")
            made[at] = None
            return child

        for kind, value in nodes:
            if kind == "test":
                made.append(Filter.test(*value))
            elif kind == "present":
                made.append(Filter("present", value))
            elif kind in ("all", "any"):
                made.append(Filter(kind, children=tuple(take(at) for at in value)))
            elif kind == "negate":
                made.append(Filter("not", children=(take(value),)))
            else:
                made.append(Filter("element", value[0], children=(take(value[1]),)))
        if not made:
            raise Invalid("the filter is empty")
        return take(len(made) - 1)

    def equality(self) -> tuple[str, Scalar] | None:
        """The attribute and the value it must equal, when the filter asks nothing else: the look-up by a unique one."""
        if self.kind == "test" and self.comparison is Comparison.EQUAL:
            return self.name, self.value
        if self.kind in ("all", "any") and len(self.children) == 1:
            return self.children[0].equality()
        return None

    def matches(self, kind: Kind, entry: Entry) -> bool:
        """Whether the entry passes. The kind says which attributes tell upper from lower case."""

        def exact(name: str) -> bool:
            attribute = kind.attribute(name)
            return attribute is not None and attribute.case_exact

        return self._holds(exact, lambda name: entry.attributes.get(name, []))

    def _holds(self, exact: Callable[[str], bool], values: _Values) -> bool:
        if self.kind == "test":
            if self.comparison is Comparison.NOT_EQUAL:
                return not any(compare(v, Comparison.EQUAL, self.value, exact(self.name)) for v in values(self.name))
            return any(compare(v, self.comparison, self.value, exact(self.name)) for v in values(self.name))
        if self.kind == "present":
            return bool(values(self.name))
        if self.kind == "all":
            return all(child._holds(exact, values) for child in self.children)
        if self.kind == "any":
            return any(child._holds(exact, values) for child in self.children)
        if self.kind == "not":
            return not self.children[0]._holds(exact, values)
        rule = exact(self.name)  # the outer attribute's rule counts for its parts
        return any(self.children[0]._holds(lambda _: rule, _parts(value)) for value in values(self.name))


def _parts(value: Value) -> _Values:
    if not isinstance(value, dict):
        return lambda part: [value] if part == "value" else []
    return lambda part: held if isinstance(held := value.get(part, []), list) else [held]


def compare(held: Value, comparison: Comparison, wanted: Scalar, exact: bool) -> bool:
    """Whether one value compares so with another. Types never mix, except that integers and decimals are numbers."""
    if comparison is Comparison.NOT_EQUAL:
        return not compare(held, Comparison.EQUAL, wanted, exact)
    if isinstance(held, bool | bytes) or isinstance(wanted, bool | bytes):
        return comparison is Comparison.EQUAL and type(held) is type(wanted) and held == wanted
    if isinstance(held, int | Decimal) and isinstance(wanted, int | Decimal):
        try:
            return comparison in _ORDER and _ORDER[comparison](Decimal(held), Decimal(wanted))
        except InvalidOperation:
            return False
    if isinstance(held, Instant) and isinstance(wanted, Instant):
        return comparison in _ORDER and _ORDER[comparison](_instant(held), _instant(wanted))
    if type(held) is str and type(wanted) is str:
        left, right = (held, wanted) if exact else (fold(held), fold(wanted))
        return (_TEXT.get(comparison) or _ORDER[comparison])(left, right)
    return False


def _instant(text: str) -> str:
    # RFC 3339 in UTC compares as text once the fraction's trailing zeros are gone.
    seconds, _, fraction = text.upper().removesuffix("Z").removesuffix("+00:00").partition(".")
    fraction = fraction.rstrip("0")
    return f"{seconds}.{fraction}" if fraction else seconds
