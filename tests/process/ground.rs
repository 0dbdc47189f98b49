//! On what ground do the organisations meet? Certificates, connections, rooms, and the plan of all messages.
//!
//! Somebody in a room is a *seat*: number modulo organisations is the organisation (0: the coordinator), the rest the room.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
use crate::journal::Stamps;

pub(crate) const TRUST_DOMAIN: &str = "torture.example";
/// Organisation number 0.
pub(crate) const COORDINATOR: &str = "cert-se";
/// What a stream holds on its way to a reader, so that little of what is withdrawn can be under way.
pub(crate) const WINDOW_BYTES: u32 = 64 * 1024;

/// A connection that takes longer is none.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(20);

/// One seat.
pub(crate) type Who = u64;

/// A number that depends on both, and on nothing else. SplitMix64.
pub(crate) fn random(seed: u64, purpose: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(purpose).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Who meets where.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Without the coordinator.
    pub(crate) organisations: u64,
    pub(crate) rooms: u64,
}

/// Everything that stays the same while servers come and go.
pub(crate) struct Ground {
    pub(crate) program: PathBuf,
    /// For certificates, journals and the log.
    pub(crate) folder: PathBuf,
    /// For the server alone.
    pub(crate) store: PathBuf,
    pub(crate) seed: u64,
    pub(crate) stamps: Stamps,
    pub(crate) size: Size,
    /// Whether what is stored is encrypted.
    pub(crate) encrypts: bool,
    /// Whether some post files, too.
    pub(crate) attaches: bool,
}

