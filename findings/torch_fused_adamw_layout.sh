#!/usr/bin/env bash
# What the fused AdamW of torch on CPU makes of a gradient that lies in memory otherwise than its parameter.
#
# torch 2.13.0 (Python 3.11). A weight may be kept with its axes in another order in memory, as channels-last kernels
# are; its gradient is then set by hand, from a file or another device, in plain order. Both have the same shape, and
# every operation of torch takes them together. Expected: the step of `fused=False`, or an error.
# Seen: the fused kernel pairs the numbers as they follow each other in memory: a weight of 4 x 6 whose columns are
# contiguous moves by up to 0.6 in another direction in three steps of 0.1, without a word. Where the gradient lies as
# the weight does, as autograd makes it, both ways agree to rounding.
#
# Fails if the two ways agree for both, or differ where the layouts are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import sys

import torch

torch.manual_seed(0)
start, slope = torch.randn(4, 6), torch.randn(4, 6)


def trained(is_fused, is_like_weight):
    weight = torch.nn.Parameter(start.mT.contiguous().mT)
    optimizer = torch.optim.AdamW([weight], lr=0.1, fused=is_fused)
    for step in range(1, 4):
        weight.grad = torch.empty_like(weight).copy_(step * slope) if is_like_weight else step * slope
        optimizer.step()
    return weight.detach()


alike, plain = (float((trained(True, way) - trained(False, way)).abs().max()) for way in (True, False))
print(f"largest difference of the two ways: {alike:.1e} where the layouts are the same, {plain:.2f} where they are not")
sys.exit(alike > 1e-6 or plain < 0.1)
PY
echo "as stated"
