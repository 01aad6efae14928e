// What the author of a Tombolo connector in C uses.
//
// A connector knows its target and nothing else: it never sees SCIM, HTTP, tokens, addresses or passwords. It defines
// `tmb_connector` and a function for each call of the abilities that `connector.toml` exports. A function that fails
// says `return tmb_fail(…)`.
//
// All text is UTF-8 that ends with a NUL. What a call allocates with `tmb_alloc` or gets from a function here lives until
// the call has been answered, and is freed then: nothing is freed by hand.

#ifndef TOMBOLO_H
#define TOMBOLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// ---- memory and text

/// Memory, zeroed, until the call has been answered.
void *tmb_alloc(size_t size);
/// Text made as `printf` makes it.
char *tmb_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// Text without the difference between upper and lower case; empty for NULL.
char *tmb_fold(const char *text);
bool tmb_equal(const char *left, const char *right);

typedef struct {
  const char **items;
  size_t count;
} tmb_texts;

void tmb_texts_push(tmb_texts *texts, const char *text);

// ---- values, entries, edits

typedef enum { TMB_TEXT, TMB_BOOLEAN, TMB_INTEGER, TMB_DECIMAL, TMB_INSTANT, TMB_BYTES, TMB_COMPLEX } tmb_type;

struct tmb_attributes;

/// One value. `text` is that of a text, decimal or instant.
typedef struct {
  tmb_type type;
  const char *text;
  bool boolean;
  int64_t integer;
  const uint8_t *bytes;
  size_t length;
  struct tmb_attributes *parts;
} tmb_value;

typedef struct {
  const char *name;
  tmb_value *values;
  size_t count;
} tmb_attribute;

typedef struct tmb_attributes {
  tmb_attribute *items;
  size_t count;
} tmb_attributes;

/// One object: its key in the target, its version there (or NULL), its attributes.
typedef struct {
  const char *anchor;
  const char *version;
  tmb_attributes attributes;
} tmb_entry;

typedef enum { TMB_PUT, TMB_ADD, TMB_REMOVE } tmb_edit_kind;

/// One change of one attribute: exactly these values, these too, or these no longer.
typedef struct {
  tmb_edit_kind kind;
  tmb_attribute attribute;
} tmb_edit;

typedef struct {
  tmb_edit *items;
  size_t count;
} tmb_edits;

tmb_value tmb_text(const char *text);
tmb_value tmb_boolean(bool value);
/// The attribute of this name, or NULL.
tmb_attribute *tmb_find(const tmb_attributes *attributes, const char *name);
/// The first value as text, or NULL.
const char *tmb_first(const tmb_attributes *attributes, const char *name);
/// Adds a value to the attribute of this name, which need not be there.
void tmb_add(tmb_attributes *attributes, const char *name, tmb_value value);
/// Applies edits in order. An attribute that loses its last value is gone.
void tmb_apply(tmb_entry *entry, tmb_edits edits);
/// Leaves only the wanted attributes; none wanted means all.
void tmb_keep(tmb_entry *entry, tmb_texts wanted);
/// The entry's simple values as bytes, for targets that hold nothing else, and back.
const uint8_t *tmb_encode(const tmb_entry *entry, size_t *length);
bool tmb_decode(const uint8_t *bytes, size_t length, tmb_attributes *attributes);

// ---- failures

typedef enum {
  TMB_NOT_FOUND,
  TMB_ALREADY_EXISTS,
  TMB_CHANGED,
  TMB_INVALID,
  TMB_UNSUPPORTED,
  TMB_UNAUTHENTICATED,
  TMB_FORBIDDEN,
  TMB_BUSY,
  TMB_UNAVAILABLE,
  TMB_TIMEOUT,
  TMB_OTHER,
} tmb_fault;

/// Says what went wrong: the message is what an administrator reads. `attribute` is the one to blame, or NULL. Answers
/// false, so that a function can return it.
bool tmb_fail(tmb_fault fault, const char *attribute, const char *format, ...) __attribute__((format(printf, 3, 4)));

// ---- the description

/// One attribute of a kind. `type` is `text`, `boolean`, `integer`, `decimal`, `instant`, `binary` or `reference`.
typedef struct {
  const char *name;
  const char *type;
  const char *scim;
  const char *to;
  bool multi, required, unique, case_exact, read_only, immutable, write_only;
} tmb_field;

