"""Base of the differentiable calls of native kernels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def once(backward: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """Refuses second derivatives. Torch's own `once_differentiable` takes as long as a kernel."""

    @functools.wraps(backward)
    def first(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "kernels on CPUs have no second derivatives; layers without them (CC= in the environment) do"
            )
        return backward(ctx, *grads)

    return first


class Native(Function):
    """Function whose first argument is the number of lanes; under vmap it is called once, with all of them."""

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Calls the function. Torch's own apply reads the signature at every call, which takes longer than a kernel."""
        if torch._C._are_functorch_transforms_active():
            return super().apply(*args)
        if not torch.is_grad_enabled():
            return cls.forward(*args)
        return super(Function, cls).apply(*args)  # type: ignore[misc]

    @classmethod
    def vmap(cls, info: Any, dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        """Calls the function with the lanes of vmap in front."""
        lanes = info.batch_size
        # Dense, as the kernels walk from lane to lane.
        moved = [
            (arg.movedim(dim, 0) if dim is not None else arg.expand(lanes, *arg.shape)).contiguous()
            if isinstance(arg, Tensor)
            else arg
            for arg, dim in zip(args[1:], dims[1:], strict=True)
        ]
        found = cls.apply(lanes, *moved)
        return found, 0 if isinstance(found, Tensor) else (0,) * len(found)


def addresses(*tensors: Tensor | None) -> list[int | None]:
    """Returns where tensors begin in memory, for a kernel."""
    return [None if x is None else x.data_ptr() for x in tensors]


def dense(x: Tensor | None) -> Tensor | None:
    """Returns a tensor, if there is one, without gaps in memory."""
    return None if x is None else x.contiguous()
