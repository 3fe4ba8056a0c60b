"""Typed values from a document that the schema has passed, section by section.

Pydantic converts them and holds the rules between keys that a schema cannot state. Each section is built for itself,
so a fault in one does not hide those of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import ValidationError

from mechint.codes import Code
from mechint.spec.assertion import parse_sentence
from mechint.spec.document import Document, Finding, KeyPath
from mechint.spec.explain import known_list
from mechint.spec.grammar import Grammar
from mechint.spec.header import Header
from mechint.spec.matrix import Axis, Combination, combine, find_where_faults, same_value
from mechint.spec.names import checked_output_dir
from mechint.spec.needs import lacking
from mechint.spec.nodes import MAX_FAULTS
from mechint.spec.options import OptionsModel
from mechint.spec.scalars import quote
from mechint.spec.schedules import Schedules
from mechint.spec.suggest import did_you_mean
from mechint.spec.values import Assertion, Cell, Choice, Faithfulness

__all__ = ["Stated", "build_assertions", "build_cells", "build_header", "build_trackers"]

_Model = TypeVar("_Model", bound=OptionsModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """An assertion and where it stands."""

    assertion: Assertion
    line: int | None
    file: str
    """Empty where it is the spec itself."""
    path: KeyPath


def build_header(document: Document, failed: Collection[str | int]) -> tuple[Header | None, list[Finding]]:
    """The keys that are not sections; those that ``failed`` already are not reported again."""
    values = {key: document.value[key] for key in Header.model_fields if key in document.value}
    header, findings = _build(Header, values, ())
    # What is missing the schema has reported, unless another finding says which misspelt key was meant for it.
    findings = [finding for finding in findings if finding.path[0] in values and finding.path[0] not in failed]
    if "output_dir" in values and "output_dir" not in failed:
        try:
            checked_output_dir(values["output_dir"], trusted=document.place(("output_dir",)).line is None)
        except ValueError as error:
            findings.append(Finding(path=("output_dir",), message=str(error), code=Code.UNUSABLE_NAME))
    return header, findings


def build_trackers(
    document: Document, grammar: Grammar, failed: Collection[str | int]
) -> tuple[dict[str, OptionsModel], list[Finding]]:
    """The options of every plugin that the spec tells to track the run."""
    trackers: dict[str, OptionsModel] = {}
    findings: list[Finding] = []
    for name, model in grammar.catalog.trackers.items():
        if model is None or name not in document.value or name in failed:
            continue  # one that is not loaded is not named: its name may be a key of the core
        options, wrong = _build(model, document.value[name], (name,))
        findings += wrong
        if options is not None:
            trackers[name] = options
    return trackers, findings


def build_assertions(
    document: Document, grammar: Grammar, axes: Sequence[Axis], failed: Collection[KeyPath]
) -> tuple[tuple[Stated, ...], list[Finding]]:
    """The assertions in the order of the file; those below a path that ``failed`` already are left out."""
    section = document.value.get("faithfulness")
    items = section.get("assert") if isinstance(section, dict) else None
    stated: list[Stated] = []
    findings: list[Finding] = []
    for i, item in enumerate(items if isinstance(items, list) else ()):
        path: KeyPath = ("faithfulness", "assert", i)
        if any(other[:3] == path for other in failed):
            continue
        try:
            values = parse_sentence(item) if isinstance(item, str) else item
        except ValueError as error:
            findings.append(Finding(path=path, message=str(error), code=Code.ASSERTION))
            continue
        assertion, wrong = _build(Assertion, values, path)
        if assertion is not None:
            wrong = [
                *_check_measure(assertion, grammar, path),
                *find_where_faults(assertion.where, document, axes, path),
            ]
            place = document.place(path)
            file = "" if place.line is None or place.file == document.path else place.file
            stated.append(Stated(assertion=assertion, line=place.line, file=file, path=path))
        findings += wrong
    return tuple(stated), findings


def build_cells(
    document: Document, grammar: Grammar, axes: Sequence[Axis], stated: Sequence[Stated], failed: Collection[str | int]
) -> tuple[tuple[Cell, ...], list[Finding]]:
    """One cell for each combination of the matrix; none where a section that a cell needs has ``failed``."""
    tree = _with_shapes(document.value)
    found: dict[Finding, list[Finding]] = {}
    cells: list[Cell | None] = []
    for combination in combine(axes):
        try:
            applied = combination.apply(tree)
        except LookupError:  # it leads through what is no mapping, which the schema has reported
            break
        cell, wrong = _build_cell(combination, applied, grammar, stated, failed)
        cells.append(cell)
        for finding in wrong:
            found.setdefault(finding, []).append(replace(finding, path=combination.origin(finding.path)))
        if len(found) >= MAX_FAULTS:
            break
    # What is wrong in every cell alike is not the matrix's doing.
    blamed = [[finding] if len(each) == len(cells) > 1 else each for finding, each in found.items()]
    return tuple(cell for cell in cells if cell is not None), [finding for each in blamed for finding in each]


def _build_cell(
    combination: Combination,
    tree: Mapping[str, Any],
    grammar: Grammar,
    stated: Sequence[Stated],
    failed: Collection[str | int],
) -> tuple[Cell | None, list[Finding]]:
    values = combination.values
    applying = [one for one in stated if all(same_value(values.get(k), v) for k, v in one.assertion.where.items())]
    schedules, faithfulness = None, None
    findings: list[Finding] = []
    task, method = (_build_choice(kind, tree, grammar, failed, findings) for kind in ("task", "method"))
    if "schedules" in tree and "schedules" not in failed:
        schedules, wrong = _build(Schedules, tree["schedules"], ("schedules",))
        findings += wrong
    if "faithfulness" not in failed:
        judged = {**tree.get("faithfulness", {}), "assert": tuple(one.assertion for one in applying)}
        faithfulness, wrong = _build(Faithfulness, judged, ("faithfulness",))
        findings += wrong
    if faithfulness is not None:
        findings += _check_needs(faithfulness, applying)
    if task is None or method is None or faithfulness is None or findings:
        return None, findings
    cell = Cell(
        values=values,
        task=task,
        metric=tree["task"].get("metric", "loss"),
        method=method,
        schedules=schedules,
        faithfulness=faithfulness,
        lines=tuple(one.line for one in applying),
        files=tuple(one.file for one in applying),
        seed=tree.get("seed", 0),
    )
    return cell, findings


def _check_needs(faithfulness: Faithfulness, applying: Sequence[Stated]) -> Iterator[Finding]:
    for one in applying:
        if (words := lacking(one.assertion.name, faithfulness)) is not None:
            yield Finding(path=one.path, message=f"{one.assertion.name} needs {words}", code=Code.ASSERTION)


def _build_choice(
    kind: str, tree: Mapping[str, Any], grammar: Grammar, failed: Collection[str | int], findings: list[Finding]
) -> Choice | None:
    """The plugin that the section names, with its options; faults are added to ``findings``."""
    section = tree.get(kind, {})
    if kind in failed or "name" not in section:  # reported, or made by the matrix where the section is misspelt
        return None
    own = ("name", "metric") if kind == "task" else ("name",)
    model = (grammar.catalog.tasks if kind == "task" else grammar.catalog.methods)[section["name"]]
    assert model is not None, f"{kind} {section['name']} is not loaded, so its options cannot be built"
    options, wrong = _build(model, {key: value for key, value in section.items() if key not in own}, (kind,))
    findings += wrong
    return None if options is None else Choice(name=section["name"], options=options)


def _build(model: type[_Model], values: object, path: KeyPath) -> tuple[_Model | None, list[Finding]]:
    """The model at ``path``, or None and what pydantic finds wrong."""
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        return None, [
            # A rule between keys is at home at the key above them.
            Finding(
                path=(*path, *each["loc"]),
                message=_in_words(each["msg"]),
                at_key=isinstance(each["input"], Mapping),
                code=_code_at((*path, *each["loc"])),
            )
            for each in found
        ]


def _code_at(path: KeyPath) -> Code:
    if path[:2] == ("faithfulness", "assert"):
        return Code.ASSERTION
    return Code.UNUSABLE_NAME if path[:1] in (("name",), ("tags",)) else Code.CONTRADICTION


def _in_words(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message[:1].lower() + message[1:]


def _check_measure(assertion: Assertion, grammar: Grammar, path: KeyPath) -> Iterator[Finding]:
    measures = grammar.catalog.measures
    if assertion.metric and assertion.metric not in measures:
        message = f"unknown measure {quote(assertion.metric)}{did_you_mean(assertion.metric, measures)}"
        yield Finding(path=path, message=message, hint=known_list("measures", measures), code=Code.UNKNOWN_NAME)


def _with_shapes(tree: dict[str, Any]) -> dict[str, Any]:
    """The spec's values with bare words of ``schedules`` written out, so that a matrix can set their parts."""
    schedules = tree.get("schedules")
    if not isinstance(schedules, dict):
        return tree
    shaped = {key: {"shape": value} if isinstance(value, str) else value for key, value in schedules.items()}
    return {**tree, "schedules": shaped}
