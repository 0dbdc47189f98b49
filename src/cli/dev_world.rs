//! Who is there when things are tried out? An authority, a server, and five organisations, all under one folder that git ignores.
//!
//! What is there and still good is kept, so that contexts in a second terminal go on working. Tested below.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::certs::{context_for, now};
use super::failure::{Exit, Failure};
use crate::client::{Context, Contexts, pb};
use crate::identity::issue::CERTIFICATE_FILE;
use crate::identity::{Authority, CertificateSummary, Existing, Subject, TrustDomain};
use crate::limits;
use crate::room::ids::{Actor, ActorKind, OrganisationId, Timestamp};
use crate::sealing::KeySource;

/// Whose names the certificates carry.
const TRUST_DOMAIN: &str = "dev.samverkan.example";
/// The organisation that coordinates.
pub(crate) const COORDINATOR: &str = "cert-se";
/// A certificate that ends earlier is made anew.
const LEFT_MIN: i64 = 24 * 3600 * 1_000_000;

/// An organisation of the example.
pub(crate) struct Cast {
    pub(crate) id: &'static str,
    pub(crate) display_name: &'static str,
    /// Its part in the seeded incident; the coordinator has the room already.
    pub(crate) role: pb::Role,
    users: &'static [&'static str],
    services: &'static [&'static str],
}

/// All of them, the coordinator first.
pub(crate) const CAST: [Cast; 5] = [
    Cast {
        id: COORDINATOR,
        display_name: "CERT-SE",
        role: pb::Role::Coordinator,
        users: &["anna", "bo"],
        services: &["siem"],
    },
    Cast {
        id: "region-a",
        display_name: "Region A",
        role: pb::Role::AffectedOrganisation,
        users: &["astrid"],
        services: &["siem"],
    },
    Cast {
        id: "region-b",
        display_name: "Region B",
        role: pb::Role::AffectedOrganisation,
        users: &["bengt"],
        services: &[],
    },
    Cast { id: "vendor-x", display_name: "Vendor X", role: pb::Role::ThirdParty, users: &["vera"], services: &[] },
    Cast { id: "police", display_name: "Police", role: pb::Role::Authority, users: &["per"], services: &[] },
];

/// Where everything lies.
pub(crate) struct World {
    /// `certs/dev`.
    pub(crate) certs: PathBuf,
    /// `.dev/store`.
    pub(crate) store: PathBuf,
    pub(crate) trust_domain: TrustDomain,
    pub(crate) coordinator: OrganisationId,
}

impl World {
    /// The world under this folder, as far as it is there.
    pub(crate) fn at(directory: &Path) -> Result<Self, Failure> {
        let impossible = |what: &str| Failure::new(Exit::Failed, format!("the {what} of the example is malformed"));
        Ok(Self {
            certs: directory.join("certs/dev"),
            store: directory.join(".dev/store"),
            trust_domain: TRUST_DOMAIN.parse().map_err(|_| impossible("trust domain"))?,
            coordinator: COORDINATOR.parse().map_err(|_| impossible("coordinator"))?,
        })
    }

    /// Whether anything is there.
    pub(crate) fn exists(&self) -> bool {
        self.certs.exists() || self.store.exists()
    }

