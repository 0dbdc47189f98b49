//! The way from here to a server. In the order in which a connection is made, so that the first failure is the one to mend.
//!
//! No room is subscribed to: what is delivered is on record as received, and a check must not sign for anybody's messages. The stream
//! that is tried is that of the server's health, over the same connection and through the same gate.

use std::time::{Duration, SystemTime};

use super::{Check, Verdict, certificate, key_permissions, validity};
use crate::client::probe::{reach, resolve, shake};
use crate::client::{Client, ClientError, Context};
use crate::identity::KeyedCertificate;
use crate::identity::summary::hex;
use crate::limits;

use super::super::certs::now;

/// By how much clocks may differ before it is worth a warning: `date` has whole seconds.
const SKEW_WARN: Duration = Duration::from_secs(5);

/// Calls whose median is shown.
const CALLS: usize = 7;

/// A round trip that people notice in every command.
const SLOW: Duration = Duration::from_millis(300);

const RENEW: &str =
    "`samverkan certs renew` while it is valid, else ask the coordinator for an invite and `samverkan join`";

/// All checks, until one fails on which the others depend.
pub(crate) async fn client_checks(context: &Context) -> Vec<Check> {
    let mut checks = files(context);
    network(context, &mut checks).await;
    checks
}

fn files(context: &Context) -> Vec<Check> {
    let mut checks = vec![key_permissions(&context.key)];
    checks.push(match KeyedCertificate::load(&context.certificate, &context.key) {
        Ok(_) => Check::ok("certificate and key", "belong together"),
        Err(error) => Check::fail("certificate and key", error.to_string(), RENEW),
    });
    checks.push(match certificate(&context.certificate) {
        Ok(summary) => {
            let check = validity("own certificate", &summary, now(), RENEW);
            let is_due = check.verdict == Verdict::Ok && summary.renewal_due() <= now();
            if is_due { Check::warn(check.name, format!("{}, to be renewed", check.found), RENEW) } else { check }
        }
        Err(problem) => Check::fail("own certificate", problem, RENEW),
    });
    checks.push(match certificate(&context.ca) {
        Ok(summary) => {
            let check = validity("authority", &summary, now(), "ask those who run the server for their new authority");
            let pin = hex(&summary.fingerprint);
            Check { found: format!("{}, SHA-256 {}…", check.found, &pin[..16]), ..check }
        }
        Err(problem) => Check::fail("authority", problem, "ask those who run the server for their authority (ca.pem)"),
    });
    checks
}

async fn network(context: &Context, checks: &mut Vec<Check>) {
    let addresses = match resolve(context).await {
        Ok(addresses) => addresses,
        Err(problem) => {
            let remedy = "`samverkan context show` tells the address; `getent hosts NAME` tries the name";
            return checks.push(Check::fail("dns", format!("{}: {problem}", context.address), remedy).reach());
        }
    };
    let shown: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
    checks.push(Check::ok("dns", shown.join(", ")));
    let mut problems = Vec::new();
    let mut reached = None;
    for address in addresses {
        match reach(address).await {
            Ok(tcp) => {
                reached = Some((address, tcp));
                break;
            }
            Err(problem) => problems.push(format!("{address}: {problem}")),
        }
    }
    let Some((address, tcp)) = reached else {
        let remedy = "is the server running, and does a firewall let this port through?";
        return checks.push(Check::fail("tcp", problems.join("; "), remedy).reach());
    };
    checks.push(Check::ok("tcp", format!("{address} answers")));
    match shake(context, tcp).await {
        Ok(handshake) => {
            let found = format!("{}, {}", handshake.version, handshake.key_exchange);
            checks.push(if handshake.key_exchange.contains("MLKEM") {
                Check::ok("tls", found)
            } else {
                let remedy =
                    "what is sent today could be read by a quantum computer of tomorrow; tell those who run the server";
                Check::warn("tls", found, remedy)
            });
            if let Some(summary) = handshake.certificate {
                let remedy = "tell those who run the server";
                checks.push(validity("server certificate", &summary, now(), remedy));
            }
        }
        Err(problem) => {
            let remedy =
                "compare `samverkan certs show` of the context's ca with what those who run the server tell you";
            return checks.push(Check::fail("tls", problem, remedy).reach());
        }
    }
    let client = match Client::connect(context).await {
        Ok(client) => client,
        Err(error) => return checks.push(not_admitted(&error)),
    };
    calls(&client, checks).await;
}

fn not_admitted(error: &ClientError) -> Check {
    let remedy =
        "the coordinator sees in `samverkan audit list` why; it registers organisations and renews certificates";
    Check::fail("admission", error.to_string(), remedy).reach()
}

async fn calls(client: &Client, checks: &mut Vec<Check>) {
    let mut times = Vec::with_capacity(CALLS);
    let mut last = None;
    for _ in 0..CALLS {
        match client.health().await {
            Ok(health) => {
                times.push(health.took);
                last = Some((health, SystemTime::now()));
            }
            Err(error) => return checks.push(not_admitted(&error)),
        }
    }
    let Some((health, at)) = last else { return };
    checks.push(Check::ok("admission", "the server lets us in"));
    checks.push(if health.is_serving {
        Check::ok("health", "serving")
    } else {
        Check::fail("health", "the server says that it does not serve", "tell those who run the server").reach()
    });
    // The first one pays for what is set up once.
    times.remove(0);
    times.sort();
    let (median, max) = (times[times.len() / 2], times[times.len() - 1]);
    let found = format!("median {median:.1?} of {}, longest {max:.1?}", times.len());
    checks.push(if median > SLOW {
        Check::warn("round trip", found, "the network is slow; everything works, and every command takes as long")
    } else {
        Check::ok("round trip", found)
    });
    checks.push(clock(health.date.as_deref(), at));
    checks.push(match client.watch_health().await {
        Ok(_) => Check::ok("stream", "opens and speaks"),
        Err(error) => {
            let remedy = "something between here and the server does not let long answers through; a proxy?";
            Check::fail("stream", error.to_string(), remedy).reach()
        }
    });
}

fn clock(date: Option<&str>, at: SystemTime) -> Check {
    let server = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let Some(server) = server else {
        return Check::warn("clock", "the server did not tell its time", "compare by hand: `timedatectl`");
    };
    let here = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let there = Duration::from_secs(u64::try_from(server.timestamp().as_second()).unwrap_or(0));
    let skew = here.abs_diff(there);
    let direction = if here > there { "ahead of" } else { "behind" };
    let found = format!("{} s {direction} the server's", skew.as_secs());
    let remedy = "set this machine's clock: `timedatectl set-ntp true`";
    if skew > limits::CERTIFICATE_BACKDATE {
        Check::fail("clock", found, remedy)
    } else if skew > SKEW_WARN {
        Check::warn("clock", found, remedy)
    } else {
        Check::ok("clock", "agrees with the server's within a few seconds")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_that_is_minutes_away_fails_and_one_that_is_seconds_away_warns() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 + seconds);
        let verdict = |seconds| clock(Some("Sun, 06 Nov 1994 08:49:37 GMT"), at(seconds)).verdict;
        assert_eq!(
            [verdict(0), verdict(3), verdict(60), verdict(3600)],
            [Verdict::Ok, Verdict::Ok, Verdict::Warn, Verdict::Fail]
        );
        assert_eq!(clock(None, at(0)).verdict, Verdict::Warn);
        assert_eq!(clock(Some("yesterday"), at(0)).verdict, Verdict::Warn);
    }
}
