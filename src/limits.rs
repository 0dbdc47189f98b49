//! Every limit of the product, with its unit and its reason. Configuration may set those that name their key, or `Limits` in `cli::config`.

use std::time::Duration;

use crate::rate::Rate;

/// Characters of an organisation id or an actor's name. A DNS label, so that names fit wherever host names do.
pub const NAME_CHARS_MAX: usize = 63;

/// Bytes of a message's text. A few screenfuls of log; longer files are split into several messages by the client.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Attachments of one message.
pub const ATTACHMENTS_MAX: usize = 16;

/// Bytes of one attachment, unless `attachments.size_max` says less: a day of a busy proxy's log.
pub const ATTACHMENT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Bytes of an attachment's name: what file systems take.
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// Bytes of a media type: twice 127 and a slash (RFC 6838).
pub const MEDIA_TYPE_BYTES_MAX: usize = 255;

/// Bytes of an attachment that are stored together and checked together. A transfer holds about three of them in memory.
pub const CONTENT_PART_BYTES: usize = 1024 * 1024;

/// Bytes of an attachment in one message of an upload or download: half of what a request may have, and few enough that a withdrawal cuts a
/// download at once.
pub const CONTENT_CHUNK_BYTES_MAX: usize = 128 * 1024;

/// Attachments that an organisation has uploaded and not posted yet, finished or not.
pub const UPLOADS_MAX: usize = 64;

/// How long an upload that nobody goes on with, or posts, is kept: a night and a day.
pub const UPLOAD_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Attachments of others with the same bytes whose terms hold for one.
pub const TERMS_OF_MAX: usize = 64;

/// Bytes of a room's title.
pub const TITLE_BYTES_MAX: usize = 200;

/// Bytes of a room's terms, shown to an invited organisation before it accepts.
pub const TERMS_BYTES_MAX: usize = 8 * 1024;

/// Bytes of one answer of the intake report.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// Bytes of an organisation's display name.
pub const DISPLAY_NAME_BYTES_MAX: usize = 120;

/// Recipients, or TLP:RED actors, of one message. More than that is the whole room.
pub const RECIPIENTS_MAX: usize = 256;

/// Messages in one release, question, forwarding or legal disclosure: each is shown again to each receiver at one place.
pub const RELEASE_MESSAGES_MAX: usize = 256;

/// Messages that one relay is made from.
pub const PARENTS_MAX: usize = 64;

/// How many affected organisations a recipient must have before its eyes that could be the source of a relay, unless the source
/// approves the text: among three, naming none names none.
pub const RELAY_SOURCES_MIN: usize = 3;

/// Microseconds that an organisation has which reports to the police itself, before it is reminded: one day.
pub const POLICE_REPORT_TIME_US: i64 = 24 * 60 * 60 * 1_000_000;

/// Open questions, releases and proposals in one room.
pub const MATTERS_MAX: usize = 4096;

/// Years after its closing for which a room's policy can keep it.
pub const RETENTION_YEARS_MAX: u16 = 100;

/// Organisations named in one sharing consent.
pub const NAMED_MAX: usize = 256;

/// Organisations that were ever in one room; state per pair of them is 24 bytes, so this bounds a room at 24 MiB.
pub const PARTICIPANTS_MAX: usize = 1024;

/// Invitations of one room that wait for an answer.
pub const INVITATIONS_MAX: usize = 1024;

/// Bytes of one frame as stored. A command's largest entry (a report of eight full answers) and its neighbours fit.
pub const FRAME_BYTES_MAX: usize = 512 * 1024;

/// Bytes of one value in sled. Larger values end up in blob files that sled never syncs.
pub const VALUE_BYTES_MAX: usize = 4000;

/// Bytes of the URI name in a certificate. Room for the longest trust domain, organisation and actor, and no more.
pub const URI_NAME_BYTES_MAX: usize = 255;

/// Characters of a trust domain, so that every actor of it still fits [`URI_NAME_BYTES_MAX`].
pub const TRUST_DOMAIN_CHARS_MAX: usize = 100;

