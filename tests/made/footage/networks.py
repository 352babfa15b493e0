"""Networks in ONNX files that find dots as joints, with the inputs and outputs that those of others have."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.made.footage.dots import COLOURS, COUNT

MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
NEAR = 100.0  # of a colour, summed over its parts
LIGHT = 5.0  # a dot that is small in a crop is seen, a larger one better
FLOAT = TensorProto.FLOAT


class Graph:
    """Nodes and constants of a network, by the names of their results."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, values, kind=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def op(self, kind, *inputs, to=None, to_kind=None, **attributes):
        name = to or f"{kind}{len(self.nodes)}"
        if to_kind is not None:
            attributes["to"] = to_kind
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def scale(self, name, factor, shift=0.0):
        return self.op("Add", self.op("Mul", name, self.constant(factor)), self.constant(shift))

    def maps(self, pixels):
        """Smooth maps [n, 17, Y, X] of the dots in pixels [n, 3, Y, X] from 0 to 255, largest in their middles."""
        apart = self.op("Abs", self.op("Sub", self.op("Unsqueeze", pixels, self.constant([1], np.int64)),
                                       self.constant(np.array(COLOURS)[None, :, :, None, None])))  # fmt: skip
        near = self.op("Relu", self.scale(self.op("ReduceSum", apart, self.constant([2], np.int64), keepdims=0),
                                          -1 / NEAR, 1.0))  # fmt: skip
        for _ in range(2):
            near = self.op("AveragePool", near, kernel_shape=[13, 13], pads=[6, 6, 6, 6], count_include_pad=1)
        return self.scale(near, LIGHT)

    def places(self, maps, height, width):
        """x, y and value [n, 17, 1] of the tops of maps, in pixels counted from the middle of the first."""
        flat = self.op("Reshape", maps, self.constant([-1, COUNT, height * width], np.int64))
        at, side = self.op("ArgMax", flat, axis=2), self.constant([width], np.int64)
        row = self.op("Div", at, side)
        column = self.op("Sub", at, self.op("Mul", row, side))
        x, y = (self.op("Cast", one, to_kind=FLOAT) for one in (column, row))
        return x, y, self.op("ReduceMax", flat, axes=[2])

    def boxed(self, x, y):
        """Left, top, right, bottom [n, 1] of places [n, 17, 1]."""
        return [self.op(kind, one, axes=[1], keepdims=0) for kind in ("ReduceMin", "ReduceMax") for one in (x, y)]

    def sure(self, value):
        """1 [n, 1] where every joint is there, of their values [n, 17, 1]."""
        least = self.scale(self.op("ReduceMin", value, axes=[1], keepdims=0), 50.0)
        return self.op("Clip", least, self.constant(0.0), self.constant(1.0))

    def save(self, path, shape, outputs, *, kind=FLOAT, metadata=None):
        """Writes the file; shape: of the input; outputs: names, with their ranks."""
        graph = helper.make_graph(
            self.nodes, "dots", [helper.make_tensor_value_info("input", kind, shape)],
            [helper.make_tensor_value_info(name, FLOAT, [None] * rank) for name, rank in outputs.items()],
            self.constants,
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        for key, value in (metadata or {}).items():
            model.metadata_props.add(key=key, value=value)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def rgb(graph, channels):
    """Pixels from 0 to 255, red first, of the input as the kind of network takes it."""
    if channels == "standardised":
        mean, deviation = (np.array(one)[:, None, None] for one in (MEAN, DEVIATION))
        return graph.scale("input", deviation, mean)
    if channels == "shares":
        return graph.scale("input", 255.0)
    return graph.op("Gather", "input", graph.constant([2, 1, 0], np.int64), axis=1)  # blue first


def write_simcc(path, *, height=256, width=192, batch="n"):
    """RTMPose: bins of half a pixel along either axis."""
    graph = Graph()
    maps = graph.maps(rgb(graph, "standardised"))
    for name, axis in (("simcc_x", 2), ("simcc_y", 3)):
        line = graph.op("ReduceMax", maps, axes=[axis], keepdims=0)
        graph.op(
            "Resize", line, "", graph.constant([1, 1, 2]), to=name, mode="linear",
            coordinate_transformation_mode="asymmetric",
        )  # fmt: skip
    graph.save(path, [batch, 3, height, width], {"simcc_x": 3, "simcc_y": 3})


def write_heatmaps(path, *, height=256, width=192, batch=1):
    """HRNet: a map for each joint, four pixels apart."""
    graph = Graph()
    maps = graph.maps(rgb(graph, "standardised"))
    axes, ends = graph.constant([2, 3], np.int64), graph.constant([height, width], np.int64)
    graph.op(
        "Slice", maps, graph.constant([0, 0], np.int64), ends, axes, graph.constant([4, 4], np.int64), to="heatmaps"
    )
    graph.save(path, [batch, 3, height, width], {"heatmaps": 4})


def write_movenet(path, *, side=192):
    """MoveNet: shares of the image, channels last, whole numbers, one image at a time."""
    graph = Graph()
    pixels = graph.op("Transpose", graph.op("Cast", "input", to_kind=FLOAT), perm=[0, 3, 1, 2])
    x, y, value = graph.places(graph.maps(pixels), side, side)
    rows = graph.op("Concat", graph.scale(y, 1 / side), graph.scale(x, 1 / side), value, axis=2)
    graph.op("Unsqueeze", rows, graph.constant([1], np.int64), to="output_0")
    graph.save(path, [1, side, side, 3], {"output_0": 4}, kind=TensorProto.INT32)


def write_yolo(path, *, side=256, is_end_to_end=False, batch=1):
    """A pose model of Ultralytics, with two boxes around one person."""
    graph = Graph()
    x, y, value = graph.places(graph.maps(rgb(graph, "shares")), side, side)
    joints = graph.op("Reshape", graph.op("Concat", x, y, value, axis=2), graph.constant([-1, 3 * COUNT], np.int64))
    left, top, right, bottom = graph.boxed(x, y)
    sure = graph.sure(value)
    scores = [graph.scale(sure, score) for score in (0.9, 0.8, 0.1)]
    if is_end_to_end:
        people = [graph.op("Concat", left, top, right, bottom, one, graph.scale(left, 0.0), joints, axis=1)
                  for one in (scores[0], scores[2])]  # fmt: skip
        axis = 1
    else:
        middle = [graph.scale(graph.op("Add", *ends), 0.5) for ends in ((left, right), (top, bottom))]
        sides = [graph.op("Sub", *ends) for ends in ((right, left), (bottom, top))]
        people = [graph.op("Concat", *middle, *sides, one, joints, axis=1) for one in scores]
        axis = 2
    whole = [graph.op("Unsqueeze", one, graph.constant([axis], np.int64)) for one in people]
    graph.op("Concat", *whole, to="output0", axis=axis)
    metadata = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": f"[{COUNT}, 3]", "imgsz": f"[{side}, {side}]"}
    graph.save(path, [batch, 3, side, side], {"output0": 3}, metadata=metadata)


def write_mmdeploy(path, *, side=256, other="keypoints", is_short=False):
    """RTMO, or with `other` labels YOLOX: boxes with scores beside keypoints or classes. is_short: an image at a time,
    and nothing for one without a person."""
    graph = Graph()
    x, y, value = graph.places(graph.maps(rgb(graph, "blue first")), side, side)
    ends = graph.boxed(x, y)
    sure = graph.sure(value)
    people = graph.op("Concat", *ends, graph.scale(sure, 0.9), axis=1)
    beside = graph.op("Concat", x, y, value, axis=2) if other == "keypoints" else graph.scale(sure, 0.0)
    is_there = graph.op("Greater", graph.op("Reshape", sure, graph.constant([-1], np.int64)), graph.constant(0.5))
    # Classes are one number a person already.
    outputs = {"dets": people, other: beside}
    for name, one in outputs.items():
        whole = one if name == "labels" else graph.op("Unsqueeze", one, graph.constant([1], np.int64))
        graph.op("Compress", whole, is_there, to=name, axis=1) if is_short else graph.op("Identity", whole, to=name)
    graph.save(path, [1 if is_short else "n", 3, side, side], {"dets": 3, other: 4 if other == "keypoints" else 2})
