//! The durable, ordered, bounded queue of results between their run and the collector's receipt.
//!
//! A folder of segments, each a head and records with a checksum, and one small `state` file. A
//! record may be sent once it is synced. After any failure to write, the current segment is left as
//! it is and what was not yet durable is written again to a new one, so a torn record can only stand
//! at the end of a segment, where reading stops.

mod record;
mod state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;

use model::result::ProbeResult;
use model::time::{Millis, Timestamp};
use model::wire::Gap;

use crate::disk::Files;
use record::Record;
use state::State;

pub use state::GAPS_MAX;

/// How much a spool may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on disk.
    pub bytes: u64,
    /// Age of a result.
    pub age: Millis,
    /// A segment is closed when it has so many bytes; what is dropped is dropped by segments.
    pub segment: u64,
}

impl Default for Limits {
    /// 1 GiB and 7 days, in segments of 1 MiB.
    fn default() -> Self {
        Self { bytes: 1 << 30, age: Millis::from_secs(7 * 24 * 3600), segment: 1 << 20 }
    }
}

/// What the spool could not keep, in results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The spool had reached its bytes.
    pub full: u64,
    /// Results were too old.
    pub old: u64,
    /// The disk refused, or gave back something else than was written.
    pub disk: u64,
    /// The collector refused them for good.
    pub refused: u64,
}

/// Results to send, oldest first, with the facts that travel with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    /// Rising by 1.
    pub results: Vec<ProbeResult>,
    /// What was dropped and not yet told.
    pub gaps: Vec<Gap>,
    /// Results that wait behind these.
    pub waiting: u64,
}

/// A segment on disk.
#[derive(Debug)]
struct Segment {
    serial: u64,
    /// Bytes that may be read, head included.
    len: u64,
    first: u64,
    last: u64,
    /// When its newest record was spooled.
    newest: Timestamp,
}

/// The queue. All calls block on the disk.
pub struct Spool {
    files: Box<dyn Files>,
    limits: Limits,
    state: State,
    /// Oldest first; the last one may be open for more.
    segments: VecDeque<Segment>,
    /// The last segment takes more records.
    open: bool,
    serial: u64,
    next_seq: u64,
    /// Records that are not yet durable, oldest first.
    pending: Vec<Record>,
    /// Durable records from the oldest on, as far as they were read.
    head: VecDeque<Record>,
    /// The serial of the first segment that is not yet in `head`.
    unread: u64,
    /// The facts that the state file must take next time.
    state_changed: bool,
    /// What was lost since the start.
    pub dropped: Dropped,
    /// Writes that failed since the start.
    pub faults: u64,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Spool({} waiting, next seq {})", self.waiting(), self.next_seq)
    }
}

/// The most results that wait in memory for a disk that refuses them.
pub const PENDING_MAX: usize = 10_000;

/// Whether the disk has no room, so that dropping something old helps.
fn full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn name(serial: u64) -> String {
    format!("{serial:020}.seg")
}

impl Spool {
    /// Opens the spool, or makes one with the incarnation that `draw` gives. Keeps the order and
    /// everything that was acknowledged as spooled.
    ///
    /// # Errors
    /// The folder cannot be read, or a new spool not be written.
    pub fn open(
        mut files: Box<dyn Files>,
        limits: Limits,
        draw: impl FnOnce() -> u64,
    ) -> io::Result<Self> {
        let mut serials: Vec<u64> = files
            .list()?
            .iter()
            .filter_map(|file| file.strip_suffix(".seg")?.parse().ok())
            .collect();
        serials.sort_unstable();
        let known = State::load(&mut *files)?;
        let mut spool = Self {
            files,
            limits,
            state: known.clone().unwrap_or_default(),
            segments: VecDeque::new(),
            open: false,
            serial: serials.last().map_or(0, |last| last.saturating_add(1)),
            next_seq: 1,
            pending: Vec::new(),
            head: VecDeque::new(),
            unread: 0,
            state_changed: false,
            dropped: Dropped::default(),
            faults: 0,
        };
        let mut last = spool.state.told;
        for serial in serials {
            last = spool.recover(serial, last, known.is_some())?;
        }
        spool.next_seq = last.saturating_add(1);
        if spool.state.incarnation == 0 {
            spool.state.incarnation = draw().clamp(1, model::wire::NUMBER_BOUND - 1);
            spool.state_changed = true;
        }
        if spool.state_changed {
            spool.state.save(&mut *spool.files)?;
            spool.state_changed = false;
        }
        spool.unread = spool.segments.front().map_or(spool.serial, |segment| segment.serial);
        Ok(spool)
    }

