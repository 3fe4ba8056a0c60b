"""A Kconfig configuration of the older tool as a spec: each symbol of an analysis becomes a key, or is refused by name.

Symbols of an analysis have MECHINT in their names. Of the training's, a few say what an analysis needs too: where the
data lie, the size of a batch, the project of the tracker. The others are counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import get_args

from mechint.errors import Fault, SpecError
from mechint.spec.kconfig_symbols import RefusedValueError, Symbol, Symbols, read_symbols
from mechint.spec.names import checked_output_dir
from mechint.spec.scalars import Scalar, UnusableNumberError, printable, quote, resolve_plain
from mechint.spec.schedules import SparsitySchedule, TemperatureSchedule
from mechint.spec.suggest import did_you_mean

__all__ = ["KNOWN", "OF_TRAINING", "translate_kconfig"]

CHECKPOINTS = "./output/final_model_step*.pt"
METRICS = ("loss", "accuracy", "perplexity", "logit_diff", "kl_div")

_PREFIX = "KNLP_MECHINT"
KNOWN = (
    _PREFIX,
    *(f"{_PREFIX}_KV_{name}" for name in ("POSTTRAIN", "FROM_RUNS", "RUN_DIR", "CHECKPOINT", "STEPS", "LR")),
    *(f"{_PREFIX}_KV_{name}" for name in ("TARGET_METRIC", "TARGET_SPARSITY", "TEMP_SCHEDULE", "SPARSITY_SCHEDULE")),
    *(f"{_PREFIX}_KV_{name}" for name in ("L1_LAMBDA", "HARD_MASKS")),
    *(f"{_PREFIX}_VISUALIZE_{name}" for name in ("WANDB", "HEATMAPS", "CURVES", "FAITHFULNESS")),
    *(f"{_PREFIX}_{name}" for name in ("SAVE_MASKS", "OUTPUT_DIR")),
)
_DATASETS = ("GPT2_DATASET_NAME", "GPT2_DATASET")
_PROJECTS = ("TRACKER_PROJECT", "KNLP_TRACKER_PROJECT", "WANDB_PROJECT")
"""Where the project's name may be; the older analysis asked the first."""
OF_TRAINING = ("DATA_DIR", *_DATASETS, "BATCH_SIZE", *_PROJECTS)
_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./*+-]*")

_Line = tuple[str, str]
"""YAML, and the remark behind it; a remark alone is a comment of its own."""
_Part = Callable[[Symbols], Iterator[_Line]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A section of the spec; one without a name holds keys of the top level."""

    name: str = ""
    parts: Sequence[_Part]


def translate_kconfig(text: str, path: str) -> str:
    """The spec that asks for what a configuration asks for, with the symbol behind every key that it gave.

    Raises SpecError with every line that is not Kconfig, each symbol of the analysis that is not known and each value
    that has no place in a spec.
    """
    symbols, faults = read_symbols(text, path)
    ours = [symbol for symbol in symbols.values() if "MECHINT" in symbol.name]
    faults += [_unknown(symbol, path) for symbol in ours if symbol.name not in KNOWN]
    if not ours or (_PREFIX in symbols and symbols[_PREFIX].value == "n"):
        faults.append(Fault(file=path, message=f"asks for no analysis: CONFIG_{_PREFIX} is not set"))
    lines = [line for section in _SECTIONS for line in _translate(section, symbols, path, faults)]
    if faults:
        raise SpecError(sorted(faults, key=lambda fault: fault.line or 0))
    ignored = len(symbols.keys() - {*KNOWN, *OF_TRAINING})
    left_out = f"# {ignored} symbol{'s' * (ignored > 1)} of the training, which an analysis does not read, left out."
    head = (
        f"# Written by mechint import-kconfig from {printable(path)}; behind each key is the symbol that gave it.",
        *([left_out] if ignored else []),
        "version: 1",
        f"name: {_scalar(_name_of(path))}",
    )
    return "\n".join([*head, *lines]) + "\n"


def _unknown(symbol: Symbol, path: str) -> Fault:
    message = (
        f"unknown symbol {quote(symbol.stated)}{did_you_mean(symbol.stated, [f'CONFIG_{name}' for name in KNOWN])}"
    )
    return Fault(file=path, line=symbol.line, message=message, hint="remove it where the analysis can do without")


def _name_of(path: str) -> str:
    """A name for the spec, after the file's."""
    return re.sub(r"[^A-Za-z0-9_+-]+", "_", PurePath(path).name).strip("_")[:100] or "imported"


def _translate(section: _Section, symbols: Symbols, path: str, faults: list[Fault]) -> list[str]:
    """The lines of a section behind an empty one; none where the configuration gives it nothing. Faults are added."""
    lines: list[_Line] = []
    for part in section.parts:
        try:
            lines += part(symbols)
        except RefusedValueError as error:
            faults.append(Fault(file=path, line=error.symbol.line, message=f"{error.symbol.stated}: {error}"))
    if not lines:
        return []
    written = [f"{yaml}  # {remark}" if yaml and remark else yaml or f"# {remark}" for yaml, remark in lines]
    return ["", f"{section.name}:", *(f"  {line}" for line in written)] if section.name else ["", *written]


def _checkpoints(symbols: Symbols) -> Iterator[_Line]:
    symbol = symbols.get(f"{_PREFIX}_KV_CHECKPOINT")
    if symbol is not None and symbol.value:
        yield f"checkpoints: {_scalar(symbol.value)}", symbol.stated
    else:
        yield f"checkpoints: {CHECKPOINTS}", f"CONFIG_{_PREFIX}_KV_CHECKPOINT names none"


def _data(symbols: Symbols) -> Iterator[_Line]:
    yield "name: tokens", ""
    folder = symbols.get("DATA_DIR")
    dataset = next((symbols[name] for name in _DATASETS if name in symbols), None)
    if folder is None or dataset is None:
        yield "path: data/stdlib", "no symbol names the data; a folder with train.bin and val.bin"
    else:
        yield f"path: {_scalar(f'{folder.value}/{dataset.value}')}", f"{folder.stated}, {dataset.stated}"


def _metric(symbols: Symbols) -> Iterator[_Line]:
    for symbol in _given(symbols, "KV_TARGET_METRIC"):
        need = "; asks for prompts with answers and distractors, which tokens has not" * (symbol.value == "logit_diff")
        yield f"metric: {_one_of(symbol, symbol.value, METRICS)}", f"{symbol.stated}{need}"


def _mode(symbols: Symbols) -> Iterator[_Line]:
    chosen = [symbol for name in ("KV_POSTTRAIN", "KV_FROM_RUNS") for symbol in _given(symbols, name) if symbol.on]
    if len(chosen) > 1:
        raise RefusedValueError(chosen[1], f"excludes {chosen[0].stated}; set one of them")
    again = bool(chosen) and chosen[0].name.endswith("FROM_RUNS")
    if again:
        place = next((symbol.value for symbol in _given(symbols, "KV_RUN_DIR") if symbol.value), None)
        if place is None:
            raise RefusedValueError(chosen[0], f"needs CONFIG_{_PREFIX}_KV_RUN_DIR, the folder to draw again")
        yield "", f"{chosen[0].stated} draws again what there is: mechint-run --from-runs {printable(place)}"
    yield "name: kv_circuit", chosen[0].stated if chosen and not again else ""
    yield "estimator: straight_through", "the older tool's; best, the default, finds better circuits at equal cost"
    yield "", "The older tool had one mask for K and V, as tied: true has."


def _hard_masks(symbols: Symbols) -> Iterator[_Line]:
    for symbol in _given(symbols, "KV_HARD_MASKS"):
        yield f"hard_masks: {'true' if symbol.on else 'false'}", symbol.stated


def _batch_size(symbols: Symbols) -> Iterator[_Line]:
    if (symbol := symbols.get("BATCH_SIZE")) is not None:
        yield f"batch_size: {_number(symbol, symbol.value, _whole_from(1), 'a whole number from 1 on')}", symbol.stated


def _whole_from(least: int) -> Callable[[float], bool]:
    return lambda value: isinstance(value, int) and least <= value <= 1_000_000


def _numeric(key: str, name: str, fits: Callable[[float], bool], wanted: str) -> _Part:
    """The part that gives a key the number of a symbol."""

    def part(symbols: Symbols) -> Iterator[_Line]:
        for symbol in _given(symbols, name):
            yield f"{key}: {_number(symbol, symbol.value, fits, wanted)}", symbol.stated

    return part


def _sparsity(symbols: Symbols) -> Iterator[_Line]:
    for symbol in _given(symbols, "KV_SPARSITY_SCHEDULE"):
        yield f"sparsity: {_one_of(symbol, symbol.value, _shapes(SparsitySchedule))}", symbol.stated


def _temperature(symbols: Symbols) -> Iterator[_Line]:
    """``linear:1.0:0.1``, ``exp:1.0:0.01``, ``constant:0.5``."""
    for symbol in _given(symbols, "KV_TEMP_SCHEDULE"):
        word, *ends = symbol.value.split(":")
        shape = _one_of(symbol, "exponential" if word == "exp" else word, _shapes(TemperatureSchedule))
        if len(ends) != (1 if shape == "constant" else 2):
            raise RefusedValueError(symbol, f"{quote(symbol.value)} is not written as linear:1.0:0.1 or constant:0.5")
        numbers = [_number(symbol, end, lambda value: value > 0, "a number above 0") for end in ends]
        named = ", ".join(f"{key}: {number}" for key, number in zip(("start", "end"), numbers, strict=False))
        yield f"temperature: {{shape: {shape}, {named}}}", symbol.stated


def _judged(symbols: Symbols) -> Iterator[_Line]:
    yield "ablation: zero", "what the older tool's masks put in a channel's place; mean disturbs a model less"
    for symbol in _given(symbols, "VISUALIZE_FAITHFULNESS"):
        if symbol.on:
            yield "curve: {}", symbol.stated
    yield "", "The older tool asserted nothing, and so nothing can fail. Assertions look like this:"
    for line in ("assert:", "  - faithfulness >= 0.80", "  - margin_over_random >= 0.20"):
        yield "", line


def _wandb(symbols: Symbols) -> Iterator[_Line]:
    for symbol in _given(symbols, "VISUALIZE_WANDB"):
        project = next((symbols[name] for name in _PROJECTS if name in symbols and symbols[name].value), None)
        if symbol.on and project is not None:
            yield f"project: {_scalar(project.value)}", f"{symbol.stated}, {project.stated}"
        elif symbol.on:
            yield (
                "project: mechint-analysis",
                f"{symbol.stated}; no symbol names one, and this was the default",
            )


def _results(symbols: Symbols) -> Iterator[_Line]:
    for symbol in _given(symbols, "OUTPUT_DIR"):
        try:
            yield f"output_dir: {_scalar(checked_output_dir(symbol.value, trusted=False))}", symbol.stated
        except ValueError as error:
            raise RefusedValueError(symbol, str(error)) from None
    always = ("SAVE_MASKS", "VISUALIZE_HEATMAPS", "VISUALIZE_CURVES")
    off = [symbol.stated for name in always for symbol in _given(symbols, name) if not symbol.on]
    if off:
        yield "", f"Masks and figures are always written, whatever {' and '.join(off)} says."


_SECTIONS = (
    _Section(parts=(_checkpoints,)),
    _Section(name="task", parts=(_data, _metric)),
    _Section(
        name="method",
        parts=(
            _mode,
            _numeric("target_sparsity", "KV_TARGET_SPARSITY", lambda value: 0 < value < 1, "a number between 0 and 1"),
            _numeric(
                "steps", "KV_STEPS", lambda n: isinstance(n, int) and 12 <= n <= 10**6, "a whole number from 12 on"
            ),
            _batch_size,
            _numeric("learning_rate", "KV_LR", lambda value: 0 < value <= 100, "a number above 0 and at most 100"),
            _numeric("l1_lambda", "KV_L1_LAMBDA", lambda value: 0 <= value <= 1e6, "a number from 0 on"),
            _hard_masks,
        ),
    ),
    _Section(name="schedules", parts=(_sparsity, _temperature)),
    _Section(name="faithfulness", parts=(_judged,)),
    _Section(name="wandb", parts=(_wandb,)),
    _Section(parts=(_results,)),
)


def _given(symbols: Symbols, name: str) -> Iterator[Symbol]:
    """The analysis' symbol of this name, where the configuration has it."""
    if (symbol := symbols.get(f"{_PREFIX}_{name}")) is not None:
        yield symbol


def _shapes(schedule: type[SparsitySchedule] | type[TemperatureSchedule]) -> tuple[str, ...]:
    return get_args(schedule.model_fields["shape"].annotation)


def _one_of(symbol: Symbol, word: str, known: Sequence[str]) -> str:
    if word not in known:
        raise RefusedValueError(symbol, f"unknown {quote(word)}{did_you_mean(word, known)}; known: {', '.join(known)}")
    return word


def _number(symbol: Symbol, text: str, fits: Callable[[float], bool], wanted: str) -> str:
    """The text of a number that fits, as it stands; YAML reads it as the number it is."""
    value = _resolved(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not fits(value):
        raise RefusedValueError(symbol, f"{quote(text)} is not {wanted}")
    return text


def _scalar(text: str) -> str:
    """The text as YAML reads it back: a plain word where that is safe, else in double quotes."""
    return text if _PLAIN.fullmatch(text) and _resolved(text) == text else json.dumps(text, ensure_ascii=False)


def _resolved(text: str) -> Scalar:
    """What a plain word of YAML means; None for a number that YAML cannot hold."""
    try:
        return resolve_plain(text)
    except UnusableNumberError:
        return None
