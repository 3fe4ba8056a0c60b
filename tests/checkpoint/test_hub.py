"""Models in the cache of the Hugging Face Hub, which are found without the network."""

import os
import socket
import subprocess
import sys

import pytest
from huggingface_hub import constants

from mechint.checkpoint.hub import find_in_cache
from mechint.errors import NothingCollected, UsageError
from mechint.spec.checkpoints import Reference

OLD, YOUNG = "1" * 40, "2a" * 20


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with two revisions of one model; ``main`` is the younger and ``v1.0`` the older."""
    root = tmp_path / "hub"
    home = root / "models--org--tiny.model"
    for commit in (OLD, YOUNG):
        add(home, commit, {"config.json": "{}", "model.safetensors": commit})
    (home / "refs/pr").mkdir(parents=True)
    for name, commit in {"main": YOUNG, "v1.0": OLD, "pr/1": OLD}.items():
        (home / "refs" / name).write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root))
    monkeypatch.setattr(socket.socket, "connect", lambda *given: pytest.fail("the network was asked"))
    return root


def add(home, commit, files):
    """A snapshot as huggingface_hub lays it out: links to blobs."""
    snapshot = home / "snapshots" / commit
    snapshot.mkdir(parents=True, exist_ok=True)
    (home / "blobs").mkdir(exist_ok=True)
    for name, text in files.items():
        blob = home / "blobs" / f"{commit[:4]}{name}"
        blob.write_text(text)
        (snapshot / name).symlink_to(f"../../blobs/{blob.name}")


def find(path):
    return find_in_cache(Reference(path=path))


@pytest.mark.parametrize(
    ("revision", "commit"), [("main", YOUNG), ("v1.0", OLD), ("pr/1", OLD), (OLD, OLD), (YOUNG, YOUNG)]
)
def test_a_branch_tag_or_commit_leads_to_the_commits_folder(cache, revision, commit):
    source = find(f"hf:org/tiny.model@{revision}")
    assert source.name == f"hf:org/tiny.model@{commit}"
    assert source.path == str(cache / "models--org--tiny.model/snapshots" / commit)


def test_facts_are_kept(cache):
    reference = Reference(path="hf:org/tiny.model@main", dtype="bfloat16")
    assert find_in_cache(reference).reference is reference


def test_a_model_without_an_organisation_is_found(cache):
    add(cache / "models--gpt2", OLD, {"config.json": "{}", "pytorch_model.bin": ""})
    assert find(f"hf:gpt2@{OLD}").name == f"hf:gpt2@{OLD}"


@pytest.mark.parametrize("path", ["hf:org/tiny.model", "hf:org/tiny.model@"])
def test_without_a_revision_those_of_the_cache_are_listed(cache, path):
    with pytest.raises(UsageError) as caught:
        find(path)
    assert f"of org/tiny.model the cache has {OLD} (pr/1, v1.0), {YOUNG} (main)" in str(caught.value)
    assert "hint: write hf:org/tiny.model@ and a commit, a tag or a branch" in str(caught.value)


def test_a_revision_that_is_not_in_the_cache_says_what_to_run_and_what_there_is(cache):
    with pytest.raises(NothingCollected) as caught:
        find("hf:org/tiny.model@v2.0")
    assert f"'hf:org/tiny.model@v2.0' is not in the cache of the Hugging Face Hub, {cache};" in str(caught.value)
    assert f"the cache has {OLD} (pr/1, v1.0), {YOUNG} (main)" in str(caught.value)
    assert "hint: mechint never downloads; run: hf download org/tiny.model --revision v2.0" in str(caught.value)


@pytest.mark.parametrize("path", ["hf:org/other@main", "hf:org/other"])
def test_a_model_that_is_not_in_the_cache_is_said_not_to_be(cache, path):
    with pytest.raises((NothingCollected, UsageError), match="the cache has no revision of org/other"):
        find(path)


def test_a_cache_that_does_not_exist_is_empty(cache, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "nowhere"))
    with pytest.raises(NothingCollected, match=r"the cache has no revision of org/tiny\.model"):
        find("hf:org/tiny.model@main")


@pytest.mark.parametrize("files", [{"config.json": "{}", "tokenizer.json": ""}, {"model.safetensors": ""}, {}])
def test_a_model_that_was_downloaded_in_part_is_said_to_be(cache, files):
    add(cache / "models--org--part", OLD, files)
    with pytest.raises(NothingCollected, match=r"only in part, without (config\.json|weights)"):
        find(f"hf:org/part@{OLD}")


def test_weights_that_are_links_to_nothing_are_missing(cache):
    (cache / f"models--org--tiny.model/blobs/{OLD[:4]}model.safetensors").unlink()
    with pytest.raises(
        NothingCollected, match=r"without weights .*\n.*run: hf download org/tiny\.model --revision v1\.0"
    ):
        find("hf:org/tiny.model@v1.0")


def test_a_listing_of_the_revision_with_files_that_are_missing_is_believed(cache):
    from huggingface_hub._tree_cache import TreeCacheEntry, write_tree_cache

    home = cache / "models--org--part"
    add(home, OLD, {"model.safetensors": ""})
    write_tree_cache(str(home), OLD, {"config.json": TreeCacheEntry(size=2, blob_id="x")})
    with pytest.raises(NothingCollected, match=r"only in part, without config\.json"):
        find(f"hf:org/part@{OLD}")


def test_gguf_files_without_a_config_are_to_be_named_by_their_paths(cache):
    add(cache / "models--org--quantised", OLD, {"a.gguf": "", "b.gguf": ""})
    with pytest.raises(NothingCollected) as caught:
        find(f"hf:org/quantised@{OLD}")
    assert f"{cache}/models--org--quantised/snapshots/{OLD}/a.gguf\n" in str(caught.value)


@pytest.mark.parametrize(
    "repository",
    [
        "",
        "/x",
        "org/",
        "a/b/c",
        "../x",
        "org/..",
        "a--b/c",
        "a..b",
        "/org/x",
        "org/x.git",
        "o rg/x",
        "é/x",
        "-a/b",
        "a" * 97,
    ],
)
def test_what_names_no_model_is_refused(cache, repository):
    with pytest.raises(UsageError, match=r"names no model of the Hugging Face Hub\n  hint: write it as hf:org/name@"):
        find(f"hf:{repository}@main")


@pytest.mark.parametrize("revision", ["../../etc", "/etc/passwd", "a//b", "a b", "main@x", "..", "main/", "é"])
def test_what_is_no_revision_is_refused(cache, revision):
    with pytest.raises(UsageError, match="is no revision; write a commit, a tag or a branch"):
        find(f"hf:org/tiny.model@{revision}")


def test_a_reference_that_leads_out_of_the_snapshots_is_refused(cache):
    (cache / "models--org--tiny.model/refs/evil").write_text("../blobs")
    with pytest.raises(UsageError, match="which is no commit; the cache is damaged"):
        find("hf:org/tiny.model@evil")


def test_the_cache_is_where_the_environment_says(cache):
    code = (
        "from mechint.checkpoint.discover import find_models\n"
        "(source,) = find_models('hf:org/tiny.model@main')\n"
        "print(source.name)"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(cache)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == f"hf:org/tiny.model@{YOUNG}", ran
