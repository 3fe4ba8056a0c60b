"""Running transformers without its progress bars, log lines and warnings."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from logging import CRITICAL

__all__ = ["quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to themselves what the libraries draw, log and warn of in the block; what matters is raised."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    # The bar over a GGUF's tensors obeys no setting, but goes to whatever stderr is.
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.set_verbosity(CRITICAL)
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
