//! What only the store on disk can do: come back, and refuse to come back with less.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::room::event::{Entry, Event};
use crate::store::codec;
use crate::store::conformance::{Fixture, NOW, bytes, conformance, frame, room};
use crate::store::replay::{LoadError, replay};

struct OnDisk {
    dir: tempfile::TempDir,
    store: Arc<SledStore>,
}

fn options() -> SledOptions {
    SledOptions { reserve_mib: 1, cache_mib: 16, accept_rollback: false }
}

fn open(dir: &Path) -> Result<SledStore, OpenError> {
    SledStore::open(dir, options())
}

impl Fixture for OnDisk {
    type Store = SledStore;

    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let store = Arc::new(open(&dir.path().join("store")).expect("a new store"));
        Self { dir, store }
    }

    fn store(&self) -> &Arc<SledStore> {
        &self.store
    }

    fn set_full(&self, full: bool) {
        self.store.tip().reserve_mib = if full { u64::MAX } else { 1 };
    }

    fn break_disk(&self) {
        self.store.sync_fails.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    fn reopen(self) -> Self {
        let blobs = std::fs::read_dir(self.path().join("blobs")).expect("sled makes it").count();
        assert_eq!(blobs, 0, "nothing may lie in sled's blob files, which it never syncs");
        let Self { dir, store } = self;
        drop(Arc::try_unwrap(store).ok().expect("the last user"));
        let store = Arc::new(open(&dir.path().join("store")).expect("the same store"));
        Self { dir, store }
    }
}

impl OnDisk {
    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("store")
    }

    /// Commits some frames, one each.
    fn fill(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.store.commit(&[frame(1, number, 100 + number as usize)], NOW).expect("committed");
        }
    }

    fn close(self) -> tempfile::TempDir {
        drop(Arc::try_unwrap(self.store).ok().expect("the last user"));
        self.dir
    }
}

conformance!(OnDisk);

/// A closed store with ten commits.
fn closed() -> (tempfile::TempDir, std::path::PathBuf) {
    let store = OnDisk::new();
    store.fill(0..10);
    let path = store.path();
    (store.close(), path)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
}

