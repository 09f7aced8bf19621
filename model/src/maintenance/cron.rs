//! Cron lines of five fields, read as Vixie cron reads them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use jiff::civil::{Date, Time};

/// The most starts that one day may have; a plan for every minute is a mistake.
pub const STARTS_PER_DAY_MAX: u32 = 96;

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// The most days that the months from January on can have.
const MONTH_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// What one of the five fields may hold.
struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    /// Names of the values from `low` on.
    names: &'static [&'static str],
    example: &'static str,
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", low: 0, high: 59, names: &[], example: "0, */15 or 0,30" },
    Field { name: "hour", low: 0, high: 23, names: &[], example: "2, 1-5 or */6" },
    Field { name: "day of month", low: 1, high: 31, names: &[], example: "*, 1 or 1,15" },
    Field { name: "month", low: 1, high: 12, names: &MONTHS, example: "*, 1-6 or JAN,JUL" },
    Field { name: "day of week", low: 0, high: 7, names: &WEEKDAYS, example: "*, SUN or MON-FRI" },
];

/// A line that was read: one bit for each value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Day of month or day of week begins with `*`: then both must match. Otherwise one is enough.
    both: bool,
}

impl Cron {
    /// Reads five fields: minute, hour, day of month, month, day of week. Each is `*`, a value, a
    /// range, or a list of these, with a step after `*` or a range; months and weekdays have names
    /// of three letters, and 0 and 7 are Sunday. A day matches when its month does and day of month
    /// or day of week do; both, if one of them begins with `*`.
    ///
    /// # Errors
    /// A sentence that names the field and says what would be right.
    pub fn parse(line: &str) -> Result<Self, String> {
        let texts: Vec<&str> = line.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = <[&str; 5]>::try_from(texts.as_slice())
            .map_err(|_| {
                format!(
                    "`{}` has {} {}: write five, minute hour day-of-month month day-of-week, \
                     such as 0 2 * * SUN",
                    line.escape_debug(),
                    texts.len(),
                    if texts.len() == 1 { "field" } else { "fields" }
                )
            })?;
        let both = days.starts_with('*') || weekdays.starts_with('*');
        let [minute, hour, day, month, weekday] = &FIELDS;
        let mut cron = Self {
            minutes: minute.bits(minutes)?,
            hours: hour.bits(hours)?,
            days: day.bits(days)?,
            months: month.bits(months)?,
            weekdays: weekday.bits(weekdays)?,
            both,
        };
        cron.weekdays = (cron.weekdays | cron.weekdays >> 7) & 0x7f;
        cron.happens(line)?;
        Ok(cron)
    }

    /// Whether windows start on `date`.
    pub fn on(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let matches = if self.both { day && weekday } else { day || weekday };
        has(self.months, date.month()) && matches
    }

    /// The times of day at which windows start, rising.
    pub fn times(&self) -> impl Iterator<Item = Time> + '_ {
        let hours = (0_i8..24).filter(|hour| has(self.hours, *hour));
        hours.flat_map(move |hour| {
            let minutes = (0_i8..60).filter(|minute| has(self.minutes, *minute));
            minutes.filter_map(move |minute| Time::new(hour, minute, 0, 0).ok())
        })
    }

    /// Refuses what starts never, or too often to be meant.
    fn happens(&self, line: &str) -> Result<(), String> {
        let starts = self.hours.count_ones() * self.minutes.count_ones();
        if starts > STARTS_PER_DAY_MAX {
            return Err(format!(
                "`{line}` starts {starts} times a day, at most {STARTS_PER_DAY_MAX} are allowed: \
                 write one start and a longer duration"
            ));
        }
        let first = self.days.trailing_zeros();
        let months = (1_u8..).zip(MONTH_DAYS);
        let reachable = months.into_iter().any(|(month, days)| {
            i8::try_from(month).is_ok_and(|month| has(self.months, month)) && first <= days
        });
        // Without `*` the day of week alone makes a day match.
        if self.both && !reachable {
            return Err(format!(
                "`{line}` never starts: no month it names has a day {first}; write a smaller day \
                 of month or another month"
            ));
        }
        Ok(())
    }
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits.checked_shr(value).is_some_and(|bit| bit & 1 == 1))
}

impl Field {
    fn bits(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, item| Ok(bits | self.item(item)?))
    }

    /// One member of a list: `*`, `a`, `a-b`, and a step after `*` or `a-b`.
    fn item(&self, item: &str) -> Result<u64, String> {
        let (range, step) = match item.split_once('/') {
            None => (item, None),
            Some((range, step)) => (range, Some(step)),
        };
        let (low, high) = if range == "*" {
            (self.low, self.high)
        } else if let Some((low, high)) = range.split_once('-') {
            let low = self.value(item, low)?;
            let high = match self.value(item, high)? {
                // `FRI-SUN`: Sunday at the end of a range is the seventh day.
                0 if self.high == 7 && low > 0 => 7,
                high => high,
            };
            (low, high)
        } else {
            let value = self.value(item, range)?;
            if let Some(step) = step {
                let right = format!("a step needs a range: write {value}-{}/{step}", self.high);
                return Err(self.wrong(item, &right));
            }
            (value, value)
        };
        if low > high {
            return Err(self.wrong(item, &format!("a range rises: write {high}-{low}")));
        }
        let step = match step {
            None => 1,
            Some(step) => number(step)
                .filter(|step| (1..=self.high).contains(step))
                .ok_or_else(|| self.wrong(item, &format!("a step is 1 to {}", self.high)))?,
        };
        let values = (low..=high).step_by(usize::try_from(step).unwrap_or(1));
        Ok(values.fold(0, |bits, value| bits | 1 << value))
    }

    fn value(&self, item: &str, text: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        named
            .and_then(|place| u32::try_from(place).ok())
            .map(|place| place + self.low)
            .or_else(|| number(text))
            .filter(|value| (self.low..=self.high).contains(value))
            .ok_or_else(|| {
                let names = match (self.names.first(), self.names.last()) {
                    (Some(first), Some(last)) => format!(" or {first} to {last}"),
                    _ => String::new(),
                };
                let right = format!("values are {} to {}{names}", self.low, self.high);
                self.wrong(item, &right)
            })
    }

    fn wrong(&self, item: &str, right: &str) -> String {
        let item = item.escape_debug().to_string();
        format!("{}: `{item}` is not right: {right}; for example {}", self.name, self.example)
    }
}

/// A number of one or two digits.
fn number(text: &str) -> Option<u32> {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
