// {{name}}: people and groups, kept in the host's own state. Put your target where `tmb_state` is.

#include "tombolo.h"

static const tmb_field user[] = {
  {.name = "login", .type = "text", .required = true, .unique = true, .scim = "userName"},
  {.name = "label", .type = "text", .scim = "displayName"},
  {.name = "mail", .type = "text", .scim = "emails[type eq \"work\"].value"},
  {.name = "active", .type = "boolean", .scim = "active"},
  {.name = "boss", .type = "reference", .to = "user", .scim = TMB_ENTERPRISE "manager"},
};
static const tmb_field group[] = {{.name = "label", .type = "text", .required = true, .unique = true, .scim = "displayName"}};
static const tmb_kind kinds[] = {TMB_KIND("user", "User", user), TMB_KIND("group", "Group", group), {0}};
const tmb_description tmb_connector = {"{{name}}", "0.1.0", kinds};

static const char *unique_name(const char *kind) { return tmb_equal(kind, "user") ? "login" : "label"; }

static const char *unique_key(const char *kind, const tmb_entry *entry) {
  return tmb_format("unique/%s/%s", kind, tmb_fold(tmb_first(&entry->attributes, unique_name(kind))));
}

static bool save(const char *kind, tmb_entry *entry, const char *old_key) {
  const char *key = unique_key(kind, entry);
  if (!tmb_check(tmb_kind_named(kind), entry) || !tmb_state_claim(key, entry->anchor, unique_name(kind))) return false;
  if (old_key && !tmb_equal(old_key, key) && !tmb_state_delete(old_key)) return false;
  return tmb_state_store(kind, entry);
}

bool connector_check(void) { return tmb_state_get("user/", &(tmb_item){0}); }

bool read_get(const char *kind, const char *anchor, tmb_texts wanted, tmb_entry *entry) {
  return tmb_state_load(kind, anchor, entry) && (tmb_keep(entry, wanted), true);
}

bool read_search(const char *kind, const tmb_query *query, tmb_page *page) {
  tmb_texts anchors = {0};
  const tmb_kind *described = tmb_kind_named(kind);
  if (!described || !tmb_state_page(tmb_format("%s/", kind), query->cursor, query->limit, &anchors, &page->cursor))
    return false;
  page->entries = tmb_alloc((anchors.count + 1) * sizeof(tmb_entry));
  for (size_t i = 0; i < anchors.count; i++) {
    tmb_entry *entry = &page->entries[page->count];
    if (!tmb_state_load(kind, anchors.items[i], entry)) return false;
    if (tmb_matches(query->filter, described, entry)) page->count++, tmb_keep(entry, query->attributes);
  }
  return true;
}

bool write_create(const char *kind, tmb_attributes attributes, const char *request, tmb_entry *entry) {
  // The request is the same when it is repeated, and so is the anchor made of it.
  if (!tmb_kind_named(kind) || tmb_state_load(kind, request, entry)) return tmb_kind_named(kind);
  *entry = (tmb_entry){.anchor = request, .attributes = attributes};
  return save(kind, entry, NULL);
}

bool write_update(const char *kind, const char *anchor, tmb_edits edits, const char *version, const char *request,
                  tmb_entry *entry) {
  if (!tmb_state_load(kind, anchor, entry)) return false;
  if (version && !tmb_equal(version, entry->version)) return tmb_fail(TMB_CHANGED, NULL, "%s has changed", anchor);
  const char *old_key = unique_key(kind, entry);
  tmb_apply(entry, edits);
  return save(kind, entry, old_key);
}

bool write_delete(const char *kind, const char *anchor, const char *request) {
  tmb_entry entry;
  tmb_texts others = {0};
  bool is_user = tmb_equal(kind, "user");
  if (!tmb_state_load(kind, anchor, &entry)) return false;
  if (!tmb_state_all(is_user ? "group/" : tmb_format("member/%s/", anchor), &others)) return false;
  for (size_t i = 0; i < others.count; i++) {
    const char *group = is_user ? others.items[i] : anchor, *member = is_user ? anchor : others.items[i];
    if (!tmb_state_delete(tmb_format("member/%s/%s", group, member))) return false;
  }
  return tmb_state_delete(unique_key(kind, &entry)) && tmb_state_delete(tmb_format("%s/%s", kind, anchor));
}

bool members_list(const char *group, const char *cursor, uint32_t limit, tmb_texts *members, const char **next) {
  return tmb_state_load("group", group, NULL) &&
         tmb_state_page(tmb_format("member/%s/", group), cursor, limit, members, next);
}

bool members_change(const char *group, tmb_texts add, tmb_texts remove, const char *request) {
  if (!tmb_state_load("group", group, NULL)) return false;
  for (size_t i = 0; i < add.count; i++)
    if (!tmb_state_load("user", add.items[i], NULL)) return tmb_fail(TMB_INVALID, "members", "no user %s", add.items[i]);
  for (size_t i = 0; i < remove.count; i++)
    if (!tmb_state_delete(tmb_format("member/%s/%s", group, remove.items[i]))) return false;
  for (size_t i = 0; i < add.count; i++)
    if (!tmb_state_put_text(tmb_format("member/%s/%s", group, add.items[i]), "")) return false;
  return true;
}
