//! `ports_file`: ports that are kept; all others become 0.
//!
//! One port per line; `!` begins a comment. pmacct reads only the leading digits of a line (`443 80` as 443). Here, the same port
//! is used, and the line is reported.

use config::{Diagnostics, Origin};

/// A set of ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    words: Box<[u64; 1024]>,
}

impl Default for Ports {
    fn default() -> Self {
        Self { words: Box::new([0; 1024]) }
    }
}

/// Invalid lines that are reported individually; the others are only counted.
const MAX_REPORTED: usize = 100;

/// Characters of a line that an error message shows.
const MAX_SHOWN: usize = 48;

impl Ports {
    /// Reads a list; invalid lines are reported.
    pub fn parse(file: &str, text: &str, problems: &mut Diagnostics) -> Self {
        let mut ports = Self::default();
        let origin = Origin::whole(file);
        let mut bad = 0;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('!') {
                continue;
            }
            let digits = line.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            let port = digits.parse().ok();
            if let Some(port) = port {
                ports.insert(port);
            }
            if port.is_none() || digits != line {
                bad += 1;
                if bad <= MAX_REPORTED {
                    report(&origin.at(number), line, port, problems);
                }
            }
        }
        if bad > MAX_REPORTED {
            problems.warn(&origin, format!("{} more lines do not consist of one port.", bad - MAX_REPORTED), None);
        }
        ports
    }

    fn insert(&mut self, port: u16) {
        if let Some(word) = self.words.get_mut(usize::from(port >> 6)) {
            *word |= 1 << (port & 63);
        }
    }

    /// Number of ports.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// True if there are no ports.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if the port is kept.
    #[inline]
    pub fn has(&self, port: u16) -> bool {
        self.words.get(usize::from(port >> 6)).is_some_and(|word| word >> (port & 63) & 1 == 1)
    }
}

/// Reports a line that is not exactly one port.
fn report(origin: &Origin, line: &str, port: Option<u16>, problems: &mut Diagnostics) {
    let shown: String = line.chars().take(MAX_SHOWN).flat_map(char::escape_default).collect();
    let what = match port {
        Some(port) => format!("ports_file: '{shown}' is read as port {port}."),
        None => format!("invalid port specified: '{shown}'. Ignored."),
    };
    problems.warn(origin, what, Some("Write one port from 0 to 65535 per line.".to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_valid_ports_and_reports_invalid_lines_with_their_number() {
        let mut problems = Diagnostics::new();
        let ports = Ports::parse("po.lst", "80\n! no\n\n 65535 \n70000\n443 80\nhttp\n", &mut problems);
        let kept: Vec<u16> = (0..=u16::MAX).filter(|port| ports.has(*port)).collect();
        assert_eq!(kept, [80, 443, 65_535]);
        let reported: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let begin =
            ["WARN: [po.lst:5] invalid", "WARN: [po.lst:6] ports_file: '443 80'", "WARN: [po.lst:7] invalid"];
        assert!(
            reported.len() == 3 && reported.iter().zip(begin).all(|(line, begin)| line.starts_with(begin)),
            "{reported:?}"
        );
    }

    #[test]
    fn limits_the_number_of_reports() {
        let mut problems = Diagnostics::new();
        Ports::parse("po.lst", &"\u{1b}x\n".repeat(300), &mut problems);
        let reported: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(reported.len(), 101);
        assert!(
            reported[0].contains(r"specified: '\u{1b}x'.") && reported[100].contains("200 more lines"),
            "{reported:?}"
        );
    }
}
