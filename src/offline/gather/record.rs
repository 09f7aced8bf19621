//! An observation as bytes in a file that nobody else reads and that is gone with the process.

use std::io::{self, Read, Write};

use model::ledger::{Observation, Say};
use model::name::Region;
use model::time::{Millis, Timestamp};

/// Appends an observation.
pub fn write(to: &mut impl Write, observation: &Observation) -> io::Result<()> {
    let too_long = |_| io::Error::other("a name is too long to be kept");
    let region = observation.region.as_str().as_bytes();
    let id = observation.id.as_bytes();
    to.write_all(&observation.at.ms().to_le_bytes())?;
    to.write_all(&observation.interval.ms().to_le_bytes())?;
    to.write_all(&[observation.say as u8])?;
    to.write_all(&u16::try_from(region.len()).map_err(too_long)?.to_le_bytes())?;
    to.write_all(&u32::try_from(id.len()).map_err(too_long)?.to_le_bytes())?;
    to.write_all(region)?;
    to.write_all(id)
}

/// Reads the next observation; none at the end. `last` is the region of one read before, which is
/// used again where it is the same.
pub fn read(from: &mut impl Read, last: Option<&Region>) -> io::Result<Option<Observation>> {
    let mut at = [0; 8];
    if from.read(at.get_mut(..1).unwrap_or_default())? == 0 {
        return Ok(None);
    }
    from.read_exact(at.get_mut(1..).unwrap_or_default())?;
    let (mut interval, mut say, mut region, mut id) = ([0; 8], [0; 1], [0; 2], [0; 4]);
    from.read_exact(&mut interval)?;
    from.read_exact(&mut say)?;
    from.read_exact(&mut region)?;
    from.read_exact(&mut id)?;
    let region = text(from, usize::from(u16::from_le_bytes(region)))?;
    let region = match last.filter(|last| last.as_str() == region) {
        Some(last) => last.clone(),
        None => Region::new(&region).map_err(io::Error::other)?,
    };
    let length = usize::try_from(u32::from_le_bytes(id)).map_err(io::Error::other)?;
    let say = match say {
        [up] if up == Say::Up as u8 => Say::Up,
        [down] if down == Say::Down as u8 => Say::Down,
        _ => Say::Void,
    };
    Ok(Some(Observation {
        id: text(from, length)?,
        region,
        at: Timestamp::from_ms(i64::from_le_bytes(at)),
        say,
        interval: Millis::from_ms(i64::from_le_bytes(interval)),
    }))
}

fn text(from: &mut impl Read, length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}
