// The description of a connector's kinds, and what it rules.

#include "internal.h"

const tmb_kind *tmb_kind_named(const char *name) {
  for (const tmb_kind *kind = tmb_connector.kinds; kind->kind; kind++)
    if (tmb_equal(kind->kind, name)) return kind;
  tmb_fail(TMB_UNSUPPORTED, NULL, "this connector has no objects of kind %s", name);
  return NULL;
}

const tmb_field *tmb_field_named(const tmb_kind *kind, const char *name) {
  for (size_t i = 0; i < kind->count; i++)
    if (tmb_equal(kind->fields[i].name, name)) return &kind->fields[i];
  return NULL;
}

static bool fits(const tmb_field *field, const tmb_value *value) {
  switch (value->type) {
  case TMB_TEXT: return tmb_equal(field->type, "text") || tmb_equal(field->type, "reference");
  case TMB_BOOLEAN: return tmb_equal(field->type, "boolean");
  case TMB_INTEGER: return tmb_equal(field->type, "integer") || tmb_equal(field->type, "decimal");
  case TMB_DECIMAL: return tmb_equal(field->type, "decimal");
  case TMB_INSTANT: return tmb_equal(field->type, "instant");
  case TMB_BYTES: return tmb_equal(field->type, "binary");
  case TMB_COMPLEX: return false;
  }
  return false;
}

bool tmb_check(const tmb_kind *kind, const tmb_entry *entry) {
  for (size_t i = 0; i < kind->count; i++) {
    const char *name = kind->fields[i].name;
    if (kind->fields[i].required && !tmb_find(&entry->attributes, name))
      return tmb_fail(TMB_INVALID, name, "%s is required", name);
  }
  for (size_t i = 0; i < entry->attributes.count; i++) {
    const tmb_attribute *attribute = &entry->attributes.items[i];
    const tmb_field *field = tmb_field_named(kind, attribute->name);
    if (!field) return tmb_fail(TMB_INVALID, attribute->name, "there is no attribute %s", attribute->name);
    if (attribute->count > 1 && !field->multi)
      return tmb_fail(TMB_INVALID, attribute->name, "%s has one value at most", attribute->name);
    for (size_t n = 0; n < attribute->count; n++)
      if (!fits(field, &attribute->values[n]))
        return tmb_fail(TMB_INVALID, attribute->name, "%s takes values of type %s", attribute->name, field->type);
  }
  return true;
}

// Text that grows.
typedef struct {
  char *text;
  size_t length, room;
} buffer;

static void put(buffer *out, const char *text, size_t length) {
  if (out->length + length + 1 > out->room) {
    char *room = tmb_alloc(out->room = (out->length + length + 1) * 2);
    if (out->length) memcpy(room, out->text, out->length);
    out->text = room;
  }
  memcpy(out->text + out->length, text, length);
  out->length += length;
  out->text[out->length] = 0;
}

static void raw(buffer *out, const char *text) { put(out, text, strlen(text)); }

static void quoted(buffer *out, const char *name, const char *text) {
  if (name) raw(out, name);
  raw(out, "\"");
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') raw(out, "\\");
    if ((unsigned char)*text < 0x20) raw(out, tmb_format("\\u%04x", *text));
    else put(out, text, 1);
  }
  raw(out, "\"");
}

static void field_json(buffer *out, const tmb_field *field) {
  quoted(out, "{\"name\":", field->name);
  quoted(out, ",\"type\":", field->type);
  if (field->scim) quoted(out, ",\"scim\":", field->scim);
  if (field->to) quoted(out, ",\"to\":", field->to);
  if (field->multi) raw(out, ",\"multi\":true");
  if (field->required) raw(out, ",\"required\":true");
  if (field->unique) raw(out, ",\"unique\":true");
  if (field->case_exact) raw(out, ",\"caseExact\":true");
  if (field->read_only) raw(out, ",\"mutability\":\"read-only\"");
  if (field->immutable) raw(out, ",\"mutability\":\"immutable\"");
  if (field->write_only) raw(out, ",\"mutability\":\"write-only\"");
  raw(out, "}");
}

char *tmb_describe(void) {
  buffer out = {0};
  quoted(&out, "{\"name\":", tmb_connector.name);
  quoted(&out, ",\"version\":", tmb_connector.version);
  raw(&out, ",\"kinds\":[");
  for (const tmb_kind *kind = tmb_connector.kinds; kind->kind; kind++) {
    quoted(&out, kind == tmb_connector.kinds ? "{\"kind\":" : ",{\"kind\":", kind->kind);
    quoted(&out, ",\"resource\":", kind->resource);
    raw(&out, ",\"attributes\":[");
    for (size_t i = 0; i < kind->count; i++) {
      if (i) raw(&out, ",");
      field_json(&out, &kind->fields[i]);
    }
    raw(&out, "]}");
  }
  raw(&out, "]}");
  return out.text;
}
