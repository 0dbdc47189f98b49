//! On what ground is measured? Certificates, a server, organisations that are connected to it, and rooms that they are in.
//!
//! A *ground* lasts for a run; each load gets a *site* of its own on it: with `--self-contained` a fresh server on an empty store,
//! else new rooms on the server that runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tempfile::TempDir;

use super::failure::BenchError;
use super::process;
pub(crate) use super::server::Caps;
use super::server::{Server, Setting};
use crate::api::ErrorReason;
use crate::client::{Client, Context, pb};
use crate::identity::issue::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use crate::identity::{Authority, Existing};
use crate::room::ids::{Actor, Timestamp};
use crate::sealing::KeySource;
use crate::server::system_clock;
use crate::store::sled::SledStore;

const TRUST_DOMAIN: &str = "bench.samverkan.example";
const COORDINATOR: &str = "cert-se";
/// The certificates are for this run; an authority that is nearly over still covers them.
const DAYS: u32 = 1;

/// A server that runs already.
#[derive(Debug, Clone)]
pub(crate) struct Elsewhere {
    /// The coordinator, whose calls open rooms and register organisations.
    pub(crate) coordinator: Context,
    /// Its process, if it runs on this machine.
    pub(crate) pid: Option<u32>,
    /// Its store, if that lies on this machine.
    pub(crate) store: Option<PathBuf>,
}

/// What lasts for a run.
pub(crate) struct Ground {
    folder: TempDir,
    authority: Authority,
    elsewhere: Option<Elsewhere>,
}

impl Ground {
    /// With servers of its own, in a folder below `directory` that goes away with the ground.
    pub(crate) fn own(directory: &Path) -> Result<Self, BenchError> {
        let folder = folder(directory)?;
        let domain = TRUST_DOMAIN
            .parse()
            .map_err(|_| BenchError::Other("the trust domain of the benchmark is malformed".into()))?;
        let authority = Authority::create(&domain, "samverkan bench", 2, now())?;
        Self::with(folder, authority, None)
    }

    /// With a server that runs, and the authority that it admits clients of.
    pub(crate) fn elsewhere(directory: &Path, authority: &Path, elsewhere: Elsewhere) -> Result<Self, BenchError> {
        Self::with(folder(directory)?, Authority::load(authority)?, Some(elsewhere))
    }

    fn with(folder: TempDir, authority: Authority, elsewhere: Option<Elsewhere>) -> Result<Self, BenchError> {
        let server = authority.issue_server(&["127.0.0.1".to_owned()], DAYS, now())?;
        server.write(&folder.path().join("server"), Existing::Replace)?;
        Ok(Self { folder, authority, elsewhere })
    }

    /// The folder of the run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn is_own(&self) -> bool {
        self.elsewhere.is_none()
    }

    /// The folder of the benchmark's own server's certificate.
    pub(crate) fn server_certificate(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    pub(crate) fn trust_domain(&self) -> &str {
        self.authority.trust_domain().as_str()
    }

    /// A context for a person of an organisation at an address. Its certificate is made when it is first asked for.
    pub(crate) fn context(&self, organisation: &str, address: &str) -> Result<Context, BenchError> {
        let folder = self.folder.path().join("actors").join(organisation);
        if !folder.join(CERTIFICATE_FILE).exists() {
            let actor: Actor = format!("org/{organisation}/user/anna")
                .parse()
                .map_err(|_| BenchError::Other(format!("{organisation:?} is no organisation's id")))?;
            self.authority.issue_actor(&actor, DAYS, now())?.write(&folder, Existing::Replace)?;
        }
        Ok(Context {
            address: address.into(),
            server_name: None,
            ca: folder.join(AUTHORITY_FILE),
            certificate: folder.join(CERTIFICATE_FILE),
            key: folder.join(KEY_FILE),
            organisation: organisation.into(),
            actor: "user/anna".into(),
        })
    }

    fn serve(&self, store: &Path, caps: Caps) -> Result<Server, BenchError> {
        let key = self.folder.path().join("store.key");
        KeySource::made_if_missing(key.clone()).map_err(BenchError::file(&key))?;
        Server::start(
            self.folder.path(),
            &Setting {
                trust_domain: self.trust_domain(),
                coordinator: COORDINATOR,
                certificate: &self.server_certificate(),
                store,
                key: &key,
                caps,
            },
        )
    }

    /// A site for one load: a fresh server of its own, or the one that runs.
    pub(crate) async fn site(&self, name: &str, caps: Caps) -> Result<Site<'_>, BenchError> {
        let (server, context) = match &self.elsewhere {
            Some(elsewhere) => (None, elsewhere.coordinator.clone()),
            None => {
                let server = self.serve(&self.folder.path().join(format!("store-{name}")), caps)?;
                let context = self.context(COORDINATOR, &server.address())?;
                (Some(server), context)
            }
        };
        let coordinator = Client::connect(&context).await.map_err(BenchError::client("connecting the coordinator"))?;
        Ok(Site { ground: self, server, address: context.address, coordinator, caps, registered: 0 })
    }
}

