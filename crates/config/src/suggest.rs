//! Finds the known name that is nearest to an unknown one.

/// Returns the candidate with the fewest typing errors, or `None` if all have too many.
///
/// A typing error is a wrong, missing or additional character, or two transposed ones (Damerau-Levenshtein distance in its
/// optimal string alignment form). One in three characters may be wrong, up to four.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word: Vec<char> = word.chars().take(100).collect();
    let limit = (word.len() / 3).clamp(1, 4);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = distance(&word, &candidate.chars().collect::<Vec<_>>());
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn distance(a: &[char], b: &[char]) -> usize {
    // Three rows of the usual table: the one before the last is needed for transpositions.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut least = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_word_only_if_it_is_near() {
        let words = ["print_output", "print_output_file", "plugins", "nfacctd_port"];
        for (typed, meant) in [
            ("prnit_output", Some("print_output")),
            ("print_outputfile", Some("print_output_file")),
            ("plugin", Some("plugins")),
            ("nfacctd_prot", Some("nfacctd_port")),
            ("foo_bar", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, words), meant, "{typed}");
        }
    }

    #[test]
    fn a_transposition_is_one_error() {
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("prot"), &chars("port")), 1);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
        assert_eq!(distance(&chars("abc"), &chars("")), 3);
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
    }
}