    /// Removes all of it.
    pub(crate) fn wipe(&self) -> Result<(), Failure> {
        for folder in [&self.certs, &self.store] {
            match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Failure::io(folder.display(), &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn contexts(&self) -> Contexts {
        Contexts::at(self.certs.join("contexts"))
    }

    /// The folder of the server's certificate.
    pub(crate) fn server(&self) -> PathBuf {
        self.certs.join("server")
    }

    /// The key of the store, made if it is missing.
    pub(crate) fn store_key(&self) -> Result<KeySource, Failure> {
        let path = self.certs.join("store.key");
        KeySource::made_if_missing(path.clone()).map_err(|error| Failure::io(path.display(), &error))
    }

    /// The folder of the authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.certs.join("ca")
    }

    /// Makes what is missing or about to end: authority, certificates. How many were made.
    pub(crate) fn issue(&self, listen: SocketAddr) -> Result<usize, Failure> {
        let folder = self.authority();
        let authority = match folder.join(crate::identity::issue::AUTHORITY_FILE).exists() {
            true => Authority::load(&folder)?,
            false => {
                let authority =
                    Authority::create(&self.trust_domain, "Samverkan dev", limits::AUTHORITY_DAYS_MAX, now())?;
                authority.write(&folder, Existing::Refuse)?;
                authority
            }
        };
        let mut made = 0;
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(ToOwned::to_owned).into();
        let ip = listen.ip().to_string();
        if !listen.ip().is_unspecified() && !names.contains(&ip) {
            names.push(ip);
        }
        let is_server = |subject: &Subject| matches!(subject, Subject::Server { names: known } if names.iter().all(|name| known.contains(name)));
        if !is_good(&self.server(), &authority, is_server) {
            authority.issue_server(&names, limits::LEAF_DAYS_MAX, now())?.write(&self.server(), Existing::Replace)?;
            made += 1;
        }
        for (_, actor) in actors()? {
            let folder = self.folder_of(&actor);
            if !is_good(
                &folder,
                &authority,
                |subject| matches!(subject, Subject::Actor { actor: known, .. } if *known == actor),
            ) {
                authority.issue_actor(&actor, limits::LEAF_DAYS_MAX, now())?.write(&folder, Existing::Replace)?;
                made += 1;
            }
        }
        Ok(made)
    }

    fn folder_of(&self, actor: &Actor) -> PathBuf {
        self.certs.join(actor.organisation.as_str()).join(format!("{}-{}", actor.kind.as_str(), actor.name()))
    }

    /// Writes a context for each actor: that of an organisation's first person has the organisation's name.
    pub(crate) fn write_contexts(&self, address: SocketAddr) -> Result<(), Failure> {
        let contexts = self.contexts();
        for (name, actor) in actors()? {
            let folder = Path::new("..").join(actor.organisation.as_str());
            let folder = folder.join(format!("{}-{}", actor.kind.as_str(), actor.name()));
            context_for(&actor, &reachable(address), &folder).write(&contexts.path(&name)?)?;
        }
        Ok(())
    }

    /// The context of an organisation's first person.
    pub(crate) fn context(&self, organisation: &str) -> Result<Context, Failure> {
        Ok(self.contexts().load(Some(organisation))?.1)
    }
}

/// Where clients on this machine reach a server that listens there.
fn reachable(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => format!("127.0.0.1:{}", v4.port()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => format!("[::1]:{}", v6.port()),
        other => other.to_string(),
    }
}

/// Everybody, with the names of their contexts.
fn actors() -> Result<Vec<(String, Actor)>, Failure> {
    let malformed = |name: &str| Failure::new(Exit::Failed, format!("the name {name} of the example is malformed"));
    let mut all = Vec::new();
    for cast in &CAST {
        let organisation: OrganisationId = cast.id.parse().map_err(|_| malformed(cast.id))?;
        let users = cast.users.iter().map(|name| (ActorKind::User, *name));
        let services = cast.services.iter().map(|name| (ActorKind::Service, *name));
        for (position, (kind, name)) in users.chain(services).enumerate() {
            let actor = Actor::new(organisation.clone(), kind, name).map_err(|_| malformed(name))?;
            let context = if position == 0 { cast.id.to_owned() } else { format!("{}-{name}", cast.id) };
            all.push((context, actor));
        }
    }
    Ok(all)
}

/// Whether the certificate there is what it should be, of this authority, and lasts.
fn is_good(folder: &Path, authority: &Authority, is_right: impl Fn(&Subject) -> bool) -> bool {
    let Ok(pem) = fs::read(folder.join(CERTIFICATE_FILE)) else { return false };
    let Ok(ca) = fs::read_to_string(folder.join(crate::identity::issue::AUTHORITY_FILE)) else { return false };
    let Ok(summary) = CertificateSummary::of_pem(&pem) else { return false };
    let lasts = summary.not_after > Timestamp(now().0 + LEFT_MIN);
    lasts && ca == authority.certificate_pem() && is_right(&summary.subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_certificate_and_a_context_and_keeps_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let world = World::at(folder.path()).expect("a world");
        let listen = "127.0.0.1:7443".parse().expect("an address");
        assert_eq!(world.issue(listen).expect("issued"), 1 + 8);
        assert_eq!(world.issue(listen).expect("issued"), 0, "what is good is kept");
        assert_eq!(world.issue("192.0.2.1:1".parse().expect("an address")).expect("issued"), 1, "the server's alone");
        world.write_contexts(listen).expect("written");
        let names = world.contexts().names().expect("names");
        assert_eq!(
            names,
            ["cert-se", "cert-se-bo", "cert-se-siem", "police", "region-a", "region-a-siem", "region-b", "vendor-x"]
        );
        let context = world.context("region-b").expect("a context");
        assert_eq!((context.organisation.as_str(), context.actor.as_str()), ("region-b", "user/bengt"));
        assert!(context.key.exists() && context.ca.exists() && context.certificate.exists());
        world.wipe().expect("wiped");
        assert!(!world.exists());
    }

    #[test]
    fn a_server_that_listens_everywhere_is_reached_on_loopback() {
        for (listen, address) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("127.0.0.1:3", "127.0.0.1:3")] {
            assert_eq!(reachable(listen.parse().expect("an address")), address);
        }
    }
}
