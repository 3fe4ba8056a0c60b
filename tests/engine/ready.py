"""Items on tiny models, prepared without files."""

from __future__ import annotations

from mechint.engine.collect import catalog_of
from mechint.engine.plugins import Plugins, list_plugins
from mechint.engine.prepare import Prepared
from mechint.engine.probe import Probe
from mechint.spec.checkpoints import Source
from mechint.spec.document import parse_document
from mechint.spec.grammar import compile_grammar
from mechint.spec.plan import plan
from mechint.spec.read import build_spec
from mechint.spec.values import Item
from mechint.task.ablation import Ablation
from tests.tiny import random_model, subject_of, task_on, usable_metrics

SPEC = """\
version: 1
name: invented
checkpoints: model.pt
task: {name: tokens, path: data}
method: METHOD
"""


def ready_item(method: str, search: int = 32) -> tuple[Item, Plugins, Prepared]:
    """An item with this method, as YAML, on a tiny model with so many search examples."""
    plugins = Plugins(list_plugins())
    for name in ("metrics", "tokens", method.strip("{").split(",")[0].split(":")[1].strip(" }")):
        plugins.load(name)
    document = parse_document("spec.yaml", SPEC.replace("METHOD", method).encode())
    spec = build_spec(document, compile_grammar(catalog_of(plugins)))
    (item,) = plan(spec, [Source.at("model.pt")]).items
    model = random_model()
    task = task_on(model, search=search)
    subject = subject_of(model)
    ablation = Ablation(name="mean", subject=subject, reference=task.search, seed=0)
    return item, plugins, Prepared(subject=subject, task=task, ablation=ablation, metrics=usable_metrics(task))


def probe_of(method: str, search: int = 32) -> Probe:
    return Probe(*ready_item(method, search))
