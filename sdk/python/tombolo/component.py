"""From the author's `Connector` to the component's exports, and between its values and the bindings'.

`tombolo connector build` makes the module that uses this: authors do not. Everything is imported when the component is
built; an import that waits for the first call would find no file system to read from.
"""

from collections.abc import Callable
from decimal import Decimal
from types import ModuleType
from typing import Any

from componentize_py_types import Err
from wit_world.imports import types as wit

try:
    from wit_world.exports import members
except ImportError:  # the world does not have it
    members = None
try:
    from wit_world.exports import delta
except ImportError:
    delta = None

from .connector import Connector
from .failure import Failure, Other
from .filter import Comparison, Filter
from .query import Query
from .values import Edit, EditKind, Entry, Instant, Scalar, Value

_FAULTS = {fault.name.lower().replace("_", "-"): fault for fault in wit.Fault}
_COMPARISONS = {c: Comparison(c.name.lower().replace("_", "-")) for c in wit.Comparison}
_EDITS = {kind: EditKind(kind.name.lower()) for kind in wit.EditKind}
_NODES = {
    wit.Node_Present: "present",
    wit.Node_All: "all",
    wit.Node_Any: "any",
    wit.Node_Negate: "negate",
    wit.Node_Element: "element",
}


def exports_of(module: ModuleType) -> "dict[str, type]":
    """The exports of the one `Connector` that a module defines."""
    classes = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Connector)]
    own = [c for c in classes if c.__module__ == module.__name__]
    if len(own) != 1:
        raise ImportError(f"{module.__name__} must define one subclass of tombolo.Connector; it defines {len(own)}")
    return exports(own[0]())


def exports(connector: Connector) -> "dict[str, type]":
    """A class for each interface that a component may export; the world chooses among them."""

    class ConnectorInterface:
        def describe(self) -> str:
            return _answer(lambda: connector.describe().to_json())

        def check(self) -> None:
            _answer(connector.check)

    class Read:
        def get(self, kind: str, anchor: str, attributes: "list[str]") -> Any:
            return _answer(lambda: _entry_out(connector.get(kind, anchor, attributes)))

        def search(self, kind: str, query: Any) -> Any:
            def call() -> Any:
                found = connector.search(kind, _query_in(query))
                return wit.Page([_entry_out(entry) for entry in found.entries], found.cursor, found.total)

            return _answer(call)

    class Write:
        def create(self, kind: str, attributes: "list[Any]", request: str) -> Any:
            entry = Entry("", {a.name: [_value_in(v) for v in a.values] for a in attributes if a.values})
            return _answer(lambda: _entry_out(connector.create(kind, entry, request)))

        def update(self, kind: str, anchor: str, edits: "list[Any]", if_version: str | None, request: str) -> Any:
            own = [
                Edit(_EDITS[e.kind], e.attribute.name, [_value_in(v) for v in e.attribute.values]) for e in edits
            ]
            return _answer(lambda: _entry_out(connector.update(kind, anchor, own, if_version, request)))

        def delete(self, kind: str, anchor: str, request: str) -> None:
            _answer(lambda: connector.delete(kind, anchor, request))

    class Members:
        def list_members(self, group: str, cursor: str | None, limit: int) -> Any:
            return _answer(lambda: members.MemberPage(*connector.list_members(group, cursor, limit)))

        def change_members(self, group: str, add: "list[str]", remove: "list[str]", request: str) -> None:
            _answer(lambda: connector.change_members(group, add, remove, request))

    class Password:
        def set_password(self, anchor: str, value: Any, must_change: bool) -> None:
            _answer(lambda: connector.set_password(anchor, value, must_change))

    class Delta:
        def since(self, kind: str, token: str | None, limit: int) -> Any:
            def call() -> Any:
                changes, following, more = connector.since(kind, token, limit)
                out = [
                    delta.Change_Gone(c) if isinstance(c, str) else delta.Change_Changed(_entry_out(c))
                    for c in changes
                ]
                return delta.Changes(out, following, more)

            return _answer(call)

    return {
        "Connector": ConnectorInterface,
        "Read": Read,
        "Write": Write,
        "Members": Members,
        "Password": Password,
        "Delta": Delta,
    }


def _answer(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Failure as failure:
        raise Err(_failure_out(failure)) from None
    except Exception as error:
        # Not a trap: the administrator reads what went wrong, and the instance is still good.
        raise Err(_failure_out(Other(f"{type(error).__name__}: {error}"))) from None


def _failure_out(failure: Failure) -> Any:
    return wit.Failure(
        _FAULTS[failure.fault], failure.message, failure.attribute, failure.code, failure.retry_after_ms
    )


def _query_in(query: Any) -> Query:
    nodes = None if query.filter is None else [_node_in(node) for node in query.filter]
    return Query(None if nodes is None else Filter.read(nodes), query.attributes, query.cursor, query.limit)


def _node_in(node: Any) -> "tuple[str, Any]":
    if isinstance(node, wit.Node_Test):
        name, comparison, value = node.value
        return "test", (name, _COMPARISONS[comparison], _scalar_in(value))
    return _NODES[type(node)], node.value


def _scalar_in(scalar: Any) -> Scalar:
    if isinstance(scalar, wit.Scalar_Decimal):
        return Decimal(scalar.value)
    if isinstance(scalar, wit.Scalar_Instant):
        return Instant(scalar.value)
    plain: Scalar = scalar.value
    return plain


def _value_in(value: Any) -> Value:
    if isinstance(value, wit.Value_Simple):
        return _scalar_in(value.value)
    return {part.name: [_scalar_in(scalar) for scalar in part.values] for part in value.value}


def _scalar_out(value: Scalar) -> Any:
    if isinstance(value, bool):
        return wit.Scalar_Boolean(value)
    if isinstance(value, int):
        return wit.Scalar_Integer(value)
    if isinstance(value, Instant):
        return wit.Scalar_Instant(str(value))
    if isinstance(value, str):
        return wit.Scalar_Text(value)
    if isinstance(value, Decimal):
        return wit.Scalar_Decimal(f"{value:f}")
    if isinstance(value, bytes | bytearray):
        return wit.Scalar_Bytes(bytes(value))
    raise Other(f"a {type(value).__name__} is no value that an entry can have")


def _value_out(value: Value) -> Any:
    if not isinstance(value, dict):
        return wit.Value_Simple(_scalar_out(value))
    lists = {name: held if isinstance(held, list) else [held] for name, held in value.items()}
    return wit.Value_Complex([wit.Part(name, [_scalar_out(s) for s in held]) for name, held in lists.items()])


def _entry_out(entry: Entry) -> Any:
    attributes = [
        wit.Attribute(name, [_value_out(value) for value in values])
        for name, values in entry.attributes.items()
        if values
    ]
    return wit.Entry(entry.anchor, entry.version, attributes)
