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
//! revocation_lists = ["region-a.crl.pem"]
//! key_exchange = "required"
//! [[tls.issuers]]
//! certificate = "region-a-ca.pem"
//! organisations = ["region-a"]
//! [store]
//! directory = "/var/lib/samverkan"
//! key = "store.key"
//! [enrolment]                           # optional: issue certificates to those who were invited
//! listen = "0.0.0.0:7444"
//! address = "broker.example:7444"
//! authority = "ca"
//! [attachments]                         # optional
//! store = "s3://samverkan/attachments"  # a folder of the store, if nothing is said
//! endpoint = "https://s3.example"       # credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment
//! size_max_mib = 1024
//! ```
//!
//! Paths are relative to the file. Everything else has a default; those of `[limits]` stand in [`crate::limits`] with their reasons.
//! Tested below.

mod attachments;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::failure::{Exit, Failure};
use crate::identity::{IssuerFile, KeyExchange, TrustDomain, TrustFiles};
use crate::room::ids::OrganisationId;
use crate::sealing::KeySource;
use crate::server::AttachmentSettings;

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
    /// The server's certificate and key, and whose clients it accepts.
    pub tls: TrustFiles,
    /// The store's folder.
    pub store: PathBuf,
    /// Where the store's key is, and before it perhaps a former one's place; empty: it is not encrypted.
    pub keys: Vec<KeySource>,
    /// MiB of the store's disk that stay free.
    pub reserve_mib: u64,
    /// Serve a store from which acknowledged messages may be missing. Not in the file: it is for one start.
    pub accept_rollback: bool,
    /// How somebody without a certificate gets one; `None`: not here.
    pub enrolment: Option<EnrolmentConfig>,
    /// Attachments: how large, and where they are kept.
    pub attachments: AttachmentSettings,
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
    /// Handshakes under way from one address.
    pub handshakes_per_address: Option<usize>,
    /// Handshakes that may begin in a second from one address.
    pub handshakes_per_address_per_second: Option<usize>,
    /// Connections from one address.
    pub connections_per_address: Option<usize>,
    /// Connections of one certificate.
    pub connections_per_certificate: Option<usize>,
    /// Seconds that a connection may have no request under way.
    pub idle_seconds: Option<usize>,
    /// Open streams of one connection.
    pub streams_per_connection: Option<usize>,
    /// Open streams of one organisation.
    pub streams_per_organisation: Option<usize>,
    /// Open streams of the coordinator.
    pub coordinator_streams: Option<usize>,
    /// Writes of one organisation in one room in a second.
    pub writes_per_second: Option<usize>,
    /// KiB of these writes in a second.
    pub written_kib_per_second: Option<usize>,
    /// Changes of consent that take nothing back, of one organisation in one room in a second.
    pub consents_per_second: Option<usize>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What `store.key` says where nothing is to be encrypted.
const NO_KEY: &str = "none";

/// What is logged when nothing else is said.
pub const LOG_FILTER: &str = "info";
/// MiB of the store's disk that stay free when nothing else is said.
pub const RESERVE_MIB: u64 = 64;

