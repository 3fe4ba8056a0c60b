"""Plugins in words, for ``mechint methods``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from mechint.codes import Code
from mechint.engine.collect import is_tracker
from mechint.engine.plugins import Listed, Plugins
from mechint.errors import UsageError
from mechint.spec.options import OptionsModel
from mechint.spec.suggest import did_you_mean

__all__ = ["describe_plugin", "list_methods"]


def list_methods(plugins: Plugins) -> str:
    """What ships here, methods with their options and trackers, then installed plugins, which are not imported."""
    methods, trackers, others = [], [], []
    for listed in plugins.listed.values():
        if not listed.builtin:
            others.append(f"  {listed.name:<18} {listed.summary}  [{listed.origin}]")
            continue
        plugins.load(listed.name)
        if is_tracker(plugins, listed.name):
            trackers.append(f"  {listed.name:<18} {_summary(plugins, listed)}  [{listed.origin}]")
        if plugins.implements(listed.name, "mechint_analyze"):
            names = ", ".join(_options(plugins, listed.name).model_fields)
            methods.append(
                f"  {listed.name:<18} {_summary(plugins, listed)}  [{listed.origin}]\n{'':<21}options: {names}"
            )
    lines = ["methods:", *methods, "trackers:", *trackers]
    if others:
        lines += ["installed plugins:", *others]
    return "\n".join([*lines, "", "`mechint methods NAME` describes each option."])


def describe_plugin(plugins: Plugins, name: str) -> str:
    """One plugin with every option: type, default and meaning."""
    if name not in plugins.listed:
        raise UsageError(f"no plugin is named {name!r}{did_you_mean(name, plugins.listed)}", code=Code.UNKNOWN_PLUGIN)
    plugins.load(name)
    listed = plugins.listed[name]
    lines = [f"{name}  [{listed.origin}]", _summary(plugins, listed)]
    if plugins.implements(name, "mechint_options"):
        schema = _options(plugins, name).model_json_schema()
        for option, facts in schema.get("properties", {}).items():
            default = f"default {json.dumps(facts['default'])}" if "default" in facts else "required"
            lines.append(f"\n  {option}: {_kind(facts)}, {default}")
            lines += [f"      {line.strip()}" for line in facts.get("description", "").splitlines()]
    return "\n".join(lines)


def _options(plugins: Plugins, name: str) -> type[OptionsModel]:
    options: type[OptionsModel] = plugins.ask(name, "mechint_options")
    return options


def _summary(plugins: Plugins, listed: Listed) -> str:
    module = plugins.load(listed.name)
    return (inspect.getdoc(module) or listed.summary or "no summary").splitlines()[0]


def _kind(facts: Mapping[str, Any]) -> str:
    """What an option's schema admits, in a few words: ``integer, at least 1, or null``."""
    if "anyOf" in facts:
        return ", or ".join(_kind(one) for one in facts["anyOf"])
    if "enum" in facts:
        return " | ".join(map(str, facts["enum"]))
    if "enum" in facts.get("items", {}):
        return f"list of {' | '.join(map(str, facts['items']['enum']))}"
    bounds = [f"{words} {facts[key]}" for key, words in _BOUNDS.items() if key in facts]
    return " ".join([str(facts.get("type", "mapping")), *bounds])


_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
