"""A client by somebody who has our .proto files and nothing else of ours.

Runs the main job against a real server over mutual TLS: an organisation reports an incident, the coordinator invites another, they
exchange what consent allows and not a byte more. Prints one line per step; the first surprise ends it with exit code 1.

    pip install -r tests/python/requirements.txt
    python tests/python/stranger.py --server 127.0.0.1:7443 --certificates certs/dev

CERTIFICATES holds `ca/ca.pem` and, per actor, `ACTOR/certificate.pem` and `ACTOR/key.pem`, as `samverkan dev` makes them. Actors must be persons (`user`).
"""

import argparse
import pathlib
import sys
import tempfile
import threading
import uuid

import grpc
from grpc_status import rpc_status
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
RPC_SECONDS = 20


class Surprise(Exception):
    """The server did something that the .proto files don't say."""


def expect(condition, surprise):
    if not condition:
        raise Surprise(surprise)


def step(text):
    print(f"ok  {text}", flush=True)


def generate_stubs(proto, target):
    """Makes Python modules from the .proto files, and imports them."""
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    files = sorted(str(path) for path in (proto / "samverkan" / "v1").glob("*.proto"))
    expect(files, f"no .proto files in {proto}")
    arguments = [f"--proto_path={proto}", f"--proto_path={well_known}", f"--python_out={target}", f"--grpc_python_out={target}"]
    expect(protoc.main(["protoc", *arguments, *files]) == 0, "protoc refused the .proto files")
    sys.path.insert(0, str(target))


class Actor:
    """One actor's connection: a channel with its certificate, and a stub for each service."""

    def __init__(self, arguments, actor):
        self.arguments = arguments
        self.actor = actor
        self.connect()

    def connect(self):
        # Imported here: the modules exist only once generate_stubs has run.
        from samverkan.v1 import consent_pb2_grpc, intake_pb2_grpc, message_pb2_grpc, organisation_pb2_grpc, room_pb2_grpc

        certificates = self.arguments.certificates
        credentials = grpc.ssl_channel_credentials(
            root_certificates=(certificates / "ca" / "ca.pem").read_bytes(),
            private_key=(certificates / self.actor / "key.pem").read_bytes(),
            certificate_chain=(certificates / self.actor / "certificate.pem").read_bytes(),
        )
        # A pool of its own: a cut channel must not live on in another one.
        options = [("grpc.use_local_subchannel_pool", 1)]
        if self.arguments.server_name:
            options.append(("grpc.ssl_target_name_override", self.arguments.server_name))
        self.channel = grpc.secure_channel(self.arguments.server, credentials, options)
        try:
            grpc.channel_ready_future(self.channel).result(timeout=RPC_SECONDS)
        except grpc.FutureTimeoutError:
            raise Surprise(f"{self.actor} is not let in by {self.arguments.server} within {RPC_SECONDS} s") from None
        self.intake = intake_pb2_grpc.IntakeServiceStub(self.channel)
        self.rooms = room_pb2_grpc.RoomServiceStub(self.channel)
        self.messages = message_pb2_grpc.MessageServiceStub(self.channel)
        self.consents = consent_pb2_grpc.ConsentServiceStub(self.channel)
        self.organisations = organisation_pb2_grpc.OrganisationServiceStub(self.channel)

    def cut(self):
        self.channel.close()


def call(method, request):
    return method(request, timeout=RPC_SECONDS)


def new_id():
    return str(uuid.uuid4())


def refusal_of(method, request):
    """Calls, expects an error, and returns everything that a caller can read of it."""
    from google.rpc import error_details_pb2

    try:
        answer = call(method, request)
        for _ in answer if isinstance(answer, grpc.Call) else ():
            pass
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)
        expect(status is not None, f"{error.code().name} without details: {error.details()}")
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info):
                expect(info.domain == "samverkan", f"the domain of the error is {info.domain!r}")
                return error.code(), info.reason, status.SerializeToString(deterministic=True)
        raise Surprise(f"{error.code().name} without ErrorInfo: {error.details()}") from None
    raise Surprise(f"expected a refusal of {type(request).__name__}, got an answer")


