//! Hides logins in addresses, which no log line may show.

/// Ends a word.
fn is_end(c: char) -> bool {
    c.is_whitespace() || ['"', '\'', '<', '>'].contains(&c)
}

/// Replaces a login by `***`: `http://user:password@host` becomes `http://***@host`, and `user:password@host`
/// `***@host`. Hiding too much (a path with an `@`) does no harm.
pub(super) fn hide(text: &mut String) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find('@')).map(|at| from + at) {
        let before = text.get(..at).unwrap_or_default();
        let word = before.rfind(is_end).map_or(0, |end| end + before.get(end..).map_or(1, first));
        let scheme = before.get(word..).and_then(|word| word.find("://")).map(|scheme| word + scheme + 3);
        // Without a scheme a name alone is no secret: an address of mail, a user of a database.
        let has_password = before.get(word..).is_some_and(|word| word.contains(':'));
        let Some(start) = scheme.or(has_password.then_some(word)) else {
            from = at + 1;
            continue;
        };
        // A password may have an `@` itself.
        let rest = text.get(at..).unwrap_or_default();
        let last =
            rest.get(..rest.find(is_end).unwrap_or(rest.len())).and_then(|word| word.rfind('@')).unwrap_or(0);
        text.replace_range(start..at + last, "***");
        from = start + "***@".len();
    }
}

/// Bytes of the first character.
fn first(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_in_addresses_are_hidden() {
        for (text, hidden) in [
            ("http://user:pass@host:1: refused", "http://***@host:1: refused"),
            ("'amqp://u:p/@:@h' and \"x://t@y\"", "'amqp://***@h' and \"x://***@y\""),
            ("ali:sesame@127.0.0.1:1: no", "***@127.0.0.1:1: no"),
            ("who=s\u{2003}a:b@c d:e@f", "who=s\u{2003}***@c ***@f"),
            ("https://host/path: no, me@home", "https://host/path: no, me@home"),
            (
                "Access denied for user 'pmacct'@'localhost' (error 1045)",
                "Access denied for user 'pmacct'@'localhost' (error 1045)",
            ),
            ("@", "@"),
            ("a://ü:ß@ö://b@c", "a://***@c"),
        ] {
            let mut line = text.to_owned();
            hide(&mut line);
            assert_eq!(line, hidden);
        }
    }
}
