import jinja2
import pytest
from jinja2 import TemplateNotFound, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import SecurityError

from mechint.results.page import _environment, render_page


@pytest.fixture
def template(monkeypatch):
    """Makes the page of a template that is given as text."""
    packaged = jinja2.PackageLoader("mechint", "templates")

    def render(text, told, filters=None):
        given = jinja2.ChoiceLoader([jinja2.DictLoader({"page": text}), packaged])
        monkeypatch.setattr(jinja2, "PackageLoader", lambda *_: given)
        _environment.cache_clear()
        return render_page("page", told, filters or {})

    yield render
    _environment.cache_clear()


def test_what_is_told_is_escaped_and_what_the_template_says_is_not(template):
    assert template("**{{ name }}**", {"name": "a*b|<c>"}) == "**a\\*b\\|&lt;c>**\n"


def test_a_filter_may_say_that_its_text_is_markdown(template):
    from markupsafe import Markup

    assert template("{{ name | bold }}", {"name": "a"}, {"bold": lambda text: Markup(f"**{text}**")}) == "**a**\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{{ nothing }}", UndefinedError),
        ("{{ ''.__class__.__mro__ }}", SecurityError),
        ("{{ ''|attr('__class__') }}", SecurityError),
        ("{{ '{0.__class__.__mro__}'.format(1) }}", SecurityError),
        ("{% set shown = '{0.__class__}'.format %}{{ shown(1) }}", SecurityError),
        ("{{ 'a' * 10000000000 }}", SecurityError),
        ("{{ [0] * 10000000000 }}", SecurityError),
        ("{{ 9 ** 9 ** 9 }}", SecurityError),
        ("{{ '%9999999999d' % 1 }}", SecurityError),
        ("{{ range(1000000000) }}", UndefinedError),
        ("{{ lipsum.__globals__.os }}", UndefinedError),
        ("{% include '/etc/passwd' %}", TemplateNotFound),
        ("{% include '../mechint/codes.py' %}", TemplateNotFound),
        ("{% import 'os' as os %}", TemplateNotFound),
    ],
)
def test_templates_are_strict_and_sandboxed(template, text, error):
    with pytest.raises(error):
        template(text, {})


def test_numbers_can_be_multiplied(template):
    assert template("{{ 3 * length }}", {"length": 2.5}) == "7.5\n"


def test_a_mistake_in_a_template_has_its_line(template):
    with pytest.raises(TemplateSyntaxError) as raised:
        template("first\n{{ name | }}", {})
    assert (raised.value.name, raised.value.lineno) == ("page", 2)


def test_a_link_leads_below_the_page(template):
    assert template("[a]({{ '/a b(1).png' | link }})", {}) == "[a](a%20b%281%29.png)\n"
