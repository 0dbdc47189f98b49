//! Contents without a server: parts that were changed or moved, uploads that are cut, wrong, or forgotten.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::*;
use crate::limits::{CONTENT_PART_BYTES, UPLOAD_KEPT};
use crate::sealing::Vault;
use crate::store::memory::MemoryStore;

const ROOM: RoomId = RoomId::from_bytes([1; 16]);

fn actor(organisation: &str) -> Actor {
    format!("org/{organisation}/user/anna").parse().expect("an actor")
}

fn place(organisation: &str, upload: u8) -> Place {
    Place::of_upload(ROOM, &actor(organisation), UploadId::from_bytes([upload; 16]))
}

fn contents() -> (Arc<MemoryStore>, Arc<Contents>) {
    let store = Arc::new(MemoryStore::new());
    (store.clone(), Arc::new(Contents::new(store, Some(HashSet::new()))))
}

/// Bytes that repeat nowhere within a part.
fn file(bytes: usize) -> Vec<u8> {
    (0..bytes.div_ceil(4)).flat_map(|n| (n as u32).to_be_bytes()).take(bytes).collect()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

async fn objects(contents: &Contents) -> usize {
    contents.objects().list(None).try_collect::<Vec<_>>().await.expect("listed").len()
}

async fn upload(contents: &Arc<Contents>, place: &Place, bytes: &[u8], chunk: usize) -> Result<Content, Failure> {
    let mut upload = Upload::begin(contents, place.clone(), bytes.len() as u64, sha256(bytes)).await?;
    let from = upload.durable() as usize;
    for piece in bytes[from..].chunks(chunk) {
        upload.push(piece).await?;
    }
    upload.finish().await
}

#[test]
fn an_actors_upload_lies_where_no_other_actors_room_or_id_does() {
    let own = place("region-a", 1);
    assert_eq!(own, place("region-a", 1));
    assert_ne!(own.content, place("region-a", 2).content);
    assert_ne!(own.content, place("region-b", 1).content);
    let service: Actor = "org/region-a/service/anna".parse().expect("an actor");
    let upload = UploadId::from_bytes([1; 16]);
    assert_ne!(own.content, Place::of_upload(ROOM, &service, upload).content);
    let elsewhere = RoomId::from_bytes([2; 16]);
    assert_ne!(own.content, Place::of_upload(elsewhere, &actor("region-a"), upload).content);
}

#[test]
fn r2_a_part_that_was_changed_cut_moved_or_swapped_is_refused_in_each_way() {
    for vault in [Vault::random(), Vault::none()] {
        let own = place("region-a", 1);
        let mut bytes = part::room_for(100);
        bytes.extend(file(100));
        let sealed = part::seal(&vault, &own, 3, bytes).expect("sealed");
        let opened = |part: Result<Part, ContentError>| part.map(|part| part.bytes().to_vec());
        let open = |place: &Place, number, sealed: &[u8]| opened(part::open(&vault, place, number, sealed.to_vec()));
        assert_eq!(open(&own, 3, &sealed).expect("opened"), file(100));
        let mut refused = 0;
        let mut refuse = |what: &str, opened: Result<Vec<u8>, ContentError>| {
            assert!(matches!(opened, Err(ContentError::Damaged(_))), "{what}: {opened:?}");
            refused += 1;
        };
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            refuse("a flipped bit", open(&own, 3, &flipped));
        }
        for length in 0..sealed.len() {
            refuse("cut short", open(&own, 3, &sealed[..length]));
        }
        refuse("longer", open(&own, 3, &[&sealed[..], &[0]].concat()));
        refuse("another part of it", open(&own, 2, &sealed));
        refuse("its end", open(&own, END, &sealed));
        refuse("another content", open(&place("region-a", 2), 3, &sealed));
        let elsewhere = Place { room: RoomId::from_bytes([2; 16]), ..own.clone() };
        refuse("another room", open(&elsewhere, 3, &sealed));
        let of_other = Place { source: "region-b".parse().expect("an id"), ..own.clone() };
        if vault.key_id().is_some() {
            refuse("another source", open(&of_other, 3, &sealed));
            refuse("another store", opened(part::open(&Vault::random(), &own, 3, sealed.clone())));
        }
        assert!(refused > sealed.len() * 9);
    }
}

