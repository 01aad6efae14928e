// The host's services.

#include "bridge.h"

#include <stdarg.h>
#include <stdio.h>

static bool refused(tombolo_connector_state_state_error_t *error) {
  switch (error->tag) {
  case TOMBOLO_CONNECTOR_STATE_STATE_ERROR_FULL: return tmb_fail(TMB_OTHER, NULL, "the app's state is full");
  case TOMBOLO_CONNECTOR_STATE_STATE_ERROR_CHANGED:
    return tmb_fail(TMB_CHANGED, NULL, "another call has changed this part of the app's state");
  default: return tmb_fail(TMB_UNAVAILABLE, NULL, "the app's state: %s", tmb_in(error->val.unavailable));
  }
}

bool tmb_state_get(const char *key, tmb_item *item) {
  *item = (tmb_item){0};
  component_string_t name = tmb_lend(key);
  tombolo_connector_state_option_item_t found;
  tombolo_connector_state_state_error_t error;
  if (!tombolo_connector_state_get(&name, &found, &error)) return refused(&error);
  if (!found.is_some) return true;
  uint8_t *copy = tmb_alloc(found.val.value.len + 1);
  if (found.val.value.len) memcpy(copy, found.val.value.ptr, found.val.value.len);
  *item = (tmb_item){copy, found.val.value.len, found.val.version};
  component_list_u8_free(&found.val.value);
  return true;
}

bool tmb_state_put(const char *key, const void *value, size_t length, const uint64_t *if_version, uint64_t *version) {
  component_string_t name = tmb_lend(key);
  component_list_u8_t bytes = {(uint8_t *)value, length};
  uint64_t wanted = if_version ? *if_version : 0, made;
  tombolo_connector_state_state_error_t error;
  if (!tombolo_connector_state_put(&name, &bytes, if_version ? &wanted : NULL, &made, &error)) return refused(&error);
  if (version) *version = made;
  return true;
}

bool tmb_state_put_text(const char *key, const char *text) {
  return tmb_state_put(key, text, strlen(text), NULL, NULL);
}

bool tmb_state_claim(const char *key, const char *owner, const char *attribute) {
  tmb_item holder;
  if (!tmb_state_get(key, &holder)) return false;
  if (!holder.value) return tmb_state_put_text(key, owner);
  if (tmb_equal((const char *)holder.value, owner)) return true;
  return tmb_fail(TMB_ALREADY_EXISTS, attribute, "another object has this %s", attribute);
}

bool tmb_state_load(const char *kind, const char *anchor, tmb_entry *entry) {
  tmb_item item;
  if (!tmb_kind_named(kind) || !tmb_state_get(tmb_format("%s/%s", kind, anchor), &item)) return false;
  if (!item.value) return tmb_fail(TMB_NOT_FOUND, NULL, "there is no %s %s", kind, anchor);
  if (!entry) return true;
  *entry = (tmb_entry){.anchor = anchor, .version = tmb_format("%llu", (unsigned long long)item.version)};
  return tmb_decode(item.value, item.length, &entry->attributes);
}

bool tmb_state_store(const char *kind, tmb_entry *entry) {
  size_t length;
  uint64_t version;
  const uint8_t *bytes = tmb_encode(entry, &length);
  if (!tmb_state_put(tmb_format("%s/%s", kind, entry->anchor), bytes, length, NULL, &version)) return false;
  entry->version = tmb_format("%llu", (unsigned long long)version);
  return true;
}

bool tmb_state_delete(const char *key) {
  component_string_t name = tmb_lend(key);
  tombolo_connector_state_state_error_t error;
  return tombolo_connector_state_delete(&name, &error) || refused(&error);
}

bool tmb_state_page(const char *prefix, const char *cursor, uint32_t limit, tmb_texts *keys, const char **next) {
  component_string_t start = tmb_lend(prefix), after = tmb_lend(tmb_format("%s%s", prefix, cursor ? cursor : ""));
  component_list_string_t found;
  tombolo_connector_state_state_error_t error;
  if (limit == 0) limit = 1;
  if (limit > TMB_LISTED) limit = TMB_LISTED;
  if (!tombolo_connector_state_list(&start, cursor ? &after : NULL, limit, &found, &error)) return refused(&error);
  for (size_t i = 0; i < found.len; i++) tmb_texts_push(keys, tmb_in(found.ptr[i]) + strlen(prefix));
  *next = found.len == limit ? keys->items[keys->count - 1] : NULL;
  free(found.len ? found.ptr : NULL);
  return true;
}

bool tmb_state_all(const char *prefix, tmb_texts *keys) {
  const char *cursor = NULL;
  do {
    if (!tmb_state_page(prefix, cursor, TMB_LISTED, keys, &cursor)) return false;
  } while (cursor);
  return true;
}

void tmb_log(tmb_level level, const char *format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  component_string_t message = tmb_lend(line);
  component_list_tuple2_string_string_t fields = {NULL, 0};
  tombolo_connector_log_emit((tombolo_connector_log_level_t)level, &message, &fields);
}

const char *tmb_settings(void) {
  component_string_t text;
  tombolo_connector_config_settings(&text);
  return tmb_in(text);
}

uint32_t tmb_remaining_ms(void) { return tombolo_connector_context_remaining_ms(); }
