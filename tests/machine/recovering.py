"""The steps of an agency's question and its answer, and of people who ask that something be tried again."""

from datetime import timedelta
from typing import Final

from tests.machine.content import demand
from tests.machine.house import Row
from tests.machine.machine import Basics
from tests.machine.model import Reply
from tests.machine.staff import WHY
from tests.support.endpoints import SECOND
from tests.support.reviewing import ANNA
from tests.support.service import OPERATOR
from tiprouter.domain.question import AnswerResult
from tiprouter.domain.record import Statement
from tiprouter.domain.recovery import REPLAYABLE, Became, RetryReason
from tiprouter.domain.vocabulary import AcknowledgementStatus, Category
from tiprouter.errors import ConflictError, InvalidError
from tiprouter.storage.acknowledgements import Words
from tiprouter.workflow import acknowledging, questions, recovery, replaying
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.questions import Given
from tiprouter.workflow.recovery import NotRetriedError, Retried, Wish
from tiprouter.workflow.replaying import Plan, Progress

LABELS: Final = (Category.INCIDENT, Category.INCIDENT, Category.LOCATION, Category.CONTACT, Category.HEALTH, None)
ENDED: Final = ("delivered", "exhausted", "refused")
MAY_BE_DUE: Final = ("queued", "retrying")


class Recoveries(Basics):
    """What is said and sent once more."""

    def answer(self) -> str | None:
        """The hotline answers an agency's question; what the gate withholds leaves nothing behind."""
        rows = [row for row in self.watch.tables["questions"].values() if row[1] == "open"]
        rows = [row for row in rows if not self.model.records[row[2]].erased] or self._asked()
        if not rows:
            return None
        row, desk = self.chance.choice(rows), self.house.desk
        told, marker = self.model.records[row[2]], self.teller.marker()
        refs = [person.ref for person in told.record.persons]
        about = () if self.chance.random() < 0.2 else tuple(self.chance.sample(refs, 1))
        reply = Reply(row[0], told.id, row[3], about, self.chance.choice(LABELS))
        said = Statement(f"fictional {marker}", about, reply.category)
        if self.chance.random() < 0.05:
            stranger = Statement(f"fictional {marker}", ("r-nobody",), reply.category)
            self.refused(lambda tx: questions.answer(tx, desk, ANNA, row[0], stranger), InvalidError)
            return "about a stranger"

        def books(given: Given) -> None:
            self.history.discard(told.id)
            sent = given.result is AnswerResult.SENT
            demand(sent or not self.model.may_answer(reply, strictly=True), "what may be answered is sent", reply)
            demand(not sent or self.model.may_answer(reply), "what may not be answered is withheld", reply)
            if sent:
                self.model.replies[marker] = reply

        given = self.tell(lambda tx: questions.answer(tx, desk, ANNA, row[0], said), books)
        after = self.watch.tables["questions"][row[0]]
        if given.result is AnswerResult.SENT:
            demand(after[1] == "answered" and after[4], "an answer has its disclosure", after)
            self.refused(lambda tx: questions.answer(tx, desk, ANNA, row[0], said), questions.SettledError)
        else:
            demand(after[1] in ("open", "closed") and not after[4], "a withheld answer leaves no trace", after)
        return given.result.value

    def _asked(self) -> list[Row]:
        """An agency asks about what it holds; its question, while it is open."""
        tables, desk = self.watch.tables, self.house.desk
        held = [row for row in tables["disclosures"].values() if row[1] and not row[2] and row[0] in self.watch.left]
        held = [row for row in held if not self.model.records[row[3]].erased]
        if not held:
            return []
        row = self.chance.choice(held)
        actor, words = Actor("cal_office", "agency", row[4]), Words("EX-1", WHY, WHY)
        needs = AcknowledgementStatus.NEEDS_INFORMATION
        self.tell(lambda tx: acknowledging.acknowledge(tx, desk, actor, row[0], needs, words))
        return [one for one in self.watch.tables["questions"].values() if one[1] == "open" and one[3] == row[4]]

    def retry(self) -> str | None:
        """Somebody asks that one delivery be tried again."""
        rows = [row for row in self.watch.tables["deliveries"].values() if not self.model.records[row[3]].erased]
        if not rows:
            return None
        rows = [row for row in rows if row[1] in ENDED] or rows if self.chance.random() < 0.7 else rows
        row, desk = self.chance.choice(rows), self.house.desk
        disclosure = self.watch.tables["disclosures"][row[2]]

        def books(_: Retried) -> None:
            self.history.discard(row[3])

        wish = Wish(self.chance.choice([one for one in RetryReason if one is not RetryReason.OTHER]))
        try:
            retried = self.tell(lambda tx: recovery.retry(tx, desk, OPERATOR, row[0], wish), books)
        except NotRetriedError:
            self.watch.after()
            anew = any(one[2] == disclosure[2] and one[6] > disclosure[6] for one in self._recalls(row))
            helps = row[1] in ENDED and disclosure[1] and not disclosure[5] and not anew
            demand(not helps, "what ended and stands may be sent anew", row, disclosure)
            return "not retried"
        became = retried.again.became
        if became is Became.DUE:
            demand(row[1] in MAY_BE_DUE, "what waits at a worker is made due", row)
            return became.value
        demand(row[1] in ENDED, "what is in flight or was cancelled is not sent anew", row)
        demand(self.watch.tables["deliveries"][row[0]] == row, "what ended is not revived", row)
        if became is Became.WITHHELD:
            may = self.model.payload(row[3], row[4], strictly=True)
            demand(may is None, "what may leave is sent anew", row, may)
            return became.value
        made = self.watch.tables["deliveries"].get(str(retried.again.made_id))
        demand(made is not None and made[3:5] == row[3:5], "what was made anew goes to the same agency", made)
        return f"{became.value} {'recall' if disclosure[2] else 'disclosure'}"

    def _recalls(self, row: Row) -> list[Row]:
        """What was recalled of a delivery's record to its agency: an earlier recall was sent anew by a later one."""
        return [one for one in self.watch.tables["disclosures"].values() if one[2] and one[3:5] == row[3:5]]

    def replay(self) -> str | None:
        """Somebody proposes that many be tried again; another confirms, or somebody stops it."""
        waiting = [row for row in self.watch.tables["replays"].values() if row[1] in ("proposed", "running")]
        if waiting and self.chance.random() < 0.8:
            return self._go_on(self.chance.choice(waiting))
        desk, since = self.house.desk, self.model.now - timedelta(days=self.chance.choice((1, 13)))
        states = tuple(sorted(REPLAYABLE)) if self.chance.random() < 0.7 else ()
        plan = Plan(self.any_agency().id, since, None, states, RetryReason.ENDPOINT_MENDED)
        try:
            self.tell(lambda tx: replaying.propose(tx, desk, OPERATOR, plan))
        except (InvalidError, replaying.UnderWayError):
            self.watch.after()
            return None
        return "proposed"

    def _go_on(self, row: tuple[str, ...]) -> str:
        desk, actor = self.house.desk, self.chance.choice((OPERATOR, SECOND, SECOND))
        if self.chance.random() < 0.15:
            self.tell(lambda tx: replaying.stop(tx, desk, actor, row[0]))
            return "stopped"

        def books(progress: Progress) -> None:
            replay = progress.replay
            demand(replay.proposed_by != actor.id, "another person confirms a replay", replay.id)

        confirmed = self.attempt(lambda tx: replaying.confirm(tx, desk, actor, row[0]), books, ConflictError)
        return "confirmed" if confirmed else "not confirmed"
