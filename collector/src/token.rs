//! Tokens of agents, people and programs. The store keeps their hashes alone.
//!
//! `wp{a|t}_{id}_{secret}`: `a` an agent, `t` a person or program; 8 base62 characters name the
//! token in lists, 43 carry 256 random bits. Bits, not a slow hash, make guessing hopeless.

use std::fmt::Write as _;
use std::path::Path;

use model::name::{AgentName, Region};
use model::time::{Millis, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};
use sha2::{Digest, Sha256};

use crate::handle::{Caller, Role};
use crate::store::{self, Doing, Error};

/// Characters of a token's id.
const ID_CHARS: usize = 8;
/// Characters that carry 32 random bytes.
const SECRET_CHARS: usize = 43;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The longest name of a person or program, bytes.
const NAME_BYTES_MAX: usize = 64;
/// The most tokens that are not revoked.
const TOKENS_MAX: i64 = 100_000;
const MINUTE: i64 = 60_000;
const COLUMNS: &str = "id, name, region, role, created_ms, revoked_ms, last_used_ms";

/// Whom a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// An agent of a region.
    Agent {
        /// Its name.
        agent: AgentName,
        /// Where it runs.
        region: Region,
    },
    /// A person or program.
    Person {
        /// Shown in timelines; 1 to 64 bytes without control characters.
        name: String,
        /// What it may do.
        role: Role,
    },
}

/// A token as it is listed: everything but the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Names the token.
    pub id: String,
    /// Whom it is for.
    pub grant: Grant,
    /// When it was made.
    pub created: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// When it was last used, to the minute; written with some delay.
    pub last_used: Option<Timestamp>,
}

impl From<Grant> for Caller {
    fn from(grant: Grant) -> Self {
        match grant {
            Grant::Agent { agent, region } => Self::Agent { agent, region },
            Grant::Person { name, role } => Self::Person { name, role },
        }
    }
}

const ROLES: [(Role, &str); 3] =
    [(Role::Viewer, "viewer"), (Role::Responder, "responder"), (Role::Admin, "admin")];

impl Role {
    /// The word for it.
    pub fn word(self) -> &'static str {
        ROLES.iter().find(|(role, _)| *role == self).map_or("viewer", |(_, word)| word)
    }

    /// The role with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        ROLES.iter().find(|(_, other)| *other == word).map(|(role, _)| *role)
    }
}

/// A number in base 62: the last `chars` digits of `bytes`, read as one large number.
fn base62(bytes: &[u8], chars: usize) -> String {
    let mut number = bytes.to_vec();
    let mut digits = Vec::with_capacity(chars);
    for _ in 0..chars {
        let mut rest = 0_usize;
        for byte in &mut number {
            let part = rest * 256 + usize::from(*byte);
            *byte = u8::try_from(part / 62).unwrap_or(u8::MAX);
            rest = part % 62;
        }
        digits.push(char::from(DIGITS.get(rest).copied().unwrap_or(b'0')));
    }
    digits.iter().rev().collect()
}

