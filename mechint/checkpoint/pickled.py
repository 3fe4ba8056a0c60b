"""The description inside a checkpoint: what its pickle would do is read off without doing it.

torch's own list of what is safe to unpickle also has constructors that allocate whatever a file asks for, such as
``bytearray`` and sparse tensors. The list here is what dictionaries of plain values and dense tensors need.
"""

from __future__ import annotations

import pickletools
import shlex

from mechint.checkpoint.key_cost import KeyCost
from mechint.codes import Code
from mechint.errors import CheckpointError

__all__ = ["SAFE_GLOBALS", "check_pickle"]

_STORAGES = ("BFloat16", "Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short")
_DTYPES = ("bfloat16", "bool", "float16", "float32", "float64", "int16", "int32", "int64", "int8", "uint8")
SAFE_GLOBALS = frozenset(
    {
        "argparse Namespace",
        "collections OrderedDict",
        "torch Size",
        "torch device",
        "torch._utils _rebuild_parameter",
        "torch._utils _rebuild_tensor_v2",
        "__builtin__ set",
        *(f"torch {kind}Storage" for kind in _STORAGES),
        *(f"torch {kind}" for kind in _DTYPES),
    }
)
_SAFE_OPCODES = frozenset(
    {
        *("PROTO 2", "STOP", "MARK", "GLOBAL", "BINPERSID", "REDUCE", "NEWOBJ", "BUILD"),
        *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINSTRING", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_SET"),
    }
)
"""The instructions of protocol 2, torch.save's default, that torch's safe reader knows."""


def check_pickle(path: str, pickled: bytes, *, names: bool = True) -> None:
    """Refuse a pickle that names anything but plain values and dense tensors; nothing in it is run.

    With ``names=False`` it may name other things too, for a reader that calls none of them.
    """
    try:
        named, opcodes, cost = _scan(pickled)
    # pickletools lets several kinds of error out for damaged pickles.
    except Exception as error:
        raise CheckpointError(
            f"{path}: its description of the weights is damaged ({error}); save it again", code=Code.DAMAGED
        ) from None
    strange = [name for name in named if name not in SAFE_GLOBALS]
    if strange and names:
        listed = ", ".join(ascii(name.replace(" ", "."))[1:-1][:100] for name in strange[:8])
        raise CheckpointError(
            f"{path}: holds more than weights and plain values: {listed}{' …' if len(strange) > 8 else ''}; such "
            "things can run code or fill the memory, so they are not loaded\n"
            f"  hint: `mechint convert {shlex.quote(path)} NEW.pt` takes the weights out and runs nothing",
            code=Code.UNSAFE,
        )
    if not opcodes <= _SAFE_OPCODES:
        raise CheckpointError(
            f"{path}: is pickled with an instruction that torch.save does not use ({min(opcodes - _SAFE_OPCODES)}); "
            "save it again with torch.save and its default pickle protocol",
            code=Code.UNSAFE,
        )
    if not cost.is_small:
        raise CheckpointError(
            f"{path}: has keys that could take for ever to look up; save the weights without them",
            code=Code.UNSAFE,
        )


def _scan(pickled: bytes) -> tuple[list[str], set[str], KeyCost]:
    """The globals ``module name`` that a pickle asks for, in order, its instructions, and what they hash."""
    named: dict[str, None] = {}
    opcodes, cost = set(), KeyCost()
    texts = ("?", "?")
    for opcode, argument, _ in pickletools.genops(pickled):
        opcodes.add(f"PROTO {argument}" if opcode.name == "PROTO" else opcode.name)
        cost.follow(opcode.name, argument)
        if opcode.name in ("GLOBAL", "INST"):
            named[str(argument)] = None
        elif opcode.name == "STACK_GLOBAL":
            named[" ".join(texts)] = None
        elif isinstance(argument, str):
            texts = (texts[1], argument)
    return list(named), opcodes, cost
