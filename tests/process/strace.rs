//! How does a system call fail, or kill, or take long? strace does it to a server that runs or is started by it.
//!
//! It counts the calls of each thread by itself: the n-th call of whichever thread makes that many first.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Wrong;

/// What to do to which calls.
#[derive(Clone, Debug)]
pub(crate) struct Injection {
    /// As strace names them, with commas.
    pub(crate) calls: &'static str,
    /// `error=EIO:when=3`.
    pub(crate) what: String,
}

impl Injection {
    fn arguments(&self) -> [String; 6] {
        let Self { calls, what } = self;
        let [trace, inject] = [format!("trace={calls}"), format!("inject={calls}:{what}")];
        ["-f".into(), "-o/dev/null".into(), "-e".into(), trace, "-e".into(), inject]
    }

    /// What starts a server under it.
    pub(crate) fn launcher(&self) -> Vec<String> {
        // Not with --seccomp-bpf: strace 6.1 then counts no further than to the first call that it kills at.
        ["strace", "-qq"].map(str::to_owned).into_iter().chain(self.arguments()).collect()
    }

    /// Begins to do it to a process that runs.
    pub(crate) fn attach(&self, pid: u32) -> Result<Attached, Wrong> {
        self.attach_for(pid, &[])
    }

    /// The same for calls that concern one file only.
    pub(crate) fn attach_on(&self, pid: u32, file: &Path) -> Result<Attached, Wrong> {
        self.attach_for(pid, &["-P".into(), file.display().to_string()])
    }

    fn attach_for(&self, pid: u32, more: &[String]) -> Result<Attached, Wrong> {
        let mut command = Command::new("strace");
        command.args(self.arguments()).args(more).arg("-p").arg(pid.to_string());
        let mut process =
            command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(|error| format!("strace: {error}"))?;
        let mut lines = BufReader::new(process.stderr.take().ok_or("strace has no standard error")?).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        if !first.contains("attached") {
            let _ = process.kill();
            let _ = process.wait();
            return Err(format!("strace did not attach: {first}"));
        }
        Ok(Attached(process))
    }
}

/// Lets go when dropped.
pub(crate) struct Attached(Child);

impl Drop for Attached {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
