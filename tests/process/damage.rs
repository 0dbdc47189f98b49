//! What if the files are not what they were? Bits flip, files end early, are swapped, lost or old: the server refuses to start, or serves
//! exactly what was acknowledged, or says which room it can't serve. Never silently less.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Wrong;
use crate::ground::{Ground, random, said};
use crate::life::Manner;
use crate::plan::{Plan, Row, copy_folder};
use crate::server::{Launch, Server, Started};
use crate::verify;

/// Exit codes of a store that is damaged or refused, and of one whose keyring names another key.
const REFUSED: [i32; 2] = [65, 64];

/// A store with an earlier copy of itself, where everything is answered.
pub(crate) struct Base {
    pub(crate) ground: Arc<Ground>,
    earlier: PathBuf,
}

impl Base {
    pub(crate) async fn make(plan: &Plan, name: &str) -> Result<Self, Wrong> {
        Self::of(plan, name, plan.ground(name, 0, None).await?).await
    }

    /// One whose store can be read without a key, so that a test can change what it says.
    pub(crate) async fn readable(plan: &Plan, name: &str) -> Result<Self, Wrong> {
        Self::of(plan, name, plan.readable_ground(name).await?).await
    }

    async fn of(plan: &Plan, name: &str, ground: Arc<Ground>) -> Result<Self, Wrong> {
        let earlier = plan.folder(name, 1);
        for is_last in [false, true] {
            let (mut server, life) = plan.lively(&ground, &Launch::default(), Manner::Once).await?;
            let worked = life.acked(if is_last { 300 } else { 1000 }).await;
            server.kill();
            life.end().await?;
            worked?;
            if !is_last {
                copy_folder(&ground.store, &earlier)?;
            }
        }
        let server = Server::start(&ground).await?;
        verify::everything(&ground, server.port()).await?;
        server.stop().await?;
        Ok(Self { ground, earlier })
    }
}

/// The files of a store, in order of their names.
fn files(store: &Path) -> Result<Vec<PathBuf>, Wrong> {
    let entries = said(fs::read_dir(store).and_then(Iterator::collect::<Result<Vec<_>, _>>))?;
    let mut found: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    found.sort();
    Ok(found)
}

/// Mostly the database; each other file sometimes.
fn pick(store: &Path, seed: u64) -> Result<PathBuf, Wrong> {
    let files = files(store)?;
    Ok(if seed % 4 < 2 { store.join("db") } else { files[(seed / 4) as usize % files.len()].clone() })
}

/// Does one thing to a copy after the other. `damage` says what it did.
async fn tried(
    plan: &Plan,
    row: Row,
    name: &str,
    times: u64,
    damage: impl Fn(&Base, &Path, u64) -> Result<String, Wrong>,
) -> Result<Row, Wrong> {
    tried_on(Base::make(plan, name).await?, plan, row, name, times, damage).await
}

async fn tried_on(
    base: Base,
    plan: &Plan,
    mut row: Row,
    name: &str,
    times: u64,
    damage: impl Fn(&Base, &Path, u64) -> Result<String, Wrong>,
) -> Result<Row, Wrong> {
    let (mut refused, mut exact, mut quarantined) = (0, 0, 0);
    while row.times < times {
        let store = plan.folder(name, 2 + row.times);
        copy_folder(&base.ground.store, &store)?;
        let what = damage(&base, &store, random(plan.seed, row.times << 8 | 77))?;
        let ground = base.ground.with_store(&store)?;
        let wrong = |why: Wrong| format!("number {}, {what}: {why}", row.times + 1);
        match Server::try_start(&ground, &Launch::default()).await.map_err(wrong)? {
            Started::Ended(status, _) if status.code().is_some_and(|code| REFUSED.contains(&code)) => refused += 1,
            Started::Ended(status, log) => return Err(wrong(format!("{status}: {log}"))),
            Started::Serves(server) => {
                let found = verify::as_it_stands(&ground, server.port()).await.map_err(wrong)?;
                if found.quarantined > 0 { quarantined += 1 } else { exact += 1 }
            }
        }
        row.times += 1;
        row.checks += 1;
        let _ = fs::remove_dir_all(&store);
    }
    row.outcome = format!("{refused} refused, {exact} served exactly, {quarantined} with a room in quarantine");
    row.has_load = false;
    row.done()
}

