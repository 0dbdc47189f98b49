//! `samverkan dev`: one command to try everything out.
//!
//! Certificates and contexts under `certs/dev/`, the store under `.dev/`, a server on loopback, a small incident in it, and the
//! exact lines to paste into a second terminal. Nothing of it is for real incidents: all keys lie on this machine.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use super::config::{self, EnrolmentConfig, Limits, LogFormat, ServerConfig};
use super::dev_world::{COORDINATOR, World};
use super::failure::Failure;
use super::output::{ask_yes, can_ask, note, program, quoted};
use super::{launch, seed, trace};
use crate::client::Client;
use crate::identity::TrustFiles;
use crate::identity::issue::{AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE};
use crate::server::AttachmentSettings;

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Where to listen
    #[arg(long, value_name = "IP:PORT", default_value_t = SocketAddr::from(([127, 0, 0, 1], config::PORT)))]
    listen: SocketAddr,
    /// Where certs/dev/ and .dev/ are kept
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    directory: PathBuf,
    /// Begin anew: wipe certificates and store of earlier runs (asks first)
    #[arg(long)]
    fresh: bool,
    /// With --fresh: do not ask
    #[arg(long, requires = "fresh")]
    yes: bool,
    /// Leave the server empty: no organisations, no incident
    #[arg(long)]
    empty: bool,
}

pub(crate) async fn run(command: &Dev, verbose: u8) -> Result<(), Failure> {
    trace::install_for_server(
        LogFormat::Text,
        if verbose == 0 { "warn,samverkan=info" } else { "samverkan=debug,info" },
    )?;
    let world = World::at(&command.directory)?;
    if command.fresh && world.exists() {
        wipe(&world, command.yes)?;
    }
    let made = world.issue(command.listen)?;
    if made > 0 {
        note(format!("made {made} certificates in {}", world.certs.display()));
    }
    let launched = launch::launch(&server_config(&world, command.listen)?).await?;
    world.write_contexts(launched.address())?;
    let seeded = if command.empty {
        None
    } else {
        let coordinator = Client::connect(&world.context(COORDINATOR)?).await?;
        seed::seed(&world, &coordinator).await?
    };
    note(instructions(&command.directory, &world, launched.address(), seeded.as_deref()));
    launched.until_stopped().await
}

fn wipe(world: &World, yes: bool) -> Result<(), Failure> {
    let what = format!("{} and {}", world.certs.display(), world.store.display());
    if !yes {
        if !can_ask() {
            return Err(Failure::usage(format!("--fresh wipes {what}, and there is no terminal to ask on"))
                .hint("add --yes if that is meant"));
        }
        if !ask_yes(&format!("Wipe {what}?"))? {
            return Err(Failure::usage("nothing was wiped"));
        }
    }
    world.wipe()
}

fn server_config(world: &World, listen: SocketAddr) -> Result<ServerConfig, Failure> {
    let server = world.server();
    Ok(ServerConfig {
        listen,
        trust_domain: world.trust_domain.clone(),
        coordinator: world.coordinator.clone(),
        tls: TrustFiles::new(
            server.join(CERTIFICATE_FILE),
            server.join(KEY_FILE),
            world.authority().join(AUTHORITY_FILE),
        ),
        store: world.store.clone(),
        keys: vec![world.store_key()?],
        reserve_mib: config::RESERVE_MIB,
        accept_rollback: false,
        attachments: AttachmentSettings::default(),
        enrolment: Some(enrolment(world, listen)),
        limits: Limits::default(),
        log_format: LogFormat::Text,
        log_filter: config::LOG_FILTER.into(),
    })
}

/// Where somebody without a certificate gets one: the port after the server's.
fn enrolment(world: &World, listen: SocketAddr) -> EnrolmentConfig {
    let port = if listen.port() == 0 { 0 } else { listen.port().checked_add(1).unwrap_or_default() };
    EnrolmentConfig {
        listen: SocketAddr::new(listen.ip(), port),
        address: String::new(),
        server: None,
        authority: world.authority(),
        days: config::ENROLMENT_DAYS,
    }
}

/// What to paste into a second terminal.
fn instructions(directory: &Path, world: &World, address: SocketAddr, room: Option<&str>) -> String {
    let me = program();
    let contexts = world.contexts();
    let folder = match directory == Path::new(".") {
        true => Path::new("certs/dev/contexts").to_owned(),
        false => std::path::absolute(contexts.folder()).unwrap_or_else(|_| contexts.folder().to_owned()),
    };
    let export = format!("export SAMVERKAN_CONTEXTS={}", quoted(&folder.display().to_string()));
    let lines = match room {
        None => vec![
            "# The coordinator registers an organisation, which then reports an incident:".to_owned(),
            export,
            format!("{me} organisation register region-a --context cert-se"),
            format!("{me} report --context region-a"),
        ],
        Some(_) => vec![
            "# In a second terminal: follow the room as region-b.".to_owned(),
            export.clone(),
            format!("{me} tail --context region-b --follow"),
            String::new(),
            "# In a third: post as region-a, change what it shares, and watch what region-b gets.".to_owned(),
            export,
            format!("{me} post --context region-a --material logs 'GET /login 200 from 192.0.2.7'"),
            format!("{me} consent withdraw --context region-a --material logs"),
            format!("{me} post --context region-a --material logs 'nobody but the coordinator gets this'"),
            format!("{me} consent show --context region-a"),
            format!("{me} room invitations --context vendor-x"),
            format!("{me} room list --context cert-se"),
            String::new(),
            "# Somebody new joins: the coordinator prints a line, its receiver pastes it.".to_owned(),
            format!(
                "{me} invite create --organisation region-c --register 'Region C' --actor user/clara --context cert-se"
            ),
            format!("{me} join 'LINE'"),
        ],
    };
    format!("\nServing on {address}; Ctrl-C stops. Paste:\n\n{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_pasted() {
        assert_eq!(quoted("certs/dev/contexts"), "certs/dev/contexts");
        assert_eq!(quoted("it's a folder"), "'it'\\''s a folder'");
        let world = World::at(Path::new(".")).expect("a world");
        let address = "127.0.0.1:7443".parse().expect("an address");
        let text = instructions(Path::new("."), &world, address, Some("room"));
        assert!(text.contains("\nexport SAMVERKAN_CONTEXTS=certs/dev/contexts\n"), "{text}");
        assert!(text.contains(" tail --context region-b --follow\n"), "{text}");
        assert!(!instructions(Path::new("."), &world, address, None).contains("tail"));
    }
}