#[track_caller]
fn refused(dir: &Path) -> OpenError {
    match open(dir) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn the_directory_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let store = OnDisk::new();
    assert_eq!(std::fs::metadata(store.path()).expect("there").permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_store_copied_while_it_was_open_is_as_after_a_kill() {
    let store = OnDisk::new();
    store.fill(0..10);
    let killed = store.dir.path().join("killed");
    copy(&store.path(), &killed);
    let reopened = open(&killed).expect("whole");
    assert_eq!(reopened.read(room(1), 0..u64::MAX, usize::MAX).expect("readable").len(), 10);
    assert_eq!(reopened.commits(), 10);
}

#[test]
fn an_older_copy_of_the_database_is_refused_with_both_numbers() {
    let store = OnDisk::new();
    store.fill(0..5);
    let old = store.dir.path().join("old");
    copy(&store.path(), &old);
    store.fill(5..10);
    let path = store.path();
    let dir = store.close();
    std::fs::copy(path.join("high-water"), old.join("high-water")).expect("copied");
    let error = refused(&old);
    assert!(matches!(error, OpenError::Behind { found: 5, high_water: 10, .. }), "{error}");
    assert!(
        matches!(refused(&old), OpenError::Behind { found: 5, high_water: 10, .. }),
        "asking again changes nothing"
    );
    drop(dir);
}

#[test]
fn an_emptied_database_is_refused() {
    let (_dir, path) = closed();
    std::fs::write(path.join("db"), b"").expect("written");
    for entry in std::fs::read_dir(&path).expect("readable") {
        let entry = entry.expect("readable");
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            std::fs::remove_file(entry.path()).expect("removed");
        }
    }
    let error = refused(&path);
    assert!(matches!(error, OpenError::Behind { found: 0, high_water: 10, .. }), "{error}");
}

#[test]
fn another_history_of_the_same_length_is_refused() {
    let store = OnDisk::new();
    store.fill(0..5);
    let other = store.dir.path().join("other");
    copy(&store.path(), &other);
    store.fill(5..10);
    {
        let other = open(&other).expect("whole");
        for number in 5..10 {
            let frame = Frame { digest: [99; 32], ..frame(1, number, 100) };
            other.commit(&[frame], NOW).expect("committed");
        }
    }
    std::fs::copy(store.path().join("high-water"), other.join("high-water")).expect("copied");
    let error = refused(&other);
    assert!(matches!(error, OpenError::Damaged { .. }) && error.to_string().contains("commit 10"), "{error}");
}

#[test]
fn a_high_water_mark_that_lags_is_caught_up() {
    let store = OnDisk::new();
    store.fill(0..5);
    let old_mark = std::fs::read(store.path().join("high-water")).expect("readable");
    store.fill(5..10);
    let path = store.path();
    let _dir = store.close();
    std::fs::write(path.join("high-water"), &old_mark).expect("written");
    drop(open(&path).expect("a lower bound is enough"));
    let mark = high_water::read(&path.join("high-water")).expect("readable").expect("whole");
    assert_eq!(mark.position.commit, 10);
}

#[test]
fn a_store_without_its_high_water_file_is_refused() {
    let (_dir, path) = closed();
    std::fs::remove_file(path.join("high-water")).expect("removed");
    let error = refused(&path);
    assert!(matches!(error, OpenError::Unwitnessed { .. }) && error.to_string().contains("high-water"), "{error}");
}

#[test]
fn a_rollback_is_accepted_only_on_request_and_recorded_for_good() {
    let store = OnDisk::new();
    store.fill(0..5);
    let old = store.dir.path().join("old");
    copy(&store.path(), &old);
    store.fill(5..10);
    let path = store.path();
    let _dir = store.close();
    std::fs::copy(path.join("high-water"), old.join("high-water")).expect("copied");
    let accepting = SledOptions { accept_rollback: true, ..options() };
    let rollbacks = |store: &SledStore| store.rollbacks().expect("readable");

    let opened = SledStore::open(&old, accepting).expect("accepted");
    assert!(matches!(&rollbacks(&opened)[..], [line] if line.ends_with("accepted at commit 5: it once had 10")));
    assert_eq!(opened.commits(), 5);
    drop(opened);
    std::fs::remove_file(old.join("high-water")).expect("removed");
    drop(SledStore::open(&old, accepting).expect("accepted"));
    let opened = open(&old).expect("nothing is left to accept");
    assert_eq!(rollbacks(&opened).len(), 2);
    drop(opened);
    drop(SledStore::open(&old, accepting).expect("opened"));
    assert_eq!(rollbacks(&open(&old).expect("opened")).len(), 2, "what needs no acceptance is not recorded as one");
}

#[test]
fn a_store_without_its_database_is_refused_and_none_is_made() {
    let (_dir, path) = closed();
    std::fs::remove_file(path.join("db")).expect("removed");
    assert!(matches!(refused(&path), OpenError::Damaged { .. }));
    assert!(!path.join("db").exists());
}

#[test]
fn a_leftover_of_a_snapshot_does_not_stop_the_store() {
    let (_dir, path) = closed();
    std::fs::write(path.join("snap.FFFFFFFFFFFFFFFF.generating"), b"half a snap").expect("written");
    let store = open(&path).expect("whole");
    assert_eq!(store.read(room(1), 0..u64::MAX, usize::MAX).expect("readable").len(), 10);
}

#[test]
fn a_newer_store_is_refused_and_not_touched() {
    let (_dir, path) = closed();
    let format = path.join("format");
    let text = std::fs::read_to_string(&format).expect("readable");
    std::fs::write(&format, text.replace("format 1", "format 7") + "added in 7\n").expect("written");
    let before = std::fs::read(path.join("db")).expect("readable");
    let error = refused(&path);
    assert!(matches!(error, OpenError::Newer { found: 7, .. }), "{error}");
    assert!(before == std::fs::read(path.join("db")).expect("readable"));
}

#[test]
fn files_that_are_not_one_store_of_ours_are_refused() {
    let (_dir, path) = closed();
    let text = std::fs::read_to_string(path.join("format")).expect("readable");
    let mut other = text.clone();
    other.replace_range(text.len() - 5..text.len() - 1, "0000");
    for foreign in ["", "somebody else's", &text[..20], &other] {
        std::fs::write(path.join("format"), foreign).expect("written");
        let error = refused(&path);
        assert!(matches!(error, OpenError::Foreign { .. }), "{foreign:?}: {error}");
    }
    std::fs::write(path.join("format"), text).expect("written");
    let (_other_dir, other_path) = closed();
    std::fs::copy(other_path.join("high-water"), path.join("high-water")).expect("copied");
    assert!(matches!(refused(&path), OpenError::Foreign { .. }));
}

#[test]
fn a_directory_with_other_things_in_it_is_left_alone() {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::write(dir.path().join("notes.txt"), b"mine").expect("written");
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::Foreign { .. }) && error.to_string().contains("notes.txt"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).expect("readable").count(), 1);
}

