"""A configuration of our own making: every kind of knob, and laws within and between sections."""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from typing import Any

from spaces.schema import knob


@dataclass(frozen=True, kw_only=True, slots=True)
class Optim:
    lr: float = knob(4e-4, above=0, lane=True, help="peak learning rate")
    decay: float = knob(0.9, above=0, most=1, help="factor per stair")
    stairs: int = knob(100, least=1, below=1000, unit="steps", help="steps per stair")


@dataclass(frozen=True, kw_only=True, slots=True)
class Net:
    width: int = knob(32, least=1, help="channels")
    heads: int = knob(4, least=1, help="attention heads")
    kind: str = knob("mean", choices=("mean", "median", "max"), help="pooling")
    names: tuple[str, ...] = knob((), help="joints")
    sizes: tuple[int, ...] = knob((1, 2), least=1, help="kernel sizes")
    limit: int | None = knob(None, least=1, help="longest input; none: no limit")
    flip: bool = knob(False, help="mirror")

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.width % self.heads:
            yield "heads", f"must divide the width {self.width}"


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherNet:
    depth: int = knob(3, least=1, help="layers")


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    root: str = knob("store", help="folder")
    frames: int = knob(1, least=1, help="length of the window")


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    model: str = knob(MISSING, help="name of the model")
    net: Any
    optim: Optim
    data: Data

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.optim.stairs > 500 and self.net.flip:
            yield "optim.stairs", "must be at most 500 with net.flip"


SECTIONS = {"net": Net}
