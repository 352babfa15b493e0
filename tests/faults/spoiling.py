"""Strategies of hypothesis that damage good spaces, configs, options and files."""

import json
import pickle
import struct

import numpy as np
from hypothesis import strategies as st

from tests.faults.damaged import npy_bytes
from tests.faults.inputs import (
    CAMERAS,
    CONFIG,
    COUNTED,
    FACTS,
    HUGE,
    KNOBS,
    SPACE,
    Case,
    adopt,
    archive,
    as_json,
    as_yaml,
    check,
    checkpoint,
    data_files,
    keypoints,
    launch,
    npz,
    predict,
    torch_file,
    train,
    weights_file,
)  # fmt: skip
from trainables.weights.checkpoint import METADATA

SIZE = ("--width", "1000", "--height", "800")

JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20),
    st.sampled_from([HUGE, "1e999", "nan", "-1", "", " ", "none", "a,b", "1,2,3", "../..", "\0", "x" * 10_000]),
    st.lists(st.integers(-5, 5), max_size=3), st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
    st.integers(2, 60).map(lambda depth: _nested(depth)), st.just(10**400),
)  # fmt: skip


def _nested(depth):
    found = [1]
    for _ in range(depth):
        found = [found]
    return found


def _container(part):
    return st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part)


def as_object(value):
    return np.array(value, dtype=object)


def pickled(content):
    return archive({"positions_3d": npy_bytes((), "|O", content)})


def told(value):
    return weights_file({METADATA: json.dumps(value)})


@st.composite
def changed(draw, tree):
    """The tree with one to three values replaced, dropped, renamed, or put into a list."""
    tree = json.loads(json.dumps(tree))
    for _ in range(draw(st.integers(1, 3))):
        at = tree
        while True:
            if isinstance(at, dict) and at:
                key = draw(st.sampled_from(sorted(at)))
            elif isinstance(at, list) and at:
                key = draw(st.integers(0, len(at) - 1))
            else:
                break
            part = at[key]
            if isinstance(part, dict | list) and part and draw(st.booleans()):
                at = part
                continue
            how = draw(st.sampled_from(["replace", "drop", "rename", "wrap"]))
            if how == "drop":
                del at[key]
            elif how == "rename" and isinstance(at, dict):
                at[draw(st.text(max_size=12))] = at.pop(key)
            elif how == "wrap":
                at[key] = [part, part]
            else:
                at[key] = draw(JUNK)
            break
    return tree


@st.composite
def spoilt(draw, content):
    """The bytes cut off, with some overwritten, with others put in between, or doubled."""
    how = draw(st.sampled_from(["cut", "write", "insert", "zero", "number"]))
    at = draw(st.integers(0, len(content) - 1))
    if how == "cut":
        return content[:at]
    if how == "insert":
        return content[:at] + draw(st.binary(min_size=1, max_size=8)) + content[at:]
    if how == "zero":
        return content[:at] + bytes(min(64, len(content) - at)) + content[at + 64 :]
    new = draw(st.binary(min_size=1, max_size=4))
    if how == "number":
        new = struct.pack("<Q", draw(st.sampled_from([0, 2**31 - 1, 2**32 - 1, 2**63 - 1, 10**10])))
    return content[:at] + new + content[at + len(new) :]


def spoilt_cases():
    """Returns the strategy of damaged cases of every kind."""
    frames = {**FACTS, "frames": keypoints().tolist()}
    results = [
        {"image_id": at, "keypoints": rows.ravel().tolist(), "score": 0.9} for at, rows in enumerate(keypoints())
    ]
    right = npz(keypoints=keypoints(), **FACTS)
    weights, published = weights_file(), checkpoint()
    cameras = as_json(CAMERAS)
    files = data_files(cameras)
    header = st.one_of(
        st.lists(st.integers(-3, 10**13), max_size=4).map(tuple), st.just((5, 17, 3)), st.just((5, 17, 2))
    )
    described = st.sampled_from(["<f4", "<f8", "|O", "<U1000000", "|V10", "<c16", "<i8", "|b1", "<M8[s]"])
    objects = st.recursive(
        JUNK, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part), max_leaves=6
    )
    return st.one_of(
        changed(SPACE).map(lambda tree: Case("space", launch(), {"s.yaml": as_yaml(tree)})),
        changed(CONFIG).map(lambda tree: Case("config", train("@c.yaml"), {"c.yaml": as_yaml(tree)})),
        spoilt(as_yaml(SPACE)).map(lambda text: Case("space", launch(), {"s.yaml": text})),
        st.tuples(st.sampled_from(sorted(KNOBS)), JUNK).map(
            lambda pair: Case("set", train("~c.yaml", "--set", f"{pair[0]}={pair[1]}"))
        ),
        st.tuples(st.sampled_from((*COUNTED, "time-budget", "name", "sampler", "objective", "recipe")), JUNK).map(
            lambda pair: Case("option", launch("~s.yaml", f"--{pair[0]}={pair[1]}"))
        ),
        st.tuples(st.sampled_from(("width", "height", "fps", "layout", "min-score")), JUNK).map(
            lambda pair: Case("option", predict("~k.npz", "~w.safetensors", f"--{pair[0]}={pair[1]}"))
        ),
        changed(frames).map(lambda tree: Case("json", predict("@k.json"), {"k.json": as_json(tree)})),
        changed(results).map(
            lambda tree: Case("json", predict("@k.json", "~w.safetensors", *SIZE), {"k.json": as_json(tree)})
        ),
        spoilt(right).map(lambda content: Case("npz", predict("@k.npz"), {"k.npz": content})),
        st.tuples(header, described, st.binary(max_size=200)).map(
            lambda parts: Case("npz", predict("@k.npz"), {"k.npz": archive({"keypoints": npy_bytes(*parts)})})
        ),
        st.tuples(header, described).map(
            lambda parts: Case("data", check(), data_files(cameras, archive({"positions_3d": npy_bytes(*parts)})))
        ),
        spoilt(weights).map(
            lambda content: Case("safetensors", predict("~k.npz", "@w.safetensors"), {"w.safetensors": content})
        ),
        objects.map(
            lambda value: Case("safetensors", predict("~k.npz", "@w.safetensors"), {"w.safetensors": told(value)})
        ),
        spoilt(published).map(lambda content: Case("pt", adopt("@p.bin"), {"p.bin": content})),
        objects.map(lambda value: Case("pt", adopt("@p.bin"), {"p.bin": torch_file(value)})),
        objects.map(lambda value: Case("pt", adopt("@p.bin"), {"p.bin": checkpoint(model_pos=value, epoch=value)})),
        objects.map(lambda value: Case("pt", train("~c.yaml", "--resume", "@p.pt"), {"p.pt": torch_file(value)})),
        changed(CAMERAS).map(lambda tree: Case("data", check(), data_files(as_json(tree)))),
        st.sampled_from(["data_3d_own.npz", "data_2d_own_det.npz"]).flatmap(
            lambda name: spoilt(files[name]).map(lambda content: Case("data", check(), {**files, name: content}))
        ),
        objects.map(
            lambda value: Case("data", check(), data_files(cameras, npz(positions_3d=as_object({"S1": value}))))
        ),
        spoilt(pickle.dumps({"S1": {"Walk": np.zeros((6, 17, 3))}}, protocol=2)).map(
            lambda content: Case("data", check(), data_files(cameras, pickled(content)))
        ),
    )  # fmt: skip
