"""The notebook of the documents, cell by cell, as a user of another folder runs it."""

import ast
import json
import os

import pytest

from data.formats.poses import h36m
from data.synthetic.poses.h36m import synthetic_h36m
from tests import ROOT
from tests.made import warm

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
CELLS = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]

# What a kernel does with a cell: runs it, and shows the value of its last line.
KERNEL = """
import ast, json, sys
here, shown = {"__name__": "__main__"}, []
for text in json.load(open("cells.json")):
    tree = ast.parse(text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), here)
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), here) if last else None
    shown.append([type(value).__name__, str(value)[:2000]])
    if hasattr(value, "to_plotly_json"):
        shown[-1].append(len(value.data))
json.dump(shown, open("shown.json", "w"))
"""


def test_it_is_kept_without_outputs():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in CELLS)
    assert NOTEBOOK.read_text(encoding="utf-8").isascii()


def test_it_calls_only_what_there_is():
    from search.notebook.sweep import Sweep

    named = {node.attr for text in CODE for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
    methods = {name for name in vars(Sweep) if name.startswith(("plot_", "trials", "pareto", "export", "best", "res"))}
    assert methods <= named, methods - named


@pytest.mark.ray
def test_it_runs_in_a_folder_that_is_not_the_repository(tmp_path, empty_store):
    # A few seconds of the synthetic set; a new database takes longer than the sweep.
    h36m.write(synthetic_h36m(0, mean_frames=12), tmp_path / "data" / "store")
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_bytes(empty_store.read_bytes())
    (tmp_path / "cells.json").write_text(json.dumps(CODE))
    done = warm.run(["-c", f"import os; os.chdir({str(tmp_path)!r})\n{KERNEL}"], os.environ, 600)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = json.loads((tmp_path / "shown.json").read_text())
    figures = [one for one in shown if one[0] == "Figure"]
    assert len(figures) == 9
    assert all(one[2] >= 1 for one in figures)
    assert sum(one[0] == "DataFrame" for one in shown) == 2
    assert shown[1][1].startswith("<Sweep graformer-1: graformer, done, 6 of 6 trials ended, best val/mpjpe_mm ")
    assert (shown[-1][0], shown[-1][1]) == ("Sweep", shown[1][1])
    ended = ast.literal_eval(shown[2][1])
    assert sorted(trial for trial, _, _ in ended) == [*range(6)]
    assert {state for _, state, _ in ended} <= {"finished", "pruned"}
    # The lines of the command line, on the same streams.
    assert "trial 0 starts: recipe small" in done.stdout
    assert done.stdout.count("sweep graformer-1: graformer, recipe small is trial 0, done") == 2
    assert "best: trial " in done.stdout
    # All of it lies below the working directory, with the line that would do the same on record.
    head = json.loads((tmp_path / "mlruns/sweeps/graformer-1/journal.jsonl").read_text().splitlines()[0])
    line = "python -m search launch graformer --recipe=small --trials=6 --epochs=4 --set=data.subset=0.2"
    assert head["facts"]["command"] == line
    assert f"MLflow at sqlite:///{tmp_path}/mlruns/mlflow.db" in done.stdout
    assert (tmp_path / "graformer-1.yaml").is_file()
    assert (tmp_path / "graformer-1.safetensors").is_file()
