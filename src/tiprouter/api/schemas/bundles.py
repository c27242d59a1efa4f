"""How is a policy bundle proposed, shown, approved and compared?

1. A bundle's files are texts by name. Names are a closed set, and one that is not in it is never repeated.
2. Bundles hold no personal data: their words, and whose credential did what to them, are told as they are.
"""

import re
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.words import Digest, Message, Moment
from tiprouter.domain.states import BundleState
from tiprouter.policy.files import COMMON_FILES, OWN_FILES
from tiprouter.policy.gate.diff import Difference
from tiprouter.storage.bundles import BundleRow
from tiprouter.workflow.governing import Governed, InForce

FILES_MAX: Final = 40
FILE_MAX: Final = 100_000
_CLOSED: Final = frozenset((*COMMON_FILES, *OWN_FILES))
_EXTRA: Final = re.compile(r"[a-z0-9-]{1,60}\.cedar", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NAMES: Final = "|".join(re.escape(name) for name in sorted(_CLOSED) if not name.endswith(".cedar"))


def _files(value: Any) -> dict[str, str]:  # noqa: ANN401 - whatever the caller sent
    """Rule 1, in one error for all: pydantic's own would point at a name that the caller made up."""
    if not isinstance(value, dict) or not 0 < len(value) <= FILES_MAX:
        raise PydanticCustomError("bundle_files", "not files")
    for name, text in value.items():
        known = name in _CLOSED or _EXTRA.fullmatch(name)
        if not known or not isinstance(text, str) or len(text) > FILE_MAX or _CONTROL.search(text):
            raise PydanticCustomError("bundle_files", "not files")
    return value


Files = Annotated[
    dict[str, str],
    BeforeValidator(_files),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "maxProperties": FILES_MAX,
            "propertyNames": {"pattern": f"^({_NAMES}|[a-z0-9-]{{1,60}}\\.cedar)$"},
            "additionalProperties": {"type": "string", "maxLength": FILE_MAX},
        }
    ),
]


class BundleProposed(Message):
    """A bundle's files; one that extends a shipped bundle leaves out what it has from there."""

    files: Files


class BundleBody(Message):
    """A bundle by its digest, and where it is. `replaces` is the bundle whose place it took: where a rollback goes."""

    digest: str
    name: str
    version: str
    summary: str
    state: BundleState
    engine: str
    proposed_by: str
    proposed_at: Moment
    activated_at: Moment | None
    retired_at: Moment | None
    replaces: str | None

    @classmethod
    def of(cls, row: BundleRow) -> Self:
        """A bundle."""
        return cls(**_values(row))


class BundleList(Message):
    """A page of bundles."""

    items: tuple[BundleBody, ...]


class ApprovalBody(Message):
    """Whose credential approved, against which active bundle, and whether it accepted that more may leave."""

    approver: str
    against: str
    newly_discloses: bool
    approved_at: Moment


class StepBody(Message):
    """One step of the gate; `seconds` is how long it took."""

    number: int
    title: str
    ok: bool
    detail: str
    seconds: float


class GateBody(Message):
    """What the gate said last. `by` says who vouches for a bundle that was installed without it: the release."""

    passed: bool
    by: str | None = None
    points: int | None = None
    steps: tuple[StepBody, ...] = ()
    engine: str | None = None


class BundleStanding(BundleBody):
    """A bundle with its approvals and what the gate said; null before it was asked."""

    approvals: tuple[ApprovalBody, ...]
    gate: GateBody | None

    @classmethod
    def standing(cls, governed: Governed) -> Self:
        """A bundle, who approved it, and the gate's report."""
        report = governed.row.report
        approvals = (
            ApprovalBody(
                approver=one.approver,
                against=one.against,
                newly_discloses=one.newly_discloses,
                approved_at=one.approved_at,
            )
            for one in governed.approvals
        )
        return cls(
            **_values(governed.row),
            approvals=tuple(approvals),
            gate=None if report is None else GateBody.model_validate(dict(report), strict=False),
        )


class BundleFiles(Message):
    """A bundle's complete texts, those it has from a shipped bundle too."""

    digest: str
    files: dict[str, str]


class ApprovalWanted(Message):
    """An approval against the bundle that is active. Where anything may newly leave, it must be accepted by name."""

    model_config = ConfigDict(json_schema_extra=examples.example(examples.APPROVAL))

    against: Digest
    accept_newly_disclosed: bool = False


class InForceBody(Message):
    """What is active now, what it retired, and how many open records were decided again, or will be by the workers."""

    bundle: BundleBody
    retired: str | None
    decided: int
    waiting: int

    @classmethod
    def of(cls, done: InForce) -> Self:
        """An activation or a rollback."""
        return cls(bundle=BundleBody.of(done.row), retired=done.replaces, decided=done.decided, waiting=done.waiting)


class SituationTold(Message):
    """Facts in words, and how many fact points they are."""

    words: str
    points: int


class DifferenceOf(Message):
    """What becomes of some questions, at how many points; `untold` points are in further situations."""

    kind: str
    questions: tuple[str, ...]
    points: int
    situations: tuple[SituationTold, ...]
    untold: int


class DifferenceBody(Message):
    """What would change; `discloses` says whether anything may newly leave or a review that may hold it back ends."""

    against: str
    digest: str
    discloses: bool
    changes: tuple[DifferenceOf, ...]

    @classmethod
    def of(cls, found: Difference) -> Self:
        """A difference."""
        changes = (
            DifferenceOf(
                kind=one.kind,
                questions=one.questions,
                points=one.points,
                situations=tuple(SituationTold(words=some.words, points=some.points) for some in one.situations),
                untold=one.untold,
            )
            for one in found.changes
        )
        return cls(against=found.before, digest=found.after, discloses=found.discloses, changes=tuple(changes))


def _values(row: BundleRow) -> dict[str, Any]:
    same = "digest name version summary state engine proposed_by proposed_at activated_at retired_at"
    return {name: getattr(row, name) for name in same.split()} | {"replaces": row.replaced}
