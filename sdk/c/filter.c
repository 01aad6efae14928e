// Whether an entry passes a filter.

#include "internal.h"

#include <string.h>

static bool ordered(int order, tmb_comparison comparison) {
  switch (comparison) {
  case TMB_EQ: return order == 0;
  case TMB_GT: return order > 0;
  case TMB_GE: return order >= 0;
  case TMB_LT: return order < 0;
  case TMB_LE: return order <= 0;
  default: return false;
  }
}

static bool texts(const char *held, tmb_comparison comparison, const char *wanted) {
  size_t long_ = strlen(held), short_ = strlen(wanted);
  switch (comparison) {
  case TMB_CONTAINS: return strstr(held, wanted) != NULL;
  case TMB_STARTS_WITH: return strncmp(held, wanted, short_) == 0;
  case TMB_ENDS_WITH: return long_ >= short_ && tmb_equal(held + long_ - short_, wanted);
  default: return ordered(strcmp(held, wanted), comparison);
  }
}

// RFC 3339 in UTC compares as text once the zone and the fraction's trailing zeros are gone.
static const char *instant(const char *text) {
  char *bare = tmb_format("%s", text);
  for (char *at = bare; *at; at++)
    if (*at >= 'a' && *at <= 'z') *at = (char)(*at - 'a' + 'A');
  size_t end = strlen(bare);
  if (end && bare[end - 1] == 'Z') end -= 1;
  else if (end > 6 && tmb_equal(bare + end - 6, "+00:00")) end -= 6;
  bare[end] = 0;
  if (strchr(bare, '.')) {
    while (bare[end - 1] == '0') bare[--end] = 0;
    if (bare[end - 1] == '.') bare[--end] = 0;
  }
  return bare;
}

// Compares decimal texts of any length exactly; false when one of them is no plain decimal.
static bool decimals(const char *left, const char *right, int *order) {
  struct number { bool negative; size_t whole, fraction; const char *digits, *after; } numbers[2];
  const char *given[2] = {left, right};
  for (int i = 0; i < 2; i++) {
    const char *at = given[i];
    bool negative = *at == '-';
    if (*at == '-' || *at == '+') at++;
    while (*at == '0') at++;
    size_t whole = strspn(at, "0123456789");
    const char *after = at + whole, *rest = after;
    size_t fraction = 0;
    if (*rest == '.') {
      after++;
      fraction = strspn(after, "0123456789");
      rest = after + fraction;
      while (fraction && after[fraction - 1] == '0') fraction--;
    }
    if (*rest || !strpbrk(given[i], "0123456789")) return false;
    numbers[i] = (struct number){negative && whole + fraction, whole, fraction, at, after};
  }
  struct number a = numbers[0], b = numbers[1];
  if (a.negative != b.negative) {
    *order = a.negative ? -1 : 1;
    return true;
  }
  int magnitude = a.whole != b.whole ? (a.whole < b.whole ? -1 : 1) : strncmp(a.digits, b.digits, a.whole);
  if (magnitude == 0) magnitude = strncmp(a.after, b.after, a.fraction < b.fraction ? a.fraction : b.fraction);
  if (magnitude == 0) magnitude = (a.fraction > b.fraction) - (a.fraction < b.fraction);
  *order = a.negative ? -magnitude : magnitude;
  return true;
}

static const char *number(const tmb_value *value) {
  if (value->type == TMB_INTEGER) return tmb_format("%lld", (long long)value->integer);
  return value->type == TMB_DECIMAL ? value->text : NULL;
}

// Types never mix, except that integers and decimals are numbers.
static bool compare(const tmb_value *held, tmb_comparison comparison, const tmb_value *wanted, bool exact) {
  int order;
  const char *left = number(held), *right = number(wanted);
  if (left && right) return decimals(left, right, &order) && ordered(order, comparison);
  if (held->type != wanted->type) return false;
  switch (held->type) {
  case TMB_BOOLEAN: return comparison == TMB_EQ && held->boolean == wanted->boolean;
  case TMB_BYTES:
    return comparison == TMB_EQ && held->length == wanted->length && memcmp(held->bytes, wanted->bytes, held->length) == 0;
  case TMB_INSTANT: return ordered(strcmp(instant(held->text), instant(wanted->text)), comparison);
  case TMB_TEXT:
    return exact ? texts(held->text, comparison, wanted->text)
                 : texts(tmb_fold(held->text), comparison, tmb_fold(wanted->text));
  default: return false;
  }
}

typedef struct {
  const tmb_kind *kind;
  const tmb_attributes *attributes;
  bool inside, exact; // in an element: the outer attribute's rule counts for its parts
} scope;

static bool holds(const tmb_filter *filter, size_t at, scope in);

static bool any(const tmb_filter *filter, const tmb_node *node, scope in, tmb_comparison comparison) {
  const tmb_attribute *attribute = tmb_find(in.attributes, node->name);
  const tmb_field *field = in.inside ? NULL : tmb_field_named(in.kind, node->name);
  bool exact = in.inside ? in.exact : field && field->case_exact;
  for (size_t i = 0; attribute && i < attribute->count; i++) {
    const tmb_value *value = &attribute->values[i];
    if (node->kind == TMB_TEST) {
      if (compare(value, comparison, &node->value, exact)) return true;
      continue;
    }
    // A simple value is its own part `value`.
    tmb_value copy = *value;
    tmb_attribute itself = {"value", &copy, 1};
    tmb_attributes alone = {&itself, 1};
    scope inner = {in.kind, value->type == TMB_COMPLEX ? value->parts : &alone, true, exact};
    if (holds(filter, node->children[0], inner)) return true;
  }
  return false;
}

static bool holds(const tmb_filter *filter, size_t at, scope in) {
  const tmb_node *node = &filter->nodes[at];
  switch (node->kind) {
  case TMB_TEST:
    return node->comparison == TMB_NE ? !any(filter, node, in, TMB_EQ) : any(filter, node, in, node->comparison);
  case TMB_PRESENT: {
    const tmb_attribute *found = tmb_find(in.attributes, node->name);
    return found && found->count;
  }
  case TMB_ALL:
    for (size_t i = 0; i < node->count; i++)
      if (!holds(filter, node->children[i], in)) return false;
    return true;
  case TMB_ANY:
    for (size_t i = 0; i < node->count; i++)
      if (holds(filter, node->children[i], in)) return true;
    return false;
  case TMB_NEGATE: return !holds(filter, node->children[0], in);
  case TMB_ELEMENT: return any(filter, node, in, TMB_EQ);
  }
  return false;
}

bool tmb_matches(const tmb_filter *filter, const tmb_kind *kind, const tmb_entry *entry) {
  return !filter || holds(filter, filter->count - 1, (scope){kind, &entry->attributes, false, false});
}
