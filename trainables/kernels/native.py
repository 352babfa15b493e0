"""Base of the differentiable calls of native kernels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch as functorch
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
            return cls._apply_to_lanes(*args)
        if not torch.is_grad_enabled():
            return cls.forward(*args)
        return super(Function, cls).apply(*args)  # type: ignore[misc]

    @classmethod
    def _apply_to_lanes(cls, *args: Any) -> Any:
        """Calls the function on the tensors below vmap. Torch's own way there takes 0.3 ms, as long as ten kernels."""
        layer = functorch.peek_interpreter_stack()
        if functorch.get_dynamic_layer_stack_depth() > 1 or layer.key() != functorch.TransformType.Vmap:
            return super().apply(*args)
        lanes, level = functorch.CVmapInterpreterPtr(layer).batchSize(), layer.level()
        # The functions of torch that are called from here on see plain tensors.
        outer = functorch.pop_dynamic_layer_stack()
        try:
            given = [
                _in_front(*functorch._unwrap_batched(arg, level), lanes) if isinstance(arg, Tensor) else arg
                for arg in args[1:]
            ]
            found = cls.apply(lanes, *given)
        finally:
            functorch.push_dynamic_layer_stack(outer)
        if isinstance(found, Tensor):
            return functorch._add_batch_dim(found, 0, level)
        return tuple(functorch._add_batch_dim(each, 0, level) for each in found)

    @classmethod
    def vmap(cls, info: Any, dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        """Calls the function with the lanes of one of several nested transforms in front."""
        given = [
            _in_front(arg, dim, info.batch_size) if isinstance(arg, Tensor) else arg
            for arg, dim in zip(args[1:], dims[1:], strict=True)
        ]
        found = cls.apply(info.batch_size, *given)
        return found, 0 if isinstance(found, Tensor) else (0,) * len(found)


def _in_front(x: Tensor, dim: int | None, lanes: int) -> Tensor:
    """Returns a tensor, dense, with its lanes in front: the kernels walk from lane to lane."""
    if dim is None:
        x = x.expand(lanes, *x.shape)
    elif dim > 0:
        x = x.movedim(dim, 0)
    return x.contiguous()


def addresses(*tensors: Tensor | None) -> list[int | None]:
    """Returns where tensors begin in memory, for a kernel."""
    return [None if x is None else x.data_ptr() for x in tensors]


def dense(x: Tensor | None) -> Tensor | None:
    """Returns a tensor, if there is one, without gaps in memory."""
    return None if x is None else x.contiguous()
