//! The syntax of values in a configuration file, and how each is read.
//!
//! A [`Syntax`] says which texts are values; a [`Value`] is the Rust type that such a text becomes. They meet in the
//! constructors of [`Key`](crate::Key) (`port`, `seconds`, `words`, …), which are the only way to make a key, so a
//! key cannot combine a syntax with a type that does not match.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Which texts are values of a key.
#[derive(Clone, Copy, Debug)]
pub enum Syntax {
    /// `true` or `false`, in any case.
    Boolean,
    /// A whole number, decimal, within both ends.
    Integer {
        /// Minimum.
        min: i128,
        /// Maximum.
        max: i128,
    },
    /// A whole number of seconds.
    Seconds {
        /// Minimum.
        min: u64,
    },
    /// A whole number of bytes.
    Bytes {
        /// Minimum.
        min: u64,
        /// Whether a letter K, M or G (powers of 1024) may follow the number.
        suffix: bool,
    },
    /// A UDP or TCP port other than 0.
    Port,
    /// An IPv4 or IPv6 address.
    Address,
    /// The name of a file, directory or socket. Variables are not replaced.
    Path,
    /// Any text, including the empty one.
    Text,
    /// A name with variables of time (`%H`) and of the record (`$tag`).
    Pattern {
        /// Letters that may follow a `%`.
        letters: &'static str,
        /// Maximum length, in bytes.
        max: usize,
    },
    /// One word of a list, in any case.
    Words {
        /// Each meaning, with the words for it: the first is the usual one.
        words: &'static [&'static [&'static str]],
        /// Whether a text that only begins with a word is accepted as that word.
        prefix: bool,
    },
    /// Items separated by commas; whitespace around them and empty items are ignored.
    List {
        /// Whether the items are converted to lower case.
        lower: bool,
    },
    /// A 16-bit code point, in decimal, hexadecimal (`0x88e5`) or octal (`0104`).
    Code,
    /// An octal number, such as a file mode mask.
    Octal {
        /// Minimum.
        min: u32,
        /// Maximum.
        max: u32,
    },
    /// One character; `\t` and `\s` stand for a tab and a space, which a value cannot end in.
    Character,
    /// A length of time: seconds below a minute, whole minutes, or calendar months: `300s`, `5m`, `1h`, `1d`, `1w`, `1M`.
    Span,
}

/// Why a text is not a value of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// What is wrong.
    pub kind: ValueErrorKind,
    /// What is expected: the end of a sentence that begins with "expected".
    pub expected: String,
}

/// What is wrong with a value, in the words of pmacct's log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueErrorKind {
    /// The usual case; the text is the value.
    Value(String),
    /// The rest of a sentence that begins with the name of the key.
    Key(String),
    /// A whole sentence.
    Sentence(String),
}

impl Syntax {
    fn error(&self, text: &str) -> ValueError {
        ValueError { kind: ValueErrorKind::Value(text.to_owned()), expected: self.to_string() }
    }

