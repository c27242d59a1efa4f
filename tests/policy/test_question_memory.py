"""Is what is put together from Cedar's earlier answers what Cedar would say?"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.gate.test_compile import CONDITIONS
from tiprouter.domain.explain import VOCABULARY
from tiprouter.domain.facts import Facts
from tiprouter.domain.outcome import Ruling
from tiprouter.domain.vocabulary import AgeBand, Answer, Category, ConsentState, DutyState, Role
from tiprouter.policy import memory
from tiprouter.policy.bundle import Bundle, Parsed, load, policy_set
from tiprouter.policy.engine import ENGINE_FAILURE, NO_DECISION, SECOND_OPINION, Engine, ruling_of
from tiprouter.policy.files import shipped
from tiprouter.policy.layers import Policy
from tiprouter.policy.memory import Projection, projection_of, seen_in
from tiprouter.policy.questions import ANY_GRANTED, CONSENT, FIELDS, QUESTIONS, entities_for, requests_for

from .facts_strategy import ALL_GRANTED, BASE, any_facts, facts, numbered

SHIPPED = ("bundle", "tip_sharing")
CONSENTED = facts(consents=ALL_GRANTED)


def _asked(bundle: Bundle, count: int, start: int = 0) -> Iterator[Facts]:
    """Facts as good as random, and some rows of the duty table with many of them."""
    rows = sorted(bundle.slices)[::20]
    for number in range(start, start + count):
        yield replace(numbered(number), rows=tuple(rows[number % 3 : number % 5]))


def _cedar_whole(policies: cedarpy.PolicySet, schema: cedarpy.Schema, one: Facts) -> list[cedarpy.AuthzResult]:
    store = cedarpy.Entities.from_json_str(entities_for(one), schema)
    return cedarpy.is_authorized_batch(requests_for(one), policies, store, schema)


_loaded = lru_cache(lambda name: load(shipped(name)))


@lru_cache
def _every_policy(name: str, rows: tuple[str, ...]) -> cedarpy.PolicySet:
    """All policies of a shipped bundle and of some rows, whatever question they are about."""
    bundle = _loaded(name)
    return policy_set([*bundle.policies, *(bundle.slices[row] for row in rows)])


def _ruling(bundle: Bundle, one: Facts) -> Ruling:
    """What Cedar rules when it is asked all nine questions about all policies, whatever it was asked before."""
    slices = [bundle.slices[row] for row in one.rows]
    results = _cedar_whole(_every_policy(bundle.name, one.rows), bundle.parsed.schema, one)
    answers = {
        question: memory.Answer(result.allowed, tuple(result.diagnostics.reasons))
        for question, result in zip(QUESTIONS, results, strict=True)
    }
    return ruling_of(answers, {**bundle.notes, **{policy.note.id: policy.note for policy in slices}})


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_remembered_says_what_cedar_says(name: str, request: pytest.FixtureRequest) -> None:
    """Rule 4: ruling after ruling on facts never seen, slices too, and no second opinion to help: none differs."""
    bundle: Bundle = request.getfixturevalue(name)
    engine = Engine(bundle, cache_size=0, second_opinion=False)
    for one in _asked(bundle, 1_500):
        engine.rule(one)
    for one in (*_asked(bundle, 150), *_asked(bundle, 300, 1_500)):
        assert engine.rule(one) == _ruling(bundle, one), one


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_order_of_any_facts_is_decided_as_without_memory(tip_sharing: Bundle, data: st.DataObject) -> None:
    """Rule 4: neighbours in the space come one after the other, where a wrong memory would show first."""
    first = data.draw(any_facts())
    changes: dict[str, Any] = data.draw(
        st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VOCABULARY.items()})
    )
    remembering = Engine(tip_sharing, cache_size=0, second_opinion=False)
    remembering.rule(first)
    assert remembering.rule(replace(first, **changes)) == _ruling(tip_sharing, replace(first, **changes))


def _blurred(bits: int, one: Facts, other: Facts) -> Facts:
    """The other facts, but with the first's values wherever a projection can tell the two apart."""
    for name in VOCABULARY:
        changed = replace(one, **{name: getattr(other, name)})
        if (seen_in(changed)[0].bits ^ seen_in(one)[0].bits) & bits == 0:
            one = changed
    states = list(one.consents)
    for place, state in enumerate(other.consents):
        changed = replace(one, consents=(*states[:place], state, *states[place + 1 :]))
        if all((new.bits ^ old.bits) & bits == 0 for new, old in zip(seen_in(changed), seen_in(one), strict=True)):
            states[place], one = state, changed
    return one


