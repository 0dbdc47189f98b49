//! Single cases, each found by the histories or by reading.

use std::sync::Arc;

use samverkan::room::consent::{ConsentChange, Name, Scope};
use samverkan::room::disclose::{Reader, invitations, room};
use samverkan::room::event::Command;
use samverkan::room::ids::{Actor, Index, OrganisationId, ParticipantId, Timestamp};
use samverkan::room::refusal::Refusal;
use samverkan::room::words::{Attribution, Audience, Material, Role, Sharing};

use super::{is_shown, plain, withdraw};
use crate::histories::{MINUTE, invitation, message, organisation, participant, service, user};
use crate::pure::PureRoom;

struct Case(PureRoom);

impl Case {
    fn new(who: &[(&str, Role, Attribution)]) -> Self {
        let mut room = PureRoom::new(Timestamp(MINUTE));
        let open = samverkan::room::event::OpenRoom {
            coordinator: organisation("cert-se"),
            coordinator_participant: participant(&organisation("cert-se")),
            title: "t".into(),
            terms: "t".into(),
            report: None,
        };
        room.perform(&Self::anna(), Command::OpenRoom(open)).expect("the coordinator may open a room");
        let mut case = Self(room);
        who.iter().for_each(|(who, role, attribution)| case.join(who, *role, *attribution));
        case
    }

    fn anna() -> Actor {
        user(&organisation("cert-se"), "anna")
    }

    fn eva(of: &str) -> Actor {
        user(&organisation(of), "eva")
    }

    #[track_caller]
    fn ok(&mut self, by: &Actor, command: Command) -> usize {
        self.0.perform(by, command).expect("granted")[0].seq.0 as usize
    }

    #[track_caller]
    fn join(&mut self, who: &str, role: Role, attribution: Attribution) {
        let organisation = organisation(who);
        let invitation = invitation(&format!("{who}/{}", self.0.entries.len()));
        let participant = participant(&organisation);
        self.ok(&Self::anna(), Command::Invite { invitation, organisation, role, participant });
        let consent = Arc::new(ConsentChange { attribution: Some(attribution), ..ConsentChange::default() });
        self.ok(&Self::eva(who), Command::AcceptInvitation { invitation, consent });
    }

    #[track_caller]
    fn give(&mut self, who: &str, change: ConsentChange) {
        self.ok(&Self::eva(who), Command::GiveConsent { change: Arc::new(change), expected_version: None });
    }

    fn post(&mut self, who: &str) -> usize {
        let label = self.0.entries.len().to_string();
        self.ok(&Self::eva(who), Command::Post { message: message(&label), draft: Arc::new(plain(Material::Logs)) })
    }

    fn sees(&self, who: &str, n: usize) -> bool {
        is_shown(&self.0, &Self::eva(who), n)
    }
}

const AFFECTED: Role = Role::AffectedOrganisation;

fn by_name(name: &str, sharing: Sharing) -> ConsentChange {
    let name = Name::Organisation(organisation(name));
    ConsentChange { named: vec![(name, Material::Logs, sharing)], ..ConsentChange::default() }
}

fn by_id(name: &str, sharing: Sharing) -> ConsentChange {
    let name = Name::Participant(participant(&organisation(name)));
    ConsentChange { named: vec![(name, Material::Logs, sharing)], ..ConsentChange::default() }
}

fn class(sharing: Sharing) -> ConsentChange {
    let cell = (Material::Logs, Audience::OtherAffectedOrganisations, sharing);
    ConsentChange { cells: vec![cell], ..ConsentChange::default() }
}

#[test]
fn a_name_stays_with_its_organisation_while_that_is_away() {
    for withdraws in [true, false] {
        let mut case =
            Case::new(&[("region-a", AFFECTED, Attribution::Named), ("region-b", AFFECTED, Attribution::Named)]);
        case.give("region-a", by_name("region-b", Sharing::Direct));
        case.ok(&Case::eva("region-b"), Command::Leave);
        if withdraws {
            let name = Name::Organisation(organisation("region-b"));
            case.ok(&Case::eva("region-a"), withdraw(Scope::Named(name)));
        } else {
            case.give("region-a", by_name("region-b", Sharing::No));
        }
        case.join("region-b", AFFECTED, Attribution::Named);
        let n = case.post("region-a");
        assert!(!case.sees("region-b", n), "region-a has said no to region-b");
    }
}