#[tokio::test]
async fn what_was_uploaded_in_pieces_of_any_size_reads_back_part_by_part() {
    let (_, contents) = contents();
    for (n, bytes) in [1, CONTENT_PART_BYTES - 1, CONTENT_PART_BYTES, CONTENT_PART_BYTES + 1, 3 * CONTENT_PART_BYTES]
        .into_iter()
        .enumerate()
    {
        let (own, file) = (place("region-a", n as u8), file(bytes));
        let content = upload(&contents, &own, &file, 100_003).await.expect("complete");
        assert_eq!((content.size, content.sha256), (bytes as u64, sha256(&file)));
        assert_eq!(contents.complete(&own).await, Ok(Some(content)));
        let mut read = Vec::new();
        for (number, part) in file.chunks(CONTENT_PART_BYTES).enumerate() {
            let part = contents.read_part(&own, number as u32, part.len(), Vec::new()).await.expect("checked");
            read.extend_from_slice(part.bytes());
        }
        assert!(read == file, "{bytes} bytes");
        assert!(contents.read_part(&own, 0, bytes + 1, Vec::new()).await.is_err(), "it has another length");
    }
}

#[tokio::test]
async fn an_upload_that_was_cut_goes_on_where_it_was_durable() {
    let (_, contents) = contents();
    let (own, file) = (place("region-a", 1), file(3 * CONTENT_PART_BYTES + 5));
    let mut first = Upload::begin(&contents, own.clone(), file.len() as u64, sha256(&file)).await.expect("begun");
    first.push(&file[..2 * CONTENT_PART_BYTES + 77]).await.expect("taken");
    assert_eq!(contents.complete(&own).await, Ok(None), "half of it is nothing to post");
    drop(first);
    // The part that was being written may come or not: what is durable is whole parts.
    let second = Upload::begin(&contents, own.clone(), file.len() as u64, sha256(&file)).await.expect("begun");
    let durable = second.durable() as usize;
    assert!(
        durable.is_multiple_of(CONTENT_PART_BYTES) && (CONTENT_PART_BYTES..=2 * CONTENT_PART_BYTES).contains(&durable)
    );
    drop(second);
    // A part that the cut has torn is sent again.
    let torn = own.object(0);
    let bytes = contents.objects().get(&torn).await.expect("there").bytes().await.expect("read");
    contents.objects().put(&torn, PutPayload::from(bytes.slice(..1000))).await.expect("torn");
    let third = Upload::begin(&contents, own.clone(), file.len() as u64, sha256(&file)).await.expect("begun");
    assert_eq!(third.durable(), 0);
    drop(third);
    let content = upload(&contents, &own, &file, 65_536).await.expect("complete");
    assert_eq!(contents.complete(&own).await, Ok(Some(content)));
    // And once more, which sends nothing.
    let again = Upload::begin(&contents, own.clone(), file.len() as u64, sha256(&file)).await.expect("begun");
    assert!(again.is_complete());
    drop(again);
    let other = Upload::begin(&contents, own, 1, sha256(b"x")).await.err();
    assert!(matches!(other, Some(Failure::Refused(Refusal::Invalid { field: "start.upload_id", .. }))), "{other:?}");
}

#[tokio::test]
async fn an_upload_that_was_cut_between_its_last_part_and_its_end_is_complete_when_it_is_begun_again() {
    let (_, contents) = contents();
    let (own, file) = (place("region-a", 1), file(CONTENT_PART_BYTES + 1));
    let content = upload(&contents, &own, &file, CONTENT_PART_BYTES).await.expect("complete");
    contents.objects().delete(&own.object(END)).await.expect("deleted");
    assert_eq!(contents.complete(&own).await, Ok(None));
    let again = Upload::begin(&contents, own.clone(), file.len() as u64, sha256(&file)).await.expect("begun");
    assert!(again.is_complete() && again.durable() == file.len() as u64);
    assert_eq!(contents.complete(&own).await, Ok(Some(content)));
}

#[tokio::test]
async fn an_upload_that_is_not_what_was_announced_is_refused_and_leaves_nothing() {
    let (_, contents) = contents();
    let bytes = file(CONTENT_PART_BYTES + 10);
    let size = bytes.len() as u64;
    let begin = |size, digest| Upload::begin(&contents, place("region-a", 1), size, digest);
    let is_invalid = |failure: Failure, of: &str| match failure {
        Failure::Refused(Refusal::Invalid { field, .. }) => assert_eq!(field, of),
        other => panic!("{other:?}"),
    };

    let mut wrong = begin(size, sha256(b"another")).await.expect("begun");
    wrong.push(&bytes).await.expect("taken");
    is_invalid(wrong.finish().await.expect_err("another digest"), "start.sha256");
    assert_eq!(objects(&contents).await, 0);
    drop(wrong);

    let mut longer = begin(size - 1, sha256(&bytes)).await.expect("begun");
    is_invalid(longer.push(&bytes).await.expect_err("longer"), "chunk");
    assert_eq!(objects(&contents).await, 0);
    drop(longer);

    let mut shorter = begin(size + 1, sha256(&bytes)).await.expect("begun");
    shorter.push(&bytes).await.expect("taken");
    is_invalid(shorter.finish().await.expect_err("shorter"), "chunk");
    assert_eq!(objects(&contents).await, 0);
}

