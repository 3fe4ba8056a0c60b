"""Items of invented specs."""

from mechint.engine.collect import catalog_of
from mechint.engine.plugins import Plugins, list_plugins
from mechint.spec.checkpoints import Source
from mechint.spec.document import parse_document
from mechint.spec.grammar import compile_grammar
from mechint.spec.plan import plan
from mechint.spec.read import build_spec
from mechint.spec.values import Item

SPEC = """\
version: 1
name: invented
checkpoints: model.pt
task: {name: tokens, path: data}
method: {name: kv_circuit}
faithfulness:
  assert:
    - ASSERTION
"""


def item_asserting(assertion: str) -> Item:
    """An item whose spec asserts one thing."""
    plugins = Plugins(list_plugins())
    for name in ("metrics", "tokens", "kv_circuit"):
        plugins.load(name)
    document = parse_document("spec.yaml", SPEC.replace("ASSERTION", assertion).encode())
    spec = build_spec(document, compile_grammar(catalog_of(plugins)))
    (item,) = plan(spec, [Source.at("model.pt")]).items
    return item
