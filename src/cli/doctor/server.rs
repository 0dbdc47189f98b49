//! A server's own machine. Nothing is changed but one file that is written, synced and removed to see how fast the disk is.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::super::certs::{moment, now};
use super::super::config::{self, ServerConfig};
use super::super::inspect::{self, Found};
use super::{Check, certificate, key_permissions, validity};
use crate::identity::ListFile;
use crate::limits;
use crate::room::ids::Timestamp;
use crate::sealing::{self, KeyEncryptionKey, KeySource, KeySourceError};

/// Appends of 4 KiB that are timed.
const SYNCS: usize = 16;

/// A sync that makes every post wait noticeably.
const SLOW_SYNC: Duration = Duration::from_millis(20);

/// Descriptors besides those of connections: files of the store, listeners, standard streams, some to spare.
const OTHER_DESCRIPTORS: u64 = 256;

/// All checks, until the configuration itself can't be read.
pub(super) fn server_checks(path: &Path) -> Vec<Check> {
    let config = match config::load(path) {
        Ok(config) => config,
        Err(failure) => {
            return vec![Check::fail(
                "configuration",
                failure.message,
                "mend the lines that are named, then try again",
            )];
        }
    };
    let mut checks = vec![Check::ok("configuration", format!("{} can be read", path.display()))];
    certificates(&config, &mut checks);
    checks.push(space(&config));
    checks.push(sync_time(&config.store));
    checks.push(descriptors(&config));
    let (check, keys) = store_key(&config.keys);
    checks.push(check);
    if let Some(keys) = keys {
        checks.extend(erasures(&config.store, &keys));
        checks.extend(store(&config.store, &keys));
    }
    checks
}

fn certificates(config: &ServerConfig, checks: &mut Vec<Check>) {
    checks.push(key_permissions(&config.tls.key));
    let renew = "samverkan certs server makes a new one; the running server takes it up by itself";
    match config.tls.load(&config.trust_domain, now()) {
        Ok(trusted) => {
            let (authorities, with_list) = trusted.counts();
            let found = format!("agree; authorities: {authorities}, with a revocation list: {with_list}");
            checks.push(Check::ok("tls files", found));
            checks.extend(lists(trusted.lists(), now()));
        }
        Err(error) => {
            checks.push(Check::fail("tls files", error.to_string(), "the configuration's [tls] names them"));
        }
    }
    checks.push(match certificate(&config.tls.certificate) {
        Ok(summary) => validity("server certificate", &summary, now(), renew),
        Err(problem) => Check::fail("server certificate", problem, renew),
    });
    checks.push(match certificate(&config.tls.client_roots) {
        Ok(summary) => {
            validity("client authority", &summary, now(), "plan a new authority: everybody needs a new certificate")
        }
        Err(problem) => Check::fail("client authority", problem, "tls.client_roots names it"),
    });
}

/// Revocation lists end by themselves, and with them all certificates of their authorities.
fn lists(lists: &[ListFile], now: Timestamp) -> Option<Check> {
    const NAME: &str = "revocation lists";
    let first = lists.iter().min_by_key(|list| list.until)?;
    let found = format!("the first to end is {}, at {}", first.path.display(), moment(first.until));
    Some(if first.is_near_its_end(now) {
        let remedy =
            "put the authority's newest list there before: else every certificate of that authority is refused";
        Check::warn(NAME, found, remedy)
    } else {
        Check::ok(NAME, found)
    })
}

fn space(config: &ServerConfig) -> Check {
    const NAME: &str = "disk space";
    match rustix::fs::statvfs(&config.store) {
        Ok(found) => {
            let free_mib = found.f_bavail * found.f_frsize / (1024 * 1024);
            let text = format!("{free_mib} MiB free, {} MiB are kept in reserve", config.reserve_mib);
            if free_mib < config.reserve_mib {
                Check::fail(NAME, text, "make room on the store's disk: until then every write is refused (STORE_FULL)")
            } else if free_mib < config.reserve_mib.saturating_mul(8) {
                Check::warn(NAME, text, "make room on the store's disk before it is in reserve")
            } else {
                Check::ok(NAME, text)
            }
        }
        Err(error) => {
            let found = format!("{}: {error}", config.store.display());
            Check::warn(NAME, found, "the folder is made when the server starts; `store.directory` names it")
        }
    }
}

