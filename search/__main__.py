"""python -m search VERB: hyperparameter sweeps of 3D human-pose models on Ray, recorded in MLflow."""

from __future__ import annotations

import sys

from spaces.loading import end_at_once, leave_all

if __name__ == "__main__":
    end_at_once()  # while what follows loads

from spaces.cli import Verb, main
from spaces.console import drop_farewell
from trainables.cli import import_weights as options_import
from trainables.cli import new_model
from trainables.cli.evaluate import add_evaluate_options, check_evaluate
from trainables.cli.predict import add_predict_options, check_predict

from .cli.results import export, listing, report, show, sync, ui
from .cli.runs import confirm, extend, fork, launch, resume, stop, submit, train
from .cli.upkeep import clean, delete, doctor, note
from .environment.store import redacted
from .environment.variables import settle_environment
from .executors.workers.forks import loading_ahead
from .terminal.screen import loading

VERBS = {
    "launch": Verb(
        summary="run a sweep",
        example="python -m search launch graformer --recipe small --trials 12 --time-budget 20m --name first",
        add_options=launch.add_launch_options,
        check=launch.check_launch,
        run="search.sweep.verbs:launch",
        loading=loading_ahead,
    ),
    "resume": Verb(
        summary="continue an interrupted sweep; finished trials are not run again",
        example="python -m search resume first",
        add_options=resume.add_resume_options,
        check=resume.check_resume,
        run="search.sweep.verbs:resume",
        loading=loading_ahead,
    ),
    "extend": Verb(
        summary="enlarge a sweep to so many trials of so many epochs; what it has trained is not trained again",
        example="python -m search extend first --trials 40 --epochs 20",
        add_options=extend.add_extend_options,
        check=extend.check_extend,
        run="search.sweep.verbs:extend",
        loading=loading_ahead,
    ),
    "fork": Verb(
        summary="start a new sweep from the state of an old one, which is not touched",
        example="python -m search fork first --name second --trials 40",
        add_options=fork.add_fork_options,
        check=fork.check_fork,
        run="search.sweep.verbs:fork",
        loading=loading_ahead,
    ),
    "stop": Verb(
        summary="end one trial for good, of a running sweep after its present epoch",
        example="python -m search stop first --trial 3",
        add_options=stop.add_stop_options,
        check=stop.check_stop,
        run="search.sweep.requests:stop",
    ),
    "list": Verb(
        summary="list the sweeps, or the models, recipes and knobs that there are",
        example="python -m search list\n         python -m search list --knobs graformer",
        add_options=listing.add_list_options,
        check=listing.check_list,
        run="search.results.listing:list_all",
    ),
    "show": Verb(
        summary="print one sweep's leaderboard, or all that is known of one trial, or what happens in it",
        example="python -m search show first --trial 0\n         python -m search show first --follow",
        add_options=show.add_show_options,
        check=show.check_show,
        run="search.results.show:show",
    ),
    "export": Verb(
        summary="write the winning trial as a complete config",
        example="python -m search export first --out best.yaml --weights best.safetensors",
        add_options=export.add_export_options,
        check=export.check_export,
        run="search.results.export:export",
    ),
    "report": Verb(
        summary="write one sweep, or several side by side, as an HTML file with figures that needs no network",
        example="python -m search report first --out report.html",
        add_options=report.add_report_options,
        check=report.check_report,
        run="search.results.report.report:report",
    ),
    "note": Verb(
        summary="put a remark on a sweep's record, for `list`, `show` and MLflow",
        example='python -m search note first "wider networks than these do not fit the GPU"',
        add_options=note.add_note_options,
        check=note.check_note,
        run="search.sweep.requests:note",
    ),
    "delete": Verb(
        summary="remove a sweep and mark its runs in MLflow as deleted, once you agree",
        example="python -m search delete first",
        add_options=delete.add_delete_options,
        check=delete.check_delete,
        run="search.results.delete:delete",
    ),
    "clean": Verb(
        summary="list what sweeps and Ray left behind and nobody needs, and remove it once you agree",
        example="python -m search clean --yes",
        add_options=clean.add_clean_options,
        check=clean.check_clean,
        run="search.results.clean:clean",
    ),
    "train": Verb(
        summary="train one config under Ray Train",
        example="python -m search train best.yaml",
        add_options=train.add_ray_train_options,
        check=train.check_ray_train,
        run="search.sweep.train:train",
        loading=loading,
    ),
    "confirm": Verb(
        summary="train one config, or the best of a sweep beside its recipe, with several seeds: mean and deviation",
        example="python -m search confirm graformer-1 --top 3 --seeds 5",
        add_options=confirm.add_confirm_options,
        check=confirm.check_confirm,
        run="search.sweep.verbs:confirm",
        loading=loading_ahead,
    ),
    "evaluate": Verb(
        summary="score weights and print the paper's table",
        example="python -m search evaluate best.yaml --weights best.safetensors --flip",
        add_options=add_evaluate_options,
        check=check_evaluate,
        run="trainables.runs.evaluate:evaluate",
    ),
    "predict": Verb(
        summary="lift 2D keypoints of a video, or images, to 3D poses or meshes, and film them",
        example="python -m search predict best.yaml --weights best.safetensors --input walk.json --out walk.npz "
        "--render walk.mp4\n"
        "         python -m search predict hand.yaml --weights hand.safetensors --input photo.jpg --out photo.npz "
        "--render photo.png",
        add_options=add_predict_options,
        check=check_predict,
        run="trainables.prediction.predict:predict",
    ),
    "import": Verb(
        summary="convert an authors' published checkpoint to weights of ours, strictly",
        example="python -m search import graformer --weights ckpt_best.pth.tar --out published.safetensors",
        add_options=options_import.add_import_options,
        check=options_import.check_import,
        run="trainables.weights.adopt:adopt",
    ),
    "new-model": Verb(
        summary="write the files of a new model, which passes its tests as written",
        example="python -m search new-model pose_mlp",
        add_options=new_model.add_new_model_options,
        check=new_model.check_new_model,
        run="trainables.templates.skeleton:new_model",
    ),
    "submit": Verb(
        summary="run the same `launch` line as a job on a running Ray cluster",
        example="python -m search submit graformer --recipe small --trials 12 --address http://127.0.0.1:8265",
        add_options=submit.add_submit_options,
        check=submit.check_submit,
        run="search.cluster.jobs:submit",
    ),
    "ui": Verb(
        summary="show the runs: MLflow's UI on this machine over the store in use, with links of sweeps",
        example="python -m search ui first --port 5001",
        add_options=ui.add_ui_options,
        check=ui.check_ui,
        run="search.tracking.ui:ui",
    ),
    "sync": Verb(
        summary="send what an unreachable MLflow missed of a sweep",
        example="python -m search sync first",
        add_options=sync.add_sync_options,
        check=sync.check_sync,
        run="search.tracking.sync:sync",
    ),
    "doctor": Verb(
        summary="look at versions, devices, store, data, disk and cluster; each finding with its remedy",
        example="python -m search doctor --address auto",
        add_options=doctor.add_doctor_options,
        check=doctor.check_doctor,
        run="search.doctor.doctor:doctor",
    ),
}

ABOUT = "Hyperparameter sweeps of 3D human-pose models on Ray, recorded in MLflow."


def posesweep(prog: str = "posesweep") -> int:
    """Runs the command line of this process and returns the exit code; `prog`: name of the program in its help."""
    settle_environment()
    try:
        return main("search", ABOUT, VERBS, hide=redacted, prog=prog)
    finally:
        drop_farewell()
        leave_all()


if __name__ == "__main__":
    sys.exit(posesweep(prog=""))
