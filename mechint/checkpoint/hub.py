"""Models in the local cache of the Hugging Face Hub: ``hf:org/name@revision``.

Nothing is ever downloaded. A branch or tag means what the cache knows by it, and the commit behind it names the
checkpoint, so that a report says which weights it is about.
"""

from __future__ import annotations

import os
import re

from mechint.checkpoint.paths import check_path, is_model_folder
from mechint.codes import Code
from mechint.errors import NothingCollected, UsageError
from mechint.spec.checkpoints import Reference, Source

__all__ = ["SCHEME", "find_in_cache"]

SCHEME = "hf:"

_WORD = r"[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*"
_REPOSITORY = re.compile(rf"(?:{_WORD}/)?{_WORD}(?<!\.git)")
_LONGEST_REPOSITORY = 96
_REVISION = re.compile(r"[A-Za-z0-9_+-]+(?:[./][A-Za-z0-9_+-]+)*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WEIGHTS = (".safetensors", ".bin")
"""How the weights end that a folder with a config.json may have."""
_MOST_LISTED = 8


def find_in_cache(reference: Reference) -> Source:
    """The one model that the reference names.

    Raises NothingCollected where the cache does not have it whole, and UsageError where the reference is malformed or
    states no revision.
    """
    check_path(reference.path)
    repository, revision = _parse(reference.path)
    if not revision:
        raise UsageError(
            f"{reference.path!r} states no revision, and without one it may mean other weights another day; "
            f"{_say_cached(repository)}\n"
            f"  hint: write {SCHEME}{repository}@ and a commit, a tag or a branch",
            code=Code.UNUSABLE_PATH,
        )
    folder = _snapshot(reference.path, repository, revision)
    _check_whole(reference.path, repository, revision, folder)
    return Source(name=f"{SCHEME}{repository}@{os.path.basename(folder)}", path=folder, reference=reference)


def _parse(path: str) -> tuple[str, str]:
    """The repository and the revision, "" where none is stated."""
    repository, _, revision = path.removeprefix(SCHEME).partition("@")
    if not _REPOSITORY.fullmatch(repository) or len(repository) > _LONGEST_REPOSITORY:
        raise UsageError(
            f"{path!r} names no model of the Hugging Face Hub\n"
            f"  hint: write it as {SCHEME}org/name@revision, such as {SCHEME}EleutherAI/pythia-70m@main",
            code=Code.UNUSABLE_PATH,
        )
    if revision and not _REVISION.fullmatch(revision):
        raise UsageError(
            f"{path!r}: {revision!r} is no revision; write a commit, a tag or a branch", code=Code.UNUSABLE_PATH
        )
    return repository, revision


def _snapshot(path: str, repository: str, revision: str) -> str:
    """The folder of a revision; its name is the commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError, LocalEntryNotFoundError

    try:
        # Patterns, because a download may have left out files that no model needs.
        folder = snapshot_download(
            repository, revision=revision, cache_dir=_cache(), local_files_only=True, allow_patterns=["config.json"]
        )
    except IncompleteSnapshotError:
        raise _in_part(path, repository, revision, "config.json") from None
    except LocalEntryNotFoundError:
        raise NothingCollected(
            f"{path!r} is not in the cache of the Hugging Face Hub, {_cache()}; {_say_cached(repository)}\n"
            f"  hint: mechint never downloads; run: {_download(repository, revision)}"
        ) from None
    if not _COMMIT.fullmatch(os.path.basename(folder)):
        raise UsageError(
            f"{path!r} leads to {folder!r}, which is no commit; the cache is damaged", code=Code.UNUSABLE_PATH
        )
    return folder


def _check_whole(path: str, repository: str, revision: str, folder: str) -> None:
    # What was not downloaded to its end is a broken link, if it is there at all.
    names = sorted(name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name)))
    single = [os.path.join(folder, name) for name in names if name.endswith(".gguf")]
    if not is_model_folder(folder) and single:
        listed = "\n  ".join(single[:_MOST_LISTED])
        raise NothingCollected(f"{path!r} has no config.json; name one of its files by its path:\n  {listed}")
    if not is_model_folder(folder):
        raise _in_part(path, repository, revision, "config.json")
    if not any(name.endswith(_WEIGHTS) for name in names):
        raise _in_part(path, repository, revision, "weights (*.safetensors or *.bin)")


def _in_part(path: str, repository: str, revision: str, lacking: str) -> NothingCollected:
    return NothingCollected(
        f"{path!r} is in the cache of the Hugging Face Hub only in part, without {lacking}\n"
        f"  hint: mechint never downloads; run: {_download(repository, revision)}"
    )


def _download(repository: str, revision: str) -> str:
    return f"hf download {repository} --revision {revision}"


def _say_cached(repository: str) -> str:
    """Which revisions of a repository the cache has, in words."""
    from huggingface_hub.file_download import repo_folder_name

    home = os.path.join(_cache(), repo_folder_name(repo_id=repository, repo_type="model"))
    names = _refs(os.path.join(home, "refs"))
    snapshots = os.path.join(home, "snapshots")
    commits = sorted(filter(_COMMIT.fullmatch, os.listdir(snapshots) if os.path.isdir(snapshots) else ()))
    if not commits:
        return f"the cache has no revision of {repository}"
    listed = [f"{commit} ({', '.join(sorted(names[commit]))})" if commit in names else commit for commit in commits]
    more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    return f"of {repository} the cache has {', '.join(listed[:_MOST_LISTED])}{more}"


def _refs(folder: str) -> dict[str, list[str]]:
    """The branches and tags that the cache knows, by the commit that each means."""
    names: dict[str, list[str]] = {}
    for place, _, files in os.walk(folder):
        for file in files:
            path = os.path.join(place, file)
            with open(path, encoding="utf-8", errors="replace") as stream:
                names.setdefault(stream.read(100).strip(), []).append(os.path.relpath(path, folder))
    return names


def _cache() -> str:
    from huggingface_hub import constants

    return os.path.expanduser(constants.HF_HUB_CACHE)