impl Ground {
    pub(crate) fn new(program: &Path, folder: &Path, store: &Path, seed: u64, size: Size) -> Result<Self, Wrong> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let (folder, store) = (said(std::path::absolute(folder))?, said(std::path::absolute(store))?);
        let (program, stamps) = (program.to_owned(), Stamps::default());
        Ok(Self { program, folder, store, seed, stamps, size, encrypts: true, attaches: true })
    }

    /// The same organisations, journals and certificates, with another store.
    pub(crate) fn with_store(&self, store: &Path) -> Result<Self, Wrong> {
        let other = Self::new(&self.program, &self.folder, store, self.seed, self.size)?;
        Ok(Self { encrypts: self.encrypts, attaches: self.attaches, ..other })
    }

    pub(crate) fn seats(&self) -> impl Iterator<Item = Who> + use<> {
        0..(self.size.organisations + 1) * self.size.rooms
    }

    /// The seats of one room; the first is the coordinator's.
    pub(crate) fn seats_of(&self, room: u64) -> impl Iterator<Item = Who> + use<> {
        let all = self.size.organisations + 1;
        room * all..(room + 1) * all
    }

    fn organisation_of(&self, who: Who) -> u64 {
        who % (self.size.organisations + 1)
    }

    pub(crate) fn is_coordinator(&self, who: Who) -> bool {
        self.organisation_of(who) == 0
    }

    fn organisation(number: u64) -> String {
        if number == 0 { COORDINATOR.into() } else { format!("region-{number}") }
    }

    /// The seat's organisation and room, for people.
    pub(crate) fn name(&self, who: Who) -> String {
        let all = self.size.organisations + 1;
        format!("{} in room {}", Self::organisation(who % all), who / all)
    }

    pub(crate) fn organisation_id(&self, who: Who) -> String {
        Self::organisation(self.organisation_of(who))
    }

    pub(crate) fn has_store(&self) -> bool {
        self.store.exists()
    }

    pub(crate) fn journal(&self, name: &str, who: Who) -> PathBuf {
        self.folder.join(format!("{name}-{who}.journal"))
    }

    /// The id of the room where a seat is.
    pub(crate) fn room(&self, who: Who) -> Result<String, Wrong> {
        let rooms = said(fs::read_to_string(self.folder.join("rooms")))?;
        let number = usize::try_from(who / (self.size.organisations + 1)).unwrap_or(usize::MAX);
        rooms.lines().nth(number).map(str::to_owned).ok_or_else(|| "the file of rooms is too short".into())
    }

    /// Forgets an earlier store's journals and makes certificates.
    pub(crate) fn start_afresh(&self) -> Result<(), Wrong> {
        for who in self.seats() {
            for name in ["posts", "reads", "acts", "files"] {
                let _ = fs::remove_file(self.journal(name, who));
            }
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Timestamp(i64::try_from(since.as_micros()).unwrap_or(0));
        let domain = said(TRUST_DOMAIN.parse())?;
        let authority = said(Authority::create(&domain, "torture", 10, now))?;
        let server = said(authority.issue_server(&["127.0.0.1".into()], 2, now))?;
        said(server.write(&self.folder.join("server"), Existing::Replace))?;
        for number in 0..=self.size.organisations {
            let actor = said(format!("org/{}/user/anna", Self::organisation(number)).parse())?;
            let issued = said(authority.issue_actor(&actor, 2, now))?;
            said(issued.write(&self.folder.join(number.to_string()), Existing::Replace))?;
        }
        Ok(())
    }

    /// What an organisation says about its logs, directly shared or not, with other affected organisations, newcomers included.
    pub(crate) fn consent(sharing: pb::Sharing) -> pb::ConsentChange {
        let audience = pb::Audience::OtherAffectedOrganisations as i32;
        let cell = pb::ConsentCell { material: pb::Material::Logs as i32, audience, sharing: sharing as i32 };
        pb::ConsentChange {
            cells: vec![cell],
            newcomers: vec![pb::NewcomersAnswer { audience, answer: pb::Answer::Yes as i32 }],
            attribution: Some(pb::Attribution::Pseudonym as i32),
            ..pb::ConsentChange::default()
        }
    }

    /// Opens the rooms with everybody in them. All share their logs directly, and nothing else.
    pub(crate) async fn set_up(&self, port: u16) -> Result<(), Wrong> {
        let request_id = || Uuid::new_v4().to_string();
        let coordinator = self.connect(port, 0).await?;
        for number in 1..=self.size.organisations {
            let organisation_id = Self::organisation(number);
            let request = pb::RegisterOrganisationRequest {
                request_id: request_id(),
                display_name: organisation_id.clone(),
                organisation_id,
            };
            said(OrganisationServiceClient::new(coordinator.clone()).register_organisation(request).await)?;
        }
        let mut rooms = String::new();
        for room in 0..self.size.rooms {
            let reporter = 1 + room % self.size.organisations;
            let report = pb::IntakeReport {
                what_occurred: "The power fails.".into(),
                sharing_consent: Some(Self::consent(pb::Sharing::Direct)),
                ..pb::IntakeReport::default()
            };
            let request = pb::ReportIncidentRequest { request_id: request_id(), report: Some(report) };
            let channel = self.connect(port, reporter).await?;
            let room_id = said(IntakeServiceClient::new(channel).report_incident(request).await)?.into_inner().room_id;
            for number in (1..=self.size.organisations).filter(|number| *number != reporter) {
                let request = pb::InviteOrganisationRequest {
                    request_id: request_id(),
                    room_id: room_id.clone(),
                    organisation_id: Self::organisation(number),
                    role: pb::Role::AffectedOrganisation as i32,
                };
                let invited = said(RoomServiceClient::new(coordinator.clone()).invite_organisation(request).await)?;
                let request = pb::AcceptInvitationRequest {
                    request_id: request_id(),
                    invitation_id: invited.into_inner().invitation_id,
                    consent: Some(Self::consent(pb::Sharing::Direct)),
                };
                let channel = self.connect(port, number).await?;
                said(RoomServiceClient::new(channel).accept_invitation(request).await)?;
            }
            rooms += &room_id;
            rooms.push('\n');
        }
        said(fs::write(self.folder.join("rooms"), rooms))
    }

    /// A connection of its own for one seat.
    pub(crate) async fn connect(&self, port: u16, who: Who) -> Result<Channel, Wrong> {
        let folder = self.folder.join(self.organisation_of(who).to_string());
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
        let endpoint = Endpoint::from(uri)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(4 * WINDOW_BYTES);
        let connected = tokio::time::timeout(CONNECT_TIME_MAX, endpoint.connect_with_connector(connector)).await;
        connected.map_err(|_| "connecting takes too long")?.map_err(|error| format!("connecting: {error:?}"))
    }

    pub(crate) fn messages(channel: Channel) -> MessageServiceClient<Channel> {
        MessageServiceClient::new(channel)
    }

    /// Request id of a seat's n-th message, as the draft below a function of seed, seat and number: a retry is equal.
    pub(crate) fn request_id(&self, who: Who, number: u64) -> String {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&Sha256::digest(format!("{}/{who}/{number}", self.seed))[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// A seat's n-th message. Mostly logs, which others receive, mostly short.
    pub(crate) fn draft(&self, who: Who, number: u64) -> pb::MessageDraft {
        let seed = random(self.seed, who << 48 | number);
        let length = match seed % 100 {
            0 => 60_000,
            1..10 => 6_000,
            _ => seed / 100 % 1_500,
        };
        let filler: String = (0..length / 16).map(|i| format!("{:016x}", random(seed, i))).collect();
        let is_shared = self.is_shared(who, number) && !self.is_coordinator(who);
        let material = if is_shared { pb::Material::Logs } else { pb::Material::Information };
        pb::MessageDraft {
            material: material as i32,
            tlp: pb::Tlp::AmberStrict as i32,
            text: format!("{who} {number} {filler}"),
            ..pb::MessageDraft::default()
        }
    }

    /// Whether a message is one that a consent is about; any other is for its source and the coordinator.
    pub(crate) fn is_shared(&self, who: Who, number: u64) -> bool {
        !random(self.seed ^ 1, who << 48 | number).is_multiple_of(8)
    }
}

/// An error in words.
pub(crate) fn said<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, Wrong> {
    result.map_err(|error| error.to_string())
}
