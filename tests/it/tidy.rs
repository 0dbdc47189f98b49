//! Rules about the source itself, as tests: what may depend on what, and which promise has a test.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file that nobody reads at one sitting any more.
const LINES_MAX: usize = 700;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a directory: path from the root, with `/`, and text.
fn sources(below: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut todo: Vec<PathBuf> = vec![root().join(below)];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
            found.push((name, fs::read_to_string(&path).expect("UTF-8")));
        }
    }
    found.sort();
    found
}

/// The code of a file: without comments.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Whether the code uses this path: the word, as the beginning of a path.
fn names(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn the_room_core_names_no_runtime_no_wire_no_store_no_clock_and_no_dice() {
    let banned = [
        "tokio::",
        "tonic::",
        "prost::",
        "prost_types::",
        "sled::",
        "rustls::",
        "rand::",
        "rustix::",
        "std::time::",
        "std::fs::",
        "std::net::",
        "std::thread::",
        "std::env::",
        "SystemTime",
        "Instant::",
        "Uuid::new_v4",
        "uuid::Uuid::new_v4",
        "println!",
        "crate::api",
        "crate::store",
        "crate::engine",
        "crate::service",
        "crate::identity",
    ];
    for (file, text) in sources("src/room") {
        // Tests beside the code may time and print.
        let code = code(text.split("#[cfg(test)]").next().unwrap_or_default());
        for path in banned {
            assert!(!names(&code, path), "{file} names {path}: values in, values out");
        }
    }
}

#[test]
fn only_the_sled_adapter_names_sled() {
    for (file, text) in sources("src") {
        let allowed = file == "src/store/sled.rs" || file.starts_with("src/store/sled/");
        assert!(allowed || !names(&code(&text), "sled::"), "{file} names sled");
    }
}

#[test]
fn only_the_edge_names_tonic_and_generated_types() {
    // The benchmark's ceiling is a gRPC server with nothing behind it.
    let allowed =
        ["src/service", "src/client", "src/api.rs", "src/main.rs", "src/server.rs", "src/bench/ceilings/grpc.rs"];
    for (file, text) in sources("src") {
        let edge = allowed.iter().any(|edge| file.starts_with(edge));
        let code = code(&text);
        for path in ["tonic::", "tonic_types::", "tonic_health::", "tonic_reflection::", "crate::api::v1"] {
            assert!(edge || !names(&code, path), "{file} names {path}; only service/ and client/ do");
        }
    }
}

#[test]
fn every_promise_has_a_test_with_its_name() {
    let everything: String = ["src", "tests"].iter().flat_map(|below| sources(below)).map(|(_, text)| text).collect();
    let missing: Vec<_> =
        (1..=10).map(|n| format!("r{n}_")).filter(|name| !everything.contains(&format!("fn {name}"))).collect();
    assert!(missing.is_empty(), "no test is named after {missing:?}: write one whose name begins so");
}

#[test]
fn every_claim_of_the_threat_model_has_the_test_that_it_names() {
    let everything: String = ["src", "tests"].iter().flat_map(|below| sources(below)).map(|(_, text)| text).collect();
    let text = fs::read_to_string(root().join("SECURITY.md")).expect("SECURITY.md");
    let claims = text.lines().filter(|line| line.starts_with("| Prevented") || line.starts_with("| Detected"));
    let mut tests = 0;
    for claim in claims {
        let shown_by = claim.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        for name in shown_by.split('`').skip(1).step_by(2) {
            let found = match name.strip_suffix("::") {
                Some(module) => everything.contains(&format!("mod {module}")),
                None => everything.contains(&format!("fn {name}")),
            };
            assert!(found, "{name} of SECURITY.md is no test");
            tests += 1;
        }
    }
    assert!(tests > 30, "the claims were read: {tests}");
}

#[test]
fn no_file_is_longer_than_one_can_read() {
    for (file, text) in sources("src") {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{file} has {lines} lines; split it where its module doc needs an `and`");
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let banned = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    let marks = ["FIX", "TO"].into_iter().zip(["ME", "DO"]).map(|(a, b)| format!("{a}{b}"));
    let banned: Vec<_> = banned.into_iter().chain(marks).collect();
    for (file, text) in ["src", "tests"].iter().flat_map(|below| sources(below)) {
        for mark in &banned {
            assert!(!text.contains(mark), "{file} has {mark}");
        }
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    for (file, text) in sources("src") {
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//!") || file == "src/main.rs" || file.ends_with("/tests.rs"),
            "{file} opens without //!"
        );
    }
}
