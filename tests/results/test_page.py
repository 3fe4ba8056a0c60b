import jinja2
import pytest

from mechint.results.page import render_page


@pytest.fixture
def template(monkeypatch):
    """Makes the page of a template that is given as text."""

    def render(text, told, filters=None):
        loader = jinja2.DictLoader({"page": text})
        monkeypatch.setattr(jinja2, "PackageLoader", lambda *_: loader)
        return render_page("page", told, filters or {})

    return render


def test_what_is_told_is_escaped_and_what_the_template_says_is_not(template):
    assert template("**{{ name }}**", {"name": "a*b|<c>"}) == "**a\\*b\\|&lt;c>**\n"


def test_a_filter_may_say_that_its_text_is_markdown(template):
    from markupsafe import Markup

    assert template("{{ name | bold }}", {"name": "a"}, {"bold": lambda text: Markup(f"**{text}**")}) == "**a**\n"


def test_a_misspelt_variable_is_an_error(template):
    with pytest.raises(jinja2.UndefinedError):
        template("{{ nmae }}", {"name": "a"})
