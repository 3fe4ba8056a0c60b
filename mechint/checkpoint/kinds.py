"""What kind of checkpoint a file is, told by how it begins and never by its name."""

from __future__ import annotations

from typing import Literal

from mechint.errors import CheckpointError

__all__ = ["Kind", "tell_kind"]

Kind = Literal["archive", "safetensors", "gguf"]
"""``archive`` is what torch.save writes."""

# What a file is that begins like this, and what to do about it.
_KNOWN_BEGINNINGS = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the weights; run `git lfs pull`"),
    (b"\x1f\x8b", "is compressed with gzip; decompress it first"),
    (b"\x89HDF", "is an HDF5 file, as TensorFlow and Keras save; save the model from PyTorch, as safetensors"),
    (
        b"\x80",
        "is a bare pickle, as torch saved before 1.6, which can run code; where it was made, torch.save it again",
    ),
)
_WEB_PAGE = (b"<!doctype", b"<html", b"<?xml", b"<head")


def tell_kind(path: str, head: bytes) -> Kind:
    """The kind of a file with these first bytes; raises CheckpointError, with what it is, for no checkpoint."""
    if head.startswith(b"PK\x03\x04"):
        return "archive"
    if head.startswith(b"GGUF"):
        return "gguf"
    # Eight bytes give the length of a JSON object; in a text, the last of them would not be zero.
    if head[7:9] == b"\0{":
        return "safetensors"
    raise CheckpointError(f"{path}: {_describe(head)}")


def _describe(head: bytes) -> str:
    if not head:
        return "is empty; its writer was probably stopped, so save or copy it again"
    if not head.strip(b"\0"):
        return "begins with zeros only; it was probably copied in part, so copy it again"
    for beginning, sentence in _KNOWN_BEGINNINGS:
        if head.startswith(beginning):
            return sentence
    if head.lstrip().lower().startswith(_WEB_PAGE):
        return "is a web page, probably an error or a login in the checkpoint's place; download it again"
    if b"ustar" in head:
        return "is a tar archive; extract it and name the checkpoint inside"
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "is a text file, not a checkpoint; name a .pt file of torch.save, a .safetensors or a .gguf file"
    return "does not begin like a file of torch.save, safetensors or GGUF; it is damaged or of another kind"