typedef struct {
  const char *kind;
  const char *resource;
  const tmb_field *fields;
  size_t count;
} tmb_kind;

#define TMB_KIND(kind, resource, fields) { kind, resource, fields, sizeof(fields) / sizeof((fields)[0]) }
/// The prefix of the enterprise user extension's attributes (RFC 7643 section 4.3).
#define TMB_ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"

/// What the connector is made of. The kinds end with one without a name.
typedef struct {
  const char *name;
  const char *version;
  const tmb_kind *kinds;
} tmb_description;

/// The kind of this name; NULL, having failed as unsupported, when there is none.
const tmb_kind *tmb_kind_named(const char *name);
const tmb_field *tmb_field_named(const tmb_kind *kind, const char *name);
/// Fails as invalid when a required attribute is missing, one is unknown, or a single one has several values.
bool tmb_check(const tmb_kind *kind, const tmb_entry *entry);

// ---- searches

typedef struct tmb_filter tmb_filter;

typedef struct {
  const tmb_filter *filter; // or NULL
  tmb_texts attributes;     // none: every one
  const char *cursor;       // or NULL
  uint32_t limit;
} tmb_query;

typedef struct {
  tmb_entry *entries;
  size_t count;
  const char *cursor; // NULL ends the listing
} tmb_page;

/// Whether the entry passes the filter; without a filter all do.
bool tmb_matches(const tmb_filter *filter, const tmb_kind *kind, const tmb_entry *entry);

// ---- the host

/// Small things that a connector remembers from call to call, kept by the host for the app.
typedef struct {
  const uint8_t *value; // NULL: there is none
  size_t length;
  uint64_t version;
} tmb_item;

/// The most keys that one listing answers.
#define TMB_LISTED 1000

bool tmb_state_get(const char *key, tmb_item *item);
/// Puts a value. With `if_version` (0: if there is none), fails as changed when it is another. Both may be NULL.
bool tmb_state_put(const char *key, const void *value, size_t length, const uint64_t *if_version, uint64_t *version);
/// Puts text.
bool tmb_state_put_text(const char *key, const char *text);
bool tmb_state_delete(const char *key);
/// Claims a key for its owner, as an index over a unique attribute does; fails as already existing, and names the
/// attribute, when another has it. For connectors whose writes are serial.
bool tmb_state_claim(const char *key, const char *owner, const char *attribute);
/// An entry under `KIND/ANCHOR`, with the state's version; fails as not found when there is none. `entry` may be NULL.
bool tmb_state_load(const char *kind, const char *anchor, tmb_entry *entry);
/// Puts an entry under `KIND/ANCHOR`, and sets its version.
bool tmb_state_store(const char *kind, tmb_entry *entry);
/// One page of the keys with a prefix, without the prefix, and the cursor of the next (or NULL).
bool tmb_state_page(const char *prefix, const char *cursor, uint32_t limit, tmb_texts *keys, const char **next);
/// Every key with a prefix, without the prefix.
bool tmb_state_all(const char *prefix, tmb_texts *keys);

typedef enum { TMB_DEBUG, TMB_INFO, TMB_WARN, TMB_ERROR } tmb_level;

/// A line in the app's log. Never a password.
void tmb_log(tmb_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/// The app's settings: JSON, which the host has checked against the manifest's schema.
const char *tmb_settings(void);
uint32_t tmb_remaining_ms(void);

// ---- what the author defines

extern const tmb_description tmb_connector;

bool connector_check(void);

bool read_get(const char *kind, const char *anchor, tmb_texts wanted, tmb_entry *entry);
bool read_search(const char *kind, const tmb_query *query, tmb_page *page);

/// `request` is the same when the host repeats this very create: answer what the first attempt made.
bool write_create(const char *kind, tmb_attributes attributes, const char *request, tmb_entry *entry);
/// `if_version` may be NULL.
bool write_update(const char *kind, const char *anchor, tmb_edits edits, const char *if_version, const char *request,
                  tmb_entry *entry);
bool write_delete(const char *kind, const char *anchor, const char *request);

bool members_list(const char *group, const char *cursor, uint32_t limit, tmb_texts *members, const char **next);
bool members_change(const char *group, tmb_texts add, tmb_texts remove, const char *request);

#endif
