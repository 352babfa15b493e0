"""Malformed spaces, configs, options and files, made by hand, and the good ones that damage is done to."""

import io
import json
import zipfile
from dataclasses import dataclass, field

import numpy as np
import torch
import yaml
from safetensors.torch import save

from spaces.schema import tree_of
from tests.faults.damaged import hollow_pickles, npy_bytes
from tests.made.checkpoints import network, script_checkpoint
from trainables.config import knobs_of
from trainables.weights.checkpoint import METADATA

HUGE = "9" * 30
SPACE = {
    "model": "graformer",
    "objective": "val/mpjpe_mm",
    "recipes": {"r": {"network.width": 8, "network.layers": 1, "network.heads": 2, "loop.epochs": 2}},
    "base": {"data.joints": 16, "data.name": "tiny", "data.train_subjects": ["S1"], "data.val_subjects": ["S5"]},
    "search": {
        "optim.lr": {"log": [1e-4, 1e-2]},
        "network.dropout": {"choice": [0.1, 0.2]},
        "network.attention_dropout": {"normal": [0.1, 0.02], "low": 0.05, "when": {"network.dropout": [0.1]}},
        "optim.weight_decay": {"lognormal": [1e-3, 3], "low": 1e-4, "high": 1e-2},
        "optim.clip": {"grid": [0.5, 1, 2]},
        "optim.lr_decay": {"range": [0.8, 0.9], "step": 0.05},
        "optim.lr_decay_steps": {"log": [100, 1000], "step": 100, "when": {"optim.clip": 1}},
    },
    "points": [{"optim.lr": 1e-3, "network.dropout": 0.1}],
}
FACTS = {"width": 1000, "height": 800, "fps": 25, "layout": "h36m"}
CONFIG = tree_of(network()[1])
KNOBS = knobs_of("graformer")
COUNTED = ("trials", "concurrent", "workers", "cpus-per-worker", "gpus-per-worker", "at-least", "seed", "epochs")


@dataclass(frozen=True)
class Case:
    """A command with the files that it reads. `words`: '@NAME' is a file of the case, '~NAME' one of the home;
    `is_bad`: exit code 2 is the only right one, and its message has `named`."""

    kind: str
    words: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    is_bad: bool = False
    named: str = ""


def launch(space="@s.yaml", *more):
    data = (
        "--data",
        "tiny",
        "--data-root",
        "~store",
        "--storage",
        "~sweeps",
        "--tracking-uri",
        "sqlite:///nowhere/m.db",
    )
    return ("search", "launch", space, *data, *more)


def predict(source="~k.npz", weights="~w.safetensors", *more):
    return ("search", "predict", "~c.yaml", "--weights", weights, "--input", source, "--out", "~o.npz", *more)


def adopt(source):
    return ("search", "import", "graformer", "--weights", source, "--out", "~v.safetensors", "--set", "network.heads=2")


def train(config="~c.yaml", *more):
    return ("trainables", "train", config, "--out", "~o", *more)


def check(folder="@"):
    return ("data", "check", "h36m", folder, "--set", "own")


def as_json(tree):
    return json.dumps(tree, default=str).encode()


def as_yaml(tree):
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode()


def keypoints(frames=5):
    return np.random.default_rng(0).uniform(100, 700, (frames, 17, 3))


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def torch_file(content, **options):
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def weights_file(metadata=None, **tensors):
    made, config = network()
    own = json.dumps({"config": yaml.safe_dump(json.loads(json.dumps(tree_of(config)))), "facts": {"epoch": 1}})
    return save({**made.state_dict(), **tensors}, {METADATA: own} if metadata is None else metadata)


def checkpoint(**more):
    return torch_file({**script_checkpoint(network()[0].state_dict()), **more})


def data_files(cameras, truth=None, views=None):
    shape = (6, 17, 3)
    poses = {"S1": {"Walk": np.random.default_rng(1).normal(0, 0.3, shape).astype(np.float32)}}
    pixels = {"S1": {"Walk": [np.full((6, 17, 2), 500, np.float32)]}}
    as_object = {"3d": np.array(poses, dtype=object), "2d": np.array(pixels, dtype=object)}
    return {
        "data_3d_own.npz": truth or npz(positions_3d=as_object["3d"]),
        "data_2d_own_det.npz": views or npz(positions_2d=as_object["2d"]),
        "cameras_own.json": cameras,
    }


CAMERAS = {
    "S1": {
        "cameras": [
            {
                "id": "a", "center": [500, 500], "focal_length": [1100, 1100], "radial_distortion": [0, 0, 0],
                "tangential_distortion": [0, 0], "res_w": 1000, "res_h": 1000, "orientation": [1, 0, 0, 0],
                "translation": [0, 0, -4000],
            }
        ]
    }
}  # fmt: skip


