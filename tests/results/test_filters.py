import pytest

from mechint.results.filters import report_filters
from tests.reports import broken_item, failed_item, make_item


@pytest.mark.parametrize(
    ("item", "shown"), [(make_item(), "0.8831"), (failed_item(), "0.79996"), (broken_item(), "n/a")]
)
def test_a_measure_keeps_the_digits_that_its_assertion_rests_on(item, shown):
    assert report_filters()["measured"](item, "faithfulness") == shown


@pytest.mark.parametrize(("name", "caption"), [("kv_channel_importance.png", "kv channel importance"), ("a", "a")])
def test_the_caption_of_a_figure_is_its_name(name, caption):
    assert report_filters()["caption"](name) == caption