    /// Reads a segment at the start; `last` is the highest seq so far.
    fn recover(&mut self, serial: u64, last: u64, known: bool) -> io::Result<u64> {
        let bytes = self.files.read(&name(serial))?;
        let Some((incarnation, records, len)) = record::read_segment(&bytes) else {
            // Not even a head: it was being made when the program ended, and holds nothing.
            self.files.remove(&name(serial))?;
            return Ok(last);
        };
        if !known && self.state.incarnation == 0 {
            self.state.incarnation = incarnation;
            let before = records.first().map_or(1, |record| record.seq).saturating_sub(1);
            self.state.acknowledged = before;
            self.state_changed = true;
            return self.keep(serial, &records, len, before);
        }
        if incarnation != self.state.incarnation {
            self.files.remove(&name(serial))?;
            return Ok(last);
        }
        self.keep(serial, &records, len, last)
    }

    fn keep(&mut self, serial: u64, records: &[Record], len: u64, last: u64) -> io::Result<u64> {
        let (Some(first), Some(end)) = (records.first(), records.last()) else {
            self.files.remove(&name(serial))?;
            return Ok(last);
        };
        if end.seq <= self.state.acknowledged {
            self.files.remove(&name(serial))?;
            return Ok(last.max(end.seq));
        }
        let known = self.segments.back().map_or(self.state.acknowledged, |segment| segment.last);
        if first.seq > known.saturating_add(1) {
            let fresh = self.state.gap(known + 1, first.seq - 1, "spool damaged");
            self.dropped.disk += fresh;
            self.state_changed |= fresh > 0;
        }
        self.segments.push_back(Segment {
            serial,
            len,
            first: first.seq,
            last: end.seq,
            newest: end.at,
        });
        Ok(last.max(end.seq))
    }

    /// Names the series of seq.
    pub const fn incarnation(&self) -> u64 {
        self.state.incarnation
    }

