"""Edges by name, their number, and the search that leaves those that are needed."""

import pytest

from mechint.circuit.edges import EdgeSpace, keep_needed, parts_on

ONE_HEAD = EdgeSpace(n_layer=2, n_head=1, n_kv_head=1)


def named(space, *names):
    by_name = {str(edge): edge for edge in space.edges}
    return frozenset(by_name[name] for name in names)


@pytest.mark.parametrize(
    ("n_layer", "n_head", "count"),
    [
        (1, 1, 8),  # 5 out of emb (Q K V, M0, out), 2 out of the head, 1 out of the MLP
        (2, 1, 23),  # 9 out of emb, 6 and 5 out of layer 0, 2 and 1 out of layer 1
        (4, 1, 77),  # 17 + (14 + 13) + (10 + 9) + (6 + 5) + (2 + 1)
        (2, 2, 46),  # 15 + (2 * 9 + 8) + (2 * 2 + 1)
    ],
)
def test_an_edge_goes_from_each_part_to_each_later_input(n_layer, n_head, count):
    assert len(EdgeSpace(n_layer=n_layer, n_head=n_head, n_kv_head=n_head).edges) == count


def test_edges_have_the_names_of_the_field():
    space = EdgeSpace(n_layer=1, n_head=1, n_kv_head=1)
    into_heads = ["emb->A0.0.Q", "emb->A0.0.K", "emb->A0.0.V"]
    assert [*map(str, space.edges)] == [*into_heads, "emb->M0", "A0.0->M0", "emb->out", "A0.0->out", "M0->out"]


def test_heads_that_share_keys_and_values_share_their_inputs():
    """Heads 2 and 3 of four use the second of two key and value heads."""
    space = EdgeSpace(n_layer=1, n_head=4, n_kv_head=2)
    inputs = {str(read): read for read in space.inputs}
    assert [name for name in inputs if name.endswith("K")] == ["A0.0.K", "A0.1.K"]
    assert [*map(str, space.parts_with(inputs["A0.1.K"]))] == ["A0.2", "A0.3"]
    assert [*map(str, space.parts_with(inputs["A0.1.Q"]))] == ["A0.1"]


def test_side_by_side_neither_attention_nor_mlp_reads_the_other():
    space = EdgeSpace(n_layer=2, n_head=1, n_kv_head=1, side_by_side=True)
    names = {*map(str, space.edges)}
    assert {"A0.0->M0", "M0->A0.0.Q"}.isdisjoint(names)
    assert {"M0->A1.0.Q", "A0.0->M1"} <= names


def test_the_edges_that_are_needed_are_kept():
    needed = named(ONE_HEAD, "emb->M0", "M0->A1.0.V", "A1.0->out")
    assert keep_needed(ONE_HEAD, needed.issubset) == needed


def test_of_two_edges_that_stand_in_for_each_other_the_one_nearer_the_input_is_kept():
    """The search tries A1.0->out first and can do without it."""
    (first,), (second,) = named(ONE_HEAD, "A0.0->out"), named(ONE_HEAD, "A1.0->out")
    assert keep_needed(ONE_HEAD, lambda kept: first in kept or second in kept) == {first}


def test_inputs_of_parts_that_nothing_reads_are_dropped_without_a_run():
    """Once only M1->out is left of the five edges into out, and none of the four into M1, nothing else is read."""
    asked = []

    def suffices(kept):
        asked.append(kept)
        return named(ONE_HEAD, "M1->out") <= kept

    assert keep_needed(ONE_HEAD, suffices) == named(ONE_HEAD, "M1->out")
    assert len(asked) == 5 + 4


def test_parts_on_a_circuit_are_those_that_an_edge_leaves():
    kept = named(ONE_HEAD, "emb->M0", "M0->A1.0.V", "A1.0->out")
    assert [*map(str, parts_on(kept, ONE_HEAD))] == ["M0", "A1.0"]