#[test]
fn making_a_store_begins_again_after_an_interruption() {
    let (_dir, path) = closed();
    // As if the power had been cut just before the last step.
    std::fs::rename(path.join("format"), path.join("format.new")).expect("renamed");
    std::fs::write(path.join("db"), b"torn").expect("written");
    std::fs::create_dir(path.join("lost+found")).expect("made");
    let store = open(&path).expect("a new store");
    assert_eq!((store.commits(), store.rooms().expect("readable")), (0, vec![]));
    assert!(!path.join("format.new").exists());
}

#[test]
fn a_store_is_opened_once() {
    let store = OnDisk::new();
    assert!(matches!(refused(&store.path()), OpenError::Locked(_)));
    let path = store.path();
    let _dir = store.close();
    open(&path).expect("free again");
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_that_names_it() {
    let error = refused(Path::new("/proc/samverkan-store"));
    assert!(matches!(error, OpenError::Io { .. }) && error.to_string().contains("/proc/samverkan-store"), "{error}");
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("file");
    std::fs::write(&file, b"").expect("written");
    assert!(matches!(refused(&file.join("store")), OpenError::Io { .. }));
}

#[test]
fn too_little_free_space_is_measured_on_the_disk() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store =
        SledStore::open(dir.path(), SledOptions { reserve_mib: u64::MAX, ..options() }).expect("opens for reading");
    let error = store.commit(&[frame(1, 0, 10)], NOW).expect_err("full");
    assert!(matches!(error, StoreError::Full { free_mib: 1.., reserve_mib: u64::MAX }), "{error}");
}

#[test]
fn a_frame_deleted_behind_our_back_is_noticed_at_open_and_when_read() {
    for (number, part) in [(0, 0), (5, 0), (9, 0), (10, 0), (10, 1), (10, 2)] {
        let store = OnDisk::new();
        store.fill(0..10);
        store.store.commit(&[frame(1, 10, 9000)], NOW).expect("committed");
        store.store.db().remove(FrameKey { room: room(1), number, part }.encode()).expect("removed");
        store.store.db().flush().expect("flushed");
        let error = store.store.read(room(1), 0..u64::MAX, usize::MAX).expect_err("missing");
        assert!(matches!(error, StoreError::Damaged(_)), "{error}");
        let path = store.path();
        let _dir = store.close();
        let error = refused(&path);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    }
}

/// What a damaged copy gives: the frames that it serves, or why it does not.
fn serve(dir: &Path) -> Result<Vec<Bytes>, String> {
    let store = open(dir).map_err(|error| error.to_string())?;
    let mut served = Vec::new();
    for n in [0, 1, 2] {
        let frames = store.read(room(n), 0..u64::MAX, usize::MAX).map_err(|error| error.to_string())?;
        served.extend(frames.into_iter().map(|frame| frame.bytes));
    }
    Ok(served)
}

/// Makes a store of these commits (with a frame of each length for rooms 0, 1 and 2), then opens it once for each of `flips`, which
/// are given the number of bits in use.
fn flip_bits(commits: u64, lengths: [usize; 3], flips: impl Fn(usize) -> Vec<usize>) {
    let store = OnDisk::new();
    let mut expected = vec![Vec::new(); 3];
    for number in 0..commits {
        let frames: Vec<Frame> = (0..).zip(lengths).map(|(n, length)| frame(n, number, length)).collect();
        for (room, frame) in expected.iter_mut().zip(&frames) {
            room.push(bytes(frame.room, number, frame.bytes.len()));
        }
        store.store.commit(&frames, NOW).expect("committed");
    }
    let expected = expected.concat();
    let path = store.path();
    let dir = store.close();
    let db = std::fs::read(path.join("db")).expect("readable");
    let used = db.iter().rposition(|&byte| byte != 0).expect("something was written") + 1;
    let damaged = dir.path().join("damaged");
    let try_with = |db: &[u8]| {
        let _ = std::fs::remove_dir_all(&damaged);
        copy(&path, &damaged);
        std::fs::write(damaged.join("db"), db).expect("written");
        serve(&damaged)
    };
    assert_eq!(try_with(&db).expect("served as it is"), expected);
    let (mut refused, mut equal, mut differs) = (BTreeMap::<String, u32>::new(), 0, 0);
    for bit in flips(used * 8) {
        let mut bad = db.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        match try_with(&bad) {
            Err(why) => {
                let why = why.replace(&*damaged.to_string_lossy(), "");
                *refused.entry(why.chars().filter(|c| !c.is_ascii_digit()).take(90).collect()).or_default() += 1;
            }
            Ok(served) if served == expected => equal += 1,
            Ok(served) => {
                assert_eq!(served.len(), expected.len(), "bit {bit}: a frame is missing");
                differs += 1;
            }
        }
    }
    println!(
        "of {used} bytes: refused {refused:#?}, {equal} without effect, {differs} served, for the codec to notice"
    );
    assert!(!refused.is_empty(), "no flip had an effect: the test flips the wrong bits");
}

