//! What was probably meant by a word that nobody knows.

/// "did you mean", or the list of what may stand there.
pub(crate) fn suggestion(given: &str, known: &[&str]) -> String {
    let lowered = given.to_lowercase().replace('_', "-");
    let near = known
        .iter()
        .map(|word| (likeness(&lowered, &word.to_lowercase()), word))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, word)) => format!("did you mean `{word}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!(
            "known here: {}",
            known
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// From 0 to 1. In a short word one slip weighs too much for a proportion: two letters swapped are one slip.
fn likeness(a: &str, b: &str) -> f64 {
    let slip = strsim::damerau_levenshtein(a, b) <= 1 && b.len() > 1;
    strsim::jaro_winkler(a, b).max(if slip { 0.95 } else { 0.0 })
}
