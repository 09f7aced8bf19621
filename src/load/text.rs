//! The file as text, or why it is none.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use model::config::Problem;
use model::config::tree::Place;

use super::FILE_BYTES_MAX;

/// A problem and the part of the source that can be shown with it.
type Refused = (Problem, String);

/// Reads the file at `path`, without a byte order mark.
pub fn read(path: &Path) -> Result<String, Refused> {
    let whole = |message: String| (Problem::new(Place::FILE, message), String::new());
    let bytes = bytes(path).map_err(|error| whole(format!("this file cannot be read: {error}")))?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if length > FILE_BYTES_MAX {
        return Err(whole(format!(
            "this file is larger than {} MiB, the most that is read",
            FILE_BYTES_MAX / (1024 * 1024)
        )));
    }
    decode(&bytes)
}

/// The bytes of the file, one more than are allowed at most.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<String, Refused> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let problem = Problem::new(Place::FILE, "this file is UTF-16, not UTF-8");
        return Err((problem.hint("save it as UTF-8"), String::new()));
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(fault) => {
            let (good, rest) = bytes.split_at_checked(fault.valid_up_to()).unwrap_or((bytes, &[]));
            let good = String::from_utf8_lossy(good).into_owned();
            if good.contains('\0') {
                return Err(binary(&good));
            }
            let message = format!(
                "this file is not UTF-8: the byte 0x{:02x} at offset {} begins no character",
                rest.first().copied().unwrap_or_default(),
                good.len()
            );
            return Err((Problem::new(end_of(&good), message).hint("save it as UTF-8"), good));
        }
    };
    if text.contains('\0') { Err(binary(text)) } else { Ok(text.to_owned()) }
}

/// That `text` holds a byte that no text holds.
fn binary(text: &str) -> Refused {
    let before = text.split('\0').next().unwrap_or_default();
    let message = format!("this file is not text: it has a zero byte at offset {}", before.len());
    (Problem::new(end_of(before), message), before.to_owned())
}

/// The place after the last character of `text`.
fn end_of(text: &str) -> Place {
    let last = text.rsplit('\n').next().unwrap_or_default();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
    Place {
        line: number(text.bytes().filter(|byte| *byte == b'\n').count()),
        column: number(last.chars().count()),
    }
}
