// From the component's exports to the author's functions. The build defines TOMBOLO_WRITE and so on for what
// `connector.toml` exports.

#include "bridge.h"

// The bindings name the object file that would hold the component's type; the build of Tombolo embeds it instead.
void __component_type_object_force_link_component(void) {}

typedef tombolo_connector_types_failure_t wire_failure;
typedef tombolo_connector_types_scalar_t wire_scalar;
typedef tombolo_connector_types_value_t wire_value;
typedef tombolo_connector_types_attribute_t wire_attribute;
typedef tombolo_connector_types_entry_t wire_entry;

static void *room(size_t count, size_t size) {
  void *made = calloc(count ? count : 1, size);
  if (!made) abort();
  return made;
}

static component_option_string_t option(const char *text) {
  component_option_string_t out = {text != NULL, {0}};
  if (text) out.val = tmb_out(text);
  return out;
}

// Ends a call: what failed goes out, what was allocated is freed.
static bool answer(bool good, wire_failure *error) {
  if (!good) {
    *error = (wire_failure){.fault = (uint8_t)tmb_failed.fault,
                            .message = tmb_out(tmb_failed.message),
                            .attribute = option(tmb_failed.attribute)};
  }
  tmb_reset();
  return good;
}

// ---- in

static bool nul; // text that C cannot hold came in

static char *text_in(component_string_t text) {
  nul = nul || memchr(text.len ? (const char *)text.ptr : "x", 0, text.len ? text.len : 1) != NULL;
  return tmb_in(text);
}

static tmb_texts texts_in(component_list_string_t *list) {
  tmb_texts out = {0};
  for (size_t i = 0; i < list->len; i++) tmb_texts_push(&out, text_in(list->ptr[i]));
  free(list->len ? list->ptr : NULL);
  return out;
}

static tmb_value scalar_in(wire_scalar *in) {
  tmb_value out = {.type = (tmb_type)in->tag};
  switch (out.type) {
  case TMB_BOOLEAN: out.boolean = in->val.boolean; break;
  case TMB_INTEGER: out.integer = in->val.integer; break;
  case TMB_BYTES: {
    uint8_t *copy = tmb_alloc(in->val.bytes.len + 1);
    if (in->val.bytes.len) memcpy(copy, in->val.bytes.ptr, in->val.bytes.len);
    out.bytes = copy;
    out.length = in->val.bytes.len;
    component_list_u8_free(&in->val.bytes);
    break;
  }
  default: out.text = text_in(in->val.text);
  }
  return out;
}

static tmb_value value_in(wire_value *in) {
  if (in->tag == TOMBOLO_CONNECTOR_TYPES_VALUE_SIMPLE) return scalar_in(&in->val.simple);
  tmb_value out = {.type = TMB_COMPLEX, .parts = tmb_alloc(sizeof(tmb_attributes))};
  tombolo_connector_types_list_part_t parts = in->val.complex;
  for (size_t i = 0; i < parts.len; i++) {
    const char *name = text_in(parts.ptr[i].name);
    for (size_t n = 0; n < parts.ptr[i].values.len; n++) tmb_add(out.parts, name, scalar_in(&parts.ptr[i].values.ptr[n]));
    free(parts.ptr[i].values.len ? parts.ptr[i].values.ptr : NULL);
  }
  free(parts.len ? parts.ptr : NULL);
  return out;
}

static bool good_text(void) {
  bool good = !nul;
  nul = false;
  return good || tmb_fail(TMB_INVALID, NULL, "this connector holds no text with a NUL in it");
}

