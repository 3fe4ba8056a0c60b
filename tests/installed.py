"""Plugins as packages that are installed."""

from pathlib import Path

__all__ = ["install"]


def install(site: Path, name: str, source: str) -> None:
    """Put a plugin of one module where Python finds installed packages."""
    info = site / f"mechint_{name}-0.1.dist-info"
    info.mkdir(parents=True)
    (site / f"mechint_{name}.py").write_text(source)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mechint-{name}\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(f"[mechint]\n{name} = mechint_{name}\n")
