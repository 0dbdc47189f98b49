//! Whose access is changed.

use std::sync::Arc;

use super::fields::Fields;
use super::write;
use crate::api;
use crate::limits;
use crate::room::event::Request;
use crate::room::ids::Actor;
use crate::service::authorisation;
use crate::service::status::CallError;

/// Which certificate, whose it is as far as the caller says, and why.
pub(in crate::service) type RevokingCertificate = (Request, [u8; 32], Option<Actor>, Arc<str>);

pub(in crate::service) fn revoke_certificate(
    mut request: api::RevokeCertificateRequest,
) -> Result<RevokingCertificate, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::REVOKE_CERTIFICATE, &mut request);
    let certificate = sha256(&request.certificate_sha256);
    if certificate.is_none() {
        fields.wrong("certificate_sha256", "must be the SHA-256 of a certificate: 64 characters of 0-9 and a-f");
    }
    let actor = match request.actor.as_str() {
        "" => None,
        text => fields.actor(|| "actor".into(), text),
    };
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, certificate?, actor, request.reason.into())))
}

/// Which actor, and why.
pub(in crate::service) type ChangingActor = (Request, Actor, Arc<str>);

pub(in crate::service) fn revoke_actor(mut request: api::RevokeActorRequest) -> Result<ChangingActor, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::REVOKE_ACTOR, &mut request);
    let actor = fields.actor(|| "actor".into(), &request.actor);
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, actor?, request.reason.into())))
}

pub(in crate::service) fn reinstate_actor(mut request: api::ReinstateActorRequest) -> Result<ChangingActor, CallError> {
    let mut fields = Fields::default();
    let id = write(&mut fields, authorisation::REINSTATE_ACTOR, &mut request);
    let actor = fields.actor(|| "actor".into(), &request.actor);
    fields.text("reason", &request.reason, limits::REASON_BYTES_MAX);
    fields.finish(|| Some((id?, actor?, request.reason.into())))
}

/// 32 bytes in lower-case hexadecimal, and in no other way.
fn sha256(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes?.try_into().ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_way_to_be_written() {
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(sha256(&good).map(|bytes| bytes[..2].to_vec()), Some(vec![0x01, 0x23]));
        for bad in
            [&good[1..], &format!("{good}0"), &format!("{good}00"), &good.to_uppercase(), "", &good.replace('0', "g")]
        {
            assert_eq!(sha256(bad), None, "{bad}");
        }
    }
}
