"""What is printed: control characters and what the console cannot encode are escaped."""

import io
import json
import subprocess
import sys

import pytest

from spaces.commands import shell_line
from spaces.console import Console, visible
from spaces.errors import ConfigError, one_line, shown
from spaces.table import text_table
from tests import ROOT

EVIL = "a\x1b[2J\nb\u202ec"
SHOWN = r"a\x1b[2J\nb\u202ec"


def test_control_characters_are_escaped_and_others_are_not():
    assert visible(EVIL) == SHOWN
    assert visible("größe 姿 a\\n b'") == "größe 姿 a\\n b'"
    assert visible("\t\r\x7f\x9b\u2028") == r"\t\r\x7f\x9b\u2028"
    assert visible(3) == "3"


def test_messages_and_tables_show_no_control_characters():
    assert str(ConfigError(EVIL, [EVIL])) == f"{SHOWN}: {SHOWN}"
    assert str(ConfigError(EVIL, [EVIL, "b"])) == f"{SHOWN}: 2 problems\n  {SHOWN}\n  b"
    assert shown(EVIL) == SHOWN
    assert one_line(ValueError("a\x1b[2J")) == r"ValueError: a\x1b[2J"
    assert text_table([EVIL], [[EVIL], [[EVIL, 1]]]) == f"{SHOWN}\n{SHOWN}\n{SHOWN} 1"


@pytest.mark.parametrize("word", [EVIL, "new\nline", "it's\x1b", "\\\x07", "$'\t"])
def test_a_printed_command_has_no_control_characters_and_bash_reads_them(word):
    line = shell_line("printf", "%s", word, "x")
    assert line == visible(line)
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert done.stdout == f"{word}x".encode()


def test_a_console_escapes_what_it_cannot_encode_and_what_a_terminal_obeys():
    under = io.BytesIO()
    console = Console(under, encoding="ascii", errors="backslashreplace", newline="\n", line_buffering=True)
    print(f"größe\t{EVIL}\udce9", file=console)
    assert under.getvalue() == b"gr\\xf6\\xdfe\ta\\x1b[2J\nb\\u202ec\\udce9\n"


def test_every_command_line_answers_on_a_console_of_ascii():
    """One process, in which every package finds the console as Python makes it: to start one takes seconds."""
    words = {
        "search": ("show", "größe\x1b"),
        "data": ("check", "h36m", "größe\x1b"),
        "trainables": ("train", "größe\x1b.yaml"),
    }
    code = "import io, json, runpy, sys\n"
    code += "for package, words in json.loads(sys.argv[1]).items():\n"
    code += "    sys.argv, err = [package, *words], io.BytesIO()\n"
    code += "    own = sys.stderr = io.TextIOWrapper(err, sys.__stderr__.encoding, sys.__stderr__.errors)\n"
    code += "    try: runpy.run_module(package, run_name='__main__')\n"
    code += "    except SystemExit as left: print(package, left.code, sys.__stderr__.encoding, err.getvalue())\n"
    code += "    sys.stderr = sys.__stderr__"
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(words)],
        cwd=ROOT, capture_output=True, check=True, env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    answers = done.stdout.decode("ascii").splitlines()
    assert [line.split()[:3] for line in answers] == [[package, "2", "ascii"] for package in words]
    for line in answers:
        assert r"gr\\xf6\\xdfe\\x1b" in line  # as bytes are written
        assert "Traceback" not in line
    assert done.stderr == b""


def test_lines_of_stdout_and_stderr_stay_in_order_in_one_file(tmp_path):
    code = "import sys; from spaces.console import settle_console; settle_console()\n"
    code += "for n in range(3): print(n); print(-n, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
    )
    assert done.stdout.split() == [b"0", b"0", b"1", b"-1", b"2", b"-2"]


def test_no_code_of_colorama_is_printed_as_the_process_ends():
    # As tqdm does it on a terminal, once Ray has been imported.
    code = """
import atexit, sys, types
module = types.ModuleType("colorama.initialise")
module.reset_all = lambda: print("reset")
sys.modules["colorama.initialise"] = module
atexit.register(module.reset_all)
from search.__main__ import posesweep
sys.argv = ["search", "list", "--models"]
sys.exit(posesweep())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "reset" not in done.stdout
