//! `samverkan bench --self-contained`, over the real binary, with loads as small as they get: that it comes to an end, that its JSON
//! has what it says, and that it leaves nothing behind. No figure is asserted: they are this machine's.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Everything small; the loads that fill rooms by the ten thousand are left out.
const SMALL: &str = "post serial fanout catchup subscribers restart disclose mixed --seconds 1 --connections 2 --window 8 \
    --fanout-subscribers 2 --fanout-posters 1 --subscribers 10 --catchup-messages 100 --restart-rooms 2 --restart-messages 20 \
    --disclose-participants 3 --disclose-messages 10";

fn bench(directory: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
    command.arg("bench").args(arguments.split_whitespace()).arg("--directory").arg(directory);
    command.output().expect("the program starts")
}

fn names(list: &Value, key: &str) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|one| one[key].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn every_load_measures_itself_next_to_its_ceilings_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("a folder");
    let output = bench(directory.path(), &format!("--self-contained --output json {SMALL}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    let run: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");

    assert_eq!(
        names(&run["loads"], "load"),
        ["post", "serial", "fanout", "catchup", "subscribers", "restart", "mixed", "disclose"]
    );
    let ceilings = names(&run["ceilings"], "name").join("; ");
    for ceiling in
        ["append + fdatasync, 4 KiB", "append + fdatasync, 1 MiB", "sled alone, batch 1", "without storage, posts"]
    {
        assert!(ceilings.contains(ceiling), "{ceiling}: {ceilings}");
    }
    assert_eq!((run["self_contained"].as_bool(), run["quick"].as_bool()), (Some(true), Some(false)));
    let load = |name: &str| {
        let loads = run["loads"].as_array().expect("a list");
        loads.iter().find(|load| load["load"] == name).expect("measured").clone()
    };
    let post = load("post");
    let figures = names(&post["figures"], "name");
    for figure in [
        "of_sled_alone",
        "rate",
        "server_cpu_per_message",
        "server_memory",
        "commits",
        "batch",
        "disk_per_payload_byte",
    ] {
        assert!(figures.iter().any(|name| name == figure), "{figure}: {figures:?}");
    }
    assert!(post["targets"].as_array().is_some_and(|targets| targets.iter().all(|target| target["met"].is_boolean())));
    for latency in run["loads"].as_array().into_iter().flatten().flat_map(|load| load["latencies"].as_array()).flatten()
    {
        let [p50, p99, p999, max] =
            ["p50_us", "p99_us", "p999_us", "max_us"].map(|key| latency[key].as_f64().expect("a number"));
        assert!(latency["count"].as_u64() > Some(0) && p50 <= p99 && p99 <= p999 && p999 <= max, "{latency}");
    }

    let left: Vec<_> = directory.path().read_dir().expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_run_is_compared_with_an_earlier_one() {
    let directory = tempfile::tempdir().expect("a folder");
    let small = "--self-contained disclose --seconds 1 --disclose-participants 3 --disclose-messages 10";
    let output = bench(directory.path(), &format!("{small} --output json"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let earlier = directory.path().join("earlier.json");
    std::fs::write(&earlier, &output.stdout).expect("written");
    let output = bench(directory.path(), &format!("{small} --compare {}", earlier.display()));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("≤ 1 µs a decision") && text.contains("CHANGE") && text.contains("rate"), "{text}");

    std::fs::write(&earlier, "{}").expect("written");
    let output = bench(directory.path(), &format!("{small} --compare {}", earlier.display()));
    assert_eq!(output.status.code(), Some(2), "what is no result is refused before anything is measured");
}

#[test]
fn a_load_that_stops_the_server_is_refused_on_one_that_is_not_its_own() {
    let directory = tempfile::tempdir().expect("a folder");
    let ca = directory.path().join("ca");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_samverkan"));
        command.env("SAMVERKAN_CONTEXTS", directory.path().join("contexts")).args(arguments);
        command.output().expect("the program starts")
    };
    let folder = ca.to_str().expect("UTF-8");
    let made = run(&["certs", "init", "--directory", folder, "--trust-domain", "bench.example"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let contexts = directory.path().join("contexts");
    std::fs::create_dir_all(&contexts).expect("made");
    let context = "address = \"127.0.0.1:1\"\nca = \"a\"\ncertificate = \"b\"\nkey = \"c\"\norganisation = \"cert-se\"\nactor = \"user/anna\"\n";
    std::fs::write(contexts.join("cert-se.toml"), context).expect("written");
    let refused =
        run(&["bench", "--authority", folder, "--directory", directory.path().to_str().expect("UTF-8"), "restart"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--self-contained"));
}