def good():
    """One right input for every command that the cases use, so that what they load is loaded, and works."""
    yield Case("space", launch("~s.yaml"))
    yield Case("config", train())
    yield Case("npz", predict())
    yield Case("safetensors", ("search", "evaluate", "~c.yaml", "--weights", "~w.safetensors"))
    yield Case("pt", adopt("@p.bin"), {"p.bin": checkpoint()})
    yield Case("data", ("data", "check", "h36m", "~store", "--set", "people"))


def by_hand():
    """Every kind of fault that was met, once."""
    yield from _bad_numbers()
    for name in ("model", "loop.seed", "loop.select"):
        tree = {**SPACE, "search": {name: {"choice": [1, 2]}}}
        yield Case("space", launch(), {"s.yaml": as_yaml(tree)}, True, name)
    for name in ("s.yaml", "nowhere.yaml", "grafomer", 3, ["s.yaml"]):
        yield Case("space", launch(), {"s.yaml": as_yaml({**SPACE, "include": name})}, True, "include")
    nested = "&n0 [" + ", ".join(["S1"] * 6) + "]"
    for level in range(40):
        nested = f"&n{level + 1} [{nested}{f', *n{level}' * 5}]"
    text = f"model: graformer\ndata:\n  train_subjects: {nested}\n".encode()
    yield Case("config", train("@c.yaml"), {"c.yaml": text}, True, "data.train_subjects")
    for text in (
        b"",
        b"[",
        b"\xff\xfe",
        b"a: 1\n" * 300_000,
        b"- 1\n" * 8000,
        b"[" * 5000,
        b"model: 3",
        b"&a [*a]",
        b"model: *x",
    ):
        yield Case("config", train("@c.yaml"), {"c.yaml": text}, True, "c.yaml")
        yield Case("space", launch(), {"s.yaml": text}, True, "s.yaml")
    for uri in ("nope://x", "://x", "s3:/", "local://"):
        yield Case("option", launch("~s.yaml", "--storage", uri), is_bad=uri != "s3:/")
    for shape in ((10**12, 17, 2), (2**62, 2**62), (-1, 17, 2), (10**9,)):
        content = archive({"keypoints": npy_bytes(shape, content=b"\0" * 64)})
        yield Case("npz", predict("@k.npz"), {"k.npz": content}, True, "k.npz")
    for text in (
        b"[" * 3000,
        b"[" * 10**6,
        b"{}",
        b"3",
        b"null",
        b'{"frames": [[[1e999, 1]]]}',
        b'{"frames": ' + b"9" * 5000,
    ):
        yield Case("json", predict("@k.json"), {"k.json": text}, True, "k.json")
    for text in ("null", "3", "[]", "not json", '{"config": 3, "facts": 3}', "[" * 5000):
        content = weights_file({METADATA: text})
        yield Case(
            "safetensors", predict("~k.npz", "@w.safetensors"), {"w.safetensors": content}, True, "w.safetensors"
        )
        words = ("search", "evaluate", "~c.yaml", "--weights", "@w.safetensors")
        yield Case("safetensors", words, {"w.safetensors": content}, True, "w.safetensors")
    for content in hollow_pickles().values():
        yield Case("pt", adopt("@p.bin"), {"p.bin": content}, True, "p.bin")
        yield Case("pt", train("~c.yaml", "--resume", "@p.bin"), {"p.bin": content}, True, "p.bin")
        files = data_files(as_json(CAMERAS), archive({"positions_3d": npy_bytes((), "|O", content)}))
        yield Case("data", check(), files, True, "data_3d_own.npz")
    for text in (b"[" * 3000, b"{}", b"[]", b'{"S1": {"cameras": [3]}}'):
        yield Case("data", check(), data_files(text), True, "cameras_own.json")


def archive(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return file.getvalue()


def _bad_numbers():
    """Whole numbers beyond 64 bits in every knob and option that takes one."""
    for name in COUNTED:
        yield Case("option", launch("~s.yaml", f"--{name}", HUGE), is_bad=True)
    for path, knob in KNOBS.items():
        if "int" in str(knob.type):
            yield Case("set", train("~c.yaml", "--set", f"{path}={HUGE}"), is_bad=True, named=path)
            yield Case("set", launch("~s.yaml", "--set", f"{path}={HUGE}"), is_bad=True, named=path)
    for path, value in (("network.width", 10**10), ("network.layers", 10**9), ("data.frames", 10**9 + 1)):
        yield Case("set", launch("~s.yaml", "--set", f"{path}={value}"), is_bad=True, named=path)
    for name in ("width", "height", "fps", "min-score"):
        yield Case("option", predict("~k.npz", "~w.safetensors", f"--{name}", HUGE), is_bad=True, named=name)
    yield Case("option", ("search", "confirm", "~c.yaml", "--seeds", "1000000000000"), is_bad=True, named="trials")
    yield Case("option", ("data", "synth", "--root", "~x", "--images", HUGE), is_bad=True)
    yield Case("option", ("data", "synth", "--root", "~x", "--seed", HUGE), is_bad=True)
