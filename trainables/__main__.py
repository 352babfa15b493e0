"""Command line `python -m trainables train|evaluate|pretrain CONFIG`: one run on this machine, without Ray, Optuna or
MLflow."""

from __future__ import annotations

import sys

from spaces.loading import end_at_once

if __name__ == "__main__":
    end_at_once()  # while what follows loads

from spaces.cli import Verb, main

from .cli.evaluate import add_evaluate_options, check_evaluate
from .cli.pretrain import add_pretrain_options, check_pretrain
from .cli.train import add_train_options, check_train

VERBS = {
    "train": Verb(
        summary="train one config in this process",
        example="python -m trainables train best.yaml --out runs/best",
        add_options=add_train_options,
        check=check_train,
        run="trainables.runs.train:train",
    ),
    "evaluate": Verb(
        summary="score weights and print the paper's table",
        example="python -m trainables evaluate best.yaml --weights best.safetensors --flip",
        add_options=add_evaluate_options,
        check=check_evaluate,
        run="trainables.runs.evaluate:evaluate",
    ),
    "pretrain": Verb(
        summary="train the image trunk of a config on 2D joints, for trunks whose weights nobody published",
        example="python -m trainables pretrain small.yaml --out data/store/trunk.safetensors",
        add_options=add_pretrain_options,
        check=check_pretrain,
        run="trainables.runs.pretrain:pretrain",
    ),
}

if __name__ == "__main__":
    sys.exit(main("trainables", "Train and evaluate 3D pose models on this machine.", VERBS))
