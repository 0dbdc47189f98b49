//! What does a server's configuration say? Strict TOML: each key is known, each problem is told with its line, all at once.
//!
//! ```toml
//! [server]
//! listen = "0.0.0.0:7443"
//! [identity]
//! trust_domain = "samverkan.cert.example"
//! coordinator = "cert-se"
//! [tls]
//! certificate = "server/certificate.pem"
//! key = "server/key.pem"
//! client_roots = "ca/ca.pem"
//! [store]
//! directory = "/var/lib/samverkan"
//! [enrolment]                           # optional: issue certificates to those who were invited
//! listen = "0.0.0.0:7444"
//! address = "broker.example:7444"
//! authority = "ca"
//! ```
//!
//! Paths are relative to the file. Everything else has a default. Tested below.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::failure::{Exit, Failure};
use crate::identity::TrustDomain;
use crate::room::ids::OrganisationId;

/// The port of the product.
pub const PORT: u16 = 7443;

/// A server's configuration, read and checked. Files are named, not yet opened.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whose names certificates carry.
    pub trust_domain: TrustDomain,
    /// The organisation that coordinates.
    pub coordinator: OrganisationId,
    /// PEM file with the server's certificate.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// PEM file with the authorities of the clients.
    pub client_roots: PathBuf,
    /// The store's folder.
    pub store: PathBuf,
    /// MiB of the store's disk that stay free.
    pub reserve_mib: u64,
    /// Serve a store from which acknowledged messages may be missing. Not in the file: it is for one start.
    pub accept_rollback: bool,
    /// How somebody without a certificate gets one; `None`: not here.
    pub enrolment: Option<EnrolmentConfig>,
    /// Limits that differ from the defaults.
    pub limits: Limits,
    /// How the log is written.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_filter: String,
}

/// The section `[enrolment]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentConfig {
    /// Where to listen for those who have no certificate yet.
    pub listen: SocketAddr,
    /// How they reach that: host and port, as it is printed in invites.
    pub address: String,
    /// How they reach the server itself once they have one. `None`: the same host, the server's port.
    pub server: Option<String>,
    /// Folder of the authority that issues: ca.pem and ca-key.pem.
    pub authority: PathBuf,
    /// Days that certificates last.
    pub days: u32,
}

/// Days that certificates last when nothing else is said: an incident and its aftermath.
pub const ENROLMENT_DAYS: u32 = 90;

/// Limits that the operator may set; `None`: the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub connections: Option<usize>,
    /// Connections of one organisation.
    pub connections_per_organisation: Option<usize>,
    /// Connections of the coordinator.
    pub coordinator_connections: Option<usize>,
    /// Open streams of one certificate.
    pub streams_per_certificate: Option<usize>,
    /// Open streams of one certificate of the coordinator.
    pub coordinator_streams_per_certificate: Option<usize>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged when nothing else is said.
pub const LOG_FILTER: &str = "info";
/// MiB of the store's disk that stay free when nothing else is said.
pub const RESERVE_MIB: u64 = 64;

const KEYS: [&str; 20] = [
    "server.listen",
    "identity.trust_domain",
    "identity.coordinator",
    "tls.certificate",
    "tls.key",
    "tls.client_roots",
    "store.directory",
    "store.reserve_mib",
    "enrolment.listen",
    "enrolment.address",
    "enrolment.server",
    "enrolment.authority",
    "enrolment.days",
    "limits.connections",
    "limits.connections_per_organisation",
    "limits.coordinator_connections",
    "limits.streams_per_certificate",
    "limits.coordinator_streams_per_certificate",
    "log.format",
    "log.filter",
];

/// Reads a configuration file.
pub(crate) fn load(path: &Path) -> Result<ServerConfig, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(Exit::Configuration, format!("{}: {error}", path.display()))
            .hint("`samverkan dev` needs no configuration and starts a server for trying things out")
    })?;
    read(&text, path.parent().unwrap_or(Path::new(""))).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(|problem| format!("{}:{problem}", path.display())).collect();
        let (count, s) = (lines.len(), if lines.len() == 1 { "" } else { "s" });
        Failure::new(Exit::Configuration, format!("{count} problem{s} in the configuration\n{}", lines.join("\n")))
    })
}

/// The configuration in a text, or all problems as `line: what`.
fn read(text: &str, folder: &Path) -> Result<ServerConfig, Vec<String>> {
    let line_of = |at: usize| text.as_bytes()[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1;
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = |error: &toml::de::Error| {
            format!("{}: {}", error.span().map_or(1, |span| line_of(span.start)), error.message())
        };
        return Err(errors.iter().map(problem).collect());
    }
    let mut reader = Reader { root: root.get_ref(), line_of: &line_of, folder, problems: Vec::new() };
    reader.unknown_keys();
    let config = reader.config();
    let mut problems = reader.problems;
    problems.sort();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems.into_iter().map(|(line, problem)| format!("{line}: {problem}")).collect()),
    }
}

