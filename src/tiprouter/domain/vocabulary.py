"""Which words may a fact, a record or an outcome use?

Closed vocabularies only (docs/glossary.md). HTCDS value names are used where the Human Trafficking Case Data
Standard has them (`Exploitation`, `TraffickingStatus`, `CaseStatus`, `Gender`).
"""

from enum import StrEnum, unique


@unique
class Answer(StrEnum):
    """Three values, never two: unknown is not no."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@unique
class RecordKind(StrEnum):
    """A tip is one inbound signal; a case is a versioned record about one situation."""

    TIP = "tip"
    CASE = "case"


@unique
class Role(StrEnum):
    """What a person is in a situation."""

    POTENTIAL_VICTIM = "potential_victim"
    SIGNALER = "signaler"
    ALLEGED_TRAFFICKER = "alleged_trafficker"
    WITNESS = "witness"
    DEPENDANT = "dependant"


@unique
class AgeBand(StrEnum):
    """A person's age against a jurisdiction's own threshold."""

    ADULT = "adult"
    MINOR = "minor"
    UNKNOWN = "unknown"


@unique
class Relationship(StrEnum):
    """Who the signaler is to the potential victim."""

    SELF = "self"
    FAMILY_FRIEND = "family_friend"
    COMMUNITY_MEMBER = "community_member"
    SERVICE_PROVIDER = "service_provider"
    AUTHORITY = "authority"
    UNKNOWN = "unknown"


@unique
class Category(StrEnum):
    """A kind of data; each is permitted or not by itself."""

    INCIDENT = "incident"
    LOCATION = "location"
    IDENTITY = "identity"
    CONTACT = "contact"
    HEALTH = "health"
    IMMIGRATION = "immigration"
    SIGNALER_IDENTITY = "signaler_identity"


@unique
class RecipientKind(StrEnum):
    """What sort of agency a recipient is."""

    LAW_ENFORCEMENT = "law_enforcement"
    CHILD_PROTECTION = "child_protection"
    SERVICE_PROVIDER = "service_provider"
    CLEARINGHOUSE = "clearinghouse"
    FEDERAL_AUTHORITY = "federal_authority"


@unique
class Purpose(StrEnum):
    """What a recipient may use a disclosure for; one per recipient kind (see `PURPOSE_OF`)."""

    INVESTIGATION = "investigation"
    PROTECTION = "protection"
    SERVICES = "services"
    COORDINATION = "coordination"


PURPOSE_OF = {
    RecipientKind.LAW_ENFORCEMENT: Purpose.INVESTIGATION,
    RecipientKind.CHILD_PROTECTION: Purpose.PROTECTION,
    RecipientKind.SERVICE_PROVIDER: Purpose.SERVICES,
    RecipientKind.CLEARINGHOUSE: Purpose.COORDINATION,
    RecipientKind.FEDERAL_AUTHORITY: Purpose.PROTECTION,
}


@unique
class ConsentState(StrEnum):
    """What one person's consents say about one recipient, purpose and category."""

    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    NOT_ASKED = "not_asked"
    OUT_OF_SCOPE = "out_of_scope"
    VOID = "void"


@unique
class Grantor(StrEnum):
    """Who gave a consent."""

    SELF = "self"
    GUARDIAN = "guardian"
    BOTH = "both"


@unique
class ConsentMethod(StrEnum):
    """How a consent was given."""

    VERBAL = "verbal"
    WRITTEN = "written"
    ELECTRONIC = "electronic"


@unique
class DutyState(StrEnum):
    """Whether the duty table, for a child, names this recipient in the record's jurisdictions."""

    REQUIRED = "required"
    NOT_REQUIRED = "not_required"
    UNKNOWN = "unknown"


@unique
class Bound(StrEnum):
    """Whom a duty binds. A bundle says as what its hotline is bound; rows that bind others are not followed."""

    ANYONE = "anyone"
    MANDATED_REPORTER = "mandated_reporter"
    OFFICIAL = "official"
    CHILD_WELFARE_AGENCY = "child_welfare_agency"
    ONLINE_PROVIDER = "online_provider"


@unique
class DutySubject(StrEnum):
    """Which child's situation a duty is about, the widest first."""

    CHILD_MALTREATMENT = "child_maltreatment"
    CHILD_TRAFFICKING = "child_trafficking"
    CHILD_SEXUAL_EXPLOITATION = "child_sexual_exploitation"


@unique
class Perpetrator(StrEnum):
    """By whom a child is harmed: somebody responsible for the child's care, or somebody else."""

    CARETAKER = "caretaker"
    OTHER = "other"


@unique
class ReportChannel(StrEnum):
    """How a report must be made to discharge the duty. A webhook is electronic: it is no telephone call."""

    ANY = "any"
    ORAL_OR_ELECTRONIC = "oral_or_electronic"
    ORAL = "oral"
    TELEPHONE = "telephone"

    @property
    def spoken(self) -> bool:
        """Whether only a human's voice makes such a report."""
        return self in (ReportChannel.ORAL, ReportChannel.TELEPHONE)


@unique
class Clock(StrEnum):
    """What starts a duty's clock."""

    RECEIVED = "received"
    REPORTED = "reported"


@unique
class WrittenWhen(StrEnum):
    """When a written report must follow."""

    ALWAYS = "always"
    AFTER_ORAL = "after_oral"
    IF_REQUESTED = "if_requested"


