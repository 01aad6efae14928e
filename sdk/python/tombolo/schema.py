"""The description of a connector's kinds: what `describe` answers.

    from tombolo.schema import Description, boolean, group, text, user

    DESCRIPTION = Description(
        "directory", "1.0.0",
        user(
            text("uid", required=True, unique=True, scim="userName"),
            boolean("enabled", scim="active"),
        ),
        group(text("name", required=True, unique=True, scim="displayName")),
    )
"""

import json
from dataclasses import dataclass
from typing import Any

from .failure import Invalid, Unsupported
from .values import Entry

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"
"""The prefix of the enterprise user extension's attributes (RFC 7643 section 4.3)."""


@dataclass
class Attribute:
    """One attribute of a kind, or one part of a complex attribute."""

    name: str
    type: str
    multi: bool = False
    required: bool = False
    unique: bool = False
    case_exact: bool = False
    mutability: str = "read-write"
    to: str | None = None
    values: tuple[str, ...] = ()
    scim: str | None = None
    description: str | None = None
    parts: tuple["Attribute", ...] = ()

    def document(self) -> dict[str, Any]:
        """The attribute as the description says it; what is at its default is left out."""
        said: dict[str, Any] = {"name": self.name, "type": self.type}
        said |= {name: True for name in ("multi", "required", "unique") if getattr(self, name)}
        if self.case_exact:
            said["caseExact"] = True
        if self.mutability != "read-write":
            said["mutability"] = self.mutability
        said |= {name: value for name in ("to", "scim", "description") if (value := getattr(self, name)) is not None}
        if self.values:
            said["values"] = list(self.values)
        if self.parts:
            said["parts"] = [part.document() for part in self.parts]
        return said


def text(name: str, **rules: Any) -> Attribute:
    """A text attribute. The rules are `Attribute`'s fields: `required=True, unique=True, scim="userName"`."""
    return Attribute(name, "text", **rules)


def boolean(name: str, **rules: Any) -> Attribute:
    """A boolean attribute."""
    return Attribute(name, "boolean", **rules)


def integer(name: str, **rules: Any) -> Attribute:
    """An integer attribute."""
    return Attribute(name, "integer", **rules)


def decimal(name: str, **rules: Any) -> Attribute:
    """A decimal attribute."""
    return Attribute(name, "decimal", **rules)


def instant(name: str, **rules: Any) -> Attribute:
    """An instant attribute."""
    return Attribute(name, "instant", **rules)


def binary(name: str, **rules: Any) -> Attribute:
    """A binary attribute."""
    return Attribute(name, "binary", **rules)


def reference(name: str, to: str, **rules: Any) -> Attribute:
    """A reference: its values are anchors of the kind `to`."""
    return Attribute(name, "reference", to=to, **rules)


def complex(name: str, *parts: Attribute, **rules: Any) -> Attribute:  # noqa: A001 - the contract's word
    """A complex attribute of these parts."""
    return Attribute(name, "complex", parts=parts, **rules)


@dataclass
class Kind:
    """One kind of object."""

    name: str
    resource: str
    attributes: tuple[Attribute, ...]
    endpoint: str | None = None
    schema: str | None = None
    members: tuple[str, ...] = ()

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of this name."""
        return next((a for a in self.attributes if a.name == name), None)

    @property
    def unique(self) -> list[str]:
        """The names of the attributes whose values the target holds once."""
        return [a.name for a in self.attributes if a.unique]

    def check(self, entry: Entry) -> None:
        """Raises `Invalid` when a required attribute is missing, one is unknown, or a single one has several values."""
        for attribute in self.attributes:
            if attribute.required and not entry.attributes.get(attribute.name):
                raise Invalid(f"{attribute.name} is required", attribute=attribute.name)
        for name, values in entry.attributes.items():
            known = self.attribute(name)
            if known is None:
                raise Invalid(f"there is no attribute {name}", attribute=name)
            if len(values) > 1 and not known.multi:
                raise Invalid(f"{name} has one value at most", attribute=name)

    def document(self) -> dict[str, Any]:
        """The kind as the description says it."""
        said: dict[str, Any] = {"kind": self.name, "resource": self.resource}
        said |= {name: value for name in ("endpoint", "schema") if (value := getattr(self, name)) is not None}
        if self.members:
            said["members"] = list(self.members)
        return said | {"attributes": [attribute.document() for attribute in self.attributes]}


def user(*attributes: Attribute) -> Kind:
    """Kind `user`, shown as SCIM User."""
    return Kind("user", "User", attributes)


def group(*attributes: Attribute, members: tuple[str, ...] = ()) -> Kind:
    """Kind `group`, shown as SCIM Group; `members` names the kinds its members may be of (none: users)."""
    return Kind("group", "Group", attributes, members=members)


class Description:
    """What a connector is made of."""

    def __init__(self, name: str, version: str, *kinds: Kind) -> None:
        self.name = name
        self.version = version
        self.kinds = {kind.name: kind for kind in kinds}

    def kind(self, name: str) -> Kind:
        """The kind of this name; `Unsupported` when there is none."""
        if name not in self.kinds:
            raise Unsupported(f"this connector has no objects of kind {name!r}")
        return self.kinds[name]

    def to_json(self) -> str:
        """The document."""
        kinds = [kind.document() for kind in self.kinds.values()]
        return json.dumps({"name": self.name, "version": self.version, "kinds": kinds})
