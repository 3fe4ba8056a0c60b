"""What is found about neurons, in the rows of a report."""

from dataclasses import replace

import pytest
import torch
from markdown_it import MarkdownIt
from mechint.plugins import markdown

from mechint.circuit.circuit import Circuit
from mechint.circuit.space import Site, SiteUnits, Space
from mechint.results.values import ItemReport
from mechint.search.neuron_tables import describe_firings, describe_neurons
from mechint.search.neurons import Firings, Neuron, Portraits
from mechint.task.examples import Examples
from tests.reports import make_item

SPACE = Space(sites=tuple(SiteUnits(site=Site(layer, "mlp_post"), heads=1, width=3) for layer in range(2)))
WORDS = [" the", "\n", "a|b", "", " ", "<script>", "`x", "  ", " é", "."]
HOSTILE = "</td><script>x</script>|`[a](b)\n# h\x1b[31m"


def spell(ids):
    return "".join(WORDS[id_] for id_ in ids)


def strip_first(ids):
    """As tokenizers of one kind do: the space before a text's first word is dropped."""
    return spell(ids).removeprefix(" ")


def portraits(effect=(0.25, -1.5)):
    return Portraits(
        neurons=(Neuron(0, 2), Neuron(1, 0)),
        activation=torch.tensor([2.0, -0.125]),
        effect=None if effect is None else torch.tensor(effect),
        firings=None,
    )


def circuit():
    """Neuron 0.2 is kept with score 3, neuron 1.0 dropped with score -4."""
    scores = torch.tensor([1.0, 2, 3, -4, 5, 6])
    return Circuit(space=SPACE, kept=scores == 3, scores=scores)


def neurons_table(moved=((0, 1), (2, 4)), decode=spell):
    ids = None if moved is None else tuple(torch.tensor([row, row]) for row in moved)
    return describe_neurons(portraits(None if moved is None else (0.25, -1.5)), circuit(), ids, "the answers", decode)


def firing(position, decode=spell, mask=None):
    """The text around one token of all ten."""
    found = Firings(activation=torch.tensor([[0.5]]), example=torch.tensor([[0]]), position=torch.tensor([[position]]))
    tokens = torch.arange(len(WORDS)).unsqueeze(0)
    examples = Examples(tokens=tokens, targets=tokens, mask=mask)
    one = replace(portraits(), neurons=(Neuron(0, 2),))
    ((neuron, text, activation),) = describe_firings(one, found, examples, decode).rows
    assert (neuron, activation) == ("0.2", "0.5000")
    return text


def page(tmp_path, **changed):
    markdown.mechint_item_finished(report=make_item(**changed), folder=tmp_path)
    return (tmp_path / "circuit_analysis_report.md").read_text()


def test_a_neuron_has_its_own_score_and_place():
    table = neurons_table()
    assert table.header == ("Neuron", "Kept", "Raises", "Lowers", "Score", "Mean activation", "Direct effect")
    assert table.words == 4
    assert [row[:2] + row[4:] for row in table.rows] == [
        ("0.2", "yes", "3", "2", "0.2500"),
        ("1.0", "no", "-4", "-0.1250", "-1.500"),
    ]


def test_what_a_direct_effect_is_on_is_said():
    assert "adds that way to the answers;" in neurons_table().note


def test_without_a_direct_path_its_columns_are_left_out():
    table = neurons_table(moved=None)
    assert table.header == ("Neuron", "Kept", "Score", "Mean activation")
    assert "direct" not in table.note


@pytest.mark.parametrize(
    ("ids", "shown"), [((0, 2), "·the a|b"), ((1, 7), "\\n ··"), ((3, 4), "#3 ·"), ((8, 9), "·é .")]
)
def test_tokens_show_their_white_space(ids, shown):
    assert neurons_table(moved=(ids, ids)).rows[0][2] == shown


@pytest.mark.parametrize(
    ("position", "text"),
    [(0, " «the»\na|b <script>`x   é"), (5, " the\na|b «<script>»`x   é."), (1, " the«\\n»a|b <script>`x   é.")],
)
def test_the_token_that_fires_is_marked(position, text):
    assert firing(position) == text


def test_a_token_that_loses_its_space_at_a_texts_start_is_marked_too():
    assert firing(0, strip_first) == "«the»\na|b <script>`x   é"
    assert firing(8, strip_first) == "the\na|b <script>`x   «é»."


def test_padding_is_no_text():
    mask = torch.arange(len(WORDS)).unsqueeze(0) < 6
    assert firing(5, mask=mask) == " the\na|b «<script>»"


def test_a_window_ends_eight_tokens_away():
    tokens = torch.arange(40).unsqueeze(0)
    found = Firings(activation=torch.ones(1, 1), example=torch.zeros(1, 1).long(), position=torch.tensor([[20]]))
    one = replace(portraits(), neurons=(Neuron(0, 2),))
    table = describe_firings(
        one, found, Examples(tokens=tokens, targets=tokens), lambda ids: "".join(f" {id_}" for id_ in ids)
    )
    assert table.rows[0][1] == " 12 13 14 15 16 17 18 19 «20» 21 22 23 24 25 26 27 28"


def test_tables_survive_the_disk():
    item = make_item(tables=(neurons_table(),))
    assert ItemReport.model_validate_json(item.model_dump_json()) == item


def test_tables_stand_in_the_report_under_their_titles(tmp_path):
    text = page(tmp_path, tables=(neurons_table(),))
    assert "## Top neurons\n\nThe best neurons of each layer" in text
    assert "| 0.2 | yes | ·the \\\\n | a\\|b · | 3 | 2 | 0.2500 |" in text
    assert MarkdownIt("gfm-like", {"linkify": False}).render(text).count("<table>") == 8


def test_a_hostile_token_is_inert(tmp_path):
    table = neurons_table(decode=lambda ids: HOSTILE)
    hostile = table.model_copy(update={"title": HOSTILE, "note": HOSTILE, "header": (HOSTILE,) * 7})
    text = page(tmp_path, tables=(hostile,))
    html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    assert "<script" not in html
    assert 'href="b"' not in html
    assert "\x1b" not in text
    assert html.count("<table>") == 8
