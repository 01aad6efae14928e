"""The class that a connector is."""

from .failure import Unsupported
from .paging import Page
from .query import Query
from .schema import Description
from .secrets import Secret
from .values import Edit, Entry


class Connector:
    """Override what the target can do, and name the same abilities under `exports` in `connector.toml`.

    The host may run each call in a fresh instance: nothing is promised to live from one call to the next except what
    the target and `state` hold. `kind` is the name of one of `describe`'s kinds, `anchor` the target's own key.
    """

    def describe(self) -> Description:
        """The kinds of object and their attributes. May depend on the settings; reaches no target."""
        raise NotImplementedError

    def check(self) -> None:
        """Reaches the target and proves the credentials, without changing anything."""
        raise NotImplementedError

    def get(self, kind: str, anchor: str, wanted: list[str]) -> Entry:
        """The object with this anchor; `NotFound` when there is none. No names wanted means every attribute."""
        raise NotImplementedError

    def search(self, kind: str, query: Query) -> Page:
        """One page, in a stable order. A filter that cannot be answered in full is `Unsupported`."""
        raise NotImplementedError

    def create(self, kind: str, entry: Entry, request: str) -> Entry:
        """Creates an object of the entry's attributes and answers it as it is now, with its anchor.

        `request` is the same when the host repeats this very create: answer the object that the first attempt made.
        """
        raise Unsupported("this connector creates nothing")

    def update(self, kind: str, anchor: str, edits: list[Edit], if_version: str | None, request: str) -> Entry:
        """Applies the edits in order and answers the whole object. Another version than `if_version`: `Changed`."""
        raise Unsupported("this connector changes nothing")

    def delete(self, kind: str, anchor: str, request: str) -> None:
        """Deletes the object; `NotFound` when there is none."""
        raise Unsupported("this connector deletes nothing")

    def list_members(self, group: str, cursor: str | None, limit: int) -> tuple[list[str], str | None]:
        """One page of the members' anchors, in a stable order, and the next cursor."""
        raise Unsupported("this connector knows no members")

    def change_members(self, group: str, add: list[str], remove: list[str], request: str) -> None:
        """Adding who is there and removing who is not succeeds. An unknown member to add is `Invalid`, and nothing
        is changed."""
        raise Unsupported("this connector knows no members")

    def set_password(self, anchor: str, value: Secret, must_change: bool) -> None:
        """Sets the password. The value is a handle; the host puts it where it is used."""
        raise Unsupported("this connector sets no passwords")

    def since(self, kind: str, token: str | None, limit: int) -> tuple[list[Entry | str], str, bool]:
        """What has changed since the token (an entry) or is gone (its anchor), the next token, and whether there is
        more. No token: nothing yet, only a token for now."""
        raise Unsupported("this connector tells no changes")
