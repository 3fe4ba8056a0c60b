import pytest

from mechint.faithfulness.measures import AT_SIZES, MEASURES
from mechint.spec.needs import lacking
from mechint.spec.values import Controls, Curve, Faithfulness

PLAIN = Faithfulness()
RICH = Faithfulness(controls=Controls(minimality=8, stability=2), curve=Curve(), known_circuit="known.json")
ALWAYS = ("faithfulness", "faithfulness_random", "margin_over_random", "p_random", "sparsity", "units_kept")


@pytest.mark.parametrize("measure", MEASURES)
def test_a_section_that_asks_for_everything_lacks_nothing(measure):
    assert lacking(measure, RICH) is None


@pytest.mark.parametrize("measure", MEASURES)
def test_a_plain_section_lacks_what_costs_more(measure):
    free = measure in (*ALWAYS, "completeness", "loss_increase")
    assert (lacking(measure, PLAIN) is None) is free


@pytest.mark.parametrize("measure", AT_SIZES)
def test_a_size_must_be_on_the_curve(measure):
    short = Faithfulness(curve=Curve(sizes=(0.05, 1.0)))
    assert (lacking(measure, short) is None) is (measure == "faithfulness_at_5pct")


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        ("cpr", "a curve; faithfulness.curve: {} asks for one"),
        ("minimality", "units to remove; faithfulness.controls.minimality says how many"),
        ("auroc", "a known circuit; faithfulness.known_circuit names its file"),
        ("faithfulness_at_5pct", "a curve with the size 0.05; faithfulness.curve asks for none"),
    ],
)
def test_the_words_say_which_key_asks_for_it(measure, words):
    assert lacking(measure, PLAIN) == words
