"""From a spec's path to the plan of what will run; loads no checkpoint."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

from mechint.checkpoint.discover import find_checkpoints, find_models
from mechint.engine.hookspecs import OBSERVING
from mechint.engine.plugins import Plugins, wrong_return
from mechint.errors import PluginError, SpecError, first_line
from mechint.faithfulness.measures import COMPARED, FULL, MEASURES
from mechint.spec.catalog import Catalog
from mechint.spec.document import Document, read_document
from mechint.spec.grammar import compile_grammar
from mechint.spec.include import resolve_include
from mechint.spec.options import OptionsModel
from mechint.spec.override import apply_overrides
from mechint.spec.plan import plan
from mechint.spec.read import build_spec, named_plugins
from mechint.spec.values import Plan, Spec
from mechint.task.metric import Metric

__all__ = ["catalog_of", "collect_plan", "is_tracker", "load_all", "read_spec"]

_CHOSEN = ("mechint_analyze", "mechint_task")


def collect_plan(path: str, plugins: Plugins, *, models: str | None, overrides: Sequence[str]) -> Plan:
    """Read and validate a spec and find its checkpoints; ``models`` takes their place, as ``MODELS=`` does."""
    spec = read_spec(path, plugins, overrides)
    found = find_checkpoints(spec.checkpoints, spec.places) if models is None else find_models(models, spec.checkpoints)
    return plan(spec, found)


def read_spec(path: str, plugins: Plugins, overrides: Sequence[str] = ()) -> Spec:
    """Read and validate a spec; raises SpecError with every fault, PluginError for options that cannot be passed on."""
    document = apply_overrides(resolve_include(read_document(path)), overrides)
    for name in _named(document, plugins):
        plugins.load(name)
    try:
        spec = build_spec(document, compile_grammar(catalog_of(plugins)))
    except SpecError:
        # Messages are better when all that ships here is known; a valid spec need not pay for it.
        for name, listed in plugins.listed.items():
            if listed.builtin and name not in plugins.off:
                plugins.load(name)
        spec = build_spec(document, compile_grammar(catalog_of(plugins)))
    _refuse_unsendable(spec)
    return spec


def load_all(plugins: Plugins) -> None:
    """Load every plugin that is listed and not turned off, for the schema and the list of methods."""
    for name in plugins.listed:
        if name not in plugins.off:
            plugins.load(name)


def catalog_of(plugins: Plugins) -> Catalog:
    """What specs may name: the options of loaded plugins, the names of the others, metrics and measures."""
    loaded = [name for name in plugins.listed if plugins.loaded(name)]
    methods = [name for name in loaded if plugins.implements(name, "mechint_analyze")]
    tasks = [name for name in loaded if plugins.implements(name, "mechint_task")]
    # An installed plugin that nobody named may be any of them; a word close to its name is a likely slip.
    unknown: dict[str, type[OptionsModel] | None] = {
        name: None for name, listed in plugins.listed.items() if not listed.builtin and not plugins.loaded(name)
    }
    metrics = _metrics(plugins)
    return Catalog(
        methods=unknown | {name: _options(plugins, name) for name in methods},
        tasks=unknown | {name: _options(plugins, name) for name in tasks},
        trackers=unknown | {name: _options(plugins, name) for name in loaded if is_tracker(plugins, name)},
        metrics=metrics,
        measures=(*MEASURES, *metrics, *(f"{FULL}{metric}" for metric in metrics if metric not in COMPARED)),
        learns_masks=frozenset(name for name in methods if plugins.accepts(name, "mechint_analyze", "schedules")),
    )


def is_tracker(plugins: Plugins, name: str) -> bool:
    """Whether the loaded plugin of this name watches runs and has options, so that a spec may name it by a key."""
    answers = {hook for hook in (*_CHOSEN, *OBSERVING, "mechint_options") if plugins.implements(name, hook)}
    return "mechint_options" in answers and answers.isdisjoint(_CHOSEN) and not answers.isdisjoint(OBSERVING)


def _named(document: Document, plugins: Plugins) -> list[str]:
    """The plugins that the document names and that exist; the others are the validation's to report."""
    named = named_plugins(document)
    words = (named.method, named.task, *named.trackers)
    return [name for name in words if name is not None and name in plugins.listed]


def _metrics(plugins: Plugins) -> tuple[str, ...]:
    return tuple(metric.name for metric in plugins.collect("mechint_metrics", Metric))


def _options(plugins: Plugins, name: str) -> type[OptionsModel]:
    """What the plugin lets a spec set; nothing, where it does not say."""
    options = plugins.ask(name, "mechint_options")
    if options is None:
        return OptionsModel
    if not (isinstance(options, type) and issubclass(options, OptionsModel)):
        raise wrong_return(name, "mechint_options", options, "a class derived from OptionsModel")
    return options


def _refuse_unsendable(spec: Spec) -> None:
    """Raise PluginError for options that no worker can be sent and no observer be given a copy of."""
    first = spec.cells[0]
    given = [
        (first.method.name, [cell.method.options for cell in spec.cells]),
        (first.task.name, [cell.task.options for cell in spec.cells]),
        *spec.trackers.items(),
    ]
    for name, options in given:
        try:
            pickle.loads(pickle.dumps(options, pickle.HIGHEST_PROTOCOL))
        except Exception as error:  # a value of a plugin's own may raise anything
            raise PluginError(
                f"the options of plugin {name!r} cannot be passed to another process: {first_line(error)}\n"
                "  hint: their class, and those of the values in them, must stand in a module under their own names"
            ) from error