def _blind(policies: Iterable[Policy], schema: cedarpy.Schema, pairs: int) -> Iterator[tuple[str, bool]]:
    """Each policy alone before pairs of facts that are one to it: its id, and whether Cedar told them apart."""
    for policy in policies:
        alone, projection = policy_set([policy]), projection_of(policy.tree)
        for number in range(pairs):
            one = numbered(number)
            other = _blurred(projection.bits, one, numbered(number + 1_000))
            told = [
                [(result.allowed, result.diagnostics.reasons, result.diagnostics.errors) for result in results]
                for results in (_cedar_whole(alone, schema, each) for each in (one, other))
            ]
            yield policy.note.id, told[0] != told[1]


def test_what_a_policy_does_not_read_changes_nothing(bundle: Bundle, tip_sharing: Bundle) -> None:
    """Rule 1: of facts that a projection does not tell apart, real Cedar tells none apart, policy by policy."""
    own = [policy for policy in tip_sharing.policies if policy.file == "tenant.cedar"]
    policies = [*bundle.policies, *own, *list(bundle.slices.values())[::20]]
    seen = list(_blind(policies, bundle.parsed.schema, 8))
    assert [name for name, told in seen if told] == []


def _odd(folder: Path, effect: str, conditions: Iterable[str]) -> Bundle:
    texts = [
        f'@id("tenant.odd-{number}")\n@basis("Odd.")\n@cite("None")\n'
        f"{effect} (principal, action, resource)\nwhen {{ {condition} }};\n"
        for number, condition in enumerate(conditions)
    ]
    (folder / "odd.cedar").write_text("\n".join(texts))
    return load(folder)


def test_every_construct_is_read_widely_enough(folder: Path) -> None:
    """Rule 1: whatever shape a condition has, and where it errs, what it can tell apart is in its projection."""
    whole = 'action != Action::"review" && context == {consent: Consent::"granted"}'
    reading = 'resource.immediate == resource.escalating && [AgeBand::"minor"].contains(resource.age)'
    odd = _odd(
        folder,
        "permit",
        [*CONDITIONS, whole, reading, "if principal.usable then resource.fresh else 1 + 9223372036854775807 > 0"],
    )
    policies = [policy for policy in odd.policies if policy.file == "odd.cedar"]
    assert [name for name, told in _blind(policies, odd.parsed.schema, 8) if told] == []


def test_what_nests_too_deeply_may_read_everything() -> None:
    """Rule 1: nobody looked through it, so nothing is alike to it, neither facts nor actions."""
    body: dict[str, Any] = {"Value": True}
    for _ in range(5_000):
        body = {"!": {"arg": body}}
    deep = projection_of({"conditions": [{"kind": "when", "body": body}]})
    assert all(seen.bits & deep.bits == seen.bits for number in range(50) for seen in seen_in(numbered(number)))
    assert deep.actions == set(QUESTIONS)


@pytest.mark.parametrize("read", FIELDS, ids=".".join)
def test_a_fact_left_out_of_a_projection_is_noticed(
    tip_sharing: Bundle, monkeypatch: pytest.MonkeyPatch, read: tuple[str, str]
) -> None:
    """A planted fault, one for each fact: rulings differ, and with a second opinion nothing leaves at all there."""
    lost = memory._ALL[read]  # noqa: SLF001 - the fault is planted there

    def narrowed(tree: Any) -> Projection:  # noqa: ANN401 - Cedar's JSON
        found = projection_of(tree)
        return found._replace(bits=found.bits & ~lost)

    monkeypatch.setattr(memory, "projection_of", narrowed)
    trusting, doubting = Engine(tip_sharing, 0, second_opinion=False), Engine(tip_sharing, 0)
    differing = noticed = False
    for one in _neighbours(FIELDS[read], 400):
        right, told, ruling = doubting.suppose(one), trusting.rule(one), doubting.rule(one)
        differing = differing or told != right
        noticed = noticed or ruling.errors == (SECOND_OPINION,)
        assert ruling == right or (ruling.errors and not ruling.permitted and not ruling.report)
        if differing and noticed:
            return
    pytest.fail(f"rulings differed: {differing}; the second opinion noticed: {noticed}")


