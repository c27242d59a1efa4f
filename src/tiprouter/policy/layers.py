"""Which policies do the files of a bundle's layers state, and may each be used?

1. Every policy must pass Cedar's strict validation, the annotation rules and the lint, or is refused at its own line.
2. Templates are refused: nothing links them, so they would be silent. A guard only forbids.
3. An `@id` is used once among the files read together; a file states at least one policy.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cedarpy

from tiprouter.policy.annotations import AnnotationError, Effect, Layer, PolicyNote, note_of
from tiprouter.policy.lint import complaints
from tiprouter.policy.refusal import BundleError, text_of
from tiprouter.policy.statements import Statement, statements


class Source(NamedTuple):
    """One file of a layer."""

    folder: Path
    file: str
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
    for folder, file, layer in sources:
        stated = list(statements(file, text_of(folder, file)))
        if not stated:
            raise BundleError(file, 1, "the file states no policy: an empty bundle is refused, not trivially safe")
        for statement in stated:
            policy = _policy(statement, layer)
            if policy.note.id in found:
                raise BundleError(file, statement.line, f"@id {policy.note.id} is used twice")
            found[policy.note.id] = policy
        _validate(stated, schema)
    return tuple(policy for _, policy in sorted(found.items()))


def _policy(statement: Statement, layer: Layer) -> Policy:
    """One statement, refused at its own line when its words, its annotations or its comparisons are wrong."""
    try:
        tree = _tree(statement)
        note = note_of(Effect(tree["effect"]), layer, tree.get("annotations", {}))
        typed = cedarpy.policies_to_pst(statement.text)
    except ValueError as error:
        raise BundleError(statement.file, statement.line, str(error)) from error
    faults = [fault for policy in typed.static_policies.values() for fault in complaints(policy)]
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


def _tree(statement: Statement) -> dict[str, Any]:
    document = json.loads(cedarpy.policies_to_json_str(statement.text))
    if document["templates"]:
        raise AnnotationError("a template is never linked, so it would never decide; write a policy")
    tree: dict[str, Any] = document["staticPolicies"]["policy0"]
    return tree
