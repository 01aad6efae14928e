//! Pages of a list that the connector holds as a whole.
//!
//! The cursor is the key of the last item given out: a listing survives another instance, and items that come and go
//! meanwhile neither repeat nor hide others.

/// One page of items that are sorted by key, after `cursor`. The answer's second half is the next cursor.
///
/// ```
/// let people = [("ana", 1), ("bo", 2), ("cy", 3)];
/// let (page, next) = tombolo_sdk::paging::page(people.iter(), |p| p.0, None, 2);
/// assert_eq!((page.len(), next.as_deref()), (2, Some("bo")));
/// let (page, next) = tombolo_sdk::paging::page(people.iter(), |p| p.0, Some("bo"), 2);
/// assert_eq!((page[0].1, next), (3, None));
/// ```
pub fn page<'k, T: Copy>(
    sorted: impl IntoIterator<Item = T>,
    key: impl Fn(T) -> &'k str,
    cursor: Option<&str>,
    limit: u32,
) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
    let mut rest = sorted
        .into_iter()
        .skip_while(|item| cursor.is_some_and(|after| key(*item) <= after));
    let page: Vec<T> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let next = page
        .last()
        .filter(|_| more)
        .map(|item| key(*item).to_owned());
    (page, next)
}
