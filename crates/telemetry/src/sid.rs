//! SIDs: the numbers of YANG items in CBOR (RFC 9254), and the files that list them (RFC 9595).

use hashbrown::HashMap;
use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// Names of SIDs.
#[derive(Clone, Debug, Default)]
pub struct Sids {
    items: HashMap<u64, Item>,
}

/// The item of a SID.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    /// Of data, the path of the schema node, such as `/ietf-system:system/clock`; of others, the name with that of the module:
    /// `ietf-system:radius`.
    identifier: Box<str>,
    /// The name of the member in an object whose parent is not known: with that of the module.
    qualified: Box<str>,
    /// How many octets of `qualified` are not part of the name in an object of the parent: the module, if the parent has the same.
    of_parent: usize,
}

/// A file, by the names of the module `ietf-sid-file`. What else the file has is ignored.
#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Rfc {
        #[serde(rename = "ietf-sid-file:sid-file")]
        file: Module,
    },
    /// As written before RFC 9595, without the container.
    Draft(Module),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Module {
    module_name: String,
    #[serde(alias = "items")]
    item: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    namespace: String,
    identifier: String,
    #[serde(deserialize_with = "number")]
    sid: u64,
}

/// A number, or one in a string: JSON of YANG has 64-bit integers in strings (RFC 7951 section 6.1), and some tools write numbers.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Number(u64),
        Text(String),
    }
    match Number::deserialize(deserializer)? {
        Number::Number(number) => Ok(number),
        Number::Text(text) => text.parse().map_err(|_| de::Error::custom(format_args!("\"{text}\" is not a SID"))),
    }
}

/// Why a SID file cannot be used.
#[derive(Debug)]
pub enum SidFileError {
    /// It is not the JSON of a SID file.
    Json(serde_json::Error),
    /// A SID has another identifier, too.
    Ambiguous {
        /// The SID.
        sid: u64,
        /// The identifier in an earlier entry or file.
        earlier: Box<str>,
        /// The identifier in this one.
        here: Box<str>,
    },
}

impl fmt::Display for SidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "not a SID file (RFC 9595): {error}"),
            Self::Ambiguous { sid, earlier, here } => {
                write!(f, "SID {sid} is {here} here, but {earlier} in an earlier entry or file")
            }
        }
    }
}

impl std::error::Error for SidFileError {}

impl Item {
    fn new(module: &str, namespace: &str, identifier: &str) -> Self {
        if namespace != "data" {
            let with_module = identifier.contains(':') || namespace == "module";
            let name = if with_module { identifier.to_owned() } else { format!("{module}:{identifier}") };
            return Self { identifier: name.clone().into(), qualified: name.into(), of_parent: 0 };
        }
        let last = identifier.rsplit('/').next().unwrap_or(identifier);
        // A segment of a path without a prefix is of the module of the one before it.
        let (qualified, of_parent) = match last.contains(':') {
            true => (last.to_owned(), 0),
            false => {
                let before = identifier.rsplit('/').find_map(|segment| segment.split_once(':'));
                let module = before.map_or(module, |(module, _)| module);
                (format!("{module}:{last}"), module.len() + 1)
            }
        };
        Self { identifier: identifier.into(), qualified: qualified.into(), of_parent }
    }
}

impl Sids {
    /// Adds the items of a SID file. Returns how many it has.
    ///
    /// # Errors
    /// If it is no SID file, or contradicts an earlier one. Nothing is added then.
    pub fn add_file(&mut self, text: &[u8]) -> Result<usize, SidFileError> {
        let (File::Rfc { file } | File::Draft(file)) = serde_json::from_slice(text).map_err(SidFileError::Json)?;
        let mut items: HashMap<u64, Item> = HashMap::new();
        for Entry { namespace, identifier, sid } in &file.item {
            let item = Item::new(&file.module_name, namespace, identifier);
            let earlier = items.get(sid).or_else(|| self.items.get(sid));
            if let Some(earlier) = earlier.filter(|earlier| **earlier != item) {
                let earlier = earlier.identifier.clone();
                return Err(SidFileError::Ambiguous { sid: *sid, earlier, here: item.identifier });
            }
            items.insert(*sid, item);
        }
        let count = items.len();
        self.items.extend(items);
        Ok(count)
    }

    /// The name of a member (RFC 7951 section 4). `is_below_parent`: it is in an object of its parent, so that the name of the module is
    /// left out if the parent has the same.
    pub(crate) fn member(&self, sid: u64, is_below_parent: bool) -> Option<&str> {
        let item = self.items.get(&sid)?;
        item.qualified.get(if is_below_parent { item.of_parent } else { 0 }..)
    }

    /// The name of an item: of data, its path.
    #[must_use]
    pub fn name(&self, sid: u64) -> Option<&str> {
        self.items.get(&sid).map(|item| &*item.identifier)
    }

    /// The number of SIDs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_before_the_rfc_are_read_too() {
        let mut sids = Sids::default();
        let file = br#"{"module-name":"m","assignment-range":[],"items":[{"namespace":"data","identifier":"/m:a","sid":7}]}"#;
        assert_eq!(sids.add_file(file).unwrap(), 1);
        assert_eq!((sids.name(7), sids.name(8), sids.len(), sids.is_empty()), (Some("/m:a"), None, 1, false));
    }

    #[test]
    fn a_file_that_cannot_be_used_adds_nothing() {
        let mut sids = Sids::default();
        let item = |sid: &str, name: &str| format!(r#"{{"namespace":"data","identifier":"{name}","sid":{sid}}}"#);
        let file = |items: &[String]| format!(r#"{{"module-name":"m","item":[{}]}}"#, items.join(","));
        assert!(sids.add_file(b"{}").unwrap_err().to_string().starts_with("not a SID file (RFC 9595)"));
        assert!(sids.add_file(file(&[item("\"x\"", "/m:a")]).as_bytes()).is_err());
        let error = sids.add_file(file(&[item("7", "/m:a"), item("8", "/m:b"), item("\"7\"", "/m:c")]).as_bytes());
        assert_eq!(error.unwrap_err().to_string(), "SID 7 is /m:c here, but /m:a in an earlier entry or file");
        assert!(sids.is_empty());
        assert_eq!(sids.add_file(file(&[item("7", "/m:a"), item("7", "/m:a")]).as_bytes()).unwrap(), 1);
        assert!(sids.add_file(file(&[item("7", "/m:b")]).as_bytes()).is_err());
    }
}