def expect_refusal(method, request, code, reason):
    got_code, got_reason, details = refusal_of(method, request)
    expect(
        (got_code, got_reason) == (code, reason),
        f"{type(request).__name__}: expected {code.name} {reason}, got {got_code.name} {got_reason}",
    )
    return details


class Mailbox:
    """What one actor has received in one room. Checks that indexes have neither gap nor repeat, over any number of streams."""

    def __init__(self, actor, room_id):
        self.actor = actor
        self.room_id = room_id
        self.deliveries = []

    def take(self, first_index, deliveries):
        expected = len(self.deliveries) + 1
        expect(first_index == expected, f"{self.actor.actor} expected index {expected}, got {first_index}")
        self.deliveries.extend(deliveries)

    def subscribe_until(self, enough):
        """Subscribes after the last index and reads until `enough(self)`, then hangs up. Returns whatever arrived."""
        from samverkan.v1 import message_pb2

        before = len(self.deliveries)
        request = message_pb2.SubscribeRequest(room_id=self.room_id, after_index=before)
        stream = self.actor.messages.Subscribe(request, timeout=RPC_SECONDS)
        try:
            while not enough(self):
                response = next(stream, None)
                expect(response is not None, "the subscription ended by itself")
                if response.WhichOneof("content") == "batch":
                    self.take(response.batch.first_index, response.batch.deliveries)
        except grpc.RpcError as error:
            seen = [delivery.WhichOneof("content") for delivery in self.deliveries]
            raise Surprise(f"the subscription of {self.actor.actor} failed: {error.code().name} {error.details()}, after {seen}") from None
        finally:
            stream.cancel()
        return self.deliveries[before:]

    def texts(self):
        return [delivery.message.text for delivery in self.deliveries if delivery.WhichOneof("content") == "message"]

    def has(self, *texts):
        return all(text in self.texts() for text in texts)

    def index_of(self, text):
        for index, delivery in enumerate(self.deliveries, start=1):
            if delivery.WhichOneof("content") == "message" and delivery.message.text == text:
                return index
        raise Surprise(f"{self.actor.actor} never received {text!r}")


def list_mailbox(actor, room_id, page_size):
    """Pages through a mailbox until a page is empty."""
    from samverkan.v1 import message_pb2

    mailbox = Mailbox(actor, room_id)
    while True:
        request = message_pb2.ListMessagesRequest(room_id=room_id, after_index=len(mailbox.deliveries), page_size=page_size)
        page = call(actor.messages.ListMessages, request)
        if not page.deliveries:
            return mailbox
        expect(len(page.deliveries) <= page_size, f"a page of {page_size} holds {len(page.deliveries)}")
        mailbox.take(page.first_index, page.deliveries)


def register(coordinator, organisation):
    from samverkan.v1 import organisation_pb2

    try:
        call(coordinator.organisations.GetOrganisation, organisation_pb2.GetOrganisationRequest(organisation_id=organisation))
        step(f"{organisation} is registered")
    except grpc.RpcError as error:
        expect(error.code() == grpc.StatusCode.NOT_FOUND, f"GetOrganisation: {error.code().name} {error.details()}")
        request = organisation_pb2.RegisterOrganisationRequest(
            request_id=new_id(), organisation_id=organisation, display_name=organisation.replace("-", " ").capitalize()
        )
        call(coordinator.organisations.RegisterOrganisation, request)
        step(f"the coordinator registers {organisation}")


