//! Compiles the .proto files with protox, so that a machine needs no protoc: the public API with clients and servers and a
//! descriptor set for reflection, and what is stored as plain messages. Marks the code whose snapshots may be read.

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use protox::prost::Message;

const ROOT: &str = "proto";
const API: &str = "proto/samverkan/v1";
const STORAGE: &str = "proto/samverkan/storage/v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    println!("cargo:rerun-if-changed=build.rs");
    fold_code()?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR for build scripts")?);

    let mut api = protox::compile(protos(API)?, [ROOT])?;
    tonic_prost_build::configure()
        .bytes(".")
        // These hold what organisations tell each other in confidence. `src/api.rs` says how they print: without it.
        .skip_debug([
            ".samverkan.v1.Attachment",
            ".samverkan.v1.AttachmentDraft",
            ".samverkan.v1.EnrolRequest",
            ".samverkan.v1.IntakeReport",
            ".samverkan.v1.IntroductionAccepted",
            ".samverkan.v1.IntroductionAnswered",
            ".samverkan.v1.Introduced.Side",
            ".samverkan.v1.Message",
            ".samverkan.v1.MessageDraft",
            ".samverkan.v1.RelayDraft",
        ])
        .emit_rerun_if_changed(false)
        .compile_fds(api.clone())?;
    for file in &mut api.file {
        file.source_code_info = None;
    }
    fs::write(out.join("samverkan.v1.descriptors"), api.encode_to_vec())?;

    let storage = protos(STORAGE)?;
    if !storage.is_empty() {
        prost_build::Config::new().bytes(["."]).compile_fds(protox::compile(storage, [ROOT])?)?;
    }
    Ok(())
}

/// Marks the code that adds a log up, the libraries and the compiler: `src/engine/snapshot.rs` reads no snapshot of another.
fn fold_code() -> Result<(), Box<dyn Error>> {
    let mut hasher = DefaultHasher::new();
    let mut files = vec![PathBuf::from("Cargo.lock"), PathBuf::from("src/engine/snapshot.rs")];
    files.extend(sources(Path::new("src/room"))?);
    for file in files {
        println!("cargo:rerun-if-changed={}", file.display());
        (&file, fs::read(&file)?).hash(&mut hasher);
    }
    println!("cargo:rerun-if-changed=src/room");
    let rustc = env::var_os("RUSTC").ok_or("cargo sets RUSTC for build scripts")?;
    Command::new(rustc).arg("-vV").output()?.stdout.hash(&mut hasher);
    (env::var_os("TARGET"), env::var_os("CARGO_FEATURE_DANGER")).hash(&mut hasher);
    println!("cargo:rustc-env=SAMVERKAN_FOLD_CODE={:016x}", hasher.finish());
    Ok(())
}

/// The files of a folder and of those in it, in the order of their paths.
fn sources(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The .proto files of a package, in the order of their names.
fn protos(directory: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let directory = Path::new(directory);
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