#[test]
fn a_flipped_bit_in_the_database_never_loses_a_frame_silently() {
    flip_bits(60, [40, 900, 9000], |used| {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let anywhere = (0..120).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as usize % used
        });
        // And where the headers of the first segment lie.
        anywhere.chain((0..600).step_by(20)).collect()
    });
}

/// Minutes long: runs where `RUN_SLOW_TESTS` is set.
#[test]
fn no_flipped_bit_at_all_loses_a_frame_of_a_small_database_silently() {
    if std::env::var_os("RUN_SLOW_TESTS").is_some() {
        flip_bits(2, [20, 40, 10], |used| (0..used).collect());
    }
}

/// A store whose rooms 1 and 2 each hold three frames of one entry each, encrypted.
fn encrypted() -> OnDisk {
    let mut on_disk = OnDisk::new();
    let keys = [KeyEncryptionKey::random()];
    Arc::get_mut(&mut on_disk.store).expect("the only user").unlock(&keys).expect("an empty store gets its keyring");
    for room in [room(1), room(2)] {
        let mut tip = codec::Tip::start(room);
        for text in ["one", "two", "three"] {
            let entry = Entry {
                seq: tip.next_entry(),
                recorded_at: NOW,
                author: Some("org/region-a/user/bo".parse().expect("an actor")),
                request: None,
                event: Event::TermsChanged { terms: text.repeat(20).into() },
                is_erased: false,
            };
            let vault = on_disk.store.vault();
            let packed = tip.pack(vec![codec::seal(&entry, room, vault, codec::salt)], &[], vault);
            let frames: Vec<Frame> = packed.into_iter().map(|(_, frame)| frame).collect();
            on_disk.store.commit(&frames, NOW).expect("committed");
        }
    }
    on_disk
}

/// What is wrong with a room, if something is.
fn verify(store: &SledStore, room: RoomId) -> Result<codec::Tip, LoadError> {
    replay(store, room, |_, _: codec::Opened<Entry>| Ok(()))
}

#[test]
fn r2_records_that_were_moved_swapped_cut_or_changed_on_the_disk_do_not_open() {
    let key = |n, number| FrameKey { room: room(n), number, part: 0 }.encode();
    let taken = |store: &SledStore, key: [u8; keys::FRAME_KEY_BYTES]| {
        store.db().get(key).expect("read").expect("a frame").to_vec()
    };
    let other = encrypted();
    let mut refused = Vec::new();
    type Change<'a> = &'a dyn Fn(&SledStore) -> Vec<u8>;
    let changes: [(&str, Change<'_>); 7] = [
        ("moved within its room", &|store| taken(store, key(1, 0))),
        ("moved from another room", &|store| taken(store, key(2, 1))),
        ("of another store", &|_| taken(&other.store, key(1, 1))),
        ("cut short", &|store| taken(store, key(1, 1))[..40].to_vec()),
        ("one byte too long", &|store| [taken(store, key(1, 1)), vec![0]].concat()),
        ("one bit changed", &|store| {
            let mut bytes = taken(store, key(1, 1));
            bytes[60] ^= 4;
            bytes
        }),
        ("not encrypted", &|store| {
            let stored = StoredFrame { number: 1, bytes: taken(store, key(1, 1)).into() };
            store.vault().open_frame(room(1), 1, &stored.bytes).expect("opened").to_vec()
        }),
    ];
    for (what, change) in changes {
        let on_disk = encrypted();
        verify(&on_disk.store, room(1)).expect("as it was written");
        let changed = change(&on_disk.store);
        on_disk.store.db().insert(key(1, 1), changed).expect("written");
        let error = verify(&on_disk.store, room(1)).expect_err(what);
        assert!(matches!(&error, LoadError::Damaged(damage) if damage.frame == 1), "{what}: {error}");
        verify(&on_disk.store, room(2)).expect("another room is served");
        refused.push(what);
    }
    assert_eq!(refused.len(), 7, "{refused:?}");
}

#[test]
fn a_snapshot_is_encrypted_and_opens_for_its_own_room_only() {
    let on_disk = encrypted();
    on_disk.store.keep_snapshot(room(1), b"a room's state");
    assert_eq!(on_disk.store.snapshot(room(1)).as_deref(), Some(&b"a room's state"[..]));
    let folder = on_disk.path().join(open::SNAPSHOTS);
    let kept = std::fs::read(folder.join(room(1).to_string())).expect("a file");
    assert!(!kept.windows(4).any(|window| window == b"room"));
    std::fs::write(folder.join(room(2).to_string()), kept).expect("moved");
    assert_eq!(on_disk.store.snapshot(room(2)), None);
}