#[tokio::test]
async fn whoever_begins_an_upload_anew_takes_it_over() {
    let (_, contents) = contents();
    let (own, file) = (place("region-a", 1), file(10));
    let first = Upload::begin(&contents, own.clone(), 10, sha256(&file)).await.expect("begun");
    let ended = first.taken_over();
    let beginning = tokio::spawn({
        let (contents, own, digest) = (contents.clone(), own.clone(), sha256(&file));
        async move { Upload::begin(&contents, own, 10, digest).await.map(|upload| upload.durable()) }
    });
    ended.cancelled().await;
    assert!(!beginning.is_finished(), "one at a time");
    drop(first);
    assert_eq!(beginning.await.expect("ended"), Ok(0));
}

#[tokio::test]
async fn an_organisation_has_so_many_uploads_waiting_and_no_more() {
    let (_, contents) = contents();
    let digest = sha256(b"x");
    for n in 0..limits::UPLOADS_MAX {
        upload(&contents, &place("region-a", n as u8), b"x", 1).await.expect("complete");
    }
    let more = Upload::begin(&contents, place("region-a", 200), 1, digest).await.err();
    assert!(matches!(more, Some(Failure::Refused(Refusal::LimitReached { .. }))), "{more:?}");
    Upload::begin(&contents, place("region-b", 200), 1, digest).await.expect("others have their own");
    contents.note_posted(place("region-a", 0).content);
    Upload::begin(&contents, place("region-a", 200), 1, digest).await.expect("one was posted");
}

#[tokio::test]
async fn what_was_never_begun_or_was_cut_before_anything_came_is_not_remembered() {
    let (_, contents) = contents();
    for n in 0..=limits::UPLOADS_MAX {
        let own = place("region-a", n as u8);
        assert_eq!(contents.complete(&own).await, Ok(None));
        drop(Upload::begin(&contents, own, 10, sha256(b"never comes")).await.expect("there is room for another"));
    }
    assert_eq!(contents.state().uploads.len(), 0);
    // Of one that holds something, nothing is forgotten.
    let (own, bytes) = (place("region-a", 1), file(CONTENT_PART_BYTES + 1));
    let mut half = Upload::begin(&contents, own.clone(), bytes.len() as u64, sha256(&bytes)).await.expect("begun");
    half.push(&bytes[..CONTENT_PART_BYTES]).await.expect("taken");
    half.settle().await.expect("durable");
    drop(half);
    assert_eq!(contents.complete(&own).await, Ok(None));
    assert_eq!(contents.state().uploads.len(), 1);
}

#[tokio::test]
async fn only_what_nobody_posted_and_nobody_wants_is_collected() {
    let (store, contents) = contents();
    let [posted, forgotten, wanted] = [1, 2, 3].map(|n| place("region-a", n));
    for place in [&posted, &forgotten, &wanted] {
        upload(&contents, place, b"bytes", 5).await.expect("complete");
    }
    let now = SystemTime::now();
    assert_eq!(contents.collect(now, true).await.expect("looked"), 0, "nothing is old");
    // As after a restart: what was begun before is forgotten, but for what is asked for again.
    let contents = Arc::new(Contents::new(store.clone(), Some(HashSet::from([posted.content]))));
    let later = now + UPLOAD_KEPT + Duration::from_secs(60);
    let unknown = Contents::new(store, None);
    assert_eq!(
        unknown.collect(later, true).await.expect("looked"),
        0,
        "a room can't be read: nobody knows what it has"
    );
    let _held = Upload::begin(&contents, wanted.clone(), 5, sha256(b"bytes")).await.expect("begun");
    assert_eq!(contents.collect(later, false).await.expect("looked"), 1);
    assert_eq!(contents.complete(&forgotten).await, Ok(None));
    for kept in [&posted, &wanted] {
        assert!(contents.complete(kept).await.expect("looked").is_some());
    }
}

#[tokio::test]
async fn in_a_folder_what_a_cut_left_goes_and_a_full_disk_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = Storage::in_folder(folder.path().to_owned(), 0).expect("made");
    let path = Path::from("0123/00000000");
    storage.objects.put(&path, PutPayload::from_static(b"bytes")).await.expect("put");
    std::fs::write(folder.path().join("0123/00000001#1"), b"half").expect("written");
    storage.remove_half_written().await.expect("swept");
    assert_eq!(std::fs::read_dir(folder.path().join("0123")).expect("a folder").count(), 1);
    storage.remove("0123").await.expect("removed");
    storage.remove("0123").await.expect("nothing to remove");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let full = Storage::in_folder(folder.path().to_owned(), u64::MAX / (2 << 20)).expect("made");
    assert_eq!(full.check_space(1).await, Err(ContentError::Full));
    assert_eq!(storage.check_space(1).await, Ok(()));
}
