//! JSON with a bounded depth and without duplicate keys.
