"""What is left of a record when one person is taken out of it?

1. The person, with everything that stands in their entry, is gone; and so is whoever else's mention of them by `ref`.
2. A statement that is labelled with them, and one that is labelled with nobody, is about them: it is gone, though it
   may be about others too. So is the location.
3. What describes the situation and nobody in it stays: kinds of exploitation, violence, places, accused agencies.
4. When nobody is left, nothing is.

Not promised: that a text labelled with others does not speak of them. Labelling is the hotline's.
"""

from dataclasses import replace

from tiprouter.domain.record import Person, Record


def without(record: Record, ref: str) -> Record | None:
    """The record without one person (rules 1-3), or None when nobody is left (rule 4)."""
    persons = tuple(_forgetting(person, ref) for person in record.persons if person.ref != ref)
    if not persons:
        return None
    location = record.location
    return replace(
        record,
        persons=persons,
        statements=tuple(one for one in record.statements if one.persons and ref not in one.persons),
        location=location if location is not None and location.persons and ref not in location.persons else None,
        signaler=replace(record.signaler, ref=None) if record.signaler.ref == ref else record.signaler,
    )


def _forgetting(person: Person, ref: str) -> Person:
    guardians = tuple(replace(one, ref=None) if one.ref == ref else one for one in person.guardians)
    return replace(person, guardians=guardians)