    /// The words that are values; empty if values are not words.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'static str> {
        let words: &[&[&str]] = match *self {
            Self::Words { words, .. } => words,
            Self::Boolean => &[&["true", "false"]],
            _ => &[],
        };
        words.iter().flat_map(|meaning| meaning.iter().copied())
    }

    /// Rejects unsupported variables after `%`, and names that are too long.
    fn check_pattern(&self, text: &str) -> Result<(), ValueError> {
        let Self::Pattern { letters, max } = *self else {
            return Ok(());
        };
        let mut after = text.match_indices('%').map(|(at, _)| text[at + 1..].chars().next());
        let what = match after.find(|letter| !letter.is_some_and(|l| letters.contains(l))) {
            Some(odd) => format!(", %{} not supported.", odd.map(String::from).unwrap_or_default()),
            None if text.len() > max => format!(", exceeded the maximum SQL table name length ({max})."),
            None => return Ok(()),
        };
        Err(ValueError { kind: ValueErrorKind::Key(what), expected: self.to_string() })
    }

    /// The number at the start of `text`, as pmacct reads it: `2055 ! the office` means 2055. Only text that looks like a
    /// comment may follow.
    pub(crate) fn leading<'t>(&self, text: &'t str) -> Option<&'t str> {
        if !matches!(self, Self::Integer { .. } | Self::Bytes { .. } | Self::Port | Self::Octal { .. }) {
            return None;
        }
        let sign = usize::from(text.starts_with('-'));
        let digits = text.get(sign..)?.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = text.split_at_checked(sign + digits)?;
        // `127.0.0.1` and `10x` are not numbers with a comment.
        let ends = |c: char| c.is_whitespace() || matches!(c, '!' | '#' | ';');
        (digits > 0 && rest.starts_with(ends)).then_some(number)
    }

    fn number(&self, text: &str) -> Result<i128, ValueError> {
        text.parse().map_err(|_| self.error(text))
    }
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Boolean => f.write_str("true or false"),
            Self::Integer { min: i128::MIN, max: i128::MAX } => f.write_str("a whole number"),
            Self::Integer { min, max } if max >= i128::from(i64::MAX) => {
                write!(f, "a whole number, {min} or more")
            }
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Seconds { min: 0 } => f.write_str("a number of seconds, such as 60"),
            Self::Seconds { min } => write!(f, "a number of seconds, {min} or more, such as 60"),
            Self::Bytes { min, suffix: false } => write!(f, "a number of bytes, {min} or more"),
            Self::Bytes { min, suffix: true } => {
                write!(f, "a number of bytes, {min} or more, such as 4000000 or 4M")
            }
            Self::Port => f.write_str("a port from 1 to 65535"),
            Self::Address => f.write_str("an IPv4 or IPv6 address"),
            Self::Path => f.write_str("a path"),
            Self::Text => f.write_str("a text"),
            Self::Pattern { letters: "", .. } => f.write_str("a name without time variables"),
            Self::Pattern { letters, max } => {
                f.write_str("a name, with variables ")?;
                for (i, letter) in letters.chars().enumerate() {
                    write!(f, "{}%{letter}", if i == 0 { "" } else { " " })?;
                }
                if max < usize::MAX { write!(f, ", up to {max} bytes") } else { Ok(()) }
            }
            Self::Words { words, .. } => {
                f.write_str("one of ")?;
                for (i, word) in words.iter().flat_map(|w| w.iter()).enumerate() {
                    write!(f, "{}{word}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::List { .. } => f.write_str("a comma-separated list"),
            Self::Code => f.write_str("a number up to 65535, such as 2048 or 0x800"),
            Self::Octal { min, max } => write!(f, "an octal number from {min:03o} to {max:03o}"),
            Self::Character => f.write_str("one character"),
            Self::Span => f.write_str("a length of time, such as 300s, 5m, 1h, 1d, 1w or 1M"),
        }
    }
}