struct Reader<'a> {
    root: &'a DeTable<'a>,
    line_of: &'a dyn Fn(usize) -> usize,
    folder: &'a Path,
    problems: Vec<(usize, String)>,
}

impl<'a> Reader<'a> {
    fn config(&mut self) -> Option<ServerConfig> {
        // Each is read before any is missed, so that all problems are told.
        let listen = self.parsed("server.listen", |text| {
            text.parse::<SocketAddr>().map_err(|_| format!("must be an IP address and a port, as in 0.0.0.0:{PORT}"))
        });
        let trust_domain =
            self.parsed("identity.trust_domain", |text| text.parse::<TrustDomain>().map_err(|error| error.to_string()));
        let coordinator = self
            .parsed("identity.coordinator", |text| text.parse::<OrganisationId>().map_err(|error| error.to_string()));
        let [certificate, key, client_roots, store] =
            ["tls.certificate", "tls.key", "tls.client_roots", "store.directory"].map(|key| self.path(key));
        let reserve_mib = self.number("store.reserve_mib", 1);
        let enrolment = self.enrolment();
        let limits = Limits {
            connections: self.limit("limits.connections"),
            connections_per_organisation: self.limit("limits.connections_per_organisation"),
            coordinator_connections: self.limit("limits.coordinator_connections"),
            streams_per_certificate: self.limit("limits.streams_per_certificate"),
            coordinator_streams_per_certificate: self.limit("limits.coordinator_streams_per_certificate"),
        };
        let log_format = self.optional("log.format", |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("must be \"text\" or \"json\"".into()),
        });
        let log_filter = self.optional("log.filter", |text| {
            text.parse::<tracing_subscriber::EnvFilter>()
                .map(|_| text.to_owned())
                .map_err(|_| "must be a filter like info,samverkan=debug".into())
        });
        Some(ServerConfig {
            listen: listen?,
            trust_domain: trust_domain?,
            coordinator: coordinator?,
            certificate: certificate?,
            key: key?,
            client_roots: client_roots?,
            store: store?,
            reserve_mib: reserve_mib.unwrap_or(RESERVE_MIB),
            accept_rollback: false,
            enrolment,
            limits,
            log_format: log_format.unwrap_or(LogFormat::Text),
            log_filter: log_filter.unwrap_or_else(|| LOG_FILTER.into()),
        })
    }

    fn enrolment(&mut self) -> Option<EnrolmentConfig> {
        self.root.get("enrolment")?;
        let host_and_port = |text: &str| {
            let good =
                text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
            if good { Ok(text.to_owned()) } else { Err("must be host and port, as in broker.example:7444".to_owned()) }
        };
        let listen = self.parsed("enrolment.listen", |text| {
            text.parse::<SocketAddr>().map_err(|_| "must be an IP address and a port, as in 0.0.0.0:7444".to_owned())
        });
        let address = self.parsed("enrolment.address", host_and_port);
        let server = self.optional("enrolment.server", host_and_port);
        let authority = self.path("enrolment.authority");
        let days =
            self.number("enrolment.days", 1).map_or(ENROLMENT_DAYS, |days| u32::try_from(days).unwrap_or(u32::MAX));
        if days > crate::limits::LEAF_DAYS_MAX {
            self.problem(0, format!("enrolment.days: must be 1 to {}", crate::limits::LEAF_DAYS_MAX));
        }
        Some(EnrolmentConfig { listen: listen?, address: address?, server, authority: authority?, days })
    }

    fn problem(&mut self, at: usize, problem: String) {
        self.problems.push(((self.line_of)(at), problem));
    }

    fn unknown_keys(&mut self) {
        let root = self.root;
        for (section, value) in root {
            let sections: Vec<_> =
                KEYS.iter().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect();
            let name: &str = section.get_ref();
            if !sections.contains(&name) {
                let at = section.span().start;
                self.problem(at, format!("unknown section [{name}]{}", suggestion(name, &sections)));
                continue;
            }
            let DeValue::Table(table) = value.get_ref() else {
                self.problem(section.span().start, format!("{name} is a section: write [{name}] on a line of its own"));
                continue;
            };
            let known: Vec<_> = KEYS
                .iter()
                .filter_map(|key| key.split_once('.'))
                .filter(|(section, _)| *section == name)
                .map(|(_, key)| key)
                .collect();
            for key in table.keys() {
                let text: &str = key.get_ref();
                if !known.contains(&text) {
                    self.problem(key.span().start, format!("unknown key {name}.{text}{}", suggestion(text, &known)));
                }
            }
        }
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let (section, key) = key.split_once('.')?;
        match self.root.get(section)?.get_ref() {
            DeValue::Table(table) => table.get(key),
            _ => None,
        }
    }

    fn optional<T>(&mut self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let value = self.value(key)?;
        let result = match value.get_ref() {
            DeValue::String(text) => read(text),
            _ => Err("must be a text in quotes".into()),
        };
        result.map_err(|problem| self.problem(value.span().start, format!("{key}: {problem}"))).ok()
    }

    fn parsed<T>(&mut self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        if self.value(key).is_none() {
            self.problem(0, format!("{key} is missing"));
        }
        self.optional(key, read)
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        let folder = self.folder;
        self.parsed(
            key,
            |text| {
                if text.is_empty() { Err("must name a file or folder".into()) } else { Ok(folder.join(text)) }
            },
        )
    }

    fn number(&mut self, key: &str, least: u64) -> Option<u64> {
        let value = self.value(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(digits) => u64::from_str_radix(digits.as_str(), digits.radix()).ok(),
            _ => None,
        };
        let number = number.filter(|number| *number >= least);
        if number.is_none() {
            self.problem(value.span().start, format!("{key}: must be a whole number, {least} or more"));
        }
        number
    }

    fn limit(&mut self, key: &str) -> Option<usize> {
        self.number(key, 1).and_then(|number| usize::try_from(number).ok())
    }
}

