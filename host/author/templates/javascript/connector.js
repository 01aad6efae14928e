// {{name}}: people and groups, kept in the host's own state. Put your target where `state` is.

import { Description, ENTERPRISE, Entry, Failure, attribute, fold, group, state, user } from "./sdk/javascript/index.js";

const { text, boolean, reference } = attribute;
const description = new Description("{{name}}", "0.1.0",
  user(
    text("login", { required: true, unique: true, scim: "userName" }),
    text("label", { scim: "displayName" }),
    text("mail", { scim: 'emails[type eq "work"].value' }),
    boolean("active", { scim: "active" }),
    reference("boss", "user", { scim: `${ENTERPRISE}manager` }),
  ),
  group(text("label", { required: true, unique: true, scim: "displayName" })));

export const connector = {
  describe: () => description,
  check: () => state.list("user/", undefined, 1),

  get(kind, anchor, wanted) {
    description.kind(kind);
    const item = state.get(`${kind}/${anchor}`);
    if (!item) throw Failure.notFound(`there is no ${kind} ${anchor}`);
    return new Entry(anchor, item.value, String(item.version)).keep(wanted);
  },

  search(kind, { filter, attributes, cursor, limit }) {
    const described = description.kind(kind);
    const page = pageOfKeys(`${kind}/`, cursor, limit);
    const entries = page.found.map((anchor) => this.get(kind, anchor, []));
    const found = entries.filter((entry) => !filter || filter.matches(described, entry));
    return { entries: found.map((entry) => entry.keep(attributes)), cursor: page.cursor };
  },

  create(kind, { attributes }, request) {
    // The request is the same when it is repeated, and so is the anchor made of it.
    if (state.get(`${kind}/${request}`)) return this.get(kind, request, []);
    return save(kind, new Entry(request, attributes), {});
  },

  update(kind, anchor, edits, ifVersion) {
    const entry = this.get(kind, anchor, []);
    const old = { ...entry.attributes };
    if (ifVersion && ifVersion !== entry.version) throw Failure.changed(`${anchor} is at version ${entry.version}`);
    return save(kind, entry.apply(edits), old);
  },

  delete(kind, anchor) {
    const { attributes } = this.get(kind, anchor, []);
    const memberships = kind === "group" ? state.all(`member/${anchor}/`)
      : Array.from(state.all("group/"), (key) => key.replace("group", "member") + `/${anchor}`);
    const uniques = description.unique(kind).map((name) => uniqueKey(kind, name, attributes));
    for (const key of [...memberships, ...uniques, `${kind}/${anchor}`]) state.delete(key);
  },

  listMembers(group, cursor, limit) {
    this.get("group", group, []);
    const page = pageOfKeys(`member/${group}/`, cursor, limit);
    return { members: page.found, cursor: page.cursor };
  },

  changeMembers(group, add, remove) {
    this.get("group", group, []);
    const unknown = add.find((member) => !state.get(`user/${member}`));
    if (unknown) throw Failure.invalid(`there is no user ${unknown}`, { attribute: "members" });
    for (const member of remove) state.delete(`member/${group}/${member}`);
    for (const member of add) state.put(`member/${group}/${member}`, true);
  },
};

function save(kind, entry, old) {
  description.check(kind, entry);
  for (const name of description.unique(kind)) {
    const key = uniqueKey(kind, name, entry.attributes);
    const holder = state.get(key)?.value ?? entry.anchor;
    if (holder !== entry.anchor) throw Failure.alreadyExists(`${entry.first(name)} is taken`, { attribute: name });
    state.put(key, entry.anchor);
    if (old[name] && uniqueKey(kind, name, old) !== key) state.delete(uniqueKey(kind, name, old));
  }
  state.put(`${kind}/${entry.anchor}`, entry.attributes);
  return connector.get(kind, entry.anchor, []);
}

const uniqueKey = (kind, name, attributes) => `unique/${kind}/${name}/${fold(attributes[name][0])}`;

function pageOfKeys(prefix, cursor, limit) {
  const most = Math.min(limit, state.LISTED);
  const found = state.list(prefix, cursor && prefix + cursor, most).map((key) => key.slice(prefix.length));
  return { found, cursor: found.length === most ? found.at(-1) : undefined };
}
