//! The values that a rule sets.

use crate::load::{Context, Entry, Setting};
use crate::value::ValueError;
use config::problem::Diagnostics;
use std::sync::atomic::{AtomicU64, Ordering};

/// The values of a rule.
#[derive(Debug, Default)]
pub(super) struct Setters {
    /// Tag and second tag.
    pub(super) tags: [Option<TagSetter>; 2],
    pub(super) label: Option<Box<[u8]>>,
    pub(super) tos: Option<u8>,
    pub(super) stack: Stack,
}

/// How a tag is combined with the one that was set before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stack {
    /// It replaces the earlier tag.
    #[default]
    Replace,
    /// It is added to the earlier tag.
    Sum,
    /// It is ORed with the earlier tag.
    Or,
}

/// The value of a tag.
#[derive(Debug)]
pub(crate) enum TagSetter {
    /// The same for each match.
    Constant(u64),
    /// Incremented by each match; all workers share the counter.
    Counting(AtomicU64),
}

impl TagSetter {
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    #[inline]
    pub(crate) fn next(&self) -> u64 {
        match self {
            Self::Constant(tag) => *tag,
            Self::Counting(next) => next.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// Reads what an entry sets; `None` if it is invalid, which is reported.
pub(super) fn read(entry: &Entry, context: &Context, problems: &mut Diagnostics) -> Option<Setters> {
    let mut setters = Setters::default();
    for setting in &entry.settings {
        match setting.key.name {
            "set_tag" => *setters.tags.first_mut()? = Some(tag(setting, problems)?),
            "set_tag2" => *setters.tags.last_mut()? = Some(tag(setting, problems)?),
            "set_label" => setters.label = Some(label(setting, context, problems)?),
            "set_tos" => setters.tos = u8::try_from(setting.decimal(problems)?).ok(),
            "stack" => setters.stack = stack(setting, problems),
            "return" => problems.warn(
                &setting.origin,
                "return has no effect: plugins receive a record once, with its last tag.",
                Some(
                    "To tag records in several ways, give each plugin its own map (pre_tag_map[NAME]).".to_owned(),
                ),
            ),
            _ => {}
        }
    }
    Some(setters)
}

/// A tag and a label.
pub(crate) type TagAndLabel = (Option<TagSetter>, Option<Box<[u8]>>);

/// The tag and the label that an entry sets; `None` if one is invalid, which is reported.
pub(crate) fn tag_and_label(entry: &Entry, context: &Context, problems: &mut Diagnostics) -> Option<TagAndLabel> {
    let setters = read(entry, context, problems)?;
    let [tag, _] = setters.tags;
    Some((tag, setters.label))
}

fn tag(setting: &Setting, problems: &mut Diagnostics) -> Option<TagSetter> {
    let (digits, counts) = match setting.value.strip_suffix("++") {
        Some(digits) => (digits, true),
        None => (setting.value.as_str(), false),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let name = if setting.key.name == "set_tag" { "set_tag/id" } else { "set_tag2/id2" };
        let what = format!("Invalid {name} specified (non-digit chars).");
        return setting
            .reject(ValueError { what, hint: Some("Use a value such as 100, or 1++.".to_owned()) }, problems);
    }
    let tag = digits.parse().unwrap_or_else(|_| {
        let what = format!("{} is limited to {}.", setting.key.name, u64::MAX);
        problems.warn(&setting.origin, what, None);
        u64::MAX
    });
    Some(if counts { TagSetter::Counting(AtomicU64::new(tag)) } else { TagSetter::Constant(tag) })
}

fn label(setting: &Setting, context: &Context, problems: &mut Diagnostics) -> Option<Box<[u8]>> {
    if context.label_as_map && !setting.value.split(',').all(|part| part.contains('%')) {
        let hint = Some("Use a value such as color%red,size%big.".to_owned());
        let what = "Missing pretag_label_encode_as_map separator.".to_owned();
        return setting.reject(ValueError { what, hint }, problems);
    }
    Some(setting.value.as_bytes().into())
}

fn stack(setting: &Setting, problems: &mut Diagnostics) -> Stack {
    match setting.value.as_str() {
        "sum" | "+" => Stack::Sum,
        "or" => Stack::Or,
        other => {
            let what = format!("Unknown STACK operator: '{other}'. Ignoring.");
            problems.warn(&setting.origin, what, Some("Use 'sum' (or '+') or 'or'.".to_owned()));
            Stack::Replace
        }
    }
}
