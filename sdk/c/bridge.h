// Between the generated bindings' text and ours.

#ifndef TOMBOLO_BRIDGE_H
#define TOMBOLO_BRIDGE_H

#include "component.h"
#include "internal.h"

#include <stdlib.h>

/// Text from the host, ended with a NUL; the host's copy is freed. What follows a NUL inside the text is lost: `exports.c`
/// refuses such text where it could mean something.
static inline char *tmb_in(component_string_t text) {
  char *copy = tmb_alloc(text.len + 1);
  if (text.len) memcpy(copy, text.ptr, text.len);
  free(text.len ? text.ptr : NULL);
  return copy;
}

/// Text that the bindings borrow for a call of the host.
static inline component_string_t tmb_lend(const char *text) {
  return (component_string_t){(uint8_t *)text, strlen(text)};
}

/// Text that the bindings free when the call has been answered.
static inline component_string_t tmb_out(const char *text) {
  size_t length = strlen(text);
  uint8_t *copy = malloc(length + 1);
  if (!copy) abort();
  memcpy(copy, text, length);
  return (component_string_t){copy, length};
}

#endif
