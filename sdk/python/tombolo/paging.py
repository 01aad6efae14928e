"""Pages of a list that the connector holds as a whole."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from .values import Entry

T = TypeVar("T")


@dataclass
class Page:
    """One page of a listing. No cursor ends it; a page may be shorter than the limit and still go on."""

    entries: list[Entry]
    cursor: str | None = None
    total: int | None = None


def page(items: Iterable[T], key: Callable[[T], str], cursor: str | None, limit: int) -> tuple[list[T], str | None]:
    """One page of items that are sorted by key, after `cursor`, and the next cursor.

    The cursor is the key of the last item given out: a listing survives another instance, and items that come and go
    meanwhile neither repeat nor hide others.
    """
    rest = [item for item in items if cursor is None or key(item) > cursor]
    shown = rest[: max(limit, 1)]
    return shown, key(shown[-1]) if len(rest) > len(shown) else None
