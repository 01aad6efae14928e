// Pages of a list that the connector holds as a whole.

/**
 * One page of items that are sorted by key, after `cursor`, and the next cursor: the key of the last item given out, so
 * that a listing survives another instance.
 */
export function page(items, key, cursor, limit) {
  const rest = cursor === undefined ? [...items] : items.filter((item) => key(item) > cursor);
  const shown = rest.slice(0, Math.max(limit, 1));
  return { items: shown, cursor: rest.length > shown.length ? key(shown.at(-1)) : undefined };
}