fn folder(directory: &Path) -> Result<TempDir, BenchError> {
    let directory = std::path::absolute(directory).map_err(BenchError::file(directory))?;
    tempfile::Builder::new().prefix("samverkan-bench-").tempdir_in(&directory).map_err(BenchError::file(&directory))
}

pub(crate) fn now() -> Timestamp {
    system_clock()
}

/// A server and who is connected to it.
pub(crate) struct Site<'a> {
    ground: &'a Ground,
    server: Option<Server>,
    address: String,
    pub(crate) coordinator: Client,
    caps: Caps,
    /// Organisations 1 to this one are registered.
    registered: usize,
}

/// What can be seen of server and load at one moment. `None`: not from this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) at: Instant,
    /// Processor time of the server.
    pub(crate) server_cpu: Option<Duration>,
    /// Processor time of the load itself.
    pub(crate) own_cpu: Option<Duration>,
    /// Bytes of the server.
    pub(crate) memory: Option<u64>,
    /// Commits since the store was made.
    pub(crate) commits: Option<u64>,
    /// Bytes that the store takes.
    pub(crate) disk: Option<u64>,
}

/// One organisation's connection.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Its number, from 1.
    pub(crate) n: usize,
    pub(crate) client: Client,
}

/// Calls that are made at once while a site is laid.
const AT_ONCE: usize = 16;

fn organisation(n: usize) -> String {
    format!("bench-{n:04}")
}

