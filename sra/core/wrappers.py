"""Names of tensors without what training wraps a network in: data parallelism, torch.compile, sharding, recomputation."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from sra.core.errors import InputError

Value = TypeVar("Value")

# Of nn.DataParallel and DistributedDataParallel. A network may have a part of that name, so only what stands in front is taken off.
OUTERMOST = "module"
# Of torch.compile, fully sharded data parallelism and activation checkpointing, which wrap single blocks as well.
ANYWHERE = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")


def own_name(key: str) -> str:
    """`module._orig_mod.blocks.0._orig_mod.attn.qkv.bias` -> `blocks.0.attn.qkv.bias`."""
    parts = [part for part in key.split(".") if part not in ANYWHERE]
    while len(parts) > 1 and parts[0] == OUTERMOST:
        parts = parts[1:]
    return ".".join(parts)


def unwrapped(tensors: Mapping[str, Value], where: object, name_of: Callable[[str], str] = own_name) -> dict[str, Value]:
    """The same values under the network's own names, in the same order; each name on its own, whatever wraps it in whatever order.

    where: names the file in errors.  name_of: another rule of renaming. Raises InputError for two keys of one name, since one tensor would be lost.
    """
    own, keys = {}, {}
    for key, value in tensors.items():
        name = name_of(key)
        if name in own:
            raise InputError(f"{where}: {keys[name]} and {key} are both {name}, and may differ; keep one of them in the file")
        own[name], keys[name] = value, key
    return own
