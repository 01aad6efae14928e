"""What a search asks for."""

from dataclasses import dataclass, field

from .filter import Filter


@dataclass
class Query:
    """One page of the objects that pass the filter, after the cursor."""

    filter: Filter | None = None
    attributes: list[str] = field(default_factory=list)
    """Empty means every attribute."""
    cursor: str | None = None
    limit: int = 100