def main_job(arguments):
    from samverkan.v1 import common_pb2, consent_pb2, intake_pb2, message_pb2, organisation_pb2, room_pb2

    def draft(text, material=common_pb2.MATERIAL_LOGS, **more):
        return message_pb2.MessageDraft(material=material, tlp=common_pb2.TLP_AMBER_STRICT, text=text, **more)

    def post(actor, text, **more):
        request = message_pb2.PostMessageRequest(request_id=new_id(), room_id=room_id, draft=draft(text, **more))
        return request, call(actor.messages.PostMessage, request)

    coordinator = Actor(arguments, arguments.coordinator)
    region_b_organisation = arguments.invited_organisation
    register(coordinator, arguments.reporter_organisation)
    register(coordinator, region_b_organisation)
    a = Actor(arguments, arguments.reporter)
    b = Actor(arguments, arguments.invited)
    step("the coordinator and both organisations connect with their certificates")

    # The report opens the room.
    report = intake_pb2.ReportIncidentRequest(
        request_id=new_id(),
        report=intake_pb2.IntakeReport(
            what_occurred="Somebody logs in to our servers with guessed passwords.",
            how_discovered="An alarm on failed logins.",
            ongoing=intake_pb2.ASSESSMENT_YES,
            data_leak=intake_pb2.ASSESSMENT_UNKNOWN,
            help_wanted="To know who else sees this.",
        ),
    )
    opened = call(a.intake.ReportIncident, report)
    room_id = opened.room_id
    step("the first organisation reports an incident, which opens a room")

    expect(call(a.intake.ReportIncident, report) == opened, "a retried report got another answer")
    other_content = intake_pb2.ReportIncidentRequest(request_id=report.request_id, report=intake_pb2.IntakeReport(what_occurred="Else."))
    expect_refusal(a.intake.ReportIncident, other_content, grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    step("the same report again gets the same answer; another one under its request id is refused")

    filed = call(coordinator.intake.GetReport, intake_pb2.GetReportRequest(room_id=room_id, participant=opened.participant_id))
    expect(filed.versions[0].report.help_wanted == report.report.help_wanted, "the coordinator reads another report")
    expect(not filed.versions[0].report.countermeasures, "a question that was left open has an answer")
    step("the coordinator reads the report, unanswered questions unanswered")

    # Nobody else can tell that there is such a room.
    nowhere = expect_refusal(b.rooms.GetRoom, room_pb2.GetRoomRequest(room_id=new_id()), grpc.StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
    foreign = expect_refusal(b.rooms.GetRoom, room_pb2.GetRoomRequest(room_id=room_id), grpc.StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
    expect(nowhere == foreign, "a foreign room and no room get different answers")
    step("the second organisation is told that there is no such room, in the same bytes as for a room that nobody has")

    # The invitation shows a stub; accepting it shows the room.
    invite = room_pb2.InviteOrganisationRequest(
        request_id=new_id(), room_id=room_id, organisation_id=region_b_organisation, role=common_pb2.ROLE_AFFECTED_ORGANISATION
    )
    invited = call(coordinator.rooms.InviteOrganisation, invite)
    expect(call(coordinator.rooms.InviteOrganisation, invite) == invited, "a retried invitation got another answer")
    step("the coordinator invites the second organisation")

    invitations = call(b.rooms.ListInvitations, room_pb2.ListInvitationsRequest(page_size=1000)).invitations
    stub = next((i for i in invitations if i.invitation_id == invited.invitation_id), None)
    expect(stub is not None, "the invited organisation does not see its invitation")
    expect(stub.role == common_pb2.ROLE_AFFECTED_ORGANISATION and stub.title, "the invitation lacks its role or title")
    still = expect_refusal(b.rooms.GetRoom, room_pb2.GetRoomRequest(room_id=room_id), grpc.StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
    expect(still == nowhere, "an invited organisation can tell that the room exists")
    step("the second organisation sees the invitation, and still no room")

    accept = room_pb2.AcceptInvitationRequest(
        request_id=new_id(),
        invitation_id=invited.invitation_id,
        consent=common_pb2.ConsentChange(attribution=common_pb2.ATTRIBUTION_PSEUDONYM),
    )
    accepted = call(b.rooms.AcceptInvitation, accept)
    expect(accepted.room_id == room_id, "acceptance leads to another room")
    expect(call(b.rooms.AcceptInvitation, accept) == accepted, "a retried acceptance got another answer")
    twice = room_pb2.AcceptInvitationRequest(request_id=new_id(), invitation_id=invited.invitation_id)
    expect_refusal(b.rooms.AcceptInvitation, twice, grpc.StatusCode.NOT_FOUND, "INVITATION_NOT_FOUND")
    step("it accepts under a pseudonym; accepting twice is refused")

    def seen_by(actor):
        return call(actor.rooms.ListParticipants, room_pb2.ListParticipantsRequest(room_id=room_id)).participants

    expect(
        opened.participant_id not in [p.participant_id for p in seen_by(b)] and len(seen_by(b)) == 2,
        "the reporter, who is hidden, is in the list of the second organisation",
    )
    step("it sees the coordinator and itself, and not the reporter, who is hidden")

    # The reporter shares logs, and only logs.
    preview = consent_pb2.PreviewAudienceRequest(room_id=room_id, draft=draft("would anybody see this?"))

    def receives(participant_id):
        previewed = call(a.consents.PreviewAudience, preview).participants
        return [p.receives for p in previewed if p.participant.participant_id == participant_id]

    expect(receives(accepted.participant_id) == [False], "without consent the preview says that logs are shared")
    give = consent_pb2.GiveConsentRequest(
        request_id=new_id(),
        room_id=room_id,
        change=common_pb2.ConsentChange(
            cells=[
                common_pb2.ConsentCell(
                    material=common_pb2.MATERIAL_LOGS,
                    audience=common_pb2.AUDIENCE_OTHER_AFFECTED_ORGANISATIONS,
                    sharing=common_pb2.SHARING_DIRECT,
                )
            ],
            attribution=common_pb2.ATTRIBUTION_PSEUDONYM,
        ),
    )
    given = call(a.consents.GiveConsent, give)
    expect(call(a.consents.GiveConsent, give) == given, "a retried consent got another answer")
    consent = call(a.consents.GetConsent, consent_pb2.GetConsentRequest(room_id=room_id)).consent
    open_cells = [(c.material, c.audience) for c in consent.cells if c.sharing == common_pb2.SHARING_DIRECT]
    expect(
        open_cells == [(common_pb2.MATERIAL_LOGS, common_pb2.AUDIENCE_OTHER_AFFECTED_ORGANISATIONS)] and len(consent.cells) == 6,
        f"the consent reads {consent}",
    )
    expect(receives(accepted.participant_id) == [True], "with consent the preview says that logs are not shared")
    expect_refusal(
        b.consents.GetConsent,
        consent_pb2.GetConsentRequest(room_id=room_id, participant=opened.participant_id),
        grpc.StatusCode.PERMISSION_DENIED,
        "COORDINATOR_ONLY",
    )
    step("the reporter gives consent to share logs with other affected organisations, under a pseudonym; the preview agrees")

    # Live, under the pseudonym.
    mailbox = Mailbox(b, room_id)
    subscribed = threading.Event()
    failures = []

    def read_live():
        try:
            mailbox.subscribe_until(lambda m: bool(m.deliveries))
            subscribed.set()
            mailbox.subscribe_until(lambda m: m.has("Failed password for root", "Failed password for admin"))
        except Surprise as surprise:
            failures.append(surprise)
            subscribed.set()

    reader = threading.Thread(target=read_live, daemon=True)
    reader.start()
    expect(subscribed.wait(RPC_SECONDS), "the subscription delivers nothing")
    request, first = post(a, "Failed password for root")
    expect(call(a.messages.PostMessage, request) == first, "a retried post got another answer")
    post(a, "Failed password for admin")
    reader.join(2 * RPC_SECONDS)
    if failures:
        raise failures[0]
    expect(not reader.is_alive(), "the subscription did not deliver both posts")
    expect(mailbox.texts() == ["Failed password for root", "Failed password for admin"], f"received {mailbox.texts()}")
    message = mailbox.deliveries[mailbox.index_of("Failed password for root") - 1].message
    expect(message.message_id == first.message_id, "the message has another id than its post was told")
    author = message.author
    expect(author.participant_id == opened.participant_id, "the author has another participant id")
    expect(not (author.organisation_id or author.display_name or author.is_caller), f"the pseudonym says too much: {author}")
    step("the second organisation reads both posts live, each once, from a pseudonym")

    # A cut connection.
    b.cut()
    numbered = [f"Invalid user number {n}" for n in range(20)]
    stream = a.messages.PostMessages(
        (
            message_pb2.PostMessagesRequest(request_id=f"{n:08x}-{new_id()[9:]}", room_id=room_id, draft=draft(text))
            for n, text in enumerate(numbered)
        ),
        timeout=RPC_SECONDS,
    )
    outcomes = [outcome for response in stream for outcome in response.outcomes]
    expect([o.request_id[:8] for o in outcomes] == [f"{n:08x}" for n in range(20)], "outcomes are missing or out of order")
    expect(all(o.WhichOneof("answer") == "posted" for o in outcomes), f"a post of the stream was refused: {outcomes}")
    b.connect()
    mailbox.subscribe_until(lambda m: m.has(numbered[6]))
    b.cut()
    b.connect()
    mailbox.subscribe_until(lambda m: m.has(numbered[-1]))
    expect(mailbox.texts()[2:] == numbered, f"after the cut came {mailbox.texts()[2:]}")
    step("its connection is cut twice; it resumes after its last index without gap or repeat")

    again = list_mailbox(b, room_id, page_size=7)
    expect(again.deliveries == mailbox.deliveries, "reading the mailbox in pages gives something else than the subscriptions did")
    past_end = message_pb2.ListMessagesRequest(room_id=room_id, after_index=len(mailbox.deliveries) + 1000)
    expect_refusal(b.messages.ListMessages, past_end, grpc.StatusCode.OUT_OF_RANGE, "INDEX_PAST_END")
    step("reading the mailbox in pages gives the same; an index past its end is refused")

    # Not consented: not a byte.
    post(a, "Our assessment: it is an insider.", material=common_pb2.MATERIAL_INFORMATION)
    post(a, "For the coordinator only.", coordinator_only=True)
    post(coordinator, "Both of you: block the addresses.", material=common_pb2.MATERIAL_INFORMATION)
    arrived = mailbox.subscribe_until(lambda m: m.has("Both of you: block the addresses."))
    expect(len(arrived) == 1, f"more arrived than the coordinator's message: {[d.WhichOneof('content') for d in arrived]}")
    expect(arrived[0].message.author.role == common_pb2.ROLE_COORDINATOR, "the coordinator's message has another author")
    everything = list_mailbox(coordinator, room_id, page_size=1000)
    expect(everything.has("Our assessment: it is an insider.", "For the coordinator only."), "the coordinator does not see what was posted")
    step("information, which is not shared, reaches the coordinator; the second organisation's next index is the coordinator's message")

    # Refusals name the field.
    unlabelled = message_pb2.PostMessageRequest(
        request_id=new_id(), room_id=room_id, draft=message_pb2.MessageDraft(material=common_pb2.MATERIAL_LOGS, text="no label")
    )
    expect_refusal(a.messages.PostMessage, unlabelled, grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    refusals = {
        expect_refusal(
            a.messages.PostMessage,
            message_pb2.PostMessageRequest(request_id=new_id(), room_id=room_id, draft=draft("psst", recipients=[recipient])),
            grpc.StatusCode.FAILED_PRECONDITION,
            "RECIPIENT_NOT_VISIBLE",
        )
        for recipient in ("nobody-at-all", region_b_organisation, new_id())
    }
    expect(len(refusals) == 1, "an unknown recipient and one behind a pseudonym get different answers")
    step("a message without TLP, and recipients that can't be seen, known or not, are refused")

    # Withdrawal ends it, and tells who has it.
    withdraw = consent_pb2.WithdrawConsentRequest(request_id=new_id(), room_id=room_id, all=True)
    withdrawn = call(a.consents.WithdrawConsent, withdraw)
    expect(call(a.consents.WithdrawConsent, withdraw) == withdrawn, "a retried withdrawal got another answer")
    post(a, "Failed password for oracle")
    post(coordinator, "Thank you.", material=common_pb2.MATERIAL_INFORMATION)
    arrived = mailbox.subscribe_until(lambda m: m.has("Thank you."))
    kinds = [delivery.WhichOneof("content") for delivery in arrived]
    expect(kinds == ["withdrawal_notice", "message"], f"after the withdrawal came {kinds}")
    told = [i for r in arrived[0].withdrawal_notice.ranges for i in range(r.first_index, r.last_index + 1)]
    had = [mailbox.index_of(text) for text in ["Failed password for root", "Failed password for admin", *numbered]]
    expect(told == had, f"the notice lists {told}, and {had} were received")
    again = list_mailbox(b, room_id, page_size=1000)
    expect(again.texts() == ["Both of you: block the addresses.", "Thank you."], f"after the withdrawal the mailbox holds {again.texts()}")
    expect(all(again.deliveries[i - 1].WhichOneof("content") == "withdrawn" for i in told), "a withdrawn index shows something else")
    step("the reporter withdraws: one notice with the indexes concerned, nothing of it can be read again, and no later log arrives")

    # A foreign room, again, on every way into it.
    other = call(coordinator.rooms.OpenRoom, room_pb2.OpenRoomRequest(request_id=new_id(), title="Somebody else's incident")).room_id
    for room in (other, new_id()):
        for method, request in (
            (b.rooms.GetRoom, room_pb2.GetRoomRequest(room_id=room)),
            (b.rooms.ListParticipants, room_pb2.ListParticipantsRequest(room_id=room)),
            (b.messages.ListMessages, message_pb2.ListMessagesRequest(room_id=room)),
            (b.messages.Subscribe, message_pb2.SubscribeRequest(room_id=room)),
            (b.consents.GetConsent, consent_pb2.GetConsentRequest(room_id=room)),
            (b.intake.GetReport, intake_pb2.GetReportRequest(room_id=room)),
        ):
            expect(
                expect_refusal(method, request, grpc.StatusCode.NOT_FOUND, "ROOM_NOT_FOUND") == nowhere,
                f"{type(request).__name__} of a foreign room differs",
            )
    rooms = [r.room_id for r in call(b.rooms.ListRooms, room_pb2.ListRoomsRequest(page_size=1000)).rooms]
    expect(room_id in rooms and other not in rooms, "the list of rooms is wrong")
    step("a foreign room is no room, on every way into it")

    register_self = organisation_pb2.RegisterOrganisationRequest(request_id=new_id(), organisation_id="a-friend", display_name="A friend")
    expect_refusal(b.organisations.RegisterOrganisation, register_self, grpc.StatusCode.PERMISSION_DENIED, "COORDINATOR_ONLY")
    step("what only the coordinator may do is refused to others")

    leave = room_pb2.LeaveRoomRequest(request_id=new_id(), room_id=room_id)
    left = call(b.rooms.LeaveRoom, leave)
    expect(call(b.rooms.LeaveRoom, leave) == left, "a retried departure got another answer")
    gone = expect_refusal(b.rooms.GetRoom, room_pb2.GetRoomRequest(room_id=room_id), grpc.StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
    expect(gone == nowhere, "a room that was left and no room get different answers")
    step("the second organisation leaves, and there is no such room any more")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="host:port")
    parser.add_argument("--server-name", help="the name in the server's certificate, if it is not the host")
    parser.add_argument("--certificates", required=True, type=pathlib.Path, help="directory of ca.pem and one directory per actor")
    parser.add_argument("--coordinator", default="cert-se/user-anna", help="actor of the coordinator [%(default)s]")
    parser.add_argument("--reporter", default="region-a/user-astrid", help="actor of the first affected organisation [%(default)s]")
    parser.add_argument("--reporter-organisation", help="its organisation id [the first part of the actor]")
    parser.add_argument("--invited", default="region-b/user-bengt", help="actor of the second affected organisation [%(default)s]")
    parser.add_argument("--invited-organisation", help="its organisation id [the first part of the actor]")
    parser.add_argument("--proto", default=ROOT / "proto", type=pathlib.Path, help="our .proto files [%(default)s]")
    arguments = parser.parse_args()
    arguments.reporter_organisation = arguments.reporter_organisation or arguments.reporter.split("/")[0]
    arguments.invited_organisation = arguments.invited_organisation or arguments.invited.split("/")[0]

    with tempfile.TemporaryDirectory() as stubs:
        try:
            generate_stubs(arguments.proto, pathlib.Path(stubs))
            step("stubs are made from the .proto files")
            main_job(arguments)
        except Surprise as surprise:
            print(f"NOT {surprise}", file=sys.stderr)
            return 1
        except grpc.RpcError as error:
            print(f"NOT {error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
