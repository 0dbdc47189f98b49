//! How fast do files go up and down, next to a plain copy through TLS, and what does a transfer take in memory?
//!
//! One file goes up and comes down again, in turn with the plain copy. Then several go up and come down at once, and the most memory that
//! the server has meanwhile, above what it had before, is shared among them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use crate::bench::Bench;
use crate::bench::ceilings::copy::through_tls;
use crate::bench::failure::BenchError;
use crate::bench::ground::Caps;
use crate::bench::measure::{Better, Measured, bytes, median, number};
use crate::bench::process;
use crate::client::attachments::FileToUpload;
use crate::client::{Client, pb};

/// Of the plain copy.
const RATE_MIN: f64 = 0.60;
/// Bytes of memory that one transfer may take.
const MEMORY_MAX: f64 = 4.0 * MIB;
const MIB: f64 = 1024.0 * 1024.0;
const ROUNDS: usize = 3;
const AT_ONCE: usize = 8;
/// Between two looks at the server's memory.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A file, and what is said of it when it goes up.
struct Sample {
    path: PathBuf,
    size: u64,
    sha256: [u8; 32],
}

pub(crate) async fn run(bench: &Bench<'_>) -> Result<Measured, BenchError> {
    // As long as a load usually takes, at some hundred MiB a second.
    let mib = (bench.options.time().as_secs_f64() * 64.0).clamp(8.0, 512.0) as u64;
    let conditions = format!("a file of {mib} MiB, {ROUNDS} rounds; then {AT_ONCE} of {} MiB at once", mib.div_ceil(4));
    let mut measured = Measured::new("attachments", conditions);
    let whole = sample(&bench.ground.folder().join("sample"), mib).await?;
    let part = sample(&bench.ground.folder().join("sample-part"), mib.div_ceil(4)).await?;
    let mut site = bench.ground.site("attachments", Caps::default()).await?;
    let members = site.members(2).await?;
    let room = site.room(&members).await?;
    let (up, down) = (&members[0].client, &members[1].client);

    let (mut ups, mut downs) = (Vec::new(), Vec::new());
    let mut ceiling = through_tls(bench.ground, &whole.path, whole.size, 1).await?;
    for round in 1..=ROUNDS {
        bench.progress.say(format!("attachments: round {round} of {ROUNDS}"));
        let begun = Instant::now();
        let upload = upload(up, &room, &whole).await?;
        ups.push(whole.size as f64 / MIB / begun.elapsed().as_secs_f64());
        let attachment = post(up, &room, upload).await?;
        shown(down, &room, &attachment).await?;
        let begun = Instant::now();
        download(down, &room, &attachment, &whole, &bench.ground.folder().join("fetched")).await?;
        downs.push(whole.size as f64 / MIB / begun.elapsed().as_secs_f64());
        let copied = through_tls(bench.ground, &whole.path, whole.size, 1).await?;
        ceiling.rate = ceiling.rate.max(copied.rate);
    }
    ceiling.how = format!("{mib} MiB, one connection, synced at the end; the fastest of {}", ROUNDS + 1);
    for (name, rates) in [("upload", &ups), ("download", &downs)] {
        let ratio = median(rates) / ceiling.rate;
        measured.figure(name, median(rates), "MiB/s", Better::Higher);
        measured.figure(&format!("{name}_of_copy"), ratio, "", Better::Higher);
        measured.target(
            format!("{name} ≥ 60 % of a plain copy through TLS"),
            format!("{:.0} % of {} MiB/s", ratio * 100.0, number(ceiling.rate)),
            ratio >= RATE_MIN,
        );
    }

    let mut memory = Vec::new();
    if let Some(pid) = site.pid() {
        bench.progress.say("attachments: many at once");
        let before = process::memory(pid).unwrap_or(0);
        let (uploads, most) = watching(pid, async {
            let uploads = (0..AT_ONCE).map(|_| upload(up, &room, &part));
            futures_util::future::try_join_all(uploads).await
        })
        .await;
        memory.push(most.saturating_sub(before) as f64 / AT_ONCE as f64);
        let mut attachments = Vec::new();
        for upload in uploads? {
            let attachment = post(up, &room, upload).await?;
            shown(down, &room, &attachment).await?;
            attachments.push(attachment);
        }
        let before = process::memory(pid).unwrap_or(0);
        let folder = bench.ground.folder();
        let (downloads, most) = watching(pid, async {
            let targets: Vec<_> = (0..AT_ONCE).map(|n| folder.join(format!("fetched-{n}"))).collect();
            let downloads = attachments.iter().zip(&targets);
            let downloads = downloads.map(|(attachment, target)| download(down, &room, attachment, &part, target));
            futures_util::future::try_join_all(downloads).await.map(drop)
        })
        .await;
        downloads?;
        memory.push(most.saturating_sub(before) as f64 / AT_ONCE as f64);
        for (name, memory) in ["upload_memory", "download_memory"].iter().zip(&memory) {
            measured.figure(name, *memory, "bytes", Better::Lower);
        }
        let most = memory.iter().copied().fold(0.0, f64::max);
        measured.target("memory ≤ 4 MiB for each transfer", bytes(most), most <= MEMORY_MAX);
    }
    measured.headline = format!(
        "up {} MiB/s, down {} MiB/s (a plain copy through TLS: {} MiB/s)",
        number(median(&ups)),
        number(median(&downs)),
        number(ceiling.rate)
    );
    bench.remember(ceiling);
    drop(members);
    site.close().await?;
    Ok(measured)
}

