// Memory that lives as long as a call, and text in it.

#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

typedef struct block {
  struct block *before;
  _Alignas(16) char data[];
} block;

static block *last;

void *tmb_alloc(size_t size) {
  block *made = calloc(1, sizeof(block) + size);
  // Out of memory is the host's limit: the instance is thrown away.
  if (!made) abort();
  made->before = last;
  last = made;
  return made->data;
}

void tmb_reset(void) {
  while (last) {
    block *before = last->before;
    free(last);
    last = before;
  }
}

static char *vformat(const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  char *text = tmb_alloc((size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  return text;
}

char *tmb_format(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = vformat(format, arguments);
  va_end(arguments);
  return text;
}

tmb_failure tmb_failed;

bool tmb_fail(tmb_fault fault, const char *attribute, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  tmb_failed = (tmb_failure){fault, attribute, vformat(format, arguments)};
  va_end(arguments);
  return false;
}

bool tmb_equal(const char *left, const char *right) { return strcmp(left, right) == 0; }

void tmb_texts_push(tmb_texts *texts, const char *text) {
  // Room grows at powers of two; the count says when it is full.
  if ((texts->count & (texts->count - 1)) == 0) {
    const char **room = tmb_alloc((texts->count ? texts->count * 2 : 1) * sizeof(char *));
    if (texts->count) memcpy(room, texts->items, texts->count * sizeof(char *));
    texts->items = room;
  }
  texts->items[texts->count++] = text;
}

// The next code point of UTF-8 that the host has checked.
static uint32_t next(const unsigned char **at) {
  uint32_t first = *(*at)++;
  int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  uint32_t point = more ? first & (0x3fu >> more) : first;
  while (more-- && **at) point = (point << 6) | (*(*at)++ & 0x3f);
  return point;
}

static char *put(char *at, uint32_t point) {
  if (point < 0x80) {
    *at++ = (char)point;
  } else if (point < 0x800) {
    *at++ = (char)(0xc0 | (point >> 6));
    *at++ = (char)(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    *at++ = (char)(0xe0 | (point >> 12));
    *at++ = (char)(0x80 | ((point >> 6) & 0x3f));
    *at++ = (char)(0x80 | (point & 0x3f));
  } else {
    *at++ = (char)(0xf0 | (point >> 18));
    *at++ = (char)(0x80 | ((point >> 12) & 0x3f));
    *at++ = (char)(0x80 | ((point >> 6) & 0x3f));
    *at++ = (char)(0x80 | (point & 0x3f));
  }
  return at;
}

char *tmb_fold(const char *text) {
  if (!text) return "";
  // A lower-case letter may need a byte more than its upper-case one.
  char *folded = tmb_alloc(strlen(text) * 2 + 1);
  char *end = folded;
  for (const unsigned char *at = (const unsigned char *)text; *at;) end = put(end, (uint32_t)towlower((wint_t)next(&at)));
  return folded;
}