fn suggestion(name: &str, known: &[&str]) -> String {
    let best = known.iter().map(|word| (strsim::jaro_winkler(name, word), *word)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((likeness, word)) if likeness > 0.75 => format!(", did you mean {word}?"),
        _ => {
            let mut known = known.to_vec();
            known.dedup();
            format!(", known are {}", known.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[server]
listen = "0.0.0.0:7443"
[identity]
trust_domain = "samverkan.example"
coordinator = "cert-se"
[tls]
certificate = "server/certificate.pem"
key = "/keys/key.pem"
client_roots = "ca.pem"
[store]
directory = "store"
"#;

    fn problems(text: &str) -> Vec<String> {
        read(text, Path::new("/etc/samverkan")).expect_err("refused")
    }

    #[test]
    fn paths_are_relative_to_the_file_and_the_rest_has_defaults() {
        let config = read(GOOD, Path::new("/etc/samverkan")).expect("read");
        assert_eq!(config.certificate, Path::new("/etc/samverkan/server/certificate.pem"));
        assert_eq!(config.key, Path::new("/keys/key.pem"));
        assert_eq!(config.reserve_mib, RESERVE_MIB);
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.log_format, LogFormat::Text);
    }

    #[test]
    fn limits_and_log_are_read() {
        let text = format!(
            "{GOOD}reserve_mib = 1_000\n[limits]\nconnections = 10\n[log]\nformat = \"json\"\nfilter = \"warn\""
        );
        let config = read(&text, Path::new("")).expect("read");
        assert_eq!((config.reserve_mib, config.limits.connections), (1000, Some(10)));
        assert_eq!((config.log_format, config.log_filter.as_str()), (LogFormat::Json, "warn"));
    }

    #[test]
    fn enrolment_is_off_unless_it_is_said_where_and_by_whom() {
        assert_eq!(read(GOOD, Path::new("")).expect("read").enrolment, None);
        let section = "[enrolment]\nlisten = \"0.0.0.0:7444\"\naddress = \"broker.example:7444\"\nauthority = \"ca\"\n";
        let enrolment = read(&format!("{GOOD}{section}"), Path::new("/etc")).expect("read").enrolment.expect("on");
        assert_eq!((enrolment.authority.as_path(), enrolment.days), (Path::new("/etc/ca"), ENROLMENT_DAYS));
        assert_eq!(problems(&format!("{GOOD}{section}days = 400\nserver = \"x\"")).len(), 2);
        assert_eq!(problems(&format!("{GOOD}[enrolment]\n")).len(), 3);
    }

    #[test]
    fn a_misspelt_key_is_told_with_its_line_and_the_right_one() {
        let found = problems(&GOOD.replace("client_roots", "client_root"));
        assert!(
            found.iter().any(|problem| problem == "10: unknown key tls.client_root, did you mean client_roots?"),
            "{found:?}"
        );
        let found = problems(&GOOD.replace("[store]", "[stores]"));
        assert!(
            found.iter().any(|problem| problem == "11: unknown section [stores], did you mean store?"),
            "{found:?}"
        );
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let text = GOOD
            .replace("0.0.0.0:7443", "everywhere")
            .replace("cert-se", "CERT SE")
            .replace("directory = \"store\"", "directory = 7\nreserve_mib = 0\ncolour = true");
        let found = problems(&text);
        assert_eq!(found.len(), 5, "{found:?}");
        for (line, key) in
            [(3, "server.listen"), (6, "identity.coordinator"), (12, "store.directory"), (13, "store.reserve_mib")]
        {
            assert!(found.iter().any(|problem| problem.starts_with(&format!("{line}: {key}"))), "{found:?}");
        }
    }

    #[test]
    fn what_is_missing_and_what_is_no_toml_is_told() {
        let found = problems("");
        assert_eq!(found.len(), 7, "{found:?}");
        assert!(problems("[server\nlisten = 1").iter().any(|problem| problem.starts_with("1: ")));
        assert!(problems(&format!("tls = 1\n{}", GOOD.replace("[tls]", "[tls2]"))).len() > 1);
    }
}
