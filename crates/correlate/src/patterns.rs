//! Patterns that select communities by their text: `bgp_stdcomm_pattern` and the keys like it.

use std::fmt::{Display, Write as _};

/// Most patterns of one key.
pub const MAX_PATTERNS: usize = 16;

/// Patterns, of which a community must match one.
///
/// A pattern with a dot has the length of the community, and a dot stands for any one character. Others match communities that
/// contain them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Vec<Vec<u8>>);

impl Patterns {
    /// The patterns of a list; empty ones are omitted, and so are those beyond [`MAX_PATTERNS`].
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let texts = patterns.into_iter().map(str::trim).filter(|text| !text.is_empty());
        Self(texts.take(MAX_PATTERNS).map(|text| text.as_bytes().to_vec()).collect())
    }

    /// True if there are no patterns.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The communities that match the first pattern, then those that match the second one, and so on.
    pub fn matching<'a, C: Display + Clone + 'a>(
        &'a self,
        communities: impl Iterator<Item = C> + Clone + 'a,
    ) -> impl Iterator<Item = C> + 'a {
        let mut text = String::new();
        self.0
            .iter()
            .flat_map(move |pattern| communities.clone().map(move |community| (pattern, community)))
            .filter_map(move |(pattern, community)| {
                text.clear();
                // Writing to memory does not fail.
                _ = write!(text, "{community}");
                fits(pattern, text.as_bytes()).then_some(community)
            })
    }
}

fn fits(pattern: &[u8], text: &[u8]) -> bool {
    if pattern.contains(&b'.') {
        return pattern.len() == text.len() && pattern.iter().zip(text).all(|(p, t)| *p == b'.' || p == t);
    }
    text.windows(pattern.len().max(1)).any(|part| part == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Community;

    fn matching(patterns: &str, communities: &str) -> String {
        let communities: Vec<Community> = communities.split(' ').map(|text| text.parse().unwrap()).collect();
        let patterns = Patterns::new(patterns.split(','));
        let found: Vec<String> =
            patterns.matching(communities.into_iter()).map(|found| found.to_string()).collect();
        found.join(" ")
    }

    #[test]
    fn a_dot_stands_for_one_character_of_a_community_of_that_length() {
        assert_eq!(matching("65001:.00", "65001:100 65001:1000 65001:200 65002:100"), "65001:100 65001:200");
        assert_eq!(matching(".....:1", "65001:1 65001:11 1:1"), "65001:1");
    }

    #[test]
    fn a_pattern_without_dots_selects_whole_communities_that_contain_it() {
        assert_eq!(matching("4998:", "64998:77 64999:1"), "64998:77");
        assert_eq!(matching("no-export", "1:1 no-export"), "no-export");
    }

    #[test]
    fn communities_are_listed_pattern_by_pattern() {
        assert_eq!(matching("2:,1:1", "1:1 2:1 2:2"), "2:1 2:2 1:1");
        // One that matches two patterns is listed twice.
        assert_eq!(matching("1:1,1:.", "1:1"), "1:1 1:1");
        assert_eq!(matching(", ", "1:1"), "");
    }
}
