"""`import search`: what it gives, how light it is, and what a Sweep answers from its journal."""

import dataclasses
import json
import shutil
import threading

import pytest
import yaml

import search
import search.__main__
from search.cluster.claims import Wish
from search.cluster.session import ray_session
from search.notebook import sweep as notebook
from search.record.journal import Journal
from search.record.records import EndRow
from search.sweep.interrupts import collected_interrupts
from spaces.cli import FAILED, INTERRUPTED, OK
from tests.made.sweeps import OBJECTIVE, book, made_journal, made_plan
from tests.test_light import HEAVY, python
from trainables.config import read_config


@pytest.fixture(scope="module")
def plan():
    return made_plan("first", trials=5)


@pytest.fixture
def storage(tmp_path, monkeypatch, plan):
    """A storage folder with the sweep `first`, whose best is trial 2, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    journal = made_journal(tmp_path / "kept", plan)
    book(journal, plan, {"optim.lr": 2e-3, "network.layers": 3}, [60.0, 52.0])
    book(journal, plan, {"optim.lr": 3e-3, "network.layers": 2}, [70.0], "pruned", "asha: epoch 1")
    book(journal, plan, {"optim.lr": 1e-3, "network.layers": 4}, [61.0, 48.5, 49.0])
    journal.close("done")
    journal.unlock()
    return tmp_path / "kept"


def test_the_import_is_light_and_so_is_a_wrong_launch():
    # In a fresh process, because this one has everything already.
    source = f"""
import json, sys
import search
first = [name for name in {HEAVY!r} + ("pandas", "plotly", "numpy") if name in sys.modules]
try:
    search.launch("grafomer", trails=3)
except search.ConfigError as error:
    told = str(error)