@unique
class SpanUnit(StrEnum):
    """What a statute counts in."""

    HOURS = "hours"
    DAYS = "days"
    BUSINESS_DAYS = "business_days"


@unique
class Confidence(StrEnum):
    """How good a duty row's source is: the statute's own words, an agency's summary, less, or nothing."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NONE = "none"


@unique
class Basis(StrEnum):
    """The strongest reason any potential victim of the record gives for telling this recipient."""

    CONSENT = "consent"
    DUTY = "duty"
    DANGER = "danger"
    NONE = "none"


@unique
class Perceived(StrEnum):
    """How the hotline learned of violence, as facts see it."""

    FIRST_HAND = "first_hand"
    RELAYED = "relayed"
    UNKNOWN = "unknown"


@unique
class Perception(StrEnum):
    """How the hotline learned of violence, as a record states it: heard and observed are first-hand."""

    HEARD = "heard"
    OBSERVED = "observed"
    RELAYED = "relayed"
    UNKNOWN = "unknown"


@unique
class JurisdictionReason(StrEnum):
    """Why a jurisdiction belongs to a record: where found, where it happened, where the worker is."""

    FOUND = "found"
    HAPPENED = "happened"
    WORKER = "worker"


@unique
class Channel(StrEnum):
    """How a signal reached the hotline."""

    PHONE = "phone"
    TEXT = "text"
    CHAT = "chat"
    WEB_FORM = "web_form"
    EMAIL = "email"
    OTHER = "other"


@unique
class SignalerWish(StrEnum):
    """What the signaler asked about their own identity. A wish can only narrow: it is never a consent."""

    ANONYMOUS = "anonymous"
    MAY_BE_CONTACTED = "may_be_contacted"
    UNSTATED = "unstated"


@unique
class Exploitation(StrEnum):
    """HTCDS `vic_TypeOfExploitation`."""

    FORCED_LABOUR = "ForcedLabour"
    SEXUAL_EXPLOITATION = "SexualExploitation"
    CHILD_LABOUR = "ChildLabour"
    FORCED_MARRIAGE = "ForcedMarriage"
    SERVITUDE = "Servitude"
    FORCED_MILITARY = "ForcedMilitaryByNonStateActors"
    ORGAN_REMOVAL = "OrganRemoval"
    FORCED_BEGGING = "ForcedBegging"
    FORCED_ADOPTION = "ForcedAdoption"
    SURROGACY = "Surrogacy"
    OTHER = "Other"


@unique
class Gender(StrEnum):
    """HTCDS `prs_Gender`."""

    FEMININE = "Feminine"
    MASCULINE = "Masculine"
    TRANSGENDER_FEMININE = "TransgenderFeminine"
    TRANSGENDER_MASCULINE = "TransgenderMasculine"
    NON_CONFORMING = "NonConforming"
    NOT_SPECIFIED = "NonSpecifiedUnknown"


@unique
class TraffickingStatus(StrEnum):
    """HTCDS `vic_TraffickingStatus`."""

    POSSIBLE = "PossibleVictimOfTrafficking"
    ACTUAL = "ActualVictimOfTrafficking"
    NOT_A_VICTIM = "NotAVictimOfTrafficking"


@unique
class CaseStatus(StrEnum):
    """HTCDS `Case Status`."""

    ACTIVE = "Active"
    FOLLOW_UP = "FollowUp"
    CLOSED = "Closed"
    CLOSED_REFERRED = "ClosedReferred"


@unique
class Outcome(StrEnum):
    """What is done about one person and one recipient (docs/glossary.md)."""

    REPORT = "REPORT"
    DISCLOSE = "DISCLOSE"
    HOLD_REVIEW = "HOLD_REVIEW"
    DUTY_BLOCKED = "DUTY_BLOCKED"
    WITHHOLD = "WITHHOLD"
    HOLD_ERROR = "HOLD_ERROR"


@unique
class Urgency(StrEnum):
    """Which lane a delivery takes."""

    IMMINENT = "imminent"
    STANDARD = "standard"


@unique
class NoticeRule(StrEnum):
    """How a person is owed the word that something was disclosed about them: the obliging values of a notice."""

    REQUIRED = "required"
    WHEN_SAFE = "when_safe"


@unique
class StatementForm(StrEnum):
    """In which form an agency asked to suspend an accounting (45 CFR 164.528(a)(2))."""

    WRITTEN = "written"
    ORAL = "oral"


@unique
class AttemptKind(StrEnum):
    """What an attempt is: our request with the payload, our request with ids alone, or the agency's own request."""

    PUSH = "push"
    ANNOUNCE = "announce"
    FETCH = "fetch"


@unique
class AcknowledgementStatus(StrEnum):
    """What a recipient says of a disclosure. Delivered is not acknowledged."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NEEDS_INFORMATION = "needs_information"
    CLOSED = "closed"


@unique
class ReviewAnswer(StrEnum):
    """What a reviewer says of a held decision. An error can be asked again, never released."""

    RELEASE = "release"
    WITHHOLD = "withhold"
    ESTABLISH = "establish"
    RETRY = "retry"


@unique
class Establishable(StrEnum):
    """A fact that a reviewer may establish where the record leaves it unknown."""

    AGE = "age"
    DUTY = "duty"
    PERCEIVED = "perceived"
