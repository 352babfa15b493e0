"""Gives malformed spaces, configs, options and files to the commands in this process, and checks how they answer.

    python tests/faults/malformed.py --cases 2000 --seed 0

Holds when it exits 0: every input that is wrong ends with exit code 2 and one short message without traceback, every
other one with 0 or 2; nothing is left behind but what a command that ended with 0 was asked to write; none takes more
than 2 s of process time, 10 s in all, or 500 MB. Works in a temporary folder.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # started as a file, Python looks beside it only

from hypothesis import HealthCheck, Phase, given, seed, settings

from data.__main__ import VERBS as DATA
from data.batches.samples import facts_of
from search.__main__ import VERBS as SEARCH
from spaces.cli import BAD_INPUT, OK, main
from tests.faults.inputs import CONFIG, SPACE, Case, as_yaml, by_hand, good, keypoints, npz, weights_file
from tests.faults.spoiling import spoilt_cases
from tests.made.small import write_people, write_tiny
from trainables.__main__ import VERBS as TRAINABLES
from trainables.cli.train import TrainRequest
from trainables.runs.demands import check_run
from trainables.runs.folder import RunFolder
from trainables.runs.train import state_to_resume

LIMIT_S, LIMIT_BYTES, LONGEST = 2.0, 500 * 2**20, 6000
SHARED = 5  # times as long on a machine that others use
RUNS_AS_NOTHING = ("launch", "resume", "confirm")


def checked(request: TrainRequest) -> int:
    """Does what `train` does before it trains."""
    state = state_to_resume(request, RunFolder(request.out, request.config))
    check_run(request.config, is_fresh=state is None)
    facts_of(request.config.data)
    return OK


def nothing(request: object) -> int:
    """Stands for a sweep, which would start Ray."""
    return OK


_HERE = "tests.faults.malformed"
PACKAGES = {
    "search": {
        name: dataclasses.replace(verb, run=f"{_HERE}:nothing") if name in RUNS_AS_NOTHING else verb
        for name, verb in SEARCH.items()
    },
    "trainables": TRAINABLES | {"train": dataclasses.replace(TRAINABLES["train"], run=f"{_HERE}:checked")},
    "data": DATA,
}


def make_home(folder: Path) -> Path:
    """Writes the good files that cases name beside their own."""
    write_tiny(folder / "store")
    write_people(folder / "store")
    config = {**CONFIG, "data": {**CONFIG["data"], "root": str(folder / "store")}}
    (folder / "c.yaml").write_bytes(as_yaml(_plain(config)))
    (folder / "s.yaml").write_bytes(as_yaml(SPACE))
    (folder / "w.safetensors").write_bytes(weights_file())
    (folder / "k.npz").write_bytes(npz(keypoints=keypoints(), width=1000, height=800, fps=25, layout="h36m"))
    (folder / "case").mkdir()
    return folder


def _plain(tree: object) -> object:
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items()}
    return [_plain(value) for value in tree] if isinstance(tree, tuple) else tree


def faults_of(case: Case, home: Path, wanted: int | None = None) -> list[str]:
    """Runs a case; returns what is wrong with the answer. `wanted`: its exit code, where that is known."""
    for name, content in case.files.items():
        (home / "case" / name).write_bytes(content)
    before = _listing(home)
    places = {"@": home / "case", "~": home}
    words = [str(places[word[0]] / word[1:]) if word[:1] in places else word for word in case.words]
    memory, started, began = _peak(), time.perf_counter(), time.process_time()
    out, err = io.StringIO(), io.StringIO()
    found = []
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            code = main(words[0], "about", PACKAGES[words[0]], words[1:])
        except SystemExit as left:  # argparse leaves on its own
            code = left.code
        except BaseException:
            code = None
            found.append(traceback.format_exc(limit=-4))
    seconds, computed, taken = time.perf_counter() - started, time.process_time() - began, _peak() - memory
    if wanted is not None and code != wanted:
        found.append(f"exit {code} instead of {wanted}: {err.getvalue()[:300]}")
    if code is not None:
        found += _wrong_answer(case, code, err.getvalue())
    if computed > LIMIT_S or seconds > SHARED * LIMIT_S:
        found.append(f"took {seconds:.1f} s, {computed:.1f} of them to compute")
    if taken > LIMIT_BYTES:
        found.append(f"took {taken / 2**20:.0f} MB")
    left = _listing(home) - before
    if left and code != OK:
        found.append(f"left {', '.join(sorted(map(str, left)))}")
    for path in sorted(left, reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    for name in case.files:
        (home / "case" / name).unlink()
    return found


def _wrong_answer(case: Case, code: int, told: str) -> list[str]:
    found = []
    is_failed_run = code == 1 and "not finite" in told  # damaged weights may still be weights
    if code != BAD_INPUT and (case.is_bad or (code != OK and not is_failed_run)):
        found.append(f"exit {code}, told {told[:300]!r}")
    if code == BAD_INPUT and not told.strip():
        found.append("exit 2 without a message")
    if case.named not in told:
        found.append(f"{case.named} is not named: {told[:300]!r}")
    if len(told) > LONGEST or "Traceback" in told:
        found.append(f"a message of {len(told)} characters: {told[:300]!r}")
    return found


def _heads(case: Case) -> str:
    return ", ".join(f"{name} of {len(content)}: {content[:60]!r}" for name, content in case.files.items())


def _listing(home: Path) -> set[Path]:
    return set(home.rglob("*"))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(home: Path, cases: int, first: int = 0) -> tuple[Counter[str], list[str]]:
    """Runs the cases made by hand, and as many damaged ones as `cases` leaves; returns their number by kind, and what
    was found, a text for each wrong answer."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []

    def one(case: Case) -> None:
        counts[case.kind] += 1
        faults = faults_of(case, home)
        if faults:
            wrong.append(
                f"{case.kind}: {' '.join(word[:200] for word in case.words)} {_heads(case)}\n  " + "\n  ".join(faults)
            )

    for case in good():
        if faults := [fault for fault in faults_of(case, home, OK) if not fault.startswith("took")]:
            wrong.append(f"a right {case.kind}: {faults}")
    for case in by_hand():
        one(case)

    @seed(first)
    @settings(
        max_examples=max(1, cases - counts.total()),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(spoilt_cases())
    def many(case: Case) -> None:
        one(case)

    many()
    return counts, wrong


def cli() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        counts, wrong = run(make_home(Path(folder)), options.cases, options.seed)
    print("\n".join(wrong))
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    print(f"{counts.total()} cases ({told}) in {time.perf_counter() - started:.0f} s: {len(wrong)} answered wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(cli())
