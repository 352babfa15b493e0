"""The files of a new model, written from the template beside this file: all of them or none. No torch."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path

from spaces.errors import InputError

from .. import registry
from ..cli.new_model import NewModel, space_file

TEMPLATE = "lifter"  # the template's folder, and the word in its files that the new model's name replaces
MODULES = ("__init__.py", "config.py", "network.py", "objective.py")
SPACE = "space.yaml"


def files_of(name: str) -> dict[str, str]:
    """Text of every file of a new model, by path from the root of the repository."""
    found = {f"trainables/models/{name}/{module}": _filled(module, name) for module in MODULES}
    return {**found, f"spaces/{name}.yaml": _filled(SPACE, name)}


def _filled(file: str, name: str) -> str:
    text = (Path(__file__).parent / TEMPLATE / file).read_text(encoding="utf-8")
    return re.sub(rf"\b{TEMPLATE}\b", name, text)


def next_commands(name: str) -> dict[str, str]:
    """Lines to type once a model's files are there, by what they do."""
    sweep = ("launch", name, "--recipe", "small", "--data", "synthetic", "--trials", "2", "--epochs", "1")
    return {
        "its tests alone": shlex.join(("python", "-m", "pytest", "-k", name)),
        "its first sweep": shlex.join(("python", "-m", "search", *sweep)),
    }


def new_model(request: NewModel) -> int:
    """Writes the files, lists them, and says what to type next."""
    files = files_of(request.name)
    write_together(request.name, files)
    print("\n".join(f"wrote {path}" for path in files))
    print("\n".join(f"{what}: {line}" for what, line in next_commands(request.name).items()))
    print("what each file is for, and what a finished model has besides: docs/new-model.md")
    return 0


def write_together(name: str, files: Mapping[str, str]) -> None:
    """Puts the model's folder and space where they belong. InputError, and neither is there, if one cannot be."""
    folder, listed = registry.FOLDER / name, space_file(name)
    try:
        # Deeper than the registry looks, and on the disk of its target: one renaming makes the model whole.
        with tempfile.TemporaryDirectory(dir=registry.FOLDER, prefix=f".{name}.") as draft:
            made = Path(draft) / name
            made.mkdir()
            for path, text in files.items():
                if not path.endswith(".yaml"):
                    (made / Path(path).name).write_text(text, encoding="utf-8")
            with listed.open("x", encoding="utf-8") as file:  # "x": what somebody made since the check stays
                try:
                    file.write(files[f"spaces/{name}.yaml"])
                    made.rename(folder)
                except BaseException:
                    listed.unlink()
                    raise
    except OSError as error:
        problem = f"{error.filename2 or error.filename} cannot be written: {error.strerror}; nothing was written"
        raise InputError(f"new-model {name}", [problem]) from None
