//! An event as one line of text.

use super::{identity, secrets};
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// Longest line, in octets; what a peer sends may end up in one.
const MAX: usize = 8192;

/// Level of a line, with syslog's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Error = 3,
    Warn = 4,
    Notice = 5,
    Info = 6,
    Debug = 7,
}

/// A line without time and line end.
pub(super) struct Line {
    pub(super) severity: Severity,
    pub(super) text: String,
}

impl Line {
    /// The line of an event, spoken by this thread unless the event says otherwise.
    pub(super) fn of(event: &Event<'_>) -> Self {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (severity, level) = match (*event.metadata().level(), fields.level.as_deref()) {
            (Level::INFO, Some("OK")) => (Severity::Info, "OK"),
            (Level::INFO, Some("NOTICE")) => (Severity::Notice, "NOTICE"),
            (Level::ERROR, _) => (Severity::Error, "ERROR"),
            (Level::WARN, _) => (Severity::Warn, "WARN"),
            (Level::INFO, _) => (Severity::Info, "INFO"),
            (Level::DEBUG | Level::TRACE, _) => (Severity::Debug, "DEBUG"),
        };
        let mut text = Clean(String::new());
        // Writing to a string cannot fail; what is too long is cut.
        let _ = match fields.who.as_deref() {
            None => write!(text, "{level} ( {} ): ", identity::current()),
            Some("") => write!(text, "{level}: "),
            Some(who) => write!(text, "{level} ( {who} ): "),
        };
        let _ = text.write_str(&fields.message);
        let _ = text.write_str(if fields.message.is_empty() { fields.rest.trim_start() } else { &fields.rest });
        let mut text = text.0;
        secrets::hide(&mut text);
        Self { severity, text }
    }
}

/// Takes text and leaves out what could forge a second line or play with a terminal.
struct Clean(String);

impl Write for Clean {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.0.len() + 10 > MAX {
                if !self.0.ends_with('…') {
                    self.0.push('…');
                }
                return Ok(());
            }
            if c.is_control() {
                self.0.extend(c.escape_default());
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}

/// What an event carries.
#[derive(Default)]
struct Fields {
    message: String,
    level: Option<String>,
    who: Option<String>,
    /// ` key=value` for each other field.
    rest: String,
}

impl Fields {
    fn take(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            "level" => self.level = Some(value),
            "who" => self.who = Some(value),
            name => {
                let odd = |c: char| c.is_whitespace() || c == '"' || c == '=';
                let quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
                // Debug values come quoted already; others are when they could not be told from the next field.
                let _ = if value.is_empty() || value.contains(odd) && !quoted {
                    write!(self.rest, " {name}={value:?}")
                } else {
                    write!(self.rest, " {name}={value}")
                };
            }
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::{Arc, Mutex};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Metadata, Subscriber};

    struct Keep(Arc<Mutex<Vec<(Severity, String)>>>);

    impl Subscriber for Keep {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn event(&self, event: &Event<'_>) {
            let line = Line::of(event);
            self.0.lock().unwrap().push((line.severity, line.text));
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    fn lines(act: impl FnOnce()) -> Vec<(Severity, String)> {
        let kept = Arc::default();
        tracing::subscriber::with_default(Keep(Arc::clone(&kept)), act);
        Arc::into_inner(kept).unwrap().into_inner().unwrap()
    }

    fn line(act: impl FnOnce()) -> String {
        lines(act).remove(0).1
    }

    #[test]
    fn each_level_has_its_word_and_severity() {
        let all = lines(|| {
            tracing::error!("a");
            tracing::warn!("b");
            crate::notice!("c");
            crate::ok!("d");
            tracing::info!("e");
            tracing::debug!("f {}", 1);
        });
        let all: Vec<(Severity, &str)> = all.iter().map(|(severity, text)| (*severity, text.as_str())).collect();
        assert_eq!(
            all,
            [
                (Severity::Error, "ERROR ( default/core ): a"),
                (Severity::Warn, "WARN ( default/core ): b"),
                (Severity::Notice, "NOTICE ( default/core ): c"),
                (Severity::Info, "OK ( default/core ): d"),
                (Severity::Info, "INFO ( default/core ): e"),
                (Severity::Debug, "DEBUG ( default/core ): f 1"),
            ]
        );
    }

    #[test]
    fn an_event_can_speak_for_another_part_or_for_none() {
        assert_eq!(line(|| tracing::info!(who = "p/print", "x")), "INFO ( p/print ): x");
        let identity = super::super::Identity::new("db", "sqlite3");
        assert_eq!(line(|| crate::ok!(who = %identity, "x")), "OK ( db/sqlite3 ): x");
        assert_eq!(line(|| tracing::warn!(who = "", "[c:2] x")), "WARN: [c:2] x");
    }

    #[test]
    fn fields_follow_the_text() {
        let address = std::net::Ipv4Addr::new(192, 0, 2, 1);
        let none: Option<u64> = None;
        let text = line(|| {
            tracing::warn!(exporter = %address, id = 256, name = "a b", q = ?"x y", e = "", held_back = none, "gone");
        });
        assert_eq!(text, r#"WARN ( default/core ): gone exporter=192.0.2.1 id=256 name="a b" q="x y" e="""#);
        assert_eq!(line(|| tracing::info!(id = 1)), "INFO ( default/core ): id=1");
    }

    #[test]
    fn text_from_outside_stays_one_line_and_is_cut() {
        assert_eq!(
            line(|| tracing::info!("a\nERROR: b\x1b[1m\u{9b}")),
            r"INFO ( default/core ): a\nERROR: b\u{1b}[1m\u{9b}"
        );
        let long = line(|| tracing::info!(more = %"é".repeat(9000), "{}", "x".repeat(100)));
        assert!(long.len() <= MAX && long.ends_with("é…"), "{}", long.len());
    }

    #[test]
    fn a_value_that_logs_while_it_is_shown_does_no_harm() {
        struct Chatty(Rc<RefCell<u32>>);
        impl fmt::Display for Chatty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                *self.0.borrow_mut() += 1;
                tracing::info!("inner");
                f.write_str("shown")
            }
        }
        let chatty = Chatty(Rc::default());
        let all = lines(|| tracing::info!(value = %chatty, "outer"));
        assert_eq!(all.last().unwrap().1, "INFO ( default/core ): outer value=shown");
    }
}
