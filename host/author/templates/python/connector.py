"""{{name}}: people and groups, kept in the host's own state. Put your target where `state` is."""

import json

from tombolo import AlreadyExists, Changed, Connector, Entry, Invalid, NotFound, Page, fold, state
from tombolo.schema import ENTERPRISE, Description, boolean, group, reference, text, user

DESCRIPTION = Description(
    "{{name}}", "0.1.0",
    user(
        text("login", required=True, unique=True, scim="userName"),
        text("label", scim="displayName"),
        text("mail", scim='emails[type eq "work"].value'),
        boolean("active", scim="active"),
        reference("boss", "user", scim=ENTERPRISE + "manager"),
    ),
    group(text("label", required=True, unique=True, scim="displayName")),
)


class People(Connector):
    def describe(self):
        return DESCRIPTION

    def check(self):
        state.list_keys("user/", limit=1)

    def get(self, kind, anchor, wanted):
        DESCRIPTION.kind(kind)
        item = state.get(f"{kind}/{anchor}")
        if item is None:
            raise NotFound(f"there is no {kind} {anchor}")
        return Entry(anchor, json.loads(item.value), str(item.version)).keep(wanted)

    def search(self, kind, query):
        described = DESCRIPTION.kind(kind)
        anchors, cursor = page_of_keys(f"{kind}/", query.cursor, query.limit)
        entries = [self.get(kind, anchor, []) for anchor in anchors]
        found = [e.keep(query.attributes) for e in entries if not query.filter or query.filter.matches(described, e)]
        return Page(found, cursor)

    def create(self, kind, entry, request):
        # The request is the same when it is repeated, and so is the anchor made of it.
        entry.anchor = request
        return self.get(kind, request, []) if state.get(f"{kind}/{request}") else self.save(kind, entry, {})

    def update(self, kind, anchor, edits, if_version, request):
        entry = self.get(kind, anchor, [])
        if if_version not in (None, entry.version):
            raise Changed(f"{kind} {anchor} is at version {entry.version}")
        old = dict(entry.attributes)
        entry.apply(edits)
        return self.save(kind, entry, old)

    def delete(self, kind, anchor, request):
        entry = self.get(kind, anchor, [])
        groups = [key.removeprefix("group/") for key in state.all_keys("group/")]
        mine = [f"member/{g}/{anchor}" for g in groups] if kind == "user" else state.all_keys(f"member/{anchor}/")
        uniques = [unique_key(kind, name, entry.attributes) for name in DESCRIPTION.kind(kind).unique]
        for key in [*mine, *uniques, f"{kind}/{anchor}"]:
            state.delete(key)

    def list_members(self, group, cursor, limit):
        self.get("group", group, [])
        return page_of_keys(f"member/{group}/", cursor, limit)

    def change_members(self, group, add, remove, request):
        self.get("group", group, [])
        for member in [member for member in add if state.get(f"user/{member}") is None]:
            raise Invalid(f"there is no user {member}", attribute="members")
        for member in remove:
            state.delete(f"member/{group}/{member}")
        for member in add:
            state.put(f"member/{group}/{member}", b"")

    def save(self, kind, entry, old):
        DESCRIPTION.kind(kind).check(entry)
        for name in DESCRIPTION.kind(kind).unique:
            key = unique_key(kind, name, entry.attributes)
            holder = state.get(key)
            if holder and holder.value.decode() != entry.anchor:
                raise AlreadyExists(f"{entry.first(name)} is taken", attribute=name)
            state.put(key, entry.anchor.encode())
            if old and unique_key(kind, name, old) != key:
                state.delete(unique_key(kind, name, old))
        state.put(f"{kind}/{entry.anchor}", json.dumps(entry.attributes).encode())
        return self.get(kind, entry.anchor, [])


def unique_key(kind, name, attributes):
    return f"unique/{kind}/{name}/{fold(attributes[name][0])}"


def page_of_keys(prefix, cursor, limit):
    keys = state.list_keys(prefix, cursor and prefix + cursor, min(limit, state.LISTED))
    found = [key.removeprefix(prefix) for key in keys]
    return found, found[-1] if len(found) == min(limit, state.LISTED) else None