/// A code point with the prefixes that C gives to number bases.
fn code(text: &str) -> Option<u16> {
    match (text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")), text.strip_prefix('0')) {
        (Some(hexadecimal), _) => u16::from_str_radix(hexadecimal, 16).ok(),
        (None, Some(octal)) if !octal.is_empty() => u16::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// A type of configuration values.
pub trait Value: Sized {
    /// Reads a text, already trimmed at both ends.
    ///
    /// # Errors
    /// The text is not a value of this syntax.
    fn read(syntax: &Syntax, text: &str) -> Result<Self, ValueError>;
}

impl Value for bool {
    fn read(syntax: &Syntax, text: &str) -> Result<Self, ValueError> {
        match text {
            _ if text.eq_ignore_ascii_case("true") => Ok(true),
            _ if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(syntax.error(text)),
        }
    }
}

/// Integer types that a key may have.
macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Value for $int {
            fn read(syntax: &Syntax, text: &str) -> Result<Self, ValueError> {
                let number = match *syntax {
                    Syntax::Octal { min, max } => {
                        let number = u32::from_str_radix(text, 8).map_err(|_| syntax.error(text))?;
                        if number < min || number > max {
                            return Err(syntax.error(text));
                        }
                        i128::from(number)
                    }
                    Syntax::Bytes { min, suffix } => {
                        let (digits, unit) = match text.chars().last() {
                            Some('k' | 'K') if suffix => (text.get(..text.len() - 1).unwrap_or(text), 1 << 10),
                            Some('m' | 'M') if suffix => (text.get(..text.len() - 1).unwrap_or(text), 1 << 20),
                            Some('g' | 'G') if suffix => (text.get(..text.len() - 1).unwrap_or(text), 1 << 30),
                            _ => (text, 1),
                        };
                        let bytes = u64::try_from(syntax.number(digits.trim_end())?)
                            .ok()
                            .and_then(|n| n.checked_mul(unit))
                            .filter(|&n| n >= min && n <= i64::MAX as u64);
                        i128::from(bytes.ok_or_else(|| syntax.error(text))?)
                    }
                    Syntax::Code => i128::from(code(text).ok_or_else(|| syntax.error(text))?),
                    _ => syntax.number(text)?,
                };
                if let Syntax::Integer { min, max } = *syntax {
                    if number < min || number > max {
                        return Err(syntax.error(text));
                    }
                }
                if matches!(syntax, Syntax::Port) && !(1..=65535).contains(&number) {
                    return Err(syntax.error(text));
                }
                <$int>::try_from(number).map_err(|_| syntax.error(text))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, usize, i32, i64);

impl Value for Duration {
    fn read(syntax: &Syntax, text: &str) -> Result<Self, ValueError> {
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_digit()) {
            let what = format!(" is expected in secs but contains non-digit chars: '{odd}'.");
            return Err(ValueError { kind: ValueErrorKind::Key(what), expected: syntax.to_string() });
        }
        let seconds: u64 = text.parse().map_err(|_| syntax.error(text))?;
        match *syntax {
            // A century: later sums with clock values cannot overflow.
            Syntax::Seconds { min } if seconds >= min && seconds <= 3_200_000_000 => Ok(Self::from_secs(seconds)),
            _ => Err(syntax.error(text)),
        }
    }
}

impl Value for IpAddr {
    fn read(syntax: &Syntax, text: &str) -> Result<Self, ValueError> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        bare.parse().map_err(|_| syntax.error(text))
    }
}

impl Value for PathBuf {
    fn read(syntax: &Syntax, text: &str) -> Result<Self, ValueError> {
        syntax.check_pattern(text)?;
        Ok(Self::from(text))
    }
}

impl Value for String {
    fn read(syntax: &Syntax, text: &str) -> Result<Self, ValueError> {
        syntax.check_pattern(text)?;
        Ok(text.to_owned())
    }
}

impl Value for Vec<String> {
    fn read(syntax: &Syntax, text: &str) -> Result<Self, ValueError> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        match syntax {
            Syntax::List { lower: true } => Ok(items.map(str::to_ascii_lowercase).collect()),
            _ => Ok(items.map(str::to_owned).collect()),
        }
    }
}

impl Value for char {
    fn read(syntax: &Syntax, text: &str) -> Result<Self, ValueError> {
        let mut characters = text.chars();
        match (characters.next(), characters.next(), text) {
            (_, _, "\\t") => Ok('\t'),
            (_, _, "\\s") => Ok(' '),
            (Some(only), None, _) => Ok(only),
            _ => Err(syntax.error(text)),
        }
    }
}

/// The length of a time bin.
///
/// Months are not a fixed number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Span {
    /// Seconds: less than a minute, or whole minutes.
    Seconds(u64),
    /// Calendar months.
    Months(u32),
}

