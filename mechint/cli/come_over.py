"""``mechint import-kconfig``, for those who come from the older tool."""

from __future__ import annotations

from pathlib import Path

import click

from mechint.errors import UsageError

__all__ = ["import_kconfig"]


@click.command("import-kconfig")
@click.argument("defconfig", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The spec to write, by default standard output.")
def import_kconfig(defconfig: Path, output: Path | None) -> None:
    """Write the spec that a DEFCONFIG or .config of the older tool stands for.

    Comments say which symbol gave which key. A symbol of the analysis that is not known is an error.
    """
    from mechint.files import write_text
    from mechint.spec.kconfig import translate_kconfig

    spec = translate_kconfig(_read(defconfig), str(defconfig))
    if output is None:
        click.echo(spec, nl=False)
        return
    if output.exists():
        raise UsageError(f"{output} is there already\n  hint: remove it, or choose another name")
    try:
        write_text(output, spec)
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from None
    click.echo(f"wrote {output}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None
