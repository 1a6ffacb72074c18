//! Shared by the textual forms of several types.

/// A decimal number of ASCII digits only, at most `max`. `str::parse` would also accept a sign.
pub(crate) fn number(text: &str, max: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= max)
}
