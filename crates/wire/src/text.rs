//! What the textual forms of several types share.

/// A decimal number of ASCII digits alone, at most `max`. `str::parse` would take a sign, too.
pub(crate) fn number(text: &str, max: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= max)
}