/// From an accepted socket to a finished TLS handshake. Two round trips and a signature: even a satellite link needs less.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);

/// From the finished handshake to the 24 bytes with which every HTTP/2 client opens. hyper itself waits for them forever.
pub const PREFACE_TIME_MAX: Duration = Duration::from_secs(5);

/// Handshakes under way at once. One costs in the order of a millisecond of processor time, so these are about half a second
/// of one core; more would only make everybody miss [`HANDSHAKE_TIME_MAX`].
pub const HANDSHAKES_PENDING_MAX: usize = 512;

/// Handshakes under way at once from one address (an IPv6 /64 is one): an eighth of all, so that a flood from one place displaces
/// itself only. An organisation behind one address, or a proxy, may need more: `limits.handshakes_per_address`.
pub const HANDSHAKES_PER_ADDRESS_MAX: usize = 64;

/// Handshakes that may begin in a second from one address. Each costs about half a millisecond of a core, so one address can cost us a
/// hundredth of it: `limits.handshakes_per_address_per_second`.
pub const HANDSHAKES_PER_ADDRESS_PER_SECOND: u64 = 20;

/// Seconds' worth of handshakes that may begin together, a hundred: an organisation behind one address comes back after a restart.
pub const HANDSHAKE_BURST_SECONDS: u64 = 5;

/// Addresses whose handshakes are counted apart; those beyond share one count. About 100 bytes each.
pub const ADDRESSES_MAX: usize = 16 * 1024;

/// Lines that refused connections may add to the log in a second; the rest is summed up in one. A flood must not fill the disk.
pub const REFUSALS_LOGGED_PER_SECOND: u64 = 20;

/// Connections past their handshake. Each needs a file descriptor; at the 48 KiB that an idle one may cost, 192 MiB in all.
pub const CONNECTIONS_MAX: usize = 4096;

/// Connections of one organisation: all its people and programs in a bad week, and 64 organisations before all are full.
pub const CONNECTIONS_PER_ORGANISATION_MAX: usize = 64;

/// Connections of one certificate: a person's tools at once, or a program's workers; a stolen one takes no more than that.
pub const CONNECTIONS_PER_CERTIFICATE_MAX: usize = 32;

/// Connections from one address (an IPv6 /64 is one): a quarter of all. Behind a proxy everybody has one address:
/// `limits.connections_per_address`.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 1024;

/// How long a connection may have no open request or stream before it is closed. Clients connect again when they have something to
/// ask; who follows a room has a stream open.
pub const IDLE_TIME_MAX: Duration = Duration::from_secs(10 * 60);

/// From the notice that a caller lost its access to the cut of its socket, so that open streams can say why. Half of the
/// second within which an expired, revoked or suspended caller is gone.
pub const CUT_NOTICE_TIME: Duration = Duration::from_millis(500);

/// How long what we sent may stay unacknowledged by the peer's TCP before the connection is given up.
pub const TCP_USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle time after which TCP asks whether the peer is still there, then every third of it.
pub const TCP_KEEPALIVE_TIME: Duration = Duration::from_secs(30);

/// Days that a server's or actor's certificate may last: a year and a month, as browsers came to require of web servers.
pub const LEAF_DAYS_MAX: u32 = 397;

/// Days that an authority may last. Ten years; changing an authority means new certificates for everybody.
pub const AUTHORITY_DAYS_MAX: u32 = 3653;

/// Authorities whose client certificates are accepted. A handshake tries each; an authority with another name than the certificate's
/// issuer costs a comparison.
pub const AUTHORITIES_MAX: usize = 256;

/// Certificates that a client may show, its own first: two authorities between it and ours, and ours itself, which many send along. With
/// more, whoever has no certificate of ours at all could make us look for a way from one to the next for 80 ms a handshake.
pub const CHAIN_CERTIFICATES_MAX: usize = 4;