#[test]
fn a_no_to_an_unknown_name_holds_when_a_pseudonym_turns_out_to_have_that_name() {
    let mut case =
        Case::new(&[("region-a", AFFECTED, Attribution::Named), ("region-b", AFFECTED, Attribution::Pseudonym)]);
    case.give("region-a", by_id("region-b", Sharing::Direct));
    case.give("region-a", by_name("region-b", Sharing::No));
    let before = case.post("region-a");
    // A yes for the pseudonym; that it is region-b is not for region-a to find out.
    assert!(case.sees("region-b", before));
    let attribution = Some(Attribution::Named);
    case.give("region-b", ConsentChange { attribution, ..ConsentChange::default() });
    let after = case.post("region-a");
    assert!(!case.sees("region-b", after) && !case.sees("region-b", before), "a named no beats everything");
}

#[test]
fn withdrawing_from_a_name_lifts_no_cap_from_the_others() {
    let mut case =
        Case::new(&[("region-a", AFFECTED, Attribution::Named), ("muni-c", AFFECTED, Attribution::Pseudonym)]);
    case.give("region-a", class(Sharing::Direct));
    case.give("region-a", by_name("region-b", Sharing::No));
    let capped = case.post("region-a");
    assert!(!case.sees("muni-c", capped), "it may be region-b");
    case.join("region-b", AFFECTED, Attribution::Named);
    let name = Name::Organisation(organisation("region-b"));
    case.ok(&Case::eva("region-a"), withdraw(Scope::Named(name)));
    let still = case.post("region-a");
    assert!(!case.sees("muni-c", still), "a withdrawal opened it");
    case.give("region-a", by_name("region-b", Sharing::No));
    let lifted = case.post("region-a");
    assert!(case.sees("muni-c", lifted) && !case.sees("region-b", lifted), "now it is clear who is who");
}

#[test]
fn a_program_cannot_cover_newcomers_by_giving_the_same_answer_again() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named)]);
    case.give("region-a", class(Sharing::Direct));
    case.join("region-b", AFFECTED, Attribution::Named);
    let again = |sharing| Command::GiveConsent { change: Arc::new(class(sharing)), expected_version: None };
    let program = service(&organisation("region-a"));
    assert_eq!(case.0.perform(&program, again(Sharing::Direct)), Err(Refusal::PersonRequired));
    case.0.perform(&program, again(Sharing::Relay)).expect("narrowing is for everybody");
    // Narrowing covers nobody new either, once the answer is widened by name only.
    case.ok(&Case::anna(), Command::Close);
    let closed = case.0.perform(&Case::eva("region-a"), again(Sharing::Relay));
    assert_eq!(closed, Err(Refusal::RoomClosed), "the same answer again would cover region-b");
    case.0.perform(&Case::eva("region-a"), again(Sharing::No)).expect("a closed room accepts narrowing");
}

#[test]
fn a_program_cannot_take_back_a_named_no_under_another_name() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named), ("region-b", AFFECTED, Attribution::Named)]);
    case.give("region-a", class(Sharing::Direct));
    case.give("region-a", by_id("region-b", Sharing::No));
    let change = Arc::new(by_name("region-b", Sharing::NotAnswered));
    let program = service(&organisation("region-a"));
    let taken_back = case.0.perform(&program, Command::GiveConsent { change, expected_version: None });
    assert_eq!(taken_back, Err(Refusal::PersonRequired));
}

