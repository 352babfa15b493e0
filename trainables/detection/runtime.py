"""Networks in ONNX files, run by onnxruntime, the one file that needs that package: it is found by its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from data.errors import DataError

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # the first that is there; the second always is
NUMBERS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8,
           "tensor(int32)": np.int32}  # fmt: skip
MOST = 16  # images in one pass where the file leaves that open; bounds the memory
LARGEST = 4096  # pixels of a side of the input; bounds the memory
QUIET = 4  # what goes wrong is raised, too


class OnnxNetwork:
    """A network of one image input. size: height and width of the input in pixels, None where the file leaves them
    open; most: images in a pass; is_bytes: whether it takes whole numbers from 0 to 255; metadata: of the file;
    outputs: their names."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = QUIET
        there = onnxruntime.get_available_providers()
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=[name for name in PROVIDERS if name in there]
            )
        except Exception as error:  # its exceptions have no class in common
            raise DataError(str(path), [f"is no ONNX model that onnxruntime reads ({_short(error)})"]) from None
        inputs = self._session.get_inputs()
        shapes = ", ".join(f"{one.name} {one.shape} {one.type}" for one in inputs)
        shape = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) != 4 or 3 not in (shape[1], shape[3]) or inputs[0].type not in NUMBERS:
            wanted = "expected one image, [n, 3, height, width] or [n, height, width, 3]"
            raise DataError(str(path), [f"has the inputs {shapes}; {wanted}"])
        self.path, self._name, self._kind = path, inputs[0].name, NUMBERS[inputs[0].type]
        self._is_last = shape[1] != 3
        sides = shape[1:3] if self._is_last else shape[2:]
        self.size = (sides[0], sides[1]) if all(isinstance(side, int) for side in sides) else None
        if self.size is not None and not all(0 < side <= LARGEST for side in self.size):
            raise DataError(str(path), [f"has the inputs {shapes}; expected sides of 1 to {LARGEST} pixels"])
        self._batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None
        self.most = self._batch or MOST
        self.is_bytes = inputs[0].type in ("tensor(uint8)", "tensor(int32)")
        self.metadata: Mapping[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.outputs = tuple(one.name for one in self._session.get_outputs())

    def __call__(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Returns every output, [n, ...], for images [n, Y, X, 3], at most `most`, in the numbers that the network
        wants."""
        count = len(images)
        if self._batch is not None and count < self._batch:
            images = np.concatenate((images, np.repeat(images[-1:], self._batch - count, 0)))
        batch: NDArray[Any] = images if self._is_last else images.transpose(0, 3, 1, 2)
        try:
            outputs = self._session.run(None, {self._name: np.ascontiguousarray(batch.astype(self._kind))})
            found = [np.atleast_1d(np.asarray(one, np.float32)) for one in outputs]
        except Exception as error:
            raise DataError(str(self.path), [f"fails on images of {images.shape[1:3]} ({_short(error)})"]) from None
        return [one[:count] for one in found]


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
