"""How light the command line stays: help and wrong input need no torch, Ray, Optuna or MLflow."""

import ast
import json
import resource
import subprocess
import sys

import pytest

from search.__main__ import VERBS as SEARCH_VERBS
from tests import ROOT
from trainables.__main__ import VERBS as TRAIN_VERBS

LIGHT = (
    "spaces.cli",
    "spaces.files",
    "spaces.schema",
    "spaces.space",
    "spaces.table",
    "data.config",
    "trainables.config",
    "trainables.cli.train",
    "trainables.cli.predict",
    "trainables.cli.pretrain",
    "search.cli.runs.launch",
    "search.cli.results.ui",
    "trainables.cli.import_weights",
    "search.cli.runs.submit",
    "trainables.cli.new_model",
    "search.record.plan",
    "search.notebook.sweep",
    "search.executors.workers.forks",
    "search.__main__",
)
HEAVY = ("torch", "ray", "optuna", "mlflow", "PIL", "av")


def python(*words):
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("verbs", [SEARCH_VERBS, TRAIN_VERBS], ids=["search", "trainables"])
def test_every_verb_names_a_function_that_exists(verbs):
    for name, verb in verbs.items():
        module, _, function = verb.run.partition(":")
        tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))
        defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert function in defined, f"{name} runs {verb.run}"


def test_light_modules_load_nothing_heavy():
    # In one fresh process, because this one has torch already; the first module that loads something is named.
    source = f"""
import importlib, json, sys
loaded = {{}}
for name in {LIGHT!r}:
    importlib.import_module(name)
    for heavy in {HEAVY!r}:
        if heavy in sys.modules:
            loaded.setdefault(heavy, name)
print(json.dumps(loaded))
"""
    assert json.loads(python("-c", source)) == {}


def test_the_driver_of_a_sweep_loads_neither_torch_nor_mlflow_ahead():
    # Its fork server has torch; the thread that sends to MLflow loads that.
    source = f"import json, sys, search.sweep.verbs; print(json.dumps([n for n in {HEAVY!r} if n in sys.modules]))"
    assert set(json.loads(python("-c", source))) <= {"ray", "optuna"}


@pytest.mark.parametrize(
    "words", ["search --help", "search launch --help", "search predict --help", "trainables --help"]
)
def test_help_answers_within_a_second(words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "usage: python -m" in python("-m", *words.split())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time: other work on this machine is not the command's fault.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
