"""`pip install -e .`: what it installs, and the command `posesweep`."""

import shutil
import subprocess
import sys
import tomllib

import pytest

from search.__main__ import VERBS
from spaces.loading import named
from tests import ROOT
from tests.made.sources import FLOORS

MARK = "-----"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_it_installs_what_the_requirements_pin_and_nothing_else():
    assert PROJECT["project"]["dynamic"] == ["dependencies"]
    assert "dependencies" not in PROJECT["project"]
    assert "optional-dependencies" not in PROJECT["project"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.txt"]}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines if line and not line.startswith("#"))


def test_its_packages_are_the_floors():
    include = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert sorted(include) == sorted(f"{floor}*" for floor in FLOORS)


def installed(folder):
    """Installs a copy of the repository into a folder as `pip install -e .` does, but for what it depends on; returns
    the folder of the commands and that of the packages."""
    copy = folder / "repository"
    for name in FLOORS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("store", "__pycache__"))
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    line = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    where = ["--disable-pip-version-check", "--ignore-installed", "--no-warn-script-location"]
    done = subprocess.run(
        [*line, *where, "--prefix", str(folder / "prefix"), "-e", "."],
        cwd=copy, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (packages,) = (folder / "prefix").glob("lib*/python*/site-packages")
    return folder / "prefix" / "bin", packages


def test_it_works_in_a_folder_that_is_not_the_repository(tmp_path):
    """Also where a first sweep has left its folder `data`, which must not stand in for the package of that name."""
    pytest.importorskip("setuptools", minversion="77")
    commands, packages = installed(tmp_path)
    here = tmp_path / "elsewhere"
    (here / "data" / "store").mkdir(parents=True)
    # What the interpreter of an environment does with its packages, after the working directory.
    code = f"import sys; sys.path.insert(0, ''); import site; site.addsitedir({str(packages)!r})\n"
    for word in ("--help", "list"):
        code += f"sys.argv = ['posesweep', {word!r}]\n"
        code += f"try: exec({(commands / 'posesweep').read_text()!r}, {{'__name__': '__main__'}})\n"
        code += f"except SystemExit as left: print({MARK!r}, left.code or 0, {MARK!r})\n"
    code += "import search, data.config, spaces, trainables\nprint(search.__file__, search.launch.__name__)"
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, cwd=here, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    help_text, one, listed, other, out = done.stdout.split(MARK)
    assert [int(one), int(other)] == [0, 0]
    assert help_text.startswith("usage: posesweep [-h] VERB ...")
    assert set(VERBS) <= set(help_text.split())
    assert out.split() == [str(tmp_path / "repository" / "search" / "__init__.py"), "launch"]
    assert "no sweeps in mlruns/sweeps; start one: python -m search launch graformer" in listed


def test_the_command_runs_the_command_line(capsys, monkeypatch):
    (entry,) = PROJECT["project"]["scripts"].values()
    assert entry == "search.__main__:posesweep"
    monkeypatch.setattr(sys, "argv", ["posesweep", "launch", "--help"])
    with pytest.raises(SystemExit) as left:
        named(entry)()
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("usage: posesweep launch [-h]")
