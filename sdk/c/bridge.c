// Text on its way between the bindings and C.

#include "bridge.h"

#include <stdlib.h>

char *tmb_in(component_string_t text) {
  size_t nuls = 0;
  for (size_t i = 0; i < text.len; i++) nuls += text.ptr[i] == 0;
  char *copy = tmb_alloc(text.len + nuls + 1), *end = copy;
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i]) *end++ = (char)text.ptr[i];
    else end = memcpy(end, "\xC0\x80", 2), end += 2;
  }
  free(text.len ? text.ptr : NULL);
  return copy;
}

// Copies text to where there is room, with its NULs as they are outside, and answers its length.
static size_t restore(const char *text, uint8_t *to) {
  uint8_t *end = to;
  for (; *text; text++) {
    if (memcmp(text, "\xC0", 1) == 0 && memcmp(text + 1, "\x80", 1) == 0) *end++ = 0, text++;
    else *end++ = (uint8_t)*text;
  }
  return (size_t)(end - to);
}

component_string_t tmb_lend(const char *text) {
  size_t length = strlen(text);
  if (!strstr(text, "\xC0\x80")) return (component_string_t){(uint8_t *)text, length};
  uint8_t *copy = tmb_alloc(length);
  return (component_string_t){copy, restore(text, copy)};
}

component_string_t tmb_out(const char *text) {
  uint8_t *copy = malloc(strlen(text) + 1);
  if (!copy) abort();
  return (component_string_t){copy, restore(text, copy)};
}