impl Value for Span {
    fn read(syntax: &Syntax, text: &str) -> Result<Self, ValueError> {
        let expected = syntax.to_string();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let count: u32 = match number.parse() {
            Ok(count) => count,
            Err(_) if number.is_empty() => 0,
            Err(_) => return Err(syntax.error(text)),
        };
        if count == 0 {
            let what = "Ignoring invalid time value: 0 (not greater than zero)".to_owned();
            return Err(ValueError { kind: ValueErrorKind::Sentence(what), expected });
        }
        let scale: u64 = match unit.trim() {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            "M" => return Ok(Self::Months(count)),
            other => {
                let what = format!("Ignoring unknown time measuring unit: '{other}'.");
                return Err(ValueError { kind: ValueErrorKind::Sentence(what), expected });
            }
        };
        let seconds = u64::from(count) * scale;
        if seconds > 60 && !seconds.is_multiple_of(60) {
            let what = format!("Ignoring invalid time value: {seconds} (residual secs afters conversion in mins)");
            return Err(ValueError { kind: ValueErrorKind::Sentence(what), expected });
        }
        Ok(Self::Seconds(seconds))
    }
}

/// A type whose values are the words of a closed list; implemented by `words!`.
pub trait Word: Copy + 'static {
    /// Each meaning, with the words for it: the first is the usual one.
    const WORDS: &'static [&'static [&'static str]];
    /// The meaning of a row of [`Word::WORDS`].
    fn at(row: usize) -> Option<Self>;
}

/// The meaning of `text` in a list of words.
pub(crate) fn read_word<W: Word>(syntax: &Syntax, text: &str) -> Result<W, ValueError> {
    let lower = text.to_ascii_lowercase();
    let exact = W::WORDS.iter().position(|row| row.contains(&lower.as_str()));
    let begun = || match syntax {
        Syntax::Words { prefix: true, .. } => {
            W::WORDS.iter().position(|row| row.iter().any(|w| lower.starts_with(w)))
        }
        _ => None,
    };
    exact.or_else(begun).and_then(W::at).ok_or_else(|| syntax.error(text))
}