/// Bytes of a revocation list: some 100,000 certificates. It is held in memory and searched in each handshake.
pub const REVOCATION_LIST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Microseconds before the end of a revocation list from which on the log and `doctor` warn of it: two days, so that a weekend's
/// watch gets to see it before anybody is locked out.
pub const LIST_WARN_TIME_US: i64 = 48 * 60 * 60 * 1_000_000;

/// Between two such warnings of a running server.
pub const LIST_WARN_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Between two looks at the files of a running server, which are read whole: a few milliseconds each time. A change is taken up after
/// one to two of these, so a certificate that was replaced in a hurry is in force within five seconds.
pub const RELOAD_LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// How far new certificates are backdated, so that a client whose clock is behind can use them at once.
pub const CERTIFICATE_BACKDATE: Duration = Duration::from_secs(5 * 60);

/// Bytes of the reason for a removal or a suspension: a paragraph for the record.
pub const REASON_BYTES_MAX: usize = 1024;

/// Bytes of one request as received. The largest is a report: five answers of 8 KiB and a consent of 256 names, about 128 KiB.
/// gRPC sets aside what a request claims to need, so this times the streams of a connection is what a client can claim.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// Bytes at which a page ends, whatever its size in items; its last item may go over it.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of frames in one part of a backup; the last of them may be as long as a frame can be.
pub const BACKUP_CHUNK_BYTES: usize = 256 * 1024;

/// Bytes of one answer: a full page, one item more, and what surrounds them. Half of what gRPC clients take by default.
pub const RESPONSE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Items of a page, unless the request says otherwise.
pub const PAGE_ITEMS_DEFAULT: usize = 100;

/// Items of a page.
pub const PAGE_ITEMS_MAX: usize = 1000;

/// Versions of a report in a page, unless the request says otherwise. One may be 40 KiB.
pub const REPORT_VERSIONS_DEFAULT: usize = 10;

/// Versions of a report in a page.
pub const REPORT_VERSIONS_MAX: usize = 50;

/// For one commit. A disk that takes longer is as good as failed, and sled, when a write of its own fails, may wait for itself for ever;
/// whoever restarts the server is better served by one that ends.
pub const COMMIT_TIME_MAX: Duration = Duration::from_secs(30);

/// From a unary request to its answer. A durable commit takes milliseconds; a disk that needs seconds is failing.
pub const UNARY_TIME_MAX: Duration = Duration::from_secs(10);

/// From a request's headers to those of its answer, its own bytes included: a client on a slow line has uploaded the largest request
/// by then, and one that claims to send and does not is let go.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// Between two heartbeats of a subscription: two are missed within a minute, and 5,000 subscribers cost 333 a second.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// Posts of one stream that wait for their answer. A few group commits' worth; more would only wait in another queue.
pub const POSTS_IN_FLIGHT_MAX: usize = 256;

/// After which time a caller is asked to try again when a queue is full: some group commits. Who writes faster than it may is told so
/// after this time, so that one that asks again at once takes no more of the server than one that waits.
pub const RETRY_DELAY: Duration = Duration::from_millis(100);

/// HTTP/2 streams of one connection: requests under way, open streams among them.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 64;

/// Open streams (subscriptions and streams of posts) of one certificate: as many rooms at once, with some to spare.
pub const STREAMS_PER_CERTIFICATE_MAX: usize = 64;

/// Open streams of one certificate of the coordinator, who is in every room.
pub const STREAMS_PER_COORDINATOR_CERTIFICATE_MAX: usize = 1024;

/// Open streams of one connection: what HTTP/2 allows it, less some for calls beside them.
pub const OPEN_STREAMS_PER_CONNECTION_MAX: usize = 60;

/// Open streams of one organisation: eight of its certificates in as many rooms as they may.
pub const STREAMS_PER_ORGANISATION_MAX: usize = 512;

/// Open streams of the coordinator.
pub const COORDINATOR_STREAMS_MAX: usize = 8192;

/// Streams that may be reset for the peer's protocol errors before the connection is ended (RUSTSEC-2024-0003).
pub const LOCAL_ERROR_RESETS_MAX: usize = 256;