const KEYS: [&str; 39] = [
    "server.listen",
    "identity.trust_domain",
    "identity.coordinator",
    "tls.certificate",
    "tls.key",
    "tls.client_roots",
    "tls.revocation_lists",
    "tls.issuers",
    "tls.key_exchange",
    "store.directory",
    "store.key",
    "store.former_key",
    "store.reserve_mib",
    "enrolment.listen",
    "enrolment.address",
    "enrolment.server",
    "enrolment.authority",
    "enrolment.days",
    "attachments.store",
    "attachments.endpoint",
    "attachments.size_max_mib",
    "limits.connections",
    "limits.connections_per_organisation",
    "limits.coordinator_connections",
    "limits.streams_per_certificate",
    "limits.coordinator_streams_per_certificate",
    "limits.handshakes_per_address",
    "limits.handshakes_per_address_per_second",
    "limits.connections_per_address",
    "limits.connections_per_certificate",
    "limits.idle_seconds",
    "limits.streams_per_connection",
    "limits.streams_per_organisation",
    "limits.coordinator_streams",
    "limits.writes_per_second",
    "limits.written_kib_per_second",
    "limits.consents_per_second",
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
pub(crate) fn read(text: &str, folder: &Path) -> Result<ServerConfig, Vec<String>> {
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
        let revocation_lists = self.texts("tls.revocation_lists").unwrap_or_default();
        let revocation_lists = revocation_lists.into_iter().map(|list| self.folder.join(list)).collect();
        let issuers = self.issuers();
        let key_exchange = self.optional("tls.key_exchange", |text| match text {
            "preferred" => Ok(KeyExchange::Preferred),
            "required" => Ok(KeyExchange::Required),
            _ => Err("must be \"preferred\" or \"required\"".into()),
        });
        let keys = self.keys();
        let reserve_mib = self.number("store.reserve_mib", 1);
        let enrolment = self.enrolment();
        let attachments = self.attachments();
        let limits = Limits {
            connections: self.limit("limits.connections"),
            connections_per_organisation: self.limit("limits.connections_per_organisation"),
            coordinator_connections: self.limit("limits.coordinator_connections"),
            streams_per_certificate: self.limit("limits.streams_per_certificate"),
            coordinator_streams_per_certificate: self.limit("limits.coordinator_streams_per_certificate"),
            handshakes_per_address: self.limit("limits.handshakes_per_address"),
            handshakes_per_address_per_second: self.limit("limits.handshakes_per_address_per_second"),
            connections_per_address: self.limit("limits.connections_per_address"),
            connections_per_certificate: self.limit("limits.connections_per_certificate"),
            idle_seconds: self.limit("limits.idle_seconds"),
            streams_per_connection: self.limit("limits.streams_per_connection"),
            streams_per_organisation: self.limit("limits.streams_per_organisation"),
            coordinator_streams: self.limit("limits.coordinator_streams"),
            writes_per_second: self.limit("limits.writes_per_second"),
            written_kib_per_second: self.limit("limits.written_kib_per_second"),
            consents_per_second: self.limit("limits.consents_per_second"),
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
            tls: TrustFiles {
                certificate: certificate?,
                key: key?,
                client_roots: client_roots?,
                revocation_lists,
                issuers,
                key_exchange: key_exchange.unwrap_or_default(),
            },
            store: store?,
            keys: keys?,
            reserve_mib: reserve_mib.unwrap_or(RESERVE_MIB),
            accept_rollback: false,
            enrolment,
            attachments,
            limits,
            log_format: log_format.unwrap_or(LogFormat::Text),
            log_filter: log_filter.unwrap_or_else(|| LOG_FILTER.into()),
        })
    }

    /// The store's key and the former one, if there is one.
    fn keys(&mut self) -> Option<Vec<KeySource>> {
        // Not a default: a key that nobody keeps is worth nothing on the day.
        if let (None, Some(directory)) = (self.value("store.key"), self.value("store.directory")) {
            let missing = "store.key is missing: name the file that `samverkan keys create FILE` makes, or \"none\" to encrypt nothing";
            self.problem(directory.span().start, missing.to_owned());
            return None;
        }
        let source = |text: &str| text.parse::<KeySource>().map_err(|error| error.to_string());
        let key = self.parsed("store.key", |text| match text {
            NO_KEY => Ok(None),
            text => source(text).map(Some),
        })?;
        let former = self.optional("store.former_key", source);
        let keys = key.into_iter().chain(former).map(|source| match source {
            KeySource::File(path) => KeySource::File(self.folder.join(path)),
            other => other,
        });
        Some(keys.collect())
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

    /// A list of texts, none of them empty.
    fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        self.texts_of(key, value)
    }

    fn texts_of(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
        let text = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::String(text) if !text.is_empty() => Some(text.to_string()),
            _ => None,
        };
        let texts = match value.get_ref() {
            DeValue::Array(values) => values.iter().map(text).collect(),
            _ => None,
        };
        if texts.is_none() {
            self.problem(
                value.span().start,
                format!("{key}: must be a list of texts in quotes, as in [\"one\", \"two\"]"),
            );
        }
        texts
    }

    /// The authorities that organisations are bound to.
    fn issuers(&mut self) -> Vec<IssuerFile> {
        const KEY: &str = "tls.issuers";
        let Some(value) = self.value(KEY) else { return Vec::new() };
        let DeValue::Array(tables) = value.get_ref() else {
            self.problem(value.span().start, format!("{KEY}: write [[{KEY}]] on a line of its own, once for each"));
            return Vec::new();
        };
        tables.iter().filter_map(|table| self.issuer(KEY, table)).collect()
    }

    fn issuer(&mut self, issuers: &str, value: &Spanned<DeValue<'a>>) -> Option<IssuerFile> {
        let at = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            self.problem(at, format!("{issuers}: write [[{issuers}]] on a line of its own, once for each"));
            return None;
        };
        let known = ["certificate", "organisations"];
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let text = key.get_ref();
            self.problem(key.span().start, format!("unknown key {issuers}.{text}{}", suggestion(text, &known)));
        }
        let certificate = match table.get("certificate").map(Spanned::get_ref) {
            Some(DeValue::String(text)) if !text.is_empty() => Some(self.folder.join(text.as_ref())),
            _ => None,
        };
        if certificate.is_none() {
            self.problem(at, format!("{issuers}.certificate: must name the PEM file of an authority"));
        }
        let key = format!("{issuers}.organisations");
        let texts = match table.get("organisations") {
            Some(value) => self.texts_of(&key, value)?,
            None => Vec::new(),
        };
        if texts.is_empty() {
            self.problem(
                at,
                format!("{key}: must list the organisations for whom the authority may speak, at least one"),
            );
        }
        let mut organisations = Vec::with_capacity(texts.len());
        for text in texts {
            match text.parse::<OrganisationId>() {
                Ok(organisation) => organisations.push(organisation),
                Err(error) => self.problem(at, format!("{key}: {text:?} {error}")),
            }
        }
        Some(IssuerFile { certificate: certificate?, organisations })
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
key = "none"
"#;

    fn problems(text: &str) -> Vec<String> {
        read(text, Path::new("/etc/samverkan")).expect_err("refused")
    }

    #[test]
    fn paths_are_relative_to_the_file_and_the_rest_has_defaults() {
        let config = read(GOOD, Path::new("/etc/samverkan")).expect("read");
        assert_eq!(config.tls.certificate, Path::new("/etc/samverkan/server/certificate.pem"));
        assert_eq!(config.tls.key, Path::new("/keys/key.pem"));
        assert_eq!((config.tls.revocation_lists.len(), config.tls.issuers.len()), (0, 0));
        assert_eq!(config.tls.key_exchange, KeyExchange::Preferred);
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
    fn a_key_for_the_store_is_named_or_done_without_in_so_many_words() {
        let keys =
            |lines: &str| read(&GOOD.replace("key = \"none\"", lines), Path::new("/etc")).map(|config| config.keys);
        assert_eq!(keys("key = \"none\""), Ok(vec![]));
        let file = |path: &str| KeySource::File(path.into());
        assert_eq!(
            keys("key = \"new.key\"\nformer_key = \"/keys/old.key\""),
            Ok(vec![file("/etc/new.key"), file("/keys/old.key")])
        );
        assert_eq!(keys("key = \"credential:store\""), Ok(vec![KeySource::Credential("store".into())]));
        assert_eq!(
            keys("key = \"fd:\""),
            Err(vec!["13: store.key: must be a file, credential:NAME or fd:VARIABLE".into()])
        );
        let missing = keys("").expect_err("it must be said");
        assert!(
            missing[0].starts_with("12: store.key is missing: name the file that `samverkan keys create"),
            "{missing:?}"
        );
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
    fn whom_the_server_trusts_is_read() {
        let text = format!(
            "{}\n[[tls.issuers]]\ncertificate = \"their-ca.pem\"\norganisations = [\"region-a\", \"region-b\"]",
            GOOD.replace("[store]", "revocation_lists = [\"a.crl\", \"/b.crl\"]\nkey_exchange = \"required\"\n[store]")
        );
        let tls = read(&text, Path::new("/etc")).expect("read").tls;
        assert_eq!(tls.revocation_lists, [Path::new("/etc/a.crl"), Path::new("/b.crl")]);
        assert_eq!(tls.key_exchange, KeyExchange::Required);
        assert_eq!(tls.issuers[0].certificate, Path::new("/etc/their-ca.pem"));
        let organisations: Vec<_> = tls.issuers[0].organisations.iter().map(OrganisationId::as_str).collect();
        assert_eq!(organisations, ["region-a", "region-b"]);

        for (tail, expected) in [
            ("[[tls.issuers]]\norganisations = [\"a\"]", "14: tls.issuers.certificate: must name"),
            ("[[tls.issuers]]\ncertificate = \"a\"", "14: tls.issuers.organisations: must list"),
            (
                "[[tls.issuers]]\ncertificate = \"a\"\norganisations = [\"A B\"]",
                "14: tls.issuers.organisations: \"A B\"",
            ),
            (
                "[[tls.issuers]]\ncertificate = \"a\"\norganisations = \"a\"",
                "16: tls.issuers.organisations: must be a list",
            ),
            (
                "[[tls.issuers]]\ncertificate = \"a\"\norganisation = [\"a\"]",
                "16: unknown key tls.issuers.organisation, did you",
            ),
        ] {
            let found = problems(&format!("{GOOD}{tail}"));
            assert!(found.iter().any(|problem| problem.starts_with(expected)), "{found:?}");
        }
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
        assert_eq!(found.len(), 8, "{found:?}");
        assert!(problems("[server\nlisten = 1").iter().any(|problem| problem.starts_with("1: ")));
        assert!(problems(&format!("tls = 1\n{}", GOOD.replace("[tls]", "[tls2]"))).len() > 1);
    }
}
