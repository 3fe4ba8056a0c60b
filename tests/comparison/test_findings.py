import pytest

from mechint.comparison import entries, measures
from mechint.comparison.compare import compare
from mechint.comparison.findings import kind_name, p_text, say
from mechint.comparison.values import Difference
from mechint.faithfulness.compare import holm
from tests.comparison.runs import (
    Made,
    circuit_by_heads,
    compare_loaded,
    load,
    made,
    random_circuit,
    random_values,
    space_of,
    write_run,
)

NULLS = 200


def found(tmp_path, *items, **runs):
    return compare([write_run(tmp_path / "run", *items)], **runs)


def test_identical_runs_claim_nothing(tmp_path):
    items = [made("stepV0", 0), made("stepV1", 1)]
    folders = [write_run(tmp_path / name, items[0]) for name in ("a", "b")]
    comparison = compare(folders)
    (group,) = comparison.groups
    assert comparison.findings == ()
    assert comparison.conclusion.startswith(f"none of {comparison.tests} tests shows a difference beyond chance")
    assert {one.delta for one in group.differences} == {0.0}
    assert {one.p for one in group.differences} == {1.0}
    assert [one.jaccard for one in group.overlaps] == [1.0]


def test_a_planted_difference_is_found_and_said_with_its_direction_and_p(tmp_path):
    """Nine in ten of the late V channels against three in ten, in twelve layers of four heads."""
    space, late = space_of(12, heads=4), {f"v.{layer}": 0.9 for layer in range(8, 12)}
    comparison = found(tmp_path, made("stepV0", 0, space=space), made("stepV1", 1, space=space, favoured=late))
    said = [text for text in comparison.findings if "third" in text]
    (one,) = [one for one in comparison.groups[0].differences if (one.kind, one.third) == ("v", "late")]
    assert said == [
        f"stepV1 keeps more V channels in the late third than stepV0 "
        f"({one.value:.2f} against {one.base_value:.2f}, p < 0.0001, Holm)"
    ]
    assert 0.85 < one.value < 0.95
    assert one.adjusted == pytest.approx(holm([each.p for each in comparison.groups[0].differences])[6])


def test_the_other_way_round_it_keeps_fewer(tmp_path):
    space, late = space_of(12, heads=4), {f"v.{layer}": 0.9 for layer in range(8, 12)}
    items = made("stepV0", 0, space=space), made("stepV1", 1, space=space, favoured=late)
    said = found(tmp_path, *items, base="stepV1").findings
    assert any(text.startswith("stepV0 keeps fewer V channels in the late third than stepV1 (0.2") for text in said)


def test_a_less_faithful_circuit_is_said_to_be(tmp_path):
    said = found(tmp_path, made("stepV0", 0), made("stepV1", 1, lost=0.9)).findings
    assert any(text.startswith("faithfulness of stepV1 is lower than that of stepV0 (0.5") for text in said)
    assert any(text.startswith("loss of stepV1 is higher than that of stepV0 (2.") for text in said)


def test_findings_stand_in_the_order_of_their_certainty(tmp_path):
    comparison = found(tmp_path, made("stepV0", 0), made("stepV1", 1, lost=0.37), made("stepV2", 2, lost=0.9))
    adjusted = sorted(one.adjusted for one in comparison.groups[0].differences if one.adjusted < 0.05)
    assert len(comparison.findings) == len(adjusted)
    assert "stepV2" in comparison.findings[0]


def test_what_holds_in_every_group_is_said_once(tmp_path):
    """The full models differ, in both cells; one circuit is worse in one of them."""
    items = [
        made(f"V{v}-share{share}", 0, hard=v, lost=0.9 if (v, share) == (1, 2) else 0.3, changed={
            "cell": {"method.share": share}, "method": {"name": "kv_circuit", "share": share}})
        for v in (0, 1) for share in (1, 2)
    ]  # fmt: skip
    for item in items[2:]:
        item.values.values["full"]["loss"] += 0.5
    said = [text.partition(" (")[0] + text[-1:] for text in found(tmp_path, *items).findings if "full_loss" in text]
    assert said == ["full_loss of V1 is higher than that of V0)"]


@pytest.mark.parametrize("draw_circuit", [random_circuit, circuit_by_heads])
def test_without_a_difference_findings_are_claimed_as_rarely_as_stated(draw_circuit, monkeypatch):
    """Pairs of independent circuits, unit by unit or in heads, with independent noise on the same examples."""
    monkeypatch.setattr(measures, "interval", lambda *_, **__: None)
    monkeypatch.setattr(entries, "intervals", lambda many, **_: [None] * len(many))
    space, claimed = space_of(heads=4), 0
    for draw in range(NULLS):
        pair = [
            load(Made(name="V0", circuit=draw_circuit(space, seed), values=random_values(seed, hard=draw)))
            for seed in (10_000 + 2 * draw, 10_001 + 2 * draw)
        ]
        claimed += min(holm([one.p for one in compare_loaded(*pair)])) < 0.05
    assert claimed / NULLS <= 0.05


@pytest.mark.parametrize(("p", "text"), [(0.0, "< 0.0001"), (9.9e-5, "< 0.0001"), (0.00312, "= 0.0031"), (1.0, "= 1")])
def test_p_values_have_two_digits(p, text):
    assert p_text(p) == text


@pytest.mark.parametrize(("kind", "name"), [("k", "K"), ("v", "V"), ("z", "z"), ("mlp_post", "mlp_post")])
def test_kinds_have_the_fields_names(kind, name):
    assert kind_name(kind) == name


def test_values_are_shown_with_the_digits_that_tell_them_apart():
    one = Difference(
        entry="b", base="a", quantity="loss", value=1.23456, base_value=1.23412, delta=0.00044, test="", p=0.001,
        adjusted=0.01,
    )  # fmt: skip
    assert say(one) == "loss of b is higher than that of a (1.235 against 1.234, p = 0.010, Holm)"