static bool filter_in(tombolo_connector_types_option_filter_t *in, const tmb_filter **out) {
  *out = NULL;
  if (!in->is_some) return true;
  size_t count = in->val.len;
  tmb_node *nodes = tmb_alloc((count + 1) * sizeof(tmb_node));
  bool *taken = tmb_alloc(count + 1), good = count > 0;
  for (size_t i = 0; i < count; i++) {
    tombolo_connector_types_node_t *node = &in->val.ptr[i];
    tmb_node *made = &nodes[i];
    made->kind = (tmb_node_kind)node->tag;
    uint32_t *children = tmb_alloc(sizeof(uint32_t));
    made->children = children;
    switch (made->kind) {
    case TMB_TEST:
      made->name = text_in(node->val.test.f0);
      made->comparison = (tmb_comparison)node->val.test.f1;
      made->value = scalar_in(&node->val.test.f2);
      break;
    case TMB_PRESENT: made->name = text_in(node->val.present); break;
    case TMB_ALL:
    case TMB_ANY:
      made->count = node->val.all.len;
      children = tmb_alloc((made->count + 1) * sizeof(uint32_t));
      if (made->count) memcpy(children, node->val.all.ptr, made->count * sizeof(uint32_t));
      made->children = children;
      component_list_u32_free(&node->val.all);
      break;
    case TMB_NEGATE:
      made->count = 1;
      *children = node->val.negate;
      break;
    case TMB_ELEMENT:
      made->count = 1;
      made->name = text_in(node->val.element.f0);
      *children = node->val.element.f1;
      break;
    }
    // Each node has one parent: a list that shares nodes could unfold to a tree without end.
    for (size_t n = 0; n < made->count; n++) {
      if (children[n] >= i || taken[children[n]]) good = false;
      else taken[children[n]] = true;
    }
  }
  free(count ? in->val.ptr : NULL);
  if (!good) return tmb_fail(TMB_INVALID, NULL, "the filter is no tree");
  tmb_filter *filter = tmb_alloc(sizeof(tmb_filter));
  *filter = (tmb_filter){nodes, count};
  *out = filter;
  return true;
}

// ---- out

static wire_scalar scalar_out(const tmb_value *value) {
  wire_scalar out = {.tag = (uint8_t)value->type};
  switch (value->type) {
  case TMB_BOOLEAN: out.val.boolean = value->boolean; break;
  case TMB_INTEGER: out.val.integer = value->integer; break;
  case TMB_BYTES:
    out.val.bytes = (component_list_u8_t){room(value->length, 1), value->length};
    if (value->length) memcpy(out.val.bytes.ptr, value->bytes, value->length);
    break;
  default: out.val.text = tmb_out(value->text);
  }
  return out;
}

static wire_value value_out(const tmb_value *value) {
  wire_value out = {.tag = value->type == TMB_COMPLEX};
  if (!out.tag) {
    out.val.simple = scalar_out(value);
    return out;
  }
  size_t count = value->parts->count;
  tombolo_connector_types_part_t *parts = room(count, sizeof *parts);
  for (size_t i = 0; i < count; i++) {
    const tmb_attribute *part = &value->parts->items[i];
    parts[i].name = tmb_out(part->name);
    parts[i].values.len = part->count;
    parts[i].values.ptr = room(part->count, sizeof(wire_scalar));
    for (size_t n = 0; n < part->count; n++) parts[i].values.ptr[n] = scalar_out(&part->values[n]);
  }
  out.val.complex = (tombolo_connector_types_list_part_t){parts, count};
  return out;
}

static wire_entry entry_out(const tmb_entry *entry) {
  size_t count = entry->attributes.count;
  wire_attribute *attributes = room(count, sizeof *attributes);
  for (size_t i = 0; i < count; i++) {
    const tmb_attribute *attribute = &entry->attributes.items[i];
    attributes[i].name = tmb_out(attribute->name);
    attributes[i].values.len = attribute->count;
    attributes[i].values.ptr = room(attribute->count, sizeof(wire_value));
    for (size_t n = 0; n < attribute->count; n++) attributes[i].values.ptr[n] = value_out(&attribute->values[n]);
  }
  return (wire_entry){tmb_out(entry->anchor), option(entry->version), {attributes, count}};
}

// ---- connector

bool exports_tombolo_connector_connector_describe(component_string_t *ret, wire_failure *error) {
  *ret = tmb_out(tmb_describe());
  return answer(true, error);
}

bool exports_tombolo_connector_connector_check(wire_failure *error) { return answer(connector_check(), error); }

// ---- read

bool exports_tombolo_connector_read_get(component_string_t *kind, component_string_t *anchor,
                                        component_list_string_t *attributes, wire_entry *ret, wire_failure *error) {
  tmb_entry entry = {0};
  const char *name = text_in(*kind), *key = text_in(*anchor);
  tmb_texts wanted = texts_in(attributes);
  bool good = good_text() && read_get(name, key, wanted, &entry);
  if (good) *ret = entry_out(&entry);
  return answer(good, error);
}