fn sync_time(store: &Path) -> Check {
    const NAME: &str = "fsync";
    let path = store.join(format!(".doctor-{}", Uuid::new_v4()));
    let timed = (|| {
        let mut file = File::options().create_new(true).append(true).open(&path)?;
        let mut times = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let began = Instant::now();
            file.write_all(&[0x5a; 4096])?;
            file.sync_data()?;
            times.push(began.elapsed());
        }
        std::io::Result::Ok(times)
    })();
    let _ = std::fs::remove_file(&path);
    match timed {
        Ok(mut times) => {
            times.sort();
            let (median, max) = (times[SYNCS / 2], times[SYNCS - 1]);
            let found = format!("4 KiB appended and synced in {median:.2?} (median of {SYNCS}), longest {max:.2?}");
            if median > SLOW_SYNC {
                Check::warn(
                    NAME,
                    found,
                    "every post waits for this; a disk of its own, or one with a capacitor, is faster",
                )
            } else {
                Check::ok(NAME, found)
            }
        }
        Err(error) => {
            let found = format!("{}: {error}", store.display());
            Check::fail(NAME, found, "the server's user must be able to write there; `store.directory` names it")
        }
    }
}

fn descriptors(config: &ServerConfig) -> Check {
    const NAME: &str = "file descriptors";
    let connections = config.limits.connections.unwrap_or(limits::CONNECTIONS_MAX) as u64;
    let wanted = connections + limits::HANDSHAKES_PENDING_MAX as u64 + OTHER_DESCRIPTORS;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < wanted => {
            let found = format!("{limit} here, {wanted} wanted for {connections} connections");
            let mend =
                format!("LimitNOFILE={wanted} in the server's unit, or `ulimit -n {wanted}` before it is started");
            Check::warn(NAME, found, mend)
        }
        Some(limit) => Check::ok(NAME, format!("{limit} here, {wanted} wanted")),
        None => Check::ok(NAME, "without a limit here"),
    }
}

/// The key of the store, and those before it. `None`: the store can't be looked at without.
fn store_key(sources: &[KeySource]) -> (Check, Option<Vec<KeyEncryptionKey>>) {
    const NAME: &str = "store key";
    match KeySource::load_all(sources) {
        Ok(keys) => match keys.first() {
            Some(key) => {
                let found = format!("{} from {}", key.id(), sources[0]);
                (Check::ok(NAME, found), Some(keys))
            }
            None => {
                let remedy = "a new store can have a key: `samverkan keys create FILE`, and name it as store.key";
                (Check::warn(NAME, "what is stored is not encrypted: store.key is \"none\"", remedy), Some(keys))
            }
        },
        // It is there for the service alone.
        Err(error @ KeySourceError::Environment(_)) => {
            let remedy = "run this as the service does to have key and store checked";
            (Check::warn(NAME, error.to_string(), remedy), None)
        }
        Err(error) => {
            let remedy =
                "store.key must name the key that the store was made with; put the copy that you kept in its place";
            (Check::fail(NAME, error.to_string(), remedy), None)
        }
    }
}

/// Whether what was erased is gone for good.
fn erasures(path: &Path, keys: &[KeyEncryptionKey]) -> Option<Check> {
    let key = sealing::erasures_wait_for(path, keys)?;
    let found = format!("not final: copies of the keyring from before open with the store's key {key}");
    Some(Check::warn("erasures", found, sealing::FINISH_ERASURES))
}

/// The store, on a copy; and the clock against what it remembers.
fn store(path: &Path, keys: &[KeyEncryptionKey]) -> Vec<Check> {
    const NAME: &str = "store";
    let found = match inspect::verify(path, keys) {
        Ok(found) => found,
        Err(failure) if failure.message.contains("is in use") => {
            let remedy = "to verify every digest, stop the server and run this again";
            return vec![Check::warn(NAME, "the server is running: digests and clock were not checked", remedy)];
        }
        Err(failure) => {
            let remedy = failure.hint.unwrap_or_else(|| "restore a backup; keep the store as it is".to_owned());
            return vec![Check::fail(NAME, failure.message, remedy)];
        }
    };
    let Found { logs, damaged, clock_floor, .. } = found;
    let check = match damaged.first() {
        None => Check::ok(NAME, format!("every digest verified; logs: {logs}")),
        Some(first) => {
            let found = format!("{} of {logs} logs do not verify: {first}", damaged.len());
            Check::fail(
                NAME,
                found,
                "keep the store as it is and restore a backup; `samverkan inspect chain` shows where",
            )
        }
    };
    let behind = Duration::from_micros(u64::try_from(clock_floor.0 - now().0).unwrap_or(0));
    let clock = if behind > Duration::from_secs(1) {
        let found = format!("{} s behind the last time in the store", behind.as_secs());
        Check::fail("clock", found, "set this machine's clock: `timedatectl set-ntp true`")
    } else {
        Check::ok("clock", "not behind the last time in the store")
    };
    vec![check, clock]
}
