// Entries, their attributes, and edits.

#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tmb_value tmb_text(const char *text) { return (tmb_value){.type = TMB_TEXT, .text = text}; }

tmb_value tmb_boolean(bool value) { return (tmb_value){.type = TMB_BOOLEAN, .boolean = value}; }

tmb_attribute *tmb_find(const tmb_attributes *attributes, const char *name) {
  for (size_t i = 0; i < attributes->count; i++)
    if (tmb_equal(attributes->items[i].name, name)) return &attributes->items[i];
  return NULL;
}

const char *tmb_first(const tmb_attributes *attributes, const char *name) {
  const tmb_attribute *found = tmb_find(attributes, name);
  return found && found->count ? found->values[0].text : NULL;
}

static void push(tmb_attribute *attribute, tmb_value value) {
  tmb_value *room = tmb_alloc((attribute->count + 1) * sizeof(tmb_value));
  if (attribute->count) memcpy(room, attribute->values, attribute->count * sizeof(tmb_value));
  room[attribute->count++] = value;
  attribute->values = room;
}

static tmb_attribute *find_or_make(tmb_attributes *attributes, const char *name) {
  tmb_attribute *found = tmb_find(attributes, name);
  if (found) return found;
  tmb_attribute *room = tmb_alloc((attributes->count + 1) * sizeof(tmb_attribute));
  if (attributes->count) memcpy(room, attributes->items, attributes->count * sizeof(tmb_attribute));
  attributes->items = room;
  room[attributes->count] = (tmb_attribute){.name = name};
  return &room[attributes->count++];
}

void tmb_add(tmb_attributes *attributes, const char *name, tmb_value value) {
  push(find_or_make(attributes, name), value);
}

static bool same(const tmb_value *left, const tmb_value *right);

static bool same_parts(const tmb_attributes *left, const tmb_attributes *right) {
  if (left->count != right->count) return false;
  for (size_t i = 0; i < left->count; i++) {
    const tmb_attribute *mine = &left->items[i], *theirs = tmb_find(right, mine->name);
    if (!theirs || theirs->count != mine->count) return false;
    for (size_t n = 0; n < mine->count; n++)
      if (!same(&mine->values[n], &theirs->values[n])) return false;
  }
  return true;
}

static bool same(const tmb_value *left, const tmb_value *right) {
  if (left->type != right->type) return false;
  switch (left->type) {
  case TMB_BOOLEAN: return left->boolean == right->boolean;
  case TMB_INTEGER: return left->integer == right->integer;
  case TMB_BYTES: return left->length == right->length && memcmp(left->bytes, right->bytes, left->length) == 0;
  case TMB_COMPLEX: return same_parts(left->parts, right->parts);
  default: return tmb_equal(left->text, right->text);
  }
}

static bool holds(const tmb_attribute *attribute, const tmb_value *value) {
  for (size_t i = 0; i < attribute->count; i++)
    if (same(&attribute->values[i], value)) return true;
  return false;
}

void tmb_apply(tmb_entry *entry, tmb_edits edits) {
  tmb_attributes *all = &entry->attributes;
  for (size_t i = 0; i < edits.count; i++) {
    const tmb_edit *edit = &edits.items[i];
    tmb_attribute *held = find_or_make(all, edit->attribute.name), result = {.name = held->name};
    if (edit->kind != TMB_PUT)
      for (size_t n = 0; n < held->count; n++)
        if (edit->kind == TMB_ADD || !holds(&edit->attribute, &held->values[n])) push(&result, held->values[n]);
    if (edit->kind != TMB_REMOVE)
      for (size_t n = 0; n < edit->attribute.count; n++)
        if (edit->kind == TMB_PUT || !holds(&result, &edit->attribute.values[n])) push(&result, edit->attribute.values[n]);
    *held = result;
    if (held->count == 0) *held = all->items[--all->count];
  }
}

void tmb_keep(tmb_entry *entry, tmb_texts wanted) {
  if (wanted.count == 0) return;
  size_t kept = 0;
  for (size_t i = 0; i < entry->attributes.count; i++)
    for (size_t n = 0; n < wanted.count; n++)
      if (tmb_equal(entry->attributes.items[i].name, wanted.items[n])) {
        entry->attributes.items[kept++] = entry->attributes.items[i];
        break;
      }
  entry->attributes.count = kept;
}

// One value: the name, the type's letter and the text, each with its NUL.
static const char letters[] = "tbidn";

static const char *plain(const tmb_value *value) {
  switch (value->type) {
  case TMB_BOOLEAN: return value->boolean ? "1" : "0";
  case TMB_INTEGER: return tmb_format("%lld", (long long)value->integer);
  default: return value->text;
  }
}

const uint8_t *tmb_encode(const tmb_entry *entry, size_t *length) {
  uint8_t *bytes = NULL;
  // Once to measure, once to write.
  for (int pass = 0; pass < 2; pass++) {
    size_t at = 0;
    for (size_t i = 0; i < entry->attributes.count; i++) {
      const tmb_attribute *attribute = &entry->attributes.items[i];
      for (size_t n = 0; n < attribute->count; n++) {
        const tmb_value *value = &attribute->values[n];
        if (value->type >= TMB_BYTES) continue;
        size_t name = strlen(attribute->name) + 1, text = strlen(plain(value)) + 1;
        if (bytes) {
          memcpy(bytes + at, attribute->name, name);
          bytes[at + name] = (uint8_t)letters[value->type];
          memcpy(bytes + at + name + 1, plain(value), text);
        }
        at += name + 1 + text;
      }
    }
    *length = at;
    if (!bytes) bytes = tmb_alloc(at + 1);
  }
  return bytes;
}

bool tmb_decode(const uint8_t *bytes, size_t length, tmb_attributes *attributes) {
  char *copy = tmb_alloc(length + 1);
  memcpy(copy, bytes, length);
  for (char *at = copy, *end = copy + length; at < end;) {
    const char *name = at;
    char *type = at + strlen(name) + 1;
    const char *letter = type < end && *type ? strchr(letters, *type) : NULL;
    if (!letter) return tmb_fail(TMB_OTHER, NULL, "what was stored is no entry");
    tmb_value value = {.type = (tmb_type)(letter - letters), .text = type + 1};
    value.boolean = value.type == TMB_BOOLEAN && *value.text == '1';
    if (value.type == TMB_INTEGER) value.integer = strtoll(value.text, NULL, 10);
    tmb_add(attributes, name, value);
    at = type + 1 + strlen(type + 1) + 1;
  }
  return true;
}