/// A file of bytes that can't be compressed.
async fn sample(path: &Path, mib: u64) -> Result<Sample, BenchError> {
    let to = path.to_owned();
    let made = tokio::task::spawn_blocking(move || -> std::io::Result<Sample> {
        use std::io::Write as _;
        let mut file = std::fs::File::create(&to)?;
        let mut digest = Sha256::new();
        let mut block = vec![0; MIB as usize];
        for _ in 0..mib {
            for bytes in block.chunks_mut(16) {
                bytes.copy_from_slice(Uuid::new_v4().as_bytes());
            }
            digest.update(&block);
            file.write_all(&block)?;
        }
        file.sync_all()?;
        Ok(Sample { path: to, size: mib * MIB as u64, sha256: digest.finalize().into() })
    });
    made.await?.map_err(BenchError::file(path))
}

async fn upload(client: &Client, room_id: &str, sample: &Sample) -> Result<String, BenchError> {
    let upload_id = Uuid::new_v4().to_string();
    let Sample { path, size, sha256 } = sample;
    let file = FileToUpload { room_id, upload_id: &upload_id, path, size: *size, sha256: *sha256 };
    client.upload(&file, |_| {}).await.map_err(BenchError::client("uploading"))?;
    Ok(upload_id)
}

async fn post(client: &Client, room_id: &str, upload_id: String) -> Result<String, BenchError> {
    let material = pb::Material::Logs.into();
    let name = "sample".to_owned();
    let draft = pb::MessageDraft {
        material,
        tlp: pb::Tlp::Amber.into(),
        text: "a sample".into(),
        attachments: vec![pb::AttachmentDraft { upload_id, name, media_type: String::new(), material }],
        ..Default::default()
    };
    let request = pb::PostMessageRequest { room_id: room_id.into(), draft: Some(draft), ..Default::default() };
    let posted = client.post_message(request).await.map_err(BenchError::client("posting"))?;
    posted.attachment_message_ids.into_iter().next().ok_or_else(|| BenchError::Other("no attachment was posted".into()))
}

/// Reads the mailbox until it has the attachment.
async fn shown(client: &Client, room_id: &str, attachment: &str) -> Result<(), BenchError> {
    let mut request = pb::ListMessagesRequest { room_id: room_id.into(), after_index: 0, page_size: 1000 };
    loop {
        let page = client.list_messages(request.clone()).await.map_err(BenchError::client("reading"))?;
        let is_it = |delivery: &pb::Delivery| matches!(&delivery.content, Some(pb::delivery::Content::Message(message)) if message.message_id == attachment);
        if page.deliveries.iter().any(is_it) {
            return Ok(());
        }
        if page.deliveries.is_empty() {
            return Err(BenchError::Other("the attachment was not shown".into()));
        }
        request.after_index += page.deliveries.len() as u64;
    }
}

async fn download(
    client: &Client,
    room_id: &str,
    attachment: &str,
    sample: &Sample,
    target: &Path,
) -> Result<(), BenchError> {
    let mut file = File::create(target).await.map_err(BenchError::file(target))?;
    let mut download = client.download(room_id, attachment, 0, sample.size);
    while let Some(chunk) = download.next().await.map_err(BenchError::client("downloading"))? {
        file.write_all(&chunk).await.map_err(BenchError::file(target))?;
    }
    file.sync_all().await.map_err(BenchError::file(target))?;
    tokio::fs::remove_file(target).await.map_err(BenchError::file(target))
}

/// What comes of a task, and the most memory that the process has meanwhile.
async fn watching<T>(pid: u32, task: impl Future<Output = T>) -> (T, u64) {
    tokio::pin!(task);
    let mut most = 0;
    loop {
        tokio::select! {
            done = &mut task => return (done, most),
            () = tokio::time::sleep(LOOK_EVERY) => most = most.max(process::memory(pid).unwrap_or(0)),
        }
    }
}
