//! On what ground do the organisations meet? Certificates, the server's process, connections, the room, and the plan of all messages.

use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use samverkan::api::intake_service_client::IntakeServiceClient;
use samverkan::api::message_service_client::MessageServiceClient;
use samverkan::api::organisation_service_client::OrganisationServiceClient;
use samverkan::api::room_service_client::RoomServiceClient;
use samverkan::api::{self as pb};
use samverkan::identity::{Authority, Existing, KeyedCertificate, tls};
use samverkan::room::ids::Timestamp;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use uuid::Uuid;

use crate::Wrong;

const START_TIME_MAX: Duration = Duration::from_secs(60);
const TRUST_DOMAIN: &str = "kill.example";
/// Number 0 of the actors.
const COORDINATOR: &str = "cert-se";

/// One of the organisations: 0 is the coordinator.
pub(crate) type Who = u64;

/// A number that depends on both, and on nothing else. SplitMix64.
pub(crate) fn random(seed: u64, purpose: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(purpose).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Everything that stays the same while servers come and go.
pub(crate) struct Ground {
    program: PathBuf,
    folder: PathBuf,
    store: PathBuf,
    seed: u64,
    organisations: u64,
}

impl Ground {
    /// `folder` is for certificates, journals and the log; `store` for the server alone.
    pub(crate) fn new(
        program: PathBuf,
        folder: &Path,
        store: &Path,
        seed: u64,
        organisations: u64,
    ) -> Result<Self, Wrong> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let (folder, store) = (said(std::path::absolute(folder))?, said(std::path::absolute(store))?);
        Ok(Self { program, folder, store, seed, organisations })
    }

    pub(crate) fn actors(&self) -> impl Iterator<Item = Who> + use<> {
        0..=self.organisations
    }

    pub(crate) fn organisation(who: Who) -> String {
        if who == 0 { COORDINATOR.into() } else { format!("region-{who}") }
    }

    pub(crate) fn has_store(&self) -> bool {
        self.store.exists()
    }

    pub(crate) fn journal(&self, name: &str, who: Who) -> PathBuf {
        self.folder.join(format!("{name}-{who}.journal"))
    }

    pub(crate) fn room(&self) -> Result<String, Wrong> {
        said(fs::read_to_string(self.folder.join("room")))
    }

    /// Forgets an earlier store's journals and makes certificates.
    pub(crate) fn start_afresh(&self) -> Result<(), Wrong> {
        for who in self.actors() {
            for name in ["posts", "reads"] {
                let _ = fs::remove_file(self.journal(name, who));
            }
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp(i64::try_from(since.as_micros()).unwrap_or(0));
        let domain = said(TRUST_DOMAIN.parse())?;
        let authority = said(Authority::create(&domain, "kill rounds", 10, now))?;
        let server = said(authority.issue_server(&["127.0.0.1".into()], 2, now))?;
        said(server.write(&self.folder.join("server"), Existing::Replace))?;
        for who in self.actors() {
            let actor = said(format!("org/{}/user/anna", Self::organisation(who)).parse())?;
            let issued = said(authority.issue_actor(&actor, 2, now))?;
            said(issued.write(&self.folder.join(who.to_string()), Existing::Replace))?;
        }
        Ok(())
    }

    /// Opens a room with everybody in it. All share their logs directly, newcomers included, and nothing else.
    pub(crate) async fn set_up(&self, port: u16) -> Result<(), Wrong> {
        use pb::{Attribution, Audience, ConsentCell, ConsentChange, Material, NewcomersAnswer, Role, Sharing};
        let audience = Audience::OtherAffectedOrganisations as i32;
        let consent = ConsentChange {
            cells: vec![ConsentCell { material: Material::Logs as i32, audience, sharing: Sharing::Direct as i32 }],
            newcomers: vec![NewcomersAnswer { audience, answer: pb::Answer::Yes as i32 }],
            attribution: Some(Attribution::Pseudonym as i32),
            ..ConsentChange::default()
        };
        let request_id = || Uuid::new_v4().to_string();
        let coordinator = self.connect(port, 0).await?;
        for who in 1..=self.organisations {
            let organisation_id = Self::organisation(who);
            let request = pb::RegisterOrganisationRequest {
                request_id: request_id(),
                display_name: organisation_id.clone(),
                organisation_id,
            };
            said(OrganisationServiceClient::new(coordinator.clone()).register_organisation(request).await)?;
        }
        let report = pb::IntakeReport {
            what_occurred: "The power fails.".into(),
            sharing_consent: Some(consent.clone()),
            ..pb::IntakeReport::default()
        };
        let request = pb::ReportIncidentRequest { request_id: request_id(), report: Some(report) };
        let opened = said(IntakeServiceClient::new(self.connect(port, 1).await?).report_incident(request).await)?;
        let room_id = opened.into_inner().room_id;
        for who in 2..=self.organisations {
            let request = pb::InviteOrganisationRequest {
                request_id: request_id(),
                room_id: room_id.clone(),
                organisation_id: Self::organisation(who),
                role: Role::AffectedOrganisation as i32,
            };
            let invited = said(RoomServiceClient::new(coordinator.clone()).invite_organisation(request).await)?;
            let request = pb::AcceptInvitationRequest {
                request_id: request_id(),
                invitation_id: invited.into_inner().invitation_id,
                consent: Some(consent.clone()),
            };
            said(RoomServiceClient::new(self.connect(port, who).await?).accept_invitation(request).await)?;
        }
        said(fs::write(self.folder.join("room"), room_id))
    }

    /// A connection of its own for one actor.
    pub(crate) async fn connect(&self, port: u16, who: Who) -> Result<Channel, Wrong> {
        let folder = self.folder.join(who.to_string());
        let own = said(KeyedCertificate::load(&folder.join("certificate.pem"), &folder.join("key.pem")))?;
        let roots = said(tls::load_authorities(&folder.join("ca.pem")))?;
        let config = said(tls::client_config(&own, roots))?;
        let name = said(ServerName::try_from("127.0.0.1"))?;
        let connector = tower::service_fn(move |_: Uri| {
            let (config, name) = (config.clone(), name.clone());
            async move {
                let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
                tcp.set_nodelay(true)?;
                TlsConnector::from(config).connect(name, tcp).await.map(TokioIo::new)
            }
        });
        let uri: Uri = said(format!("https://127.0.0.1:{port}").parse())?;
        Endpoint::from(uri).connect_with_connector(connector).await.map_err(|error| format!("connecting: {error:?}"))
    }

    pub(crate) fn messages(channel: Channel) -> MessageServiceClient<Channel> {
        MessageServiceClient::new(channel)
    }

    /// Request id of an actor's n-th message, as the draft below a function of seed, actor and number: a retry is equal.
    pub(crate) fn request_id(&self, who: Who, number: u64) -> String {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&Sha256::digest(format!("{}/{who}/{number}", self.seed))[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// An actor's n-th message. Mostly logs, which others receive, mostly short.
    pub(crate) fn draft(&self, who: Who, number: u64) -> pb::MessageDraft {
        let seed = random(self.seed, who << 48 | number);
        let length = match seed % 100 {
            0 => 60_000,
            1..10 => 6_000,
            _ => seed / 100 % 1_500,
        };
        let filler: String = (0..length / 16).map(|i| format!("{:016x}", random(seed, i))).collect();
        let material =
            if Self::is_shared(self.seed, who, number) { pb::Material::Logs } else { pb::Material::Information };
        pb::MessageDraft {
            material: material as i32,
            tlp: pb::Tlp::AmberStrict as i32,
            text: format!("{who} {number} {filler}"),
            ..pb::MessageDraft::default()
        }
    }

    /// Whether `reader` may see this message: its own, all as the coordinator, the coordinator's, and others' logs.
    pub(crate) fn may_see(&self, reader: Who, who: Who, number: u64) -> bool {
        reader == who || reader == 0 || who == 0 || Self::is_shared(self.seed, who, number)
    }

    fn is_shared(seed: u64, who: Who, number: u64) -> bool {
        !random(seed ^ 1, who << 48 | number).is_multiple_of(8)
    }
}

/// The server's process. Killed when dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts it on the ground's store, and returns once it answers.
    pub(crate) async fn start(ground: &Ground) -> Result<Self, Wrong> {
        let port = said(said(TcpListener::bind("127.0.0.1:0"))?.local_addr())?.port();
        let path = ground.folder.join("server.toml");
        // The formatting of a string by Rust is a TOML string for any path without control characters.
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n[identity]\ntrust_domain = {TRUST_DOMAIN:?}\ncoordinator = {COORDINATOR:?}\n\
             [tls]\ncertificate = \"server/certificate.pem\"\nkey = \"server/key.pem\"\nclient_roots = \"server/ca.pem\"\n\
             [store]\ndirectory = {:?}\nreserve_mib = 16\n[log]\nfilter = \"warn\"\n",
            ground.store
        );
        said(fs::write(&path, config))?;
        let log_path = ground.folder.join("server.log");
        let log: File = said(OpenOptions::new().create(true).append(true).open(&log_path))?;
        let mut command = Command::new(&ground.program);
        command.arg("serve").arg("--config").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().map_err(|error| format!("{}: {error}", ground.program.display()))?;
        let mut server = Self { process, port };
        let begun = Instant::now();
        loop {
            if let Some(status) = said(server.process.try_wait())? {
                let log = fs::read_to_string(&log_path).unwrap_or_default();
                let tail: Vec<_> = log.lines().rev().take(5).collect();
                let tail: Vec<_> = tail.into_iter().rev().collect();
                return Err(format!("the server did not start, {status}: {}", tail.join(" / ")));
            }
            match ground.connect(port, 0).await {
                Ok(_) => return Ok(server),
                Err(why) if begun.elapsed() > START_TIME_MAX => {
                    return Err(format!("the server does not answer for {START_TIME_MAX:?}: {why}"));
                }
                // There is nothing to wait for but that it answers.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An error in words.
pub(crate) fn said<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, Wrong> {
    result.map_err(|error| error.to_string())
}
