import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mechint.results.markup import escape, fence, link_target

HOSTILE = [
    "a | b",
    "`code`",
    "<script>alert(1)</script>",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "*bold* _it_ ~~gone~~",
    "[x](javascript:1)",
    "![x](y.png)",
    "&lt; &#65;",
    "$x$",
    "::error::x",
    "back\\slash",
    "===",
    "---",
    "+ - item",
    "- - -",
    "2)",
]


def rendered(markdown: str) -> str:
    return str(MarkdownIt("gfm-like", {"linkify": False}).render(markdown)).strip()


def shown(text: str) -> str:
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(entity, sign)
    return text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(text: str) -> None:
    html = rendered(escape(text))
    assert shown(html) == f"<p>{text}</p>"


@given(st.text(alphabet="abc _*`[]()<>|~$#&!\\-+=1.:\"'\n\x1b", min_size=1, max_size=30).filter(str.strip))
def test_any_text_stays_one_paragraph(text: str) -> None:
    html = rendered(escape(text))
    assert html.count("<") == html.count("<p>") + html.count("</p>") == 2


@pytest.mark.parametrize(
    "text", ["stepV0-target_sparsity0.8", "-0.034", "-dloss/dmask", "loss <= 0.3", "p > 0.5", "specs/kv.yaml:12"]
)
def test_ordinary_names_stay_readable_unrendered(text: str) -> None:
    assert escape(text) == text


def test_a_cell_cannot_end_its_table_row() -> None:
    html = rendered(f"| a | b |\n| --- | --- |\n| {escape('x | y')} | {escape('1' + chr(10) + '2')} |")
    assert "<td>x | y</td>" in html
    assert "<td>1 2</td>" in html


def test_a_fence_cannot_be_closed_from_within() -> None:
    html = rendered(fence("a\n````\n<b>\x1b[0m"))
    assert html == '<pre><code class="language-text">a\n````\n&lt;b&gt;\\x1b[0m\n</code></pre>'


@pytest.mark.parametrize(
    ("path", "target"),
    [("a b.png", "a%20b.png"), ("x)(y", "x%29%28y"), ("javascript:1", "javascript%3A1"), ("//evil.org", "evil.org")],
)
def test_a_link_stays_below_the_report(path: str, target: str) -> None:
    assert link_target(path) == target
