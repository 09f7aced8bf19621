//! The token of the agent within `up`: made once, kept in its folder, made anew when it is worthless.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use collector::token::{self, Grant};
use model::time::Timestamp;

use crate::exit::Failure;
use crate::secrets;

/// The id in a token: what stands between the first two underscores.
fn id(token: &str) -> Option<&str> {
    token.split('_').nth(1)
}

/// The token in `file` if the store in `data` still grants the same by it; otherwise a new one, which
/// replaces it there.
pub fn get(data: &Path, file: &Path, grant: &Grant, now: Timestamp) -> Result<String, Failure> {
    let what = "cannot give the agent within its token";
    let kept = secrets::read(&file.to_string_lossy()).ok();
    if let Some(kept) = kept {
        let listed = token::list(data).context(what)?;
        let own = listed.iter().find(|one| one.revoked.is_none() && id(&kept) == Some(&one.id));
        match own {
            Some(own) if own.grant == *grant => return Ok(kept),
            Some(own) => {
                // It speaks for another region from now on: the old grant would be in its way.
                token::revoke(data, &own.id, now).context(what)?;
            }
            None => {}
        }
    }
    let made = token::add(data, grant, now).context(what)?;
    write(file, &made).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(made)
}

/// Replaces the file as a whole, readable by its owner alone.
fn write(file: &Path, token: &str) -> std::io::Result<()> {
    let partial = file.with_extension("new");
    let mut to =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&partial)?;
    to.write_all(token.as_bytes())?;
    to.sync_all()?;
    std::fs::rename(&partial, file)
}

#[cfg(test)]
mod tests {
    use model::name::{AgentName, Region};

    use super::*;

    #[test]
    fn the_token_is_kept_until_it_is_revoked_or_the_region_changes() {
        let data = tempfile::tempdir().unwrap();
        let file = data.path().join("token");
        let grant = |region: &str| Grant::Agent {
            agent: AgentName::new("local").unwrap(),
            region: Region::new(region).unwrap(),
        };
        let now = Timestamp::from_ms(1);
        let get = |grant: &Grant| get(data.path(), &file, grant, now).unwrap();
        let valid = || {
            let listed = token::list(data.path()).unwrap();
            listed.into_iter().filter(|one| one.revoked.is_none()).count()
        };

        let first = get(&grant("local"));
        assert_eq!(get(&grant("local")), first, "kept over a restart");
        token::revoke(data.path(), id(&first).unwrap(), now).unwrap();
        let second = get(&grant("local"));
        assert_ne!(second, first, "a revoked one is replaced");
        let third = get(&grant("eu"));
        assert_ne!(third, second, "another region is another grant");
        assert_eq!(valid(), 1, "the one for the old region is worthless");
        std::fs::write(&file, "nonsense").unwrap();
        assert_ne!(get(&grant("eu")), third, "a damaged file is replaced");
    }
}