def _neighbours(field: str, count: int) -> Iterator[Facts]:
    """Facts, each followed by the same with every other value of one of them."""
    for number in range(count):
        one = numbered(number)
        if field == CONSENT:
            yield from (replace(one, consents=(state,) * len(Category)) for state in ConsentState)
        elif field == ANY_GRANTED:
            asked = one.consents[0] if one.consents[0] is not ConsentState.GRANTED else ConsentState.REFUSED
            yield from (replace(one, consents=(asked,) * 6 + (state,)) for state in (asked, ConsentState.GRANTED))
        else:
            changes: list[dict[str, Any]] = [{field: value} for value in VOCABULARY[field]]
            yield from (replace(one, **change) for change in changes)


def test_an_action_left_out_of_a_projection_is_noticed(tip_sharing: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 2, a planted fault: incident and health are taken for one question, and the second opinion sees it."""
    monkeypatch.setattr(memory, "projection_of", lambda tree: projection_of(tree)._replace(actions=frozenset()))
    engine = Engine(tip_sharing, 0)
    assert any(engine.rule(one).errors == (SECOND_OPINION,) for one in _asked(tip_sharing, 300))


def _gone(_: Facts) -> str:
    raise RuntimeError("nobody may ask Cedar now")


def test_cedar_is_not_asked_what_no_policy_can_tell_apart(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """An expired consent is as a withdrawn one to every policy; a recipient that is implicated is not as another."""
    engine = Engine(bundle)
    expired, withdrawn = (
        facts(consents=(state,) * len(Category)) for state in (ConsentState.EXPIRED, ConsentState.WITHDRAWN)
    )
    # A question is put together only with a consent that Cedar once answered it with (rule 5).
    for state in (expired, withdrawn):
        engine.rule(replace(state, fresh=True))
    ruling = engine.rule(expired)

    monkeypatch.setattr("tiprouter.policy.engine.entities_for", _gone)
    assert engine.rule(withdrawn) == ruling
    assert engine.rule(replace(withdrawn, implicated=True)).errors == (ENGINE_FAILURE,)


def test_a_permit_that_errs_is_not_hidden_by_a_forbid(folder: Path) -> None:
    """Rule 3: where a forbid is remembered as satisfied, a permit that would err on these facts is still an error."""
    (folder / "spoilt.cedar").write_text(
        '@id("tenant.spoilt")\n@basis("Spoilt.")\n@cite("None")\n'
        'permit (principal, action in Action::"disclose", resource)\n'
        "when { principal.implicated && resource.fresh && 9223372036854775807 + 1 > 0 };\n"
    )
    for second_opinion in (True, False):
        engine = Engine(load(folder), second_opinion=second_opinion)
        # After these two every forbid is known where both is so: none of them reads both.
        for known in (facts(implicated=True), facts(fresh=True)):
            assert engine.rule(known).errors == ()
        assert engine.rule(facts(implicated=True, fresh=True)).errors == ("policy-error:tenant.spoilt",)


def test_a_permit_is_not_taken_for_unsatisfied_where_a_forbid_was(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 3: what an answer that forbids leaves untold of the permits is asked once, and not forgotten for another."""
    engine, implicated = Engine(bundle, 0, second_opinion=False), replace(CONSENTED, implicated=True)
    assert not engine.rule(implicated).permitted
    assert engine.rule(CONSENTED) == _ruling(bundle, CONSENTED)
    assert engine.rule(CONSENTED).permitted
    engine.rule(replace(implicated, duty=DutyState.REQUIRED))
    monkeypatch.setattr("tiprouter.policy.engine.entities_for", _gone)
    assert engine.rule(CONSENTED) == _ruling(bundle, CONSENTED)


def test_a_question_that_cedar_never_answered_is_not_answered_from_others(bundle: Bundle) -> None:
    """Rule 5: all that is known of `contact` would do for `identity`, but Cedar does not know that action here."""
    text = str(bundle.parsed.schema)
    assert 'action "identity"' in text
    schema = cedarpy.Schema.from_str(text.replace('action "identity"', 'action "other"'))
    engine = Engine(replace(bundle, parsed=Parsed(bundle.parsed.policies, schema)))
    for one in (CONSENTED, replace(CONSENTED, fresh=True), CONSENTED):
        assert engine.rule(one).errors == (NO_DECISION,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"usable": "yes"},
        {"age": "teenager"},
        {"consents": ("maybe",) * 7},
        {"consents": (*ALL_GRANTED, ALL_GRANTED[0])},
    ],
    ids=str,
)
def test_what_is_no_fact_is_not_answered_from_facts(bundle: Bundle, wrong: dict[str, Any]) -> None:
    """A memory that could answer everything about the facts says nothing of what is outside the vocabulary."""
    for second_opinion in (True, False):
        engine = Engine(bundle, second_opinion=second_opinion)
        assert engine.rule(CONSENTED).errors == ()
        assert engine.rule(replace(CONSENTED, **wrong)).errors == (ENGINE_FAILURE,)


