"""Damaged and malicious checkpoints, made from good ones: what the readers must refuse.

Each entry of the tables is a name and a function that gives a file's bytes, or spoils a folder; in the tables ``BAD``
with what the error must say. A payload that runs makes the file ``canary``; no test may ever find it.
"""

from tests.hostile.archives import (
    ARCHIVES,
    ENDLESS_KEYS,
    FILES,
    HARMLESS,
    OBJECTS,
    PAYLOADS,
    TENSORS,
    Runs,
    checkpoint_of,
    edited,
    flipped,
    good,
    nested_pickle,
    random_model,
    reduce_payload,
    rezipped,
    saved,
    tar_of_payload,
    with_pickle,
    with_weights,
)

__all__ = [
    "ARCHIVES",
    "ENDLESS_KEYS",
    "FILES",
    "HARMLESS",
    "OBJECTS",
    "PAYLOADS",
    "TENSORS",
    "Runs",
    "checkpoint_of",
    "edited",
    "flipped",
    "good",
    "nested_pickle",
    "random_model",
    "reduce_payload",
    "rezipped",
    "saved",
    "tar_of_payload",
    "with_pickle",
    "with_weights",
]
