from pathlib import Path

import pytest

from mechint.pages import files
from mechint.pages.files import embed_pictures, inside


def test_pictures_are_embedded_until_there_is_no_more_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 100)
    (tmp_path / "step").mkdir()
    for name, size in (("a.png", 60), ("b.png", 60), ("c.png", 40)):
        (tmp_path / "step" / name).write_bytes(b"x" * size)
    pictures = embed_pictures([("step", "a.png"), ("step", "b.png"), ("step", "c.png"), ("step", "d.png")], tmp_path)
    assert [(picture.name, bool(picture.content)) for picture in pictures["step"]] == [
        ("a.png", True),
        ("b.png", False),
        ("c.png", True),
    ]
    assert pictures["step"][0].content.startswith("data:image/png;base64,eHh4")


@pytest.mark.parametrize(("item", "name"), [("..", "secret.png"), ("step", "../../secret.png"), ("step", "link.png")])
def test_a_name_that_leads_out_of_the_run_is_no_file_of_it(item: str, name: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "step").mkdir(parents=True)
    (tmp_path / "secret.png").touch()
    (run / "step/link.png").symlink_to(tmp_path / "secret.png")
    assert inside(run, item, name) is None