/// Declares an enumeration together with the words for its variants in a configuration file.
///
/// ```text
/// words! {
///     /// Side of the interface that is captured.
///     pub enum Direction {
///         /// Frames that arrive.
///         In = "in",
///         /// Frames that leave.
///         Out = "out" | "outgoing",
///     }
/// }
/// ```
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $($word:literal)|+),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// The word for it in a configuration file.
            #[must_use]
            pub fn word(self) -> &'static str {
                <Self as $crate::value::Word>::WORDS[self as usize][0]
            }
        }

        impl $crate::value::Word for $name {
            const WORDS: &'static [&'static [&'static str]] = &[$(&[$($word),+]),+];
            fn at(row: usize) -> Option<Self> {
                [$(Self::$variant),+].get(row).copied()
            }
        }

        impl $crate::value::Value for $name {
            fn read(syntax: &$crate::value::Syntax, text: &str) -> Result<Self, $crate::value::ValueError> {
                $crate::value::read_word(syntax, text)
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::aggregation::AsSource;
    use crate::keys::core::DryRun;

    const SOURCE: Syntax = Syntax::Words { words: AsSource::WORDS, prefix: false };
    const TRIAL: Syntax = Syntax::Words { words: DryRun::WORDS, prefix: true };

    fn read<T: Value>(syntax: Syntax, text: &str) -> Option<T> {
        T::read(&syntax, text).ok()
    }

    #[test]
    fn words_have_synonyms_and_ignore_case() {
        assert_eq!(read(SOURCE, "NetFlow"), Some(AsSource::Protocol));
        assert_eq!(read(SOURCE, "sflow"), Some(AsSource::Protocol));
        assert_eq!(read::<AsSource>(SOURCE, "filet"), None);
        assert_eq!(read(TRIAL, "configXYZ"), Some(DryRun::Config));
        assert_eq!(read::<DryRun>(TRIAL, "conf"), None);
        assert_eq!(AsSource::Routes.word(), "bgp");
    }

    #[test]
    fn rejects_numbers_out_of_range() {
        let integer = Syntax::Integer { min: -20, max: 300 };
        assert_eq!(read(integer, "-20"), Some(-20i32));
        assert_eq!(read::<i32>(integer, "-21"), None);
        assert_eq!(read::<u8>(integer, "300"), None);
        assert_eq!(read::<i64>(integer, "99999999999999999999999999999999999999999"), None);
        assert_eq!(read(Syntax::Port, "65535"), Some(65535u16));
        assert_eq!((read::<u16>(Syntax::Port, "0"), read::<u32>(Syntax::Port, "65536")), (None, None));
        assert_eq!(read(Syntax::Octal { min: 2, max: 0o777 }, "022"), Some(0o22u32));
        assert_eq!(read::<u32>(Syntax::Octal { min: 2, max: 0o777 }, "1000"), None);
        assert_eq!(read::<u32>(Syntax::Octal { min: 2, max: 0o777 }, "8"), None);
        for (text, value) in
            [("0x88e5", Some(0x88e5)), ("0X0", Some(0)), ("010", Some(8)), ("0", Some(0)), ("x", None)]
        {
            assert_eq!(read::<u16>(Syntax::Code, text), value, "{text}");
        }
    }

    #[test]
    fn bytes_may_have_a_unit_if_the_key_allows_it() {
        let with_unit = Syntax::Bytes { min: 1, suffix: true };
        for (text, value) in [
            ("1", Some(1)),
            ("2k", Some(2048)),
            ("3 M", Some(3 << 20)),
            ("1G", Some(1 << 30)),
            ("0", None),
            ("G", None),
        ] {
            assert_eq!(read::<u64>(with_unit, text), value, "{text}");
        }
        assert_eq!(read::<u64>(with_unit, "99999999999G"), None);
        assert_eq!(read::<u64>(Syntax::Bytes { min: 1, suffix: false }, "2k"), None);
    }

    #[test]
    fn one_character_or_its_name() {
        for (text, value) in [(";", Some(';')), ("\\t", Some('\t')), ("\\s", Some(' ')), ("µ", Some('µ'))] {
            assert_eq!(read(Syntax::Character, text), value);
        }
        assert_eq!((read::<char>(Syntax::Character, ""), read::<char>(Syntax::Character, "ab")), (None, None));
    }

    #[test]
    fn whitespace_and_empty_items_of_lists_are_ignored() {
        let read = |lower, text| read::<Vec<String>>(Syntax::List { lower }, text).unwrap().join("|");
        assert_eq!(read(true, " Src_Host ,, dst_host,"), "src_host|dst_host");
        assert_eq!(read(false, "A b,C"), "A b|C");
    }

    #[test]
    fn addresses_may_have_brackets() {
        assert_eq!(read::<IpAddr>(Syntax::Address, "[::1]"), "::1".parse().ok());
        assert_eq!(read::<IpAddr>(Syntax::Address, "192.0.2.1"), "192.0.2.1".parse().ok());
        assert_eq!(read::<IpAddr>(Syntax::Address, "localhost"), None);
    }

    #[test]
    fn rejects_unsupported_variables_in_names() {
        let name = Syntax::Pattern { letters: "HM", max: 8 };
        let error = |text: &str| String::read(&name, text).unwrap_err().kind;
        assert_eq!(read(name, "x-%H-%M"), Some("x-%H-%M".to_owned()));
        assert_eq!(error("x%j"), ValueErrorKind::Key(", %j not supported.".to_owned()));
        assert_eq!(error("x%%"), ValueErrorKind::Key(", %% not supported.".to_owned()));
        assert_eq!(error("x%"), ValueErrorKind::Key(", % not supported.".to_owned()));
        let long = ", exceeded the maximum SQL table name length (8).".to_owned();
        assert_eq!(error("x-%H-%M-y"), ValueErrorKind::Key(long));
    }
}