print(json.dumps([first, told, [name for name in {HEAVY!r} + ("pandas", "plotly") if name in sys.modules]]))
"""
    first, told, then = json.loads(python("-c", source))
    assert first == then == []
    assert "did you mean graformer?" in told
    assert "did you mean trials?" in told


def test_the_names_of_the_interface_are_there():
    assert {"launch", "open", "Sweep", "SweepError", "ConfigError", "DataError"} <= set(dir(search))
    for name in search.__all__:
        assert getattr(search, name) is not None
    with pytest.raises(AttributeError, match=r"module 'search' has no attribute 'lunch'; it has .*launch"):
        search.lunch  # noqa: B018


# --- a sweep that is there


def test_a_sweep_is_found_by_name(storage):
    sweep = search.open("first", storage="kept")
    assert (sweep.name, sweep.state, sweep.folder) == ("first", "done", storage / "first")
    expected = f"<Sweep first: graformer, done, 3 of 5 trials ended, best {OBJECTIVE} 48.50 (trial 2)>"
    assert repr(sweep) == expected
    with pytest.raises(search.ConfigError, match=r"no such sweep in kept; did you mean first\?"):
        search.open("frist", storage="kept")
    with pytest.raises(search.ConfigError, match="sweep 'first': no such sweep in mlruns/sweeps"):
        search.open("first")


def test_a_sweep_that_was_deleted_says_so(storage):
    sweep = search.open("first", storage="kept")
    shutil.rmtree(sweep.folder)
    assert repr(sweep) == f"<Sweep first: no longer in {storage}>"
    with pytest.raises(search.DataError, match="has no record yet"):
        sweep.trials()


def test_the_best_trial_has_config_score_and_number(storage, plan):
    best = search.open("first", storage=storage).best
    assert (best.number, best.state, best.score, best.best_epoch, best.epochs) == (2, "finished", 48.5, 2, 3)
    assert best.knobs == {"optim.lr": 1e-3, "network.layers": 4}
    assert best.metrics == {OBJECTIVE: 48.5}
    assert best.config["network"]["layers"] == 4
    assert best.config["model"] == "graformer"


def test_without_a_score_there_is_no_best(tmp_path, plan):
    made_journal(tmp_path, plan).unlock()
    with pytest.raises(search.ConfigError, match=r"no trial has a score yet \(trials: none has begun\)"):
        _ = search.open("first", storage=tmp_path).best


def test_tables_and_figures_come_from_the_journal_as_it_is_now(storage, plan):
    sweep = search.open("first", storage="kept")
    assert list(sweep.trials()["trial"]) == [2, 0, 1]
    assert list(sweep.pareto()["trial"]) == list(sweep.pareto(OBJECTIVE)["trial"]) == [2]
    assert list(sweep.pareto([OBJECTIVE])["trial"]) == [2]
    assert [trace.name for trace in sweep.plot_history().data] == ["finished", "pruned", "trial 0", "best so far"]
    assert sweep.plot_curves().data[-1].name == "best: trial 2"
    assert len(sweep.plot_parallel().data[0].dimensions) == 3
    with pytest.raises(search.ConfigError, match="3 trials within the space have a score"):
        sweep.plot_importance(epoch=1)
    journal = Journal(sweep.folder / "journal.jsonl")
    journal.lock()
    book(journal, plan, {"optim.lr": 4e-3, "network.layers": 4}, [40.0])
    journal.unlock()
    assert list(sweep.trials()["trial"]) == [3, 2, 0, 1]
    assert sweep.best.number == 3


def test_export_writes_what_the_command_writes(storage, tmp_path, capsys):
    sweep = search.open("first", storage="kept")
    out = sweep.export("best.yaml")
    assert out.is_file()
    assert read_config(out).network.layers == 4
    assert yaml.safe_load(out.read_text())["provenance"]["trial"] == 2
    assert "trial 2 -> best.yaml; train it: python -m search train best.yaml" in capsys.readouterr().out
    with pytest.raises(search.ConfigError, match=r"best\.yaml exists"):
        sweep.export("best.yaml")
    assert read_config(sweep.export(tmp_path / "best.yaml", trial=1, force=True)).network.layers == 2
    with pytest.raises(search.ConfigError, match="--trial 7: no such trial; trials here: 0 to 2"):
        sweep.export("other.yaml", trial=7)
    weights = sweep.folder / "trials" / "0002" / "best.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights of trial 2")
    sweep.export("third.yaml", weights="third.safetensors")
    assert (tmp_path / "third.safetensors").read_bytes() == b"weights of trial 2"


# --- how a run ends

LAUNCH = {"recipe": "small", "trials": 5, "set": {"data.name": "tiny"}}


@pytest.fixture
def run(tmp_path, monkeypatch, plan):
    """Makes a launch whose training is replaced by these scores per trial, with these states and this exit code."""
    monkeypatch.chdir(tmp_path)

    def make(code, *ends, words=(), **options):
        def trained(request):
            journal = made_journal(request.folder.parent, dataclasses.replace(request.plan, name="taken-2"))
            request.watcher.begun(journal)
            for scores, state in ends:
                book(journal, request.plan, {"optim.lr": 1e-3 * (len(journal.trials) + 1)}, scores, state)
                number = len(journal.trials) - 1
                request.watcher.booked(EndRow(trial=number, state=state, epoch=len(scores), reason=""))
            for line in words:
                request.watcher.failed(line)
            journal.unlock()
            make.words = request.words
            return code

        monkeypatch.setattr("search.sweep.verbs.launch", trained)
        return search.launch("graformer", **{**LAUNCH, **options})

    return make


def test_a_launch_returns_the_sweep_under_the_name_that_it_got(run, tmp_path):
    ends = []
    sweep = run(OK, ([50.0, 45.0], "finished"), on_end=ends.append)
    assert (sweep.name, sweep.folder) == ("taken-2", tmp_path / "mlruns" / "sweeps" / "taken-2")
    assert [(one.trial, one.state, one.score) for one in ends] == [(0, "finished", 45.0)]
    assert run.words == ("launch", "graformer", "--recipe=small", "--trials=5", "--set=data.name=tiny")


def test_a_sweep_in_which_nothing_finished_raises_its_last_words(run):
    with pytest.raises(search.SweepError) as caught:
        run(FAILED, ([50.0], "failed"), words=["no trial finished (1 failed)", "why: ..."])
    assert str(caught.value) == "no trial finished (1 failed)\nwhy: ..."
    assert list(caught.value.sweep.trials()["state"]) == ["failed"]


def test_a_budget_without_a_score_is_an_error_with_words_too(run):
    with pytest.raises(search.SweepError, match="sweep taken-2 ended without a finished trial"):
        run(FAILED, ([], "stopped"))


def test_a_sweep_whose_recipe_failed_is_returned_if_others_finished(run):
    sweep = run(FAILED, ([], "failed"), ([50.0], "finished"), words=["trial 0, small, failed"])
    assert sweep.best.number == 1


def test_an_interrupt_is_raised_once_the_sweep_is_closed(run):
    with pytest.raises(KeyboardInterrupt, match=r"search.open\('taken-2'\).resume\(\) goes on"):
        run(INTERRUPTED, ([50.0], "running"))


def test_extend_gives_the_sweep_more(storage, monkeypatch):
    seen = []
    monkeypatch.setattr("search.sweep.verbs.extend", lambda request: seen.append(request) or OK)
    sweep = search.open("first", storage=storage)
    assert sweep.extend(trials=8, epochs=10, on_end=print).name == "first"
    (request,) = seen
    assert (request.folder, request.row.trials, request.row.epochs) == (storage / "first", 8, 10)
    assert request.watcher.folder is None
    with pytest.raises(search.ConfigError, match="has 5 trials of 8 epochs already"):
        sweep.extend(trials=5)


def test_resume_names_the_sweep_and_its_places(storage, monkeypatch):
    seen = []
    monkeypatch.setattr("search.sweep.verbs.resume", lambda request: seen.append(request) or OK)
    sweep = search.open("first", storage="kept", tracking_uri="sqlite:///here.db")
    monkeypatch.chdir(storage)  # elsewhere than where it was opened
    again = sweep.resume(time_budget=90, on_end=print)
    (request,) = seen
    assert (request.name, request.folder, request.limits.time_budget_s) == ("first", storage / "first", 90.0)
    assert (request.where.tracking_uri, request.where.storage) == ("sqlite:///here.db", storage)
    assert (again.folder, again.tracking_uri) == (sweep.folder, "sqlite:///here.db")
    with pytest.raises(search.ConfigError, match="'soon' is no duration"):
        sweep.resume(time_budget="soon")


def test_a_sweep_in_the_default_folder_needs_no_storage(storage, monkeypatch):
    (storage.parent / "mlruns").mkdir()
    storage.rename(storage.parent / "mlruns" / "sweeps")
    seen = []
    monkeypatch.setattr("search.sweep.verbs.resume", lambda request: seen.append(request) or OK)
    search.open("first").resume()
    assert seen[0].where.line("resume", "first") == "python -m search resume first"


# --- the process of a notebook


def test_signals_are_left_alone_outside_the_main_thread():
    found = []

    def inside():
        with collected_interrupts() as seen:
            found.append(list(seen))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert found == [[]]


def test_a_ray_that_the_notebook_uses_is_not_ended(monkeypatch):
    ended = []
    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr("ray.shutdown", lambda: ended.append(True))
    wish = Wish(who="x", workers=1, cpus=1.0, gpus=None, at_a_time=1)
    told = "connected to a Ray already; leave it first"
    with pytest.raises(search.ConfigError, match=told), ray_session(None, wish):
        pass
    assert ended == []


def test_the_verbs_behind_the_interface_are_those_of_the_command_line():
    assert notebook.VERBS is search.__main__.VERBS