fn hash(token: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(token.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Compares in a time that does not depend on where the difference is.
fn same(one: &str, other: &str) -> bool {
    let differ = one.bytes().zip(other.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differ) == 0
}

/// Makes a token; the returned text is the only copy of its secret. Works beside a running collector.
///
/// # Errors
/// The store cannot be opened or written, the name cannot stand in a list, or the agent has a token
/// for another region.
pub fn add(data: &Path, grant: &Grant, now: Timestamp) -> Result<String, Error> {
    insert(&store::connect(data)?, grant, now)
}

/// [`add`] on a connection that is open.
pub(crate) fn insert(db: &Connection, grant: &Grant, now: Timestamp) -> Result<String, Error> {
    let (letter, name, region, role) = match grant {
        Grant::Agent { agent, region } => ('a', agent.as_str(), Some(region.as_str()), None),
        Grant::Person { name, role } => ('t', name.as_str(), None, Some(role.word())),
    };
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return Err(Error::Other(format!(
            "`{}` cannot name a token: use 1 to {NAME_BYTES_MAX} bytes without control characters",
            name.escape_debug()
        )));
    }
    let (count, elsewhere): (i64, Option<String>) = db
        .query_row(
            "SELECT count(*), max(CASE WHEN name = ?1 AND region <> ?2 THEN region END) \
             FROM token WHERE revoked_ms IS NULL",
            (name, region),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .doing("read the tokens")?;
    if let Some(elsewhere) = elsewhere {
        return Err(Error::Other(format!(
            "agent {name} has a token for region {elsewhere}: revoke that first or choose another name"
        )));
    }
    if count >= TOKENS_MAX {
        return Err(Error::Other(format!("there are {TOKENS_MAX} tokens: revoke some first")));
    }
    let id = base62(&rand::random::<[u8; 32]>(), ID_CHARS);
    let token = format!("wp{letter}_{id}_{}", base62(&rand::random::<[u8; 32]>(), SECRET_CHARS));
    db.execute(
        "INSERT INTO token(id, name, region, role, hash, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (&id, name, region, role, hash(&token), now.ms()),
    )
    .doing("write the token")?;
    Ok(token)
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let broken = |column: usize, why: String| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, why.into())
    };
    let name: String = row.get(1)?;
    let grant = match row.get::<_, Option<String>>(2)? {
        Some(region) => Grant::Agent {
            agent: AgentName::new(&name).map_err(|why| broken(1, why))?,
            region: Region::new(&region).map_err(|why| broken(2, why))?,
        },
        None => {
            let word: String = row.get(3)?;
            let role = Role::from_word(&word).ok_or_else(|| broken(3, format!("role {word}")))?;
            Grant::Person { name, role }
        }
    };
    let at = |column| row.get::<_, Option<i64>>(column).map(|ms| ms.map(Timestamp::from_ms));
    Ok(Listed {
        id: row.get(0)?,
        grant,
        created: Timestamp::from_ms(row.get(4)?),
        revoked: at(5)?,
        last_used: at(6)?,
    })
}

/// Every token that was ever made, oldest first.
///
/// # Errors
/// There is no store, or it cannot be read.
pub fn list(data: &Path) -> Result<Vec<Listed>, Error> {
    let db = store::connect_reading(data)?;
    let mut find = db
        .prepare(&format!("SELECT {COLUMNS} FROM token ORDER BY created_ms, id"))
        .doing("read the tokens")?;
    find.query_map([], listed).and_then(Iterator::collect).doing("read the tokens")
}

/// Revokes the token of this id, or every token of this name; returns how many. From the next
/// request on they are nobody's.
///
/// # Errors
/// No valid token has this id or name, or the store cannot be written.
pub fn revoke(data: &Path, id_or_name: &str, now: Timestamp) -> Result<usize, Error> {
    // Only a store that exists: revoking must not make one.
    drop(store::connect_reading(data)?);
    let revoked = store::connect(data)?
        .execute(
            "UPDATE token SET revoked_ms = ?2 WHERE revoked_ms IS NULL AND \
             (id = ?1 OR (name = ?1 AND NOT EXISTS(SELECT 1 FROM token WHERE id = ?1)))",
            (id_or_name, now.ms()),
        )
        .doing("revoke the token")?;
    if revoked == 0 {
        return Err(Error::Other(format!("no valid token has the id or name `{id_or_name}`")));
    }
    Ok(revoked)
}

/// The id in a token, if it has the form of one.
fn id_of(token: &str) -> Option<&str> {
    let rest = token.strip_prefix("wpa_").or_else(|| token.strip_prefix("wpt_"))?;
    let (id, secret) = rest.split_once('_')?;
    let base62 = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let whole = id.len() == ID_CHARS && secret.len() == SECRET_CHARS;
    (whole && base62(id) && base62(secret)).then_some(id)
}

/// Who holds a token: read anew each time, so that a revoked one is refused at once.
pub(crate) fn holder(db: &Connection, token: &str) -> Result<Option<(String, Caller)>, Error> {
    let Some(id) = id_of(token) else { return Ok(None) };
    let found = db
        .prepare_cached(&format!("SELECT {COLUMNS}, hash FROM token WHERE id = ?1"))
        .and_then(|mut find| {
            find.query_row([id], |row| Ok((listed(row)?, row.get::<_, String>(7)?))).optional()
        })
        .doing("read a token")?;
    let good =
        found.filter(|(listed, stored)| same(stored, &hash(token)) && listed.revoked.is_none());
    Ok(good.map(|(listed, _)| (listed.id, listed.grant.into())))
}