def test_the_memory_of_each_policy_is_bounded_and_changes_nothing(bundle: Bundle) -> None:
    """Rule 6: with room for three sayings of each policy three are kept, with room for none none is."""
    small, empty = (Engine(bundle, 0, sayings=limit, second_opinion=False) for limit in (3, 0))
    for one in _asked(bundle, 300):
        assert small.rule(one) == empty.rule(one)
    kept = [len(one.said) for one in small._memory._sayings.values()]  # noqa: SLF001 - each policy's
    assert max(kept) == 3
    assert small.stats().sayings == sum(kept)
    assert empty.stats().sayings == 0


def test_a_disagreement_ends_all_remembering(bundle: Bundle, tip_sharing: Bundle) -> None:
    """What was remembered until somebody was found wrong is not built upon."""
    engine = Engine(replace(bundle, policies=tip_sharing.policies))
    assert engine.rule(CONSENTED).errors == ()
    assert engine.stats().sayings
    assert engine.rule(facts(reporter="family_friend")).errors == (SECOND_OPINION,)
    assert engine.stats().sayings == 0


def test_forgetting_leaves_nothing(bundle: Bundle) -> None:
    """Neither rulings nor sayings, and the next ruling is the same."""
    engine = Engine(bundle)
    ruling = engine.rule(CONSENTED)
    assert (engine.stats().size, engine.stats().sayings > 0) == (1, True)
    engine.forget()
    assert (engine.stats().size, engine.stats().sayings) == (0, 0)
    assert not engine._memory.answered  # noqa: SLF001 - rule 5's part of it
    assert engine.rule(CONSENTED) == ruling


def test_threads_share_a_memory_that_is_always_full(bundle: Bundle) -> None:
    """Rule 6: four threads, room for two sayings of each policy, and every ruling is Cedar's."""
    asked = list(_asked(bundle, 60))
    right = [_ruling(bundle, one) for one in asked]
    engine = Engine(bundle, 0, sayings=2)
    with ThreadPoolExecutor(4) as pool:
        rounds = [
            pool.submit(lambda some: [engine.rule(one) for one in some], asked[turn:] + asked[:turn])
            for turn in range(4)
        ]
        for turn, rulings in enumerate(rounds):
            assert rulings.result() == right[turn:] + right[:turn]


def test_a_child_beside_its_neighbours(bundle: Bundle) -> None:
    """The memory of the core's policies serves every slice, and no slice speaks where its row does not apply."""
    engine, rows = Engine(bundle, second_opinion=False), sorted(bundle.slices)[:3]
    child = replace(BASE, age=AgeBand.MINOR, duty=DutyState.REQUIRED, role=Role.DEPENDANT, immediate=Answer.NO)
    for row in rows:
        ruling = engine.rule(replace(child, rows=(row,)))
        assert ruling == _ruling(bundle, replace(child, rows=(row,)))
        assert {name for name in ruling.policies if name.startswith("duty.")} <= {f"duty.{row}"}
    assert not any(name.startswith("duty.") for name in engine.rule(child).policies)
