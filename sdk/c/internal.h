// What the SDK's files share, and authors do not use.

#ifndef TOMBOLO_INTERNAL_H
#define TOMBOLO_INTERNAL_H

#include "tombolo.h"

/// Frees what the call allocated.
void tmb_reset(void);

typedef struct {
  tmb_fault fault;
  const char *attribute;
  const char *message;
} tmb_failure;

extern tmb_failure tmb_failed;

/// The description as the contract's JSON.
char *tmb_describe(void);

typedef enum { TMB_TEST, TMB_PRESENT, TMB_ALL, TMB_ANY, TMB_NEGATE, TMB_ELEMENT } tmb_node_kind;
typedef enum {
  TMB_EQ,
  TMB_NE,
  TMB_CONTAINS,
  TMB_STARTS_WITH,
  TMB_ENDS_WITH,
  TMB_GT,
  TMB_GE,
  TMB_LT,
  TMB_LE,
} tmb_comparison;

/// One node of the host's flat list: children come before their parents, the last node is the root.
typedef struct {
  tmb_node_kind kind;
  const char *name;
  tmb_comparison comparison;
  tmb_value value;
  const uint32_t *children;
  size_t count;
} tmb_node;

struct tmb_filter {
  const tmb_node *nodes;
  size_t count;
};

#endif