/// Streams that the peer reset before they were taken up (rapid reset, CVE-2023-44487).
pub const PENDING_RESETS_MAX: usize = 20;

/// Bytes of a request's headers. Ours are a few hundred.
pub const HEADER_BYTES_MAX: u32 = 8 * 1024;

/// Bytes that may be under way to us in one HTTP/2 stream: two posts of the largest size.
pub const STREAM_WINDOW_BYTES: u32 = 128 * 1024;

/// Bytes that may be under way to us in one connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Silence after which HTTP/2 asks whether the peer is still there.
pub const PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long the peer may take to answer that.
pub const PING_TIME_MAX: Duration = Duration::from_secs(10);

/// From the wish to stop to the cut of what is still open.
pub const STOP_TIME_MAX: Duration = Duration::from_secs(10);

const _: () = assert!(PAGE_BYTES_MAX + 2 * FRAME_BYTES_MAX <= RESPONSE_BYTES_MAX, "a full page and one item more fit");
const _: () = assert!(2 * TEXT_BYTES_MAX <= REQUEST_BYTES_MAX, "a post that is too long is told so, not cut off");

const _: () = assert!(
    "spiffe://".len() + TRUST_DOMAIN_CHARS_MAX + "/org//service/".len() + 2 * NAME_CHARS_MAX <= URI_NAME_BYTES_MAX,
    "every actor of every trust domain has a name that fits"
);

/// Bytes that wait for one subscriber. A slow reader costs this and is read on from the store when it has taken a third.
pub const OUTBOX_BYTES_MAX: usize = 384 * 1024;

/// Bytes of deliveries handed to the HTTP/2 layer at a time: what a withdrawal can no longer reach is one such chunk and that layer's own buffer.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// Deliveries recorded at a time for a reader that catches up.
pub const CATCH_UP_DELIVERIES: usize = 1024;

/// Jobs that wait for one room. About half a second of work at 2 ms a commit.
pub const ROOM_JOBS_MAX: usize = 256;

/// Writes that wait for one room and one organisation: a quarter of the room's queue, so that one organisation can't fill it.
pub const ORGANISATION_JOBS_MAX: usize = 64;

/// Reads that wait for one room and one organisation: as many as its writes.
pub const ORGANISATION_READS_MAX: usize = 64;

/// Bytes of what is decided and waits for the next commit of a room, after which no more is taken for it: at 500 MB/s of a disk, 4 ms
/// that other rooms' commits wait at most.
pub const PENDING_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Writes of one organisation in one room in a second, on average: a fortieth of what the machine commits, and more than any log that
/// people still read along: `limits.writes_per_second`.
pub const WRITES_PER_SECOND: u64 = 1000;

/// Bytes of these writes in a second, on average: at this rate, which nobody keeps up, a disk of 1 TB lasts three days:
/// `limits.written_kib_per_second`.
pub const WRITTEN_BYTES_PER_SECOND: u64 = 4 * 1024 * 1024;

/// Changes of consent of one organisation in one room in a second that take nothing back, and reports that open a room. What takes
/// something back is not counted: `limits.consents_per_second`.
pub const CONSENTS_PER_SECOND: u64 = 5;

/// Seconds' worth of writes or changes that may come together: a file of 10,000 lines is posted at once.
pub const BURST_SECONDS: u64 = 10;

/// Bytes of writes that wait, of one organisation and of all: 8 MiB is a hundred of the largest messages.
pub const ORGANISATION_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of writes that wait, of all organisations.
pub const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of entries that an open room keeps at hand for its live readers.
pub const RECENT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Connections of the coordinator, whose whole staff is in every room.
pub const COORDINATOR_CONNECTIONS_MAX: usize = 512;

/// Microseconds that an invite to get a certificate may be good for: 30 days. A secret on paper should not outlive the incident.
pub const INVITE_TIME_MAX_US: i64 = 30 * 24 * 60 * 60 * 1_000_000;

/// Invites that wait to be used. Each attempt is compared with every one: some hundred microseconds at this many.
pub const INVITES_OPEN_MAX: usize = 1024;

