"""Who harms this child, and how, as far as the record says?

1. A law may ask who harms a child: somebody responsible for its care, or somebody else. Guardians whom the record
   implicates are the first; an accused person who is none of its guardians is the second.
2. What the record leaves open stays open: every way it may be is a `World`, and there is always one.
3. Whether it is sexual exploitation is read from the forms of exploitation; none stated, or "Other", may be anything.
"""

from itertools import product

from tiprouter.domain.duty import World
from tiprouter.domain.record import Person, Record
from tiprouter.domain.vocabulary import Answer, Exploitation, Perpetrator, Role


def worlds_of(record: Record, child: Person) -> tuple[World, ...]:
    """Every way it may be with a child, as far as the record leaves it open (rules 1-3)."""
    caretaker, other = _by_a_caretaker(child), _by_another(record, child)
    sexual = _sexual(record)
    found = []
    for by_caretaker, by_other, sexually in product((True, False), repeat=3):
        fits = _may_be(caretaker, by_caretaker) and _may_be(other, by_other) and _may_be(sexual, sexually)
        if fits and (by_caretaker or by_other):
            by = {Perpetrator.CARETAKER: by_caretaker, Perpetrator.OTHER: by_other}
            found.append(World(frozenset(who for who, did in by.items() if did), sexually))
    return tuple(found)


def _may_be(answer: Answer, truth: bool) -> bool:  # noqa: FBT001 - one side of a question
    return answer is Answer.UNKNOWN or (answer is Answer.YES) is truth


def _by_a_caretaker(child: Person) -> Answer:
    answers = {guardian.implicated for guardian in child.guardians}
    if Answer.YES in answers:
        return Answer.YES
    return Answer.NO if answers == {Answer.NO} else Answer.UNKNOWN


def _by_another(record: Record, child: Person) -> Answer:
    """Whether somebody else harms the child: certain where no guardian does, or the accused is none of them."""
    if _by_a_caretaker(child) is Answer.NO:
        return Answer.YES
    guardians = {guardian.ref for guardian in child.guardians}
    accused = [person.ref for person in record.persons if person.role is Role.ALLEGED_TRAFFICKER]
    known = bool(guardians) and None not in guardians
    return Answer.YES if known and any(ref not in guardians for ref in accused) else Answer.UNKNOWN


def _sexual(record: Record) -> Answer:
    if Exploitation.SEXUAL_EXPLOITATION in record.exploitation:
        return Answer.YES
    vague = not record.exploitation or Exploitation.OTHER in record.exploitation
    return Answer.UNKNOWN if vague else Answer.NO
