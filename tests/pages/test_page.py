import base64
import hashlib

import jinja2
import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError

from mechint.pages.page import render_page
from tests.html_page import read_page

FILES = {
    "_page.html.j2": "<style>{{ style }}</style><script>{{ script }}</script>{{ policy }}"
    "{% block main %}{% endblock %}",
    "x.html.j2": "{% extends '_page.html.j2' %}{% block main %}{{ told }}{% endblock %}",
    "nothing.html.j2": "{{ nothing }}",
    "reach.html.j2": "{{ ''.__class__.__mro__ }}",
    "page.css": "a { color: red }",
    "page.js": "if (1 < 2 && 3) f();",
}


@pytest.fixture(autouse=True)
def templates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jinja2, "PackageLoader", lambda *_: jinja2.DictLoader(FILES))


@pytest.mark.parametrize("tag", ["style", "script"])
def test_the_policy_lets_the_pages_own_style_and_script_run_and_nothing_else(tag: str) -> None:
    page = read_page(render_page("x.html.j2", {"told": ""}))
    (element,) = page.all(tag)
    digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
    policy = render_page("x.html.j2", {"told": ""}).partition("</script>")[2]
    assert f"{tag}-src 'sha256-{digest}'".replace("'", "&#39;") in policy
    assert policy.startswith("default-src &#39;none&#39;; img-src data:; ")


def test_several_scripts_are_one() -> None:
    page = read_page(render_page("x.html.j2", {"told": ""}, scripts=("page.js", "page.js")))
    assert page.all("script")[0].text == f"{FILES['page.js']}\n{FILES['page.js']}"


@pytest.mark.parametrize(
    ("told", "shown"), [("<b>&\"'", "<b>&\"'"), ("a\n b", "a b"), ("\u202ex\x1b", r"\u202ex\x1b"), (3, "3")]
)
def test_what_is_told_can_only_be_read(told: object, shown: str) -> None:
    html = render_page("x.html.j2", {"told": told})
    assert "<b>" not in html
    assert jinja2.utils.markupsafe.Markup(html.partition("data:")[2]).unescape().strip().endswith(shown)


@pytest.mark.parametrize(("template", "error"), [("nothing.html.j2", UndefinedError), ("reach.html.j2", SecurityError)])
def test_templates_are_strict_and_sandboxed(template: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        render_page(template, {})
