//! `ports_file`: the ports that are kept; all others become 0.
//!
//! One port a line; `!` begins a comment. pmacct reads what begins with digits by these alone (`443 80` as 443); here such a
//! line is told and its first number used, as it is there.

use config::{Origin, Problems};

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

/// Bad lines that are told one by one; of more there is only the number.
const MOST_TOLD: usize = 100;

/// Characters of a line that are shown.
const MOST_SHOWN: usize = 48;

impl Ports {
    /// Reads a list; bad lines are told.
    pub fn parse(file: &str, text: &str, problems: &mut Problems) -> Self {
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
                if bad <= MOST_TOLD {
                    tell(&origin.at(number), line, port, problems);
                }
            }
        }
        if bad > MOST_TOLD {
            problems.warn(&origin, format!("{} more lines are not one port each.", bad - MOST_TOLD), None);
        }
        ports
    }

    fn insert(&mut self, port: u16) {
        if let Some(word) = self.words.get_mut(usize::from(port >> 6)) {
            *word |= 1 << (port & 63);
        }
    }

    /// How many ports are in it.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// True without ports.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True when the port is kept.
    #[inline]
    pub fn has(&self, port: u16) -> bool {
        self.words.get(usize::from(port >> 6)).is_some_and(|word| word >> (port & 63) & 1 == 1)
    }
}

/// Of a line that begins with a port, or that is none.
fn tell(origin: &Origin, line: &str, port: Option<u16>, problems: &mut Problems) {
    let shown: String = line.chars().take(MOST_SHOWN).flat_map(char::escape_default).collect();
    let what = match port {
        Some(port) => format!("ports_file: '{shown}' is read as {port} alone."),
        None => format!("invalid port specified: '{shown}'. Ignored."),
    };
    problems.warn(origin, what, Some("One port from 0 to 65535 a line.".to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_ports_are_kept_and_bad_lines_told_with_their_number() {
        let mut problems = Problems::new();
        let ports = Ports::parse("po.lst", "80\n! no\n\n 65535 \n70000\n443 80\nhttp\n", &mut problems);
        let kept: Vec<u16> = (0..=u16::MAX).filter(|port| ports.has(*port)).collect();
        assert_eq!(kept, [80, 443, 65_535]);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let begin =
            ["WARN: [po.lst:5] invalid", "WARN: [po.lst:6] ports_file: '443 80'", "WARN: [po.lst:7] invalid"];
        assert!(
            told.len() == 3 && told.iter().zip(begin).all(|(line, begin)| line.starts_with(begin)),
            "{told:?}"
        );
    }

    #[test]
    fn what_is_told_has_a_limit() {
        let mut problems = Problems::new();
        Ports::parse("po.lst", &"\u{1b}x\n".repeat(300), &mut problems);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 101);
        assert!(told[0].contains(r"specified: '\u{1b}x'.") && told[100].contains("200 more lines"), "{told:?}");
    }
}
