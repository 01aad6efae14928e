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
  }
  return true;
}

static char *quoted(const char *text) {
  char *out = "";
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') out = tmb_format("%s\\%c", out, *text);
    else if ((unsigned char)*text < 0x20) out = tmb_format("%s\\u%04x", out, *text);
    else out = tmb_format("%s%c", out, *text);
  }
  return tmb_format("\"%s\"", out);
}

static char *field_json(const tmb_field *field) {
  char *out = tmb_format("{\"name\":%s,\"type\":%s", quoted(field->name), quoted(field->type));
  if (field->scim) out = tmb_format("%s,\"scim\":%s", out, quoted(field->scim));
  if (field->to) out = tmb_format("%s,\"to\":%s", out, quoted(field->to));
  if (field->multi) out = tmb_format("%s,\"multi\":true", out);
  if (field->required) out = tmb_format("%s,\"required\":true", out);
  if (field->unique) out = tmb_format("%s,\"unique\":true", out);
  if (field->case_exact) out = tmb_format("%s,\"caseExact\":true", out);
  if (field->read_only) out = tmb_format("%s,\"mutability\":\"read-only\"", out);
  if (field->immutable) out = tmb_format("%s,\"mutability\":\"immutable\"", out);
  if (field->write_only) out = tmb_format("%s,\"mutability\":\"write-only\"", out);
  return tmb_format("%s}", out);
}

char *tmb_describe(void) {
  char *kinds = "";
  for (const tmb_kind *kind = tmb_connector.kinds; kind->kind; kind++) {
    char *fields = "";
    for (size_t i = 0; i < kind->count; i++) fields = tmb_format("%s%s%s", fields, i ? "," : "", field_json(&kind->fields[i]));
    kinds = tmb_format("%s%s{\"kind\":%s,\"resource\":%s,\"attributes\":[%s]}", kinds, *kinds ? "," : "",
                       quoted(kind->kind), quoted(kind->resource), fields);
  }
  return tmb_format("{\"name\":%s,\"version\":%s,\"kinds\":[%s]}", quoted(tmb_connector.name),
                    quoted(tmb_connector.version), kinds);
}
