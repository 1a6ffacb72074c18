//! An event as one line of text: `LEVEL ( NAME/TYPE ): message key=value …`.

use super::{identity, secrets};
use std::cell::RefCell;
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Maximum length of a line, in bytes; it may contain data from a peer.
const MAX: usize = 8192;

/// Level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Error,
    Warn,
    Notice,
    Ok,
    Info,
    Debug,
}

impl Severity {
    /// The severity of an event. [`notice!`](crate::notice) and [`ok!`](crate::ok) set theirs by the event's name.
    pub(super) fn of(metadata: &Metadata<'_>) -> Self {
        match (*metadata.level(), metadata.name()) {
            (Level::ERROR, _) => Self::Error,
            (Level::WARN, _) => Self::Warn,
            (Level::INFO, "NOTICE") => Self::Notice,
            (Level::INFO, "OK") => Self::Ok,
            (Level::INFO, _) => Self::Info,
            (Level::DEBUG | Level::TRACE, _) => Self::Debug,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Notice => "NOTICE",
            Self::Ok => "OK",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }

    /// Syslog's number (RFC 5424 section 6.2.1).
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Error => 3,
            Self::Warn => 4,
            Self::Notice => 5,
            Self::Ok | Self::Info => 6,
            Self::Debug => 7,
        }
    }
}

/// The shape of a line, without the time and the line end, which each output adds in its own way.
pub(super) struct LineFormat;

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        with_buffers(|buffers| {
            buffers.fill(event);
            writer.write_str(&buffers.line.0)
        })
    }
}

/// Gives this thread's buffers, so that lines cost no allocations. A value that logs while it is formatted gets new ones.
fn with_buffers<R>(mut act: impl FnMut(&mut Buffers) -> R) -> R {
    thread_local! {
        static BUFFERS: RefCell<Buffers> = const { RefCell::new(Buffers::new()) };
    }
    let done = BUFFERS.try_with(|buffers| buffers.try_borrow_mut().ok().map(|mut buffers| act(&mut buffers)));
    done.ok().flatten().unwrap_or_else(|| act(&mut Buffers::new()))
}

struct Buffers {
    line: Clean,
    /// One value.
    value: String,
}

impl Buffers {
    const fn new() -> Self {
        Self { line: Clean(String::new()), value: String::new() }
    }

    /// Formats the line of an event, with this thread's identity unless the event has another one.
    fn fill(&mut self, event: &Event<'_>) {
        let Self { line, value } = self;
        line.0.clear();
        let level = Severity::of(event.metadata()).word();
        let mut who = Who { text: value, is_set: false };
        who.text.clear();
        event.record(&mut who);
        // Writing to a string cannot fail; what is too long is cut.
        let _ = match (who.is_set, who.text.as_str()) {
            (false, _) => write!(line, "{level} ( {} ): ", identity::current()),
            (true, "") => write!(line, "{level}: "),
            (true, who) => write!(line, "{level} ( {who} ): "),
        };
        let before = line.0.len();
        event.record(&mut Message(line));
        let separator = if line.0.len() == before { "" } else { " " };
        event.record(&mut Others { line, value, separator });
        secrets::hide(&mut line.0);
        // One long value must not stay with each thread that had it.
        value.clear();
        value.shrink_to(MAX);
    }
}

/// Takes text and escapes what could forge a second line or control a terminal.
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

/// Takes the field `who`.
struct Who<'a> {
    text: &'a mut String,
    is_set: bool,
}

impl Visit for Who<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "who" {
            self.is_set = true;
            let _ = write!(self.text, "{value:?}");
        }
    }
}

/// Takes the message.
struct Message<'a>(&'a mut Clean);

impl Visit for Message<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

/// Takes all other fields, as `key=value`.
struct Others<'a> {
    line: &'a mut Clean,
    value: &'a mut String,
    separator: &'static str,
}

impl Visit for Others<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = field.name();
        if matches!(name, "message" | "who") {
            return;
        }
        self.value.clear();
        let _ = write!(self.value, "{value:?}");
        let (value, separator) = (self.value.as_str(), self.separator);
        let needs_quotes = |c: char| c.is_whitespace() || c == '"' || c == '=';
        let is_quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
        // Debug values are already quoted; others are quoted if they could be confused with the next field.
        let _ = if value.is_empty() || value.contains(needs_quotes) && !is_quoted {
            write!(self.line, "{separator}{name}={value:?}")
        } else {
            write!(self.line, "{separator}{name}={value}")
        };
        self.separator = " ";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::io;
    use std::rc::Rc;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::Registry;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Keep(Arc<Mutex<Vec<(Severity, String)>>>);

    struct KeepOne(Keep, Severity);

    impl MakeWriter<'_> for Keep {
        type Writer = KeepOne;

        fn make_writer(&self) -> KeepOne {
            unreachable!("each line has metadata")
        }

        fn make_writer_for(&self, metadata: &Metadata<'_>) -> KeepOne {
            KeepOne(self.clone(), Severity::of(metadata))
        }
    }

    impl io::Write for KeepOne {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let line = String::from_utf8(line.to_vec()).unwrap();
            self.0.0.lock().unwrap().push((self.1, line));
            Ok(self.0.0.lock().unwrap().last().unwrap().1.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(act: impl FnOnce()) -> Vec<(Severity, String)> {
        let kept = Keep::default();
        let layer = tracing_subscriber::fmt::layer().event_format(LineFormat).with_writer(kept.clone());
        tracing::subscriber::with_default(Registry::default().with(layer), act);
        let lines = kept.0.lock().unwrap();
        lines.clone()
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
                (Severity::Ok, "OK ( default/core ): d"),
                (Severity::Info, "INFO ( default/core ): e"),
                (Severity::Debug, "DEBUG ( default/core ): f 1"),
            ]
        );
    }

    #[test]
    fn an_event_can_name_another_part_or_none() {
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