/// One bit.
pub(crate) async fn flips(plan: Plan, times: u64) -> Result<Row, Wrong> {
    tried(&plan, Row::new("a bit flipped"), "flips", times, |_, store, seed| {
        let path = pick(store, seed)?;
        let mut bytes = said(fs::read(&path))?;
        if bytes.is_empty() {
            return Ok(format!("{} is empty", path.display()));
        }
        let bit = random(seed, 1) as usize % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        said(fs::write(&path, bytes))?;
        Ok(format!("bit {bit} of {}", path.display()))
    })
    .await
}

/// A file that ends early.
pub(crate) async fn truncations(plan: Plan, times: u64) -> Result<Row, Wrong> {
    tried(&plan, Row::new("a file truncated"), "truncations", times, |_, store, seed| {
        let path = pick(store, seed)?;
        let length = said(fs::metadata(&path))?.len();
        let left = random(seed, 2) % length.max(1);
        said(said(fs::OpenOptions::new().write(true).open(&path))?.set_len(left))?;
        Ok(format!("{} of {length} bytes of {} left", left, path.display()))
    })
    .await
}

/// A file as it was earlier, from another's place, or missing.
pub(crate) async fn swaps(plan: Plan, times: u64) -> Result<Row, Wrong> {
    tried(&plan, Row::new("a file swapped, old or lost"), "swaps", times, |base, store, seed| {
        let of = ["db", "high-water"][(seed % 2) as usize];
        let path = match seed / 2 % 3 {
            0 => pick(store, random(seed, 3))?,
            _ => store.join(of),
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match seed / 6 % 3 {
            0 => {
                said(fs::remove_file(&path))?;
                Ok(format!("{name} lost"))
            }
            1 => {
                let other = pick(store, random(seed, 4))?;
                said(fs::copy(&other, &path))?;
                Ok(format!("{} in the place of {name}", other.display()))
            }
            _ => {
                let old = base.earlier.join(&name);
                if old.exists() {
                    said(fs::copy(old, &path))?;
                } else {
                    said(fs::remove_file(&path))?;
                }
                Ok(format!("{name} as it was earlier"))
            }
        }
    })
    .await
}

/// One letter of a text, below the database's own checksums. Of a store that is not encrypted: else there is no text to alter.
pub(crate) async fn altered(plan: Plan, times: u64) -> Result<Row, Wrong> {
    let (base, row) = (Base::readable(&plan, "altered").await?, Row::new("a stored text altered"));
    let mut row = tried_on(base, &plan, row, "altered", times, |_, store, seed| {
        alter_a_text(store, seed).map(|()| "altered".into())
    })
    .await?;
    if !row.outcome.starts_with("0 refused, 0 served exactly") {
        return Err(format!("a room whose text was altered is served: {}", row.outcome));
    }
    row.outcome = "its room in quarantine".into();
    Ok(row)
}

/// Finds a frame that holds a post's text, changes one letter and mends the frame's checksum: only its digests can tell.
pub(crate) fn alter_a_text(store: &Path, seed: u64) -> Result<(), Wrong> {
    let db = said(sled::Config::new().path(store).open())?;
    let is_text = |bytes: &[u8]| bytes.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte));
    let mut candidates = Vec::new();
    for pair in db.iter() {
        let (key, value) = said(pair)?;
        let Some(end) = value.len().checked_sub(4) else { continue };
        let (body, sum) = value.split_at(end);
        if crc32fast::hash(body).to_be_bytes() == *sum
            && let Some(at) = body.windows(48).position(is_text)
        {
            candidates.push((key, value.to_vec(), at));
        }
    }
    let count = candidates.len();
    if count == 0 {
        return Err("no stored text was found".into());
    }
    let (key, mut value, at) = candidates.swap_remove(seed as usize % count);
    let letter = &mut value[at + 20];
    *letter = if *letter == b'0' { b'1' } else { b'0' };
    let end = value.len() - 4;
    let sum = crc32fast::hash(&value[..end]).to_be_bytes();
    value[end..].copy_from_slice(&sum);
    said(db.insert(key, value))?;
    said(db.flush()).map(drop)
}
