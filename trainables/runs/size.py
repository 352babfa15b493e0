"""Memory check of a network before anything starts: its size is computed without allocating its weights."""

from __future__ import annotations

import math
import types
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from spaces.errors import shown
from spaces.files import GIB
from spaces.schema import Knob, flatten

from .. import registry
from ..config import TrainConfig, knobs_of
from ..devices.memory import total_memory

COPIES = 4  # a weight, its gradient, and two moments of the optimiser
MOST_TENSORS = 10_000  # of the networks here the deepest has two thousand; a million layers are not built to be counted
SMALL = 2**14  # numbers; the largest network is built in half a second so
FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)
SIZED = ("network.", "data.")  # sections whose whole numbers make networks large


class _TooLargeError(Exception):
    """Raised while a network is built, once it has outgrown the limit."""


class _Weightless(TorchFunctionMode):
    """Mode in which large new tensors have no storage, and none may exceed the limit. Small ones are normal: networks
    compute graphs and tables with them while they are built."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        fields = dict(kwargs or {})
        if func in FACTORIES:
            sizes = fields.get("size", args[0] if args and not isinstance(args[0], int) else args)
            numbers = math.prod(int(size) for size in (sizes if isinstance(sizes, Iterable) else (sizes,)))
            if numbers > self._limit:
                raise _TooLargeError
            if numbers > SMALL:
                fields["device"] = "meta"
        return func(*args, **fields)


def size_problems(config: TrainConfig) -> list[str]:
    """Returns why the network of a run cannot be trained in the memory of this machine, with the knob that makes it so
    large; [] where it fits, and where it cannot be built without its data or files."""
    limit = memory_here()
    found = _outgrown(config, limit)
    if not found:
        return []
    path, value = _largest(config)
    remedy = "give a smaller number"
    return [f"{path} = {shown(str(value))}: {found}; this machine has {limit / GIB:.0f} GiB; {remedy}"]


def memory_here() -> int:
    """Returns the bytes of the largest memory here: the machine's, or that of a GPU."""
    places = [torch.device("cpu"), *(torch.device("cuda", number) for number in range(torch.cuda.device_count()))]
    return max(total_memory(place) for place in places)


def _outgrown(config: TrainConfig, limit: int) -> str:
    """Returns how the network exceeds the limit, '' where it fits. It is built of tensors without storage."""
    total, count = 0, 0

    def weigh(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal total, count
        if parameter is None:
            return
        total, count = total + parameter.numel() * parameter.element_size() * COPIES, count + 1
        if total > limit or count > MOST_TENSORS:
            raise _TooLargeError

    hook = register_module_parameter_registration_hook(weigh)
    try:
        with _Weightless(limit):
            registry.get(config.model).build(config.network, config.data.sizes)
    except _TooLargeError:
        if count > MOST_TENSORS:
            return f"makes a network of more than {MOST_TENSORS:,} tensors"
        return "makes a network that takes more memory to train than there is"
    except (RuntimeError, OverflowError, MemoryError) as error:
        # Sizes that 64 bits do not hold; whatever else a network may not do without content is no fault of its size.
        is_size = isinstance(error, OverflowError | MemoryError) or "overflow" in str(error).lower()
        return "makes a network whose tensors cannot be counted" if is_size else ""
    except Exception:
        return ""
    finally:
        hook.remove()
    return ""


def _largest(config: TrainConfig) -> tuple[str, Any]:
    """Returns the integer knob that exceeds its default by the largest factor, with its value."""
    known, values = knobs_of(config.model), flatten(config)

    def excess(path: str) -> float:
        return float(values[path]) / max(1.0, float(known[path].default or 1))  # type: ignore[arg-type]

    paths = [path for path, value in values.items() if path.startswith(SIZED) and _is_whole(known[path], value)]
    path = max(paths, key=excess)
    return path, values[path]


def _is_whole(knob: Knob, value: object) -> bool:
    kinds = knob.type.__args__ if isinstance(knob.type, types.UnionType) else (knob.type,)
    return int in kinds and isinstance(value, int) and not isinstance(value, bool)
