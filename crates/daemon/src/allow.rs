//! Lists of the senders and peers that are allowed, one address or prefix per line.

use capture::allow::AllowList;
use config::{Diagnostics, Origin};
use std::path::Path;
use std::sync::Arc;

/// Reads an allow list. An invalid line is fatal, since its meaning is unknown. `origin`: the line that names the file by `key`.
pub(crate) fn read(key: &str, path: &Path, origin: &Origin, problems: &mut Diagnostics) -> Option<Arc<AllowList>> {
    let shown = path.display();
    let text = match config::text::read_lossy(path) {
        Ok(text) => text,
        Err(error) => {
            problems.fatal(origin, format!("{key}: {shown}: {error}"), None);
            return None;
        }
    };
    let file = Origin::whole(&shown.to_string());
    let (list, wrong) = AllowList::parse(&text);
    for line in &wrong {
        let number = u32::try_from(line.line).unwrap_or(u32::MAX);
        problems.fatal(&file.at(number), format!("{key}: {line}."), None);
    }
    if wrong.is_empty() && list.is_empty() {
        problems.remark(&file, format!("{key}: the file has no address: nobody may send."), None);
    }
    Some(Arc::new(list))
}