#[test]
fn suspending_who_has_left_or_was_only_invited_is_told_to_nobody() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named), ("region-b", AFFECTED, Attribution::Named)]);
    case.ok(&Case::eva("region-b"), Command::Leave);
    for who in ["region-b", "muni-c"] {
        let organisation = organisation(who);
        let (invitation, participant) = (invitation(&format!("again/{who}")), participant(&organisation));
        let invite = Command::Invite { invitation, organisation: organisation.clone(), role: AFFECTED, participant };
        case.ok(&Case::anna(), invite);
        let n = case.ok(&Case::anna(), Command::RemoveSuspended { organisation });
        assert!(!case.sees("region-a", n), "region-a learns that {who} was invited");
        assert!(!is_shown(&case.0, &Case::anna(), n), "there is nothing to show");
        let accepted = Command::AcceptInvitation { invitation, consent: Arc::default() };
        assert_eq!(case.0.perform(&Case::eva(who), accepted), Err(Refusal::InvitationNotFound));
    }
}

/// R6: a page that was made ready before the withdrawal is emptied by it.
#[test]
fn r6_what_was_withdrawn_is_not_shown_even_from_a_page_that_was_ready() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named), ("region-b", AFFECTED, Attribution::Named)]);
    case.give("region-a", class(Sharing::Direct));
    let n = case.post("region-a");
    let eva = Case::eva("region-b");
    let page = case.0.deliver(&eva, 100).expect("a participant reads").expect("there is something to read");
    let last = case.0.last_index(&eva);
    assert!(case.sees("region-b", n));
    case.ok(&Case::eva("region-a"), withdraw(Scope::Material(Material::Logs)));
    assert_eq!(case.0.find_at(&eva, Index(last)), Ok(Some(crate::pure::Found::Withdrawn)), "{page:?}");
    // The notice is the next delivery, before anything that is posted later; and there is one.
    let later =
        case.ok(&Case::anna(), Command::Post { message: message("later"), draft: Arc::new(plain(Material::Logs)) });
    let after = case.0.read(&eva, last, 100).expect("read");
    let notice = samverkan::room::mailbox::Notice { ranges: vec![(Index(last), Index(last))], recall: None };
    assert_eq!(after[0], (last + 1, crate::pure::Found::Notice(notice)));
    assert!(matches!(after[1], (_, crate::pure::Found::Shown(_))) && after.len() == 2 && case.sees("region-b", later));
    // Giving it again opens nothing old.
    case.give("region-a", class(Sharing::Direct));
    assert!(!case.sees("region-b", n));
}

#[test]
fn a_consent_names_as_many_organisations_as_the_limit_says() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named)]);
    let names = |n: usize| ConsentChange {
        named: (0..n)
            .flat_map(|i| {
                let name = Name::Participant(ParticipantId::from_bytes((i as u128 + 1).to_be_bytes()));
                Material::ALL.map(|material| (name.clone(), material, Sharing::No))
            })
            .collect(),
        ..ConsentChange::default()
    };
    case.give("region-a", names(samverkan::limits::NAMED_MAX));
    case.give("region-a", names(samverkan::limits::NAMED_MAX));
    let change = Arc::new(names(samverkan::limits::NAMED_MAX + 1));
    let over = case.0.perform(&Case::eva("region-a"), Command::GiveConsent { change, expected_version: None });
    assert!(matches!(over, Err(Refusal::LimitReached { .. })), "{over:?}");
}

#[test]
fn an_invited_organisation_is_not_in_the_room() {
    let mut case = Case::new(&[("region-a", AFFECTED, Attribution::Named)]);
    let organisation: OrganisationId = organisation("muni-c");
    let invitation = invitation("muni-c");
    let participant = participant(&organisation);
    let invite = Command::Invite { invitation, organisation: organisation.clone(), role: AFFECTED, participant };
    case.ok(&Case::anna(), invite);
    let eva = Case::eva("muni-c");
    assert_eq!(Reader::new(&case.0.state, &eva).err(), Some(Refusal::RoomNotFound));
    let stub: Vec<_> =
        invitations(&case.0.state, &organisation).into_iter().map(|stub| stub.into_inner().title).collect();
    assert_eq!(stub, ["t".into()]);
    let reader = Case::anna();
    let coordinator = Reader::new(&case.0.state, &reader).expect("in the room");
    assert_eq!(room(&case.0.state, coordinator).get().title, "t".into());
}
