"""Every hostile input there is, as files to write and a command that must refuse them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mechint.checkpoint.folder import read_folder
from mechint.circuit.space import Site, SiteUnits, Space
from mechint.faithfulness.known import read_known_circuit
from tests.hostile import archives, documents, folders, gguf_files, safetensors_files
from tests.hostile.payloads import random_payload

__all__ = ["Case", "every_case", "good_cases"]

SPACE = Space(sites=tuple(SiteUnits(site=Site(layer, "k"), heads=1, width=3) for layer in (0, 1)))
PAYLOADS = 100
"""Random ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One input."""

    kind: str
    name: str
    write: Callable[[Path, Path], object]
    """Makes the files in an empty working directory, the first path; the second is the canary's."""
    read: tuple[str, ...] | Callable[[], object]
    """The arguments of ``mechint`` that read them, or a function where no command does by itself."""


def every_case(seed: int = 0) -> Iterator[Case]:
    """All cases, those of one kind together; the same seed draws the same payloads."""
    yield from _archives(random.Random(seed))
    for kind, table in (("safetensors", safetensors_files.BAD), ("GGUF", gguf_files.BAD)):
        for name, (content, _) in table.items():
            yield _file(kind, name, lambda canary, content=content: content())
    for name, (spoil, _) in folders.BAD.items():
        yield Case(kind="folder", name=name, write=_spoiled_folder(spoil), read=_read_folder)
    for name, text in documents.SPECS.items():
        yield Case(kind="spec", name=name, write=_written("x.yaml", text), read=("validate", "x.yaml"))
    for name, raw in documents.KNOWN.items():
        yield Case(kind="known circuit", name=name, write=_written("known.json", raw), read=_read_known)
    yield from _results()


def good_cases() -> Iterator[Case]:
    """One input of each kind that is as it should be, so that a refusal of everything would be noticed."""
    yield _file("torch.save", "good", lambda canary: archives.good())
    yield _file("safetensors", "good", lambda canary: safetensors_files.good())
    yield Case(kind="folder", name="good", write=_spoiled_folder(lambda folder, canary: None), read=_read_folder)
    yield Case(kind="spec", name="good", write=_written("x.yaml", documents.SPEC), read=("validate", "x.yaml"))
    known = b'{"units": {"k.0": [1]}}'
    yield Case(kind="known circuit", name="good", write=_written("known.json", known), read=_read_known)
    yield Case(kind="results", name="good", write=_run(lambda folder: None), read=_DIFF)


_DIFF = ("baseline", "diff", "run", "base.json")


def _archives(draw: random.Random) -> Iterator[Case]:
    kind = "torch.save"
    tables = {**archives.FILES, **archives.ARCHIVES, **archives.OBJECTS, **archives.TENSORS, **archives.ENDLESS_KEYS}
    for name, content in tables.items():
        yield _file(kind, name, lambda canary, content=content: content())
    for name, payload in archives.PAYLOADS.items():
        yield _file(kind, f"{name} in it", lambda canary, payload=payload: archives.with_pickle(payload(canary)))
        yield _file(kind, f"{name} alone", lambda canary, payload=payload: payload(canary))
    yield _file(kind, "payload in a tar", archives.tar_of_payload)
    for number in range(PAYLOADS):
        seed = draw.random()
        yield _file(
            "pickle",
            f"random payload {number}",
            lambda canary, seed=seed: archives.with_pickle(random_payload(random.Random(seed), canary)),
        )
    for part in range(1, 20):
        yield _file(
            kind, f"cut at {part} of 20", lambda canary, part=part: (good := archives.good())[: len(good) * part // 20]
        )


def _results() -> Iterator[Case]:
    for place, kind in (("run/results.json", "results"), ("base.json", "baseline")):
        for name, spoil in documents.SPOILED_TEXTS.items():
            yield Case(kind=kind, name=name, write=_run(_respelt(place, spoil)), read=_DIFF)
    for name, edit in documents.EDITS_OF_REPORTS.items():
        yield Case(kind="results", name=name, write=_run(_edited("run/results.json", edit)), read=_DIFF)
    for name, edit in documents.EDITS_OF_BASELINES.items():
        yield Case(kind="baseline", name=name, write=_run(_edited("base.json", edit)), read=_DIFF)
    tables = {**{name: content for name, (content, _) in safetensors_files.BAD.items()}, **archives.FILES}
    for name, content in tables.items():
        yield Case(kind="per-example values", name=name, write=_run(_replaced(content)), read=_DIFF)
    for name, tensors in documents.VALUES.items():
        content = _saved(tensors)
        yield Case(kind="per-example values", name=name, write=_run(_replaced(content)), read=_DIFF)


def _file(kind: str, name: str, content: Callable[[Path], bytes]) -> Case:
    def write(folder: Path, canary: Path) -> None:
        (folder / "x.pt").write_bytes(content(canary))

    return Case(kind=kind, name=name, write=write, read=("doctor", "x.pt"))


def _written(name: str, content: str | bytes) -> Callable[[Path, Path], object]:
    raw = content.encode() if isinstance(content, str) else content
    return lambda folder, canary: (folder / name).write_bytes(raw)


def _spoiled_folder(spoil: folders.Spoil) -> Callable[[Path, Path], object]:
    return lambda folder, canary: spoil(folders.write_good(folder / "model"), canary)


def _read_folder() -> object:
    return read_folder("model")


def _read_known() -> object:
    return read_known_circuit("known.json", SPACE)


def _run(spoil: Callable[[Path], object]) -> Callable[[Path, Path], object]:
    def write(folder: Path, canary: Path) -> None:
        documents.write_run(folder / "run")
        spoil(folder)

    return write


def _respelt(place: str, spoil: Callable[[str], str | bytes]) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        spoilt = spoil((folder / place).read_text())
        (folder / place).write_bytes(spoilt if isinstance(spoilt, bytes) else spoilt.encode())

    return write


def _edited(place: str, edit: documents.Edit) -> Callable[[Path], object]:
    return lambda folder: documents.edited_json(folder / place, edit)


def _replaced(content: Callable[[], bytes]) -> Callable[[Path], object]:
    return lambda folder: (folder / "run/item/per_example.safetensors").write_bytes(content())


def _saved(tensors: Callable[[], dict[str, archives.torch.Tensor]]) -> Callable[[], bytes]:
    from safetensors.torch import save

    return lambda: save(tensors(), metadata={"metric": "loss", "better": "lower"})
