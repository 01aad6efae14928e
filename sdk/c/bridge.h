// Between the generated bindings' text and ours.

#ifndef TOMBOLO_BRIDGE_H
#define TOMBOLO_BRIDGE_H

#include "component.h"
#include "internal.h"

// A NUL inside a text is `C0 80` here, as in Java's modified UTF-8: no other text has these bytes, C's functions see no
// end in them, and nothing is lost.

/// Text from the host, ended with a NUL; the host's copy is freed.
char *tmb_in(component_string_t text);
/// Text that the bindings borrow for a call of the host.
component_string_t tmb_lend(const char *text);
/// Text that the bindings free when the call has been answered.
component_string_t tmb_out(const char *text);

#endif
