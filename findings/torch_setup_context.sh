#!/usr/bin/env bash
# What an autograd function costs that vmap can take, to torch.
#
# torch 2.13.0 (Python 3.11). Only a function with a separate `setup_context` works under `vmap`; the older form, a
# `forward` with `ctx`, does the same otherwise. Expected: outside of vmap both cost the same.
# Seen: with `setup_context` every `apply` reads the signature of `forward` anew by `inspect` and binds the inputs to
# it, also without vmap and without keywords. With a dozen inputs a call takes 47 us instead of 17, on one core: as much
# more as a kernel or two of a small network. The older form reads no signature.
#
# Fails if signatures are read at other calls.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import inspect
import sys
import time
from unittest import mock

import torch


class Older(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, *more):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return (grad * 2, *[None] * 11)


class Separate(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, *more):
        return x * 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad):
        return (grad * 2, *[None] * 11)


inputs, found = [torch.ones(4, requires_grad=True) for _ in range(12)], {}
for kind in (Older, Separate):
    kind.apply(*inputs)
    with mock.patch.object(inspect, "signature", side_effect=inspect.signature) as signature:
        for _ in range(10):
            kind.apply(*inputs)
    found[kind.__name__] = signature.call_count
    started = time.perf_counter()
    for _ in range(2000):
        kind.apply(*inputs)
    print(f"{kind.__name__}: {found[kind.__name__]} signatures in 10 calls, {500 * (time.perf_counter() - started):.0f} us a call")
sys.exit(found != {"Older": 0, "Separate": 10})
PY
echo "as stated"
