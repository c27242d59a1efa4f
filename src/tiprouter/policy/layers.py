"""Which policies do the files of a bundle's layers state, and may each be used?

1. Every policy must pass Cedar's strict validation, the annotation rules and the lint, or is refused at its own line.
2. Templates are refused: nothing links them, so they would be silent. A guard only forbids.
3. An `@id` is used once among the files read together; a file states at least one policy.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import cedarpy

from tiprouter.policy.annotations import AnnotationError, Effect, Layer, PolicyNote, note_of
from tiprouter.policy.lint import complaints
from tiprouter.policy.refusal import BundleError
from tiprouter.policy.statements import Statement, statements


class Source(NamedTuple):
    """One file of a layer, and its text."""

    file: str
    text: str
    layer: Layer


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: what it says about itself, Cedar's JSON form of it, and where it stands."""

    note: PolicyNote
    tree: Mapping[str, Any]
    file: str
    line: int


def read_layers(sources: Sequence[Source], schema: cedarpy.Schema) -> tuple[Policy, ...]:
    """Every policy of the files, in the order of ids (rules 1-3). Raises `BundleError`."""
    found: dict[str, Policy] = {}
    for file, text, layer in sources:
        for policy in _read(Source(file, text, layer), schema):
            if policy.note.id in found:
                raise BundleError(file, policy.line, f"@id {policy.note.id} is used twice")
            found[policy.note.id] = policy
    return tuple(policy for _, policy in sorted(found.items()))


@lru_cache(maxsize=64)
def _read(source: Source, schema: cedarpy.Schema) -> tuple[Policy, ...]:
    """The policies of one file, in its order; bundles share most of their files, and reading one takes a while."""
    stated = list(statements(source.file, source.text))
    if not stated:
        raise BundleError(source.file, 1, "the file states no policy: an empty bundle is refused, not trivially safe")
    policies = tuple(_policy(parsed, source.layer) for parsed in _parsed(stated))
    _validate(stated, schema)
    return policies


class _Parsed(NamedTuple):
    """A statement with Cedar's two forms of it."""

    statement: Statement
    tree: Mapping[str, Any]
    typed: cedarpy.pst.Template


def _parsed(stated: Sequence[Statement]) -> list[_Parsed]:
    """Every statement, parsed: all at once, because each call costs; one by one to find the line of a fault."""
    try:
        forms = _forms("\n".join(statement.text for statement in stated))
    except ValueError:
        forms = [form for statement in stated for form in _forms_at(statement)]
    return [_Parsed(statement, *form) for statement, form in zip(stated, forms, strict=True)]


def _forms_at(statement: Statement) -> list[tuple[Mapping[str, Any], cedarpy.pst.Template]]:
    try:
        return _forms(statement.text)
    except ValueError as error:
        raise BundleError(statement.file, statement.line, str(error)) from error


def _forms(text: str) -> list[tuple[Mapping[str, Any], cedarpy.pst.Template]]:
    """Cedar's JSON and typed forms, in the order of the text: Cedar calls them `policy0`, `policy1` and so on."""
    document = json.loads(cedarpy.policies_to_json_str(text))
    if document["templates"]:
        raise AnnotationError("a template is never linked, so it would never decide; write a policy")
    trees, typed = document["staticPolicies"], cedarpy.policies_to_pst(text).static_policies
    return [(trees[name], typed[name]) for name in (f"policy{number}" for number in range(len(trees)))]


def _policy(parsed: _Parsed, layer: Layer) -> Policy:
    """One statement, refused at its own line when its annotations or its comparisons are wrong."""
    statement, tree, typed = parsed
    try:
        note = note_of(Effect(tree["effect"]), layer, tree.get("annotations", {}))
    except ValueError as error:
        raise BundleError(statement.file, statement.line, str(error)) from error
    faults = list(complaints(typed))
    if layer is Layer.GUARDS and note.effect is not Effect.FORBID:
        faults.append("a guard only forbids")
    if faults:
        raise BundleError(statement.file, statement.line, f"{note.id}: {'; '.join(faults)}")
    return Policy(note, tree, statement.file, statement.line)


def _validate(stated: list[Statement], schema: cedarpy.Schema) -> None:
    """Cedar's strict validation: of all at once, because it is slow, then one by one to find the line of a fault."""
    if cedarpy.validate_policies("\n".join(statement.text for statement in stated), schema).validation_passed:
        return
    for statement in stated:
        errors = cedarpy.validate_policies(statement.text, schema).errors
        if errors:
            raise BundleError(statement.file, statement.line, "; ".join(error.error for error in errors))
    raise BundleError(stated[0].file, 1, "the policies are not valid together")
