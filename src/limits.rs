//! Every limit of the product, with its unit and its reason. Configuration may lower some of them; nothing raises them.

/// Characters of an organisation id or an actor's name. A DNS label, so that names fit wherever host names do.
pub const NAME_CHARS_MAX: usize = 63;

/// Bytes of a message's text. A few screenfuls of log; longer files are split into several messages by the client.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;

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