/// Bytes of an invite line: the longest host name, two digests and what is between them.
pub const INVITE_LINE_BYTES_MAX: usize = 512;

/// Bytes of a certificate signing request. One for P-256 has about 250; more are names and extensions that no policy takes.
pub const CSR_BYTES_MAX: usize = 4 * 1024;

/// Bytes of a request on the enrolment listener: a secret and a signing request.
pub const ENROLMENT_REQUEST_BYTES_MAX: usize = 8 * 1024;

/// Connections of the enrolment listener at once. Whoever enrols needs one for a second.
pub const ENROLMENT_CONNECTIONS_MAX: usize = 128;

/// Of these, from one address: a few people behind one firewall.
pub const ENROLMENT_CONNECTIONS_PER_ADDRESS_MAX: usize = 8;

/// From an accepted enrolment connection to its end, whatever it does: one handshake and one call, on a bad line.
pub const ENROLMENT_TIME_MAX: Duration = Duration::from_secs(30);

/// Attempts to enrol from one address: ten at once, one a second after that. A secret has 256 bits: this is against load, not guessing.
pub const ENROLMENT_RATE_PER_ADDRESS: Rate = Rate { per_second: 1, burst: 10 };

/// Attempts to enrol from anywhere: a hundredth of what the disk commits.
pub const ENROLMENT_RATE: Rate = Rate { per_second: 20, burst: 100 };

/// From something noted in the audit trail (a sign-in, a refusal) to its commit: what comes together is written together, and a
/// crash loses no more than this of it. Acts wait for their record.
pub const AUDIT_NOTE_DELAY: Duration = Duration::from_secs(1);

/// Within which time notes that are the same in every fact become one record with a count.
pub const AUDIT_FOLD_TIME: Duration = Duration::from_secs(60);

/// Different notes of known actors that are kept apart within that time: as many as connections.
pub const AUDIT_NOTES_MAX: usize = CONNECTIONS_MAX;

/// Different notes of strangers (address and reason) within that time. At some 200 bytes a record, whoever owns a whole network and
/// floods us from it for a day adds 74 MB to the trail.
pub const AUDIT_STRANGERS_MAX: usize = 256;

/// Acts that wait for the audit trail. They come from people, and a commit takes up to 64 of them.
pub const AUDIT_JOBS_MAX: usize = 256;

/// Bytes of a text in an audit record that is not a word of ours, such as an error message about a file.
pub const AUDIT_DETAIL_BYTES_MAX: usize = 256;

/// Records that one call looks at, found or not: some 20 ms of work. A page may be short, or empty, and have a next one.
pub const AUDIT_SCAN_MAX: usize = 20_000;

/// Renewals of one actor's certificates in a day: with several machines and a daemon that is restarted, still far less.
pub const RENEWALS_PER_DAY_MAX: usize = 32;

/// Bytes of a code that is read out to the coordinator: eight characters, with what people put between them.
pub const SPOKEN_CODE_BYTES_MAX: usize = 32;

/// Records of the audit trail after which a start need not verify those before them: at some 200 bytes each about 3 MB, a tenth of a
/// second. The trail itself has no end.
pub const AUDIT_TAIL_RECORDS: u64 = 16 * 1024;

/// Characters of the password of a PKCS#12 file. The file may be carried about, and guessed at for as long as somebody likes.
pub const PASSWORD_CHARS_MIN: usize = 8;

/// Characters of such a password. Programs that read the file cut, or refuse, longer ones.
pub const PASSWORD_CHARS_MAX: usize = 128;

/// Bytes that are read of a password's file. The first line counts; whoever names a log by mistake learns it at once.
pub const PASSWORD_FILE_BYTES_MAX: u64 = 4 * 1024;

/// Rounds of key derivation in a PKCS#12 file, for its encryption and for its checksum alike, since the cheaper one is what is
/// guessed against: half a second for who has the password, and as much for each guess.
pub const PKCS12_ROUNDS: u64 = 600_000;