    /// Durable results that no receipt covers yet.
    pub fn waiting(&self) -> u64 {
        let durable = self.segments.back().map_or(0, |segment| segment.last);
        let first = self.segments.front().map_or(u64::MAX, |segment| segment.first);
        let after = self.state.acknowledged.max(first.saturating_sub(1));
        durable.saturating_sub(after)
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.len).sum()
    }

    /// Gives the result its seq and queues it to be written by the next [`Spool::sync`]. Its region
    /// and all else stay as they are.
    pub fn add(&mut self, now: Timestamp, result: &mut ProbeResult) {
        result.seq = self.next_seq;
        model::wire::bound(result);
        self.pending.push(Record {
            seq: result.seq,
            at: now,
            payload: model::wire::result_to_protobuf(result),
        });
        self.next_seq = self.next_seq.saturating_add(1);
    }

    /// Makes everything that was added durable. When the disk is full, the oldest segments make room,
    /// one at a time. What still cannot be written waits in memory for the next call, at most
    /// [`PENDING_MAX`] results; beyond that the oldest become a gap.
    pub fn sync(&mut self, now: Timestamp) {
        while !self.pending.is_empty() {
            let Err(error) = self.write_pending() else { break };
            self.faults += 1;
            self.open = false;
            if !full(&error) || self.segments.is_empty() {
                break;
            }
            self.drop_segment("disk full", |dropped, count| dropped.disk += count);
        }
        if self.pending.len() > PENDING_MAX {
            let lost: Vec<Record> =
                self.pending.drain(..self.pending.len() - PENDING_MAX).collect();
            if let (Some(first), Some(last)) = (lost.first(), lost.last()) {
                self.dropped.disk += self.state.gap(first.seq, last.seq, "disk failed");
                self.state_changed = true;
            }
        }
        self.enforce(now);
        self.save_state();
    }

    /// Results that wait in memory for the disk.
    pub fn unwritten(&self) -> usize {
        self.pending.len()
    }

    /// Writes and syncs what is pending; on an error the caller closes the segment.
    fn write_pending(&mut self) -> io::Result<()> {
        let fits = self.segments.back().is_some_and(|segment| segment.len < self.limits.segment);
        let fresh = !(self.open && fits);
        if fresh {
            self.serial = self.serial.saturating_add(1);
        }
        let serial = if fresh {
            self.serial
        } else {
            self.segments.back().map_or(self.serial, |segment| segment.serial)
        };
        let mut bytes = Vec::new();
        if fresh {
            record::write_head(&mut bytes, self.state.incarnation);
        }
        for record in &self.pending {
            record.write(&mut bytes);
        }
        let written =
            self.files.append(&name(serial), &bytes).and_then(|()| self.files.sync(&name(serial)));
        if let Err(error) = written {
            if fresh {
                // Room for the next try; what cannot be removed is passed over when it is read.
                let _ = self.files.remove(&name(serial));
            }
            return Err(error);
        }
        self.written(serial, fresh, bytes.len() as u64);
        Ok(())
    }

    /// What was pending is durable.
    fn written(&mut self, serial: u64, fresh: bool, len: u64) {
        let records = std::mem::take(&mut self.pending);
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        let (first, last, newest) = (first.seq, last.seq, last.at);
        match self.segments.back_mut().filter(|_| !fresh) {
            Some(segment) => {
                segment.len += len;
                segment.last = last;
                segment.newest = newest;
                if self.unread > serial {
                    self.head.extend(records);
                }
            }
            None => {
                if self.segments.is_empty() {
                    self.unread = serial;
                }
                self.segments.push_back(Segment { serial, len, first, last, newest });
            }
        }
        self.open = true;
    }

    /// Drops the oldest segments beyond the bounds.
    fn enforce(&mut self, now: Timestamp) {
        while self.bytes() > self.limits.bytes && self.segments.len() > 1 {
            self.drop_segment("spool full", |dropped, count| dropped.full += count);
        }
        let oldest = now - self.limits.age;
        while self.segments.front().is_some_and(|segment| segment.newest < oldest) {
            self.drop_segment("results too old", |dropped, count| dropped.old += count);
        }
    }

    fn drop_segment(&mut self, why: &str, count: impl FnOnce(&mut Dropped, u64)) {
        let Some(segment) = self.segments.front() else { return };
        let (serial, last) = (segment.serial, segment.last);
        let first = segment.first.max(self.state.acknowledged.saturating_add(1));
        self.forget(serial);
        let lost = if first <= last { self.state.gap(first, last, why) } else { 0 };
        count(&mut self.dropped, lost);
        self.state.acknowledged = self.state.acknowledged.max(last);
        self.state_changed = true;
        self.trim();
    }

    /// Removes the oldest segment, which is that one.
    fn forget(&mut self, serial: u64) {
        if self.files.remove(&name(serial)).is_err() {
            self.faults += 1;
        }
        self.segments.pop_front();
        if self.segments.is_empty() {
            self.open = false;
        }
    }

    /// Forgets what is acknowledged in memory and on disk.
    fn trim(&mut self) {
        while self.head.front().is_some_and(|record| record.seq <= self.state.acknowledged) {
            self.head.pop_front();
        }
        while let Some(segment) = self.segments.front() {
            if segment.last > self.state.acknowledged {
                break;
            }
            let serial = segment.serial;
            self.forget(serial);
        }
        if let Some(front) = self.segments.front() {
            self.unread = self.unread.max(front.serial);
        }
    }

    /// The oldest results, at most `results_max` of together at most about `bytes_max` bytes, but at
    /// least one if any is wanted.
    pub fn portion(&mut self, results_max: usize, bytes_max: usize) -> Portion {
        let mut results: Vec<ProbeResult> = Vec::new();
        let mut bytes = 0usize;
        let mut place = 0usize;
        while results.len() < results_max {
            if place >= self.head.len() && !self.read_on() {
                break;
            }
            let Some(record) = self.head.get(place) else { continue };
            bytes += record.payload.len();
            if bytes > bytes_max && !results.is_empty() {
                break;
            }
            match model::wire::result_from_protobuf(&record.payload) {
                Ok(result) => {
                    results.push(ProbeResult { seq: record.seq, ..result });
                    place += 1;
                }
                Err(_) if results.is_empty() => self.drop_head("spool damaged"),
                // It is dropped when it is the oldest.
                Err(_) => break,
            }
        }
        self.save_state();
        let waiting = self.waiting().saturating_sub(results.len() as u64);
        // A gap is told only once it is durable, so that its seq are never given again.
        let gaps = if self.state_changed { Vec::new() } else { self.state.gaps.clone() };
        Portion { results, gaps, waiting }
    }

    /// Reads the next segment into memory. False when there is none.
    fn read_on(&mut self) -> bool {
        let unread = self.unread;
        let Some(segment) = self.segments.iter().find(|segment| segment.serial >= unread) else {
            return false;
        };
        let (serial, len) = (segment.serial, usize::try_from(segment.len).unwrap_or(usize::MAX));
        let (first, last) = (segment.first, segment.last);
        self.unread = serial.saturating_add(1);
        let bytes = self.files.read(&name(serial)).unwrap_or_default();
        let whole = bytes.get(..len).unwrap_or(&bytes);
        let records =
            record::read_segment(whole).map(|(_, records, _)| records).unwrap_or_default();
        let mut known = self.head.back().map_or(self.state.acknowledged, |record| record.seq);
        known = known.max(first.saturating_sub(1)).max(self.state.acknowledged);
        for record in records {
            if record.seq > known {
                known = record.seq;
                self.head.push_back(record);
            }
        }
        if known < last {
            // The disk gave back less than was synced.
            let lost = self.state.gap(known + 1, last, "spool damaged");
            self.dropped.disk += lost;
            self.state_changed = true;
            if self.head.is_empty() {
                self.state.acknowledged = self.state.acknowledged.max(last);
                self.trim();
            }
        }
        true
    }

    /// Takes a receipt: everything up to `highest_seq` is the collector's. Returns whether it covers
    /// anything that waited. `told` are the gaps that travelled with that batch.
    pub fn acknowledge(&mut self, highest_seq: u64, told: &[Gap]) -> bool {
        let known = self.segments.back().map_or(0, |segment| segment.last);
        let through = highest_seq.min(known);
        let progressed = through > self.state.acknowledged;
        if progressed {
            self.state.acknowledged = through;
        }
        self.state.tell(told);
        self.state_changed |= progressed || !told.is_empty();
        self.save_state();
        self.trim();
        progressed
    }

    /// Drops the oldest result, which the collector will never take.
    pub fn drop_oldest(&mut self) {
        if self.head.is_empty() {
            self.read_on();
        }
        let before = self.dropped.disk;
        self.drop_head("refused by the collector");
        self.dropped.refused += self.dropped.disk - before;
        self.dropped.disk = before;
        self.save_state();
    }

    fn drop_head(&mut self, why: &str) {
        let Some(record) = self.head.pop_front() else { return };
        self.dropped.disk += self.state.gap(record.seq, record.seq, why);
        self.state.acknowledged = self.state.acknowledged.max(record.seq);
        self.state_changed = true;
        self.trim();
    }

    fn save_state(&mut self) {
        if !self.state_changed {
            return;
        }
        self.state.told = self.state.told.max(self.state.acknowledged);
        match self.state.save(&mut *self.files) {
            Ok(()) => self.state_changed = false,
            Err(_) => self.faults += 1,
        }
    }
}
