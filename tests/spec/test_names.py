from __future__ import annotations

from pathlib import Path

import pytest

from mechint.spec.names import checked_name, checked_output_dir, is_reserved


@pytest.mark.parametrize("name", ["kv_ablation", "K/V"[:1], "naïve run 2", "v1.2", "…"])
def test_names_that_are_fit(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a/b", "is a path"),
        ("a\\b", "is a path"),
        ("..", "is a path"),
        (".", "is a path"),
        ("CON", "name of a device"),
        ("nul.txt", "name of a device"),
        ("x" * 300, "longer than 200"),
        ("a\x00b", r"invisible character U\+0000"),
        ("a\x1b[31m", r"invisible character U\+001B"),
        ("a\u202eb", r"invisible character U\+202E"),
        ("a\nb", r"invisible character U\+000A"),
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        (" a", "begins or ends with a space"),
    ],
)
def test_names_that_are_not(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        checked_name(name)


@pytest.mark.parametrize("folder", ["results", "results/kv", "./results", "a/./b", "…/x"])
def test_folders_below_the_working_directory(folder: str) -> None:
    assert checked_output_dir(folder, trusted=False) == folder


@pytest.mark.parametrize(
    "folder", ["/", "/home/..", "~", "~/x", "..", "a/../../b", "a\\..\\b", ".", "./", "", "a\0", "//", "results/CON"]
)
@pytest.mark.parametrize("trusted", [False, True])
def test_folders_that_nobody_may_name(folder: str, trusted: bool) -> None:
    with pytest.raises(ValueError, match=r"empty|\.\.|~|not a folder|working directory|U\+0000|device"):
        checked_output_dir(folder, trusted=trusted)


@pytest.mark.parametrize("folder", ["/tmp/x", "C:\\x", "\\x"])
def test_only_the_command_line_may_name_a_folder_elsewhere(folder: str) -> None:
    assert checked_output_dir(folder, trusted=True) == folder
    with pytest.raises(ValueError, match="is absolute"):
        checked_output_dir(folder, trusted=False)


def test_the_home_folder_and_those_around_it_are_never_for_results() -> None:
    for folder in (Path.home(), *Path.home().parents):
        with pytest.raises(ValueError, match="not a folder for results alone"):
            checked_output_dir(str(folder), trusted=True)


@pytest.mark.parametrize(
    ("name", "reserved"), [("con", True), ("Com1.log", True), ("console", False), ("com10", False)]
)
def test_devices(name: str, reserved: bool) -> None:
    assert is_reserved(name) is reserved