bool exports_tombolo_connector_read_search(component_string_t *kind, tombolo_connector_types_query_t *in,
                                           tombolo_connector_types_page_t *ret, wire_failure *error) {
  const char *name = text_in(*kind);
  tmb_query query = {.limit = in->limit, .attributes = texts_in(&in->attributes)};
  if (in->cursor.is_some) query.cursor = text_in(in->cursor.val);
  tmb_page page = {0};
  bool tree = filter_in(&in->filter, &query.filter);
  bool good = good_text() && tree && read_search(name, &query, &page);
  if (good) {
    *ret = (tombolo_connector_types_page_t){.cursor = option(page.cursor)};
    ret->entries.len = page.count;
    ret->entries.ptr = room(page.count, sizeof(wire_entry));
    for (size_t i = 0; i < page.count; i++) ret->entries.ptr[i] = entry_out(&page.entries[i]);
  }
  return answer(good, error);
}

// ---- write

#ifdef TOMBOLO_WRITE
static tmb_attribute attribute_in(wire_attribute *in) {
  tmb_attribute out = {.name = text_in(in->name), .count = in->values.len};
  out.values = tmb_alloc((out.count + 1) * sizeof(tmb_value));
  for (size_t i = 0; i < out.count; i++) out.values[i] = value_in(&in->values.ptr[i]);
  free(out.count ? in->values.ptr : NULL);
  return out;
}

bool exports_tombolo_connector_write_create(component_string_t *kind, exports_tombolo_connector_write_list_attribute_t *in,
                                            component_string_t *request, wire_entry *ret, wire_failure *error) {
  const char *name = text_in(*kind), *id = text_in(*request);
  tmb_attributes attributes = {tmb_alloc((in->len + 1) * sizeof(tmb_attribute)), 0};
  for (size_t i = 0; i < in->len; i++) {
    tmb_attribute attribute = attribute_in(&in->ptr[i]);
    if (attribute.count) attributes.items[attributes.count++] = attribute;
  }
  free(in->len ? in->ptr : NULL);
  tmb_entry entry = {0};
  bool good = good_text() && write_create(name, attributes, id, &entry);
  if (good) *ret = entry_out(&entry);
  return answer(good, error);
}

bool exports_tombolo_connector_write_update(component_string_t *kind, component_string_t *anchor,
                                            exports_tombolo_connector_write_list_edit_t *in,
                                            component_string_t *if_version, component_string_t *request, wire_entry *ret,
                                            wire_failure *error) {
  const char *name = text_in(*kind), *key = text_in(*anchor), *id = text_in(*request);
  const char *version = if_version ? text_in(*if_version) : NULL;
  tmb_edits edits = {tmb_alloc((in->len + 1) * sizeof(tmb_edit)), in->len};
  for (size_t i = 0; i < in->len; i++)
    edits.items[i] = (tmb_edit){(tmb_edit_kind)in->ptr[i].kind, attribute_in(&in->ptr[i].attribute)};
  free(in->len ? in->ptr : NULL);
  tmb_entry entry = {0};
  bool good = good_text() && write_update(name, key, edits, version, id, &entry);
  if (good) *ret = entry_out(&entry);
  return answer(good, error);
}

bool exports_tombolo_connector_write_delete(component_string_t *kind, component_string_t *anchor,
                                            component_string_t *request, wire_failure *error) {
  const char *name = text_in(*kind), *key = text_in(*anchor), *id = text_in(*request);
  return answer(good_text() && write_delete(name, key, id), error);
}
#endif

// ---- members

#ifdef TOMBOLO_MEMBERS
bool exports_tombolo_connector_members_list_members(component_string_t *group, component_string_t *cursor, uint32_t limit,
                                                    exports_tombolo_connector_members_member_page_t *ret,
                                                    wire_failure *error) {
  const char *key = text_in(*group), *after = cursor ? text_in(*cursor) : NULL, *next = NULL;
  tmb_texts found = {0};
  bool good = good_text() && members_list(key, after, limit, &found, &next);
  if (good) {
    ret->cursor = option(next);
    ret->members.len = found.count;
    ret->members.ptr = room(found.count, sizeof(component_string_t));
    for (size_t i = 0; i < found.count; i++) ret->members.ptr[i] = tmb_out(found.items[i]);
  }
  return answer(good, error);
}

bool exports_tombolo_connector_members_change_members(component_string_t *group,
                                                      exports_tombolo_connector_members_list_anchor_t *add,
                                                      exports_tombolo_connector_members_list_anchor_t *remove,
                                                      component_string_t *request, wire_failure *error) {
  const char *key = text_in(*group), *id = text_in(*request);
  component_list_string_t more = {add->ptr, add->len}, less = {remove->ptr, remove->len};
  tmb_texts added = texts_in(&more), removed = texts_in(&less);
  return answer(good_text() && members_change(key, added, removed, id), error);
}
#endif