impl Site<'_> {
    async fn register(&mut self, count: usize) -> Result<(), BenchError> {
        let coordinator = &self.coordinator;
        let register = |n| async move {
            let organisation_id = organisation(n);
            let display_name = organisation_id.clone();
            let request = pb::RegisterOrganisationRequest { display_name, organisation_id, ..Default::default() };
            match coordinator.register_organisation(request).await {
                Ok(_) => Ok(()),
                // By an earlier run.
                Err(error) if error.is(ErrorReason::OrganisationExists) => Ok(()),
                Err(source) => Err(BenchError::client("registering an organisation")(source)),
            }
        };
        stream::iter((self.registered + 1..=count).map(register)).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        self.registered = self.registered.max(count);
        Ok(())
    }

    /// With which organisation number `n` connects.
    pub(crate) fn context(&self, n: usize) -> Result<Context, BenchError> {
        self.ground.context(&organisation(n), &self.address)
    }

    /// One more connection of a registered organisation.
    pub(crate) async fn connect(&self, n: usize) -> Result<Client, BenchError> {
        let context = self.context(n)?;
        Client::connect(&context).await.map_err(BenchError::client(format!("connecting {}", organisation(n))))
    }

    /// Connects organisations 1 to `count`, one connection each, and registers them if need be.
    pub(crate) async fn members(&mut self, count: usize) -> Result<Vec<Member>, BenchError> {
        self.register(count).await?;
        let site = &*self;
        let connect = |n| async move { Ok(Member { n, client: site.connect(n).await? }) };
        stream::iter((1..=count).map(connect)).buffered(AT_ONCE).try_collect().await
    }

    /// Opens a room with these members. All share everything directly, with who comes later, too.
    pub(crate) async fn room(&self, members: &[Member]) -> Result<String, BenchError> {
        let request = pb::OpenRoomRequest { title: "A room of the benchmark".into(), ..Default::default() };
        let opened = self.coordinator.open_room(request).await.map_err(BenchError::client("opening a room"))?;
        let room_id = &opened.room_id;
        let join = |member: &Member| {
            let (client, organisation_id) = (member.client.clone(), organisation(member.n));
            async move {
                let request = pb::InviteOrganisationRequest {
                    room_id: room_id.clone(),
                    organisation_id,
                    role: pb::Role::AffectedOrganisation.into(),
                    ..Default::default()
                };
                let invited = self.coordinator.invite_organisation(request).await;
                let invitation_id = invited.map_err(BenchError::client("inviting"))?.invitation_id;
                let request =
                    pb::AcceptInvitationRequest { invitation_id, consent: Some(everything()), ..Default::default() };
                client.accept_invitation(request).await.map_err(BenchError::client("joining"))
            }
        };
        let joined: Vec<_> = members.iter().map(join).collect();
        stream::iter(joined).buffer_unordered(AT_ONCE).try_for_each(|_| std::future::ready(Ok(()))).await?;
        Ok(opened.room_id)
    }

    /// The id of the server's process, if it runs here.
    pub(crate) fn pid(&self) -> Option<u32> {
        match (&self.server, &self.ground.elsewhere) {
            (Some(server), _) => Some(server.pid()),
            (None, Some(elsewhere)) => elsewhere.pid,
            (None, None) => None,
        }
    }

    fn store(&self) -> Option<&Path> {
        match (&self.server, &self.ground.elsewhere) {
            (Some(server), _) => Some(server.store()),
            (None, Some(elsewhere)) => elsewhere.store.as_deref(),
            (None, None) => None,
        }
    }

    pub(crate) fn look(&self) -> Look {
        let (pid, store) = (self.pid(), self.store());
        Look {
            at: Instant::now(),
            server_cpu: pid.and_then(process::cpu),
            own_cpu: process::cpu(std::process::id()),
            memory: pid.and_then(process::memory),
            commits: store.and_then(SledStore::commits_in),
            disk: store.map(process::disk),
        }
    }

    /// Stops the server of this site and starts it again on the same store. How long the start took.
    pub(crate) async fn restart(&mut self) -> Result<Duration, BenchError> {
        let server = self.server.take().ok_or(BenchError::NeedsOwnServer(super::Load::Restart))?;
        let store = server.store().to_owned();
        server.stop().await?;
        let server = self.ground.serve(&store, self.caps)?;
        let started_in = server.started_in;
        let context = self.ground.context(COORDINATOR, &server.address())?;
        self.address = server.address();
        self.server = Some(server);
        self.coordinator =
            Client::connect(&context).await.map_err(BenchError::client("connecting the coordinator again"))?;
        Ok(started_in)
    }

    /// Ends the site's own server, and gives its disk back.
    pub(crate) async fn close(self) -> Result<(), BenchError> {
        let Self { server, coordinator, .. } = self;
        drop(coordinator);
        let Some(server) = server else { return Ok(()) };
        let store = server.store().to_owned();
        server.stop().await?;
        std::fs::remove_dir_all(&store).map_err(BenchError::file(&store))
    }
}

/// A consent that shares everything directly, under the organisation's name.
pub(crate) fn everything() -> pb::ConsentChange {
    use pb::{Answer, Attribution, Audience, ConsentCell, Material, NewcomersAnswer, Sharing};
    let audiences = [Audience::OtherAffectedOrganisations, Audience::ThirdParties];
    let cell = |material: Material, audience: Audience| ConsentCell {
        material: material.into(),
        audience: audience.into(),
        sharing: Sharing::Direct.into(),
    };
    let materials = [Material::Information, Material::Data, Material::Logs];
    pb::ConsentChange {
        cells: materials.iter().flat_map(|m| audiences.iter().map(|a| cell(*m, *a))).collect(),
        newcomers: audiences
            .iter()
            .map(|a| NewcomersAnswer { audience: (*a).into(), answer: Answer::Yes.into() })
            .collect(),
        attribution: Some(Attribution::Named.into()),
        ..Default::default()
    }
}