/// The minute of an instant: how exactly the use of a token is kept.
pub(crate) fn minute(now: Timestamp) -> Timestamp {
    now - Millis::from_ms(now.ms().rem_euclid(MINUTE))
}

/// Writes when a token was last used.
pub(crate) fn used(db: &Connection, id: &str, minute: Timestamp) -> Result<(), Error> {
    db.prepare_cached("UPDATE token SET last_used_ms = ?2 WHERE id = ?1")
        .and_then(|mut put| put.execute((id, minute.ms())))
        .doing("write a token's use")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str, region: &str) -> Grant {
        let (agent, region) = (AgentName::new(name).unwrap(), Region::new(region).unwrap());
        Grant::Agent { agent, region }
    }

    #[test]
    fn a_token_is_its_holders_until_it_is_revoked() {
        let data = tempfile::tempdir().unwrap();
        let now = Timestamp::from_ms(90_500);
        let grants =
            [agent("eu-1", "eu"), Grant::Person { name: "ann é".into(), role: Role::Responder }];
        for grant in grants {
            let token = add(data.path(), &grant, now).unwrap();
            let letter = if matches!(grant, Grant::Agent { .. }) { "wpa_" } else { "wpt_" };
            assert!(token.starts_with(letter) && token.len() == 4 + 8 + 1 + 43, "{token}");
            let db = store::connect(data.path()).unwrap();
            let (id, caller) = holder(&db, &token).unwrap().unwrap();
            assert_eq!(caller, Caller::from(grant.clone()));
            used(&db, &id, minute(now)).unwrap();
            let last = list(data.path()).unwrap().into_iter().find(|one| one.id == id).unwrap();
            assert_eq!((last.grant, last.created), (grant, now));
            assert_eq!(last.last_used, Some(Timestamp::from_ms(60_000)));

            let mut other = token.clone();
            let end = if other.pop() == Some('x') { 'y' } else { 'x' };
            other.push(end);
            for wrong in [&other, "", "wpt_", "wpt__", "wpx_aaaaaaaa_b", &token[..token.len() - 1]]
            {
                assert_eq!(holder(&db, wrong).unwrap(), None, "{wrong}");
            }
            assert_eq!(revoke(data.path(), &id, now).unwrap(), 1);
            assert_eq!(holder(&db, &token).unwrap(), None);
            assert!(revoke(data.path(), &id, now).is_err());
        }
        let stored = std::fs::read(data.path().join(store::FILE)).unwrap();
        assert!(!String::from_utf8_lossy(&stored).contains("wpt_"), "a secret is stored");
    }

    #[test]
    fn tokens_are_revoked_by_name_and_an_agent_has_one_region() {
        let data = tempfile::tempdir().unwrap();
        let now = Timestamp::from_ms(0);
        assert!(list(data.path()).is_err() && revoke(data.path(), "x", now).is_err());
        for _ in 0..2 {
            add(data.path(), &agent("eu-1", "eu"), now).unwrap();
        }
        let refused = add(data.path(), &agent("eu-1", "us"), now).unwrap_err().to_string();
        assert!(refused.contains("has a token for region eu"), "{refused}");
        assert_eq!(revoke(data.path(), "eu-1", now).unwrap(), 2);
        add(data.path(), &agent("eu-1", "us"), now).unwrap();
        for name in ["", "a\nb"] {
            let grant = Grant::Person { name: name.into(), role: Role::Admin };
            assert!(add(data.path(), &grant, now).is_err(), "{name:?}");
        }
    }

    #[test]
    fn base_62_carries_every_bit() {
        assert_eq!(base62(&[0], 3), "000");
        assert_eq!(base62(&[61], 2), "0z");
        assert_eq!(base62(&[1, 0], 2), "48");
        assert_ne!(base62(&[255; 32], 43).chars().next(), Some('0'));
        assert_eq!(base62(&[255; 32], 44).chars().next(), Some('0'));
    }
}
