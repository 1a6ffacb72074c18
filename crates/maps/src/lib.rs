//! The keyed maps: text to matchers over rows.
#![forbid(unsafe_code)]
