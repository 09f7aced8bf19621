//! The bytes of a segment: a head, then records. Every number is little endian.

use model::time::Timestamp;
use sha2::{Digest, Sha256};

/// Begins every segment; the digit is the format's version.
const MAGIC: &[u8; 8] = b"wpspool1";
/// Magic, incarnation, checksum.
const HEAD_BYTES: usize = 8 + 8 + SUM_BYTES;
/// Length of the payload, checksum, seq, time.
const RECORD_HEAD_BYTES: usize = 4 + SUM_BYTES + 8 + 8;
const SUM_BYTES: usize = 8;
/// A longer payload is a torn length.
const PAYLOAD_BYTES_MAX: usize = model::wire::RESULT_BYTES_MAX;

/// One result as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) seq: u64,
    /// When it was spooled.
    pub(super) at: Timestamp,
    pub(super) payload: Vec<u8>,
}

/// The first bytes of SHA-256: far more than is needed to tell a torn record.
fn sum(parts: &[&[u8]]) -> [u8; SUM_BYTES] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let mut short = [0; SUM_BYTES];
    short.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    short
}

/// Writes the head of a segment.
pub(super) fn write_head(to: &mut Vec<u8>, incarnation: u64) {
    to.extend_from_slice(MAGIC);
    to.extend_from_slice(&incarnation.to_le_bytes());
    to.extend_from_slice(&sum(&[MAGIC, &incarnation.to_le_bytes()]));
}

impl Record {
    /// Writes the record.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let len = u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_le_bytes();
        let (seq, at) = (self.seq.to_le_bytes(), self.at.ms().to_le_bytes());
        to.extend_from_slice(&len);
        to.extend_from_slice(&sum(&[&len, &seq, &at, &self.payload]));
        to.extend_from_slice(&seq);
        to.extend_from_slice(&at);
        to.extend_from_slice(&self.payload);
    }
}

/// Takes `N` bytes from the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*front)
}

/// The incarnation, the records up to the first that is torn, and the bytes they take. None without a
/// whole head.
pub(super) fn read_segment(bytes: &[u8]) -> Option<(u64, Vec<Record>, u64)> {
    let mut rest = bytes;
    let magic: [u8; 8] = take(&mut rest)?;
    let incarnation: [u8; 8] = take(&mut rest)?;
    let checked: [u8; SUM_BYTES] = take(&mut rest)?;
    if magic != *MAGIC || checked != sum(&[MAGIC, &incarnation]) {
        return None;
    }
    let mut records: Vec<Record> = Vec::new();
    let mut len = HEAD_BYTES;
    while let Some(record) = read_record(&mut rest) {
        if records.last().is_some_and(|last| record.seq <= last.seq) {
            break;
        }
        len += RECORD_HEAD_BYTES + record.payload.len();
        records.push(record);
    }
    Some((u64::from_le_bytes(incarnation), records, len as u64))
}

fn read_record(rest: &mut &[u8]) -> Option<Record> {
    let len: [u8; 4] = take(rest)?;
    let checked: [u8; SUM_BYTES] = take(rest)?;
    let seq: [u8; 8] = take(rest)?;
    let at: [u8; 8] = take(rest)?;
    let bytes = usize::try_from(u32::from_le_bytes(len)).ok()?;
    if bytes > PAYLOAD_BYTES_MAX {
        return None;
    }
    let (payload, after) = rest.split_at_checked(bytes)?;
    if checked != sum(&[&len, &seq, &at, payload]) {
        return None;
    }
    *rest = after;
    Some(Record {
        seq: u64::from_le_bytes(seq),
        at: Timestamp::from_ms(i64::from_le_bytes(at)),
        payload: payload.to_vec(),
    })
}
