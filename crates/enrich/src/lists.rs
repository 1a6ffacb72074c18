//! Lists of protocols and types of service: `protos_file`, `tos_file`.
//!
//! One value per line, protocols also by name; `!` begins a comment. Values outside the list are aggregated as 255.

use config::{Diagnostics, Origin};

/// Replaces all values outside a list.
pub const OTHERS: u8 = 255;

/// A set of values of one octet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueSet([bool; 256]);

impl ValueSet {
    /// Reads a list; invalid lines are reported and ignored.
    pub fn parse(
        file: &str,
        text: &str,
        key: &str,
        value: impl Fn(&str) -> Option<u8>,
        problems: &mut Diagnostics,
    ) -> Self {
        let mut list = Self([false; 256]);
        let origin = Origin::whole(file);
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('!') {
                continue;
            }
            match value(line).and_then(|value| list.0.get_mut(usize::from(value))) {
                Some(is_listed) => *is_listed = true,
                None => problems.warn(
                    &origin.at(number),
                    format!("{key}: invalid value '{line}'. Ignored."),
                    Some("Write one number from 0 to 255 per line.".to_owned()),
                ),
            }
        }
        list
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.0.iter().filter(|is_in| **is_in).count()
    }

    /// True if there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the value, or its replacement if it is outside the list.
    #[inline]
    pub fn keep(&self, value: u8) -> u8 {
        if self.0.get(usize::from(value)).copied().unwrap_or(false) { value } else { OTHERS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_the_list_are_replaced() {
        let mut problems = Diagnostics::new();
        let text = "! kept\n6\n 17\n\n300\nudp\n";
        let number = |word: &str| word.parse().ok();
        let list = ValueSet::parse("p.lst", text, "protos_file", number, &mut problems);
        assert_eq!([6, 17, 1, 255].map(|value| list.keep(value)), [6, 17, 255, 255]);
        let messages: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(messages.len(), 2);
        assert!(messages[0].starts_with("WARN: [p.lst:5] protos_file: invalid value '300'"), "{messages:?}");
    }
}
