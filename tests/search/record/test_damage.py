"""Journals that lost a byte, a line or their order, that are of an earlier version, or of somebody else: read right or
told in one message."""

import contextlib
import json
from zlib import crc32

import pytest

from data.errors import DataError
from search.record.coding import from_text, to_text
from search.record.journal import FILE, Journal, create, has_begun, is_vacant, sweeps
from search.record.lines import SEALED, Chain, read_rows
from search.record.records import OpenRow, TrialRow
from search.record.state import SweepState
from tests.made.sweeps import OBJECTIVE, book, diverged, made_journal, made_plan, made_sweep, row

SCORES = ([60.0, 50.0, 52.0], [70.0], [float("nan"), 55.25], [49.5, 48.0])


def made(folder, trials=4):
    """A small sweep that is done, let go of."""
    plan = made_plan(folder.name)
    journal = made_journal(folder.parent, plan)
    for number in range(trials):
        point = {"optim.lr": 1e-3 * (number + 1), "network.dropout": 0.1 * (number % 5)}
        book(journal, plan, point, SCORES[number % 4], "pruned" if number % 4 == 1 else "finished", 'a "reason"\nb')
    journal.close("done")
    journal.unlock()
    return journal


def plain(journal):
    """The same journal as an earlier version wrote it: no checksums, and the whole config of every trial."""
    lines = []
    for one, _ in read_rows(journal.path):
        record = one.to_record()
        if isinstance(one, TrialRow):
            record["config"] = journal.trials[one.trial].config
        if one.kind == "close":
            record = {name: record.get(name) for name in ("kind", "ts_ms", "reason", "best", "pictures")}
        lines.append(json.dumps(record).encode() + b"\n")
    return b"".join(lines)


def board(journal):
    """All that a leaderboard shows, and more."""
    trials = [(one.number, one.state, one.score(OBJECTIVE), one.last_epoch, one.point, one.config_id)
              for one in journal.leaderboard(OBJECTIVE)]  # fmt: skip
    return trials, journal.is_closed, journal.close_reason


@pytest.fixture
def old(tmp_path):
    """A journal of an earlier version."""
    journal = made(tmp_path / "old")
    content = plain(journal)
    assert SEALED not in content
    journal.path.write_bytes(content)
    return Journal(journal.path)


@pytest.mark.parametrize(("trials", "size", "step"), [(2, 4_000, 1), (24, 20_000, 41)])
def test_a_byte_that_is_missing_anywhere_is_told_unless_it_is_the_last(tmp_path, trials, size, step):
    """Every byte of a small journal; of a long one, bytes of every line."""
    journal = made(tmp_path / "first", trials)
    whole, file = journal.path.read_bytes(), tmp_path / "short.jsonl"
    assert len(whole) > size
    lines, last = set(), len(whole) - 1
    for place in [*range(0, last, step), last]:
        file.write_bytes(whole[:place] + whole[place + 1 :])
        if place == last:
            assert board(Journal(file)) == board(journal)
        else:
            line = 1 + whole.count(b"\n", 0, place)
            with pytest.raises(DataError, match=f"is damaged at line {line}: .*; restore it from a backup"):
                Journal(file)
            lines.add(line)
    assert lines == set(range(1, 1 + whole.count(b"\n")))


def test_a_byte_that_is_missing_in_an_old_journal_is_told_or_changes_what_is_read(old, tmp_path):
    # Without checksums a digit less is another number; but it never is a traceback, and a line less is found.
    whole, file = plain(old), tmp_path / "short.jsonl"
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + whole[place + 1 :])
        with contextlib.suppress(DataError):
            board(Journal(file))
    lines = whole.splitlines(keepends=True)
    births = [at for at, text in enumerate(lines) if b'"kind": "trial"' in text]
    file.write_bytes(b"".join(lines[: births[1]] + lines[births[1] + 1 :]))
    with pytest.raises(DataError, match=rf"line {births[1] + 1}: no trial 1 was born before"):
        Journal(file)


@pytest.mark.parametrize("place", [1, 5, 9])
def test_lines_that_are_lost_or_swapped_are_told(tmp_path, place):
    journal = made(tmp_path / "first")
    lines = journal.path.read_bytes().splitlines(keepends=True)
    for changed in (
        lines[:place] + lines[place + 1 :],
        [*lines[:place], lines[place + 1], lines[place], *lines[place + 2 :]],
        [*lines[:place], lines[place], *lines[place:]],
    ):
        journal.path.write_bytes(b"".join(changed))
        with pytest.raises(DataError, match=r"is damaged at line \d+: it or a line above was changed or lost"):
            Journal(journal.path)


def test_a_journal_cut_off_anywhere_is_read_up_to_there(tmp_path):
    journal, file = made(tmp_path / "first"), tmp_path / "short.jsonl"
    whole = journal.path.read_bytes()
    ends = [0, *(at + 1 for at, byte in enumerate(whole) if byte == ord("\n"))]
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        sizes = [size for _, size in read_rows(file)]
        # A line is there once all of it is, with or without its end.
        assert len(sizes) == sum(end - 1 <= length for end in ends[1:])
        assert Journal(file).trials.keys() <= journal.trials.keys()


def test_a_whole_last_line_without_its_end_counts_and_gets_it(tmp_path):
    journal = made(tmp_path / "first")
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-1])
    again = Journal(journal.path)
    assert again.close_reason == "done"
    again.lock()
    again.append(OpenRow())
    again.unlock()
    assert journal.path.read_bytes().startswith(whole)
    assert not Journal(journal.path).is_closed


def test_readers_go_on_from_the_end_of_any_line(tmp_path):
    journal = made(tmp_path / "first")
    rows = list(read_rows(journal.path))
    offset = 0
    for number, (_, size) in enumerate(rows):
        assert list(read_rows(journal.path, offset)) == rows[number:]
        # The writer was at it: the line was whole, but its end was not there yet.
        rest = list(read_rows(journal.path, offset + size - 1))
        assert [row for row, _ in rest] == [row for row, _ in rows[number + 1 :]]
        assert sum(length for _, length in rest) == (1 + sum(length for _, length in rows[number + 1 :])) * bool(rest)
        offset += size
    assert list(read_rows(journal.path, offset)) == []


def test_damage_past_an_offset_is_told_with_its_line(tmp_path):
    journal = made(tmp_path / "first")
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join([*lines[:4], lines[4].replace(b"0", b"", 1), *lines[5:]]))
    with pytest.raises(DataError, match="is damaged at line 5"):
        list(read_rows(journal.path, sum(map(len, lines[:2]))))


# --- journals of an earlier version


def test_an_old_journal_reads_as_the_new_one(old, tmp_path):
    new = made(tmp_path / "new")
    assert board(old) == board(new)
    assert [one.config for one in old.trials.values()] == [
        json.loads(json.dumps(one.config)) for one in new.trials.values()
    ]


def test_an_old_journal_goes_on_with_checksums_that_cover_its_old_lines(old):
    before = old.path.read_bytes()
    old.lock()
    old.append(OpenRow())
    old.append(row(3, 3, 47.0))
    old.unlock()
    content = old.path.read_bytes()
    first, second = content[len(before) :].splitlines(keepends=True)
    assert content.startswith(before)
    assert first[len(SEALED) :][:8] == b"%08x" % crc32(before + first[20:])
    assert second[len(SEALED) :][:8] == b"%08x" % crc32(before + first[20:] + second[20:])
    assert Journal(old.path).trials[3].score(OBJECTIVE) == 47.0
    assert [row.kind for row, _ in read_rows(old.path, len(before))] == ["open", "epoch"]
    for place in range(0, len(content) - 1, 29):
        old.path.write_bytes(content[:place] + content[place + 1 :])
        with pytest.raises(DataError, match="is damaged at line"):
            Journal(old.path)


def test_a_line_without_a_checksum_has_no_place_after_one_with(tmp_path):
    journal = made(tmp_path / "first")
    journal.path.write_bytes(journal.path.read_bytes() + b'{"kind": "open", "ts_ms": 1}\n')
    with pytest.raises(DataError, match="it has no checksum"):
        Journal(journal.path)


# --- files of somebody else

FOREIGN = {
    "a list": b"[1, 2]\n",
    "a number": b"7\n",
    "text": b"hello\n",
    "another object": b'{"a": 1}\n',
    "no text": b"\xff\xfe\x00{\n",
    "zeros": b"\0\0\0\0\n",
    "a deep list": b"[" * 100_000 + b"\n",
    "an empty line": b"\n",
    "an unknown kind": b'{"kind": "swep", "ts_ms": 1}\n',
    "a kind that is a list": b'{"kind": ["open"], "ts_ms": 1}\n',
    "nothing but a kind": b'{"kind": "sweep", "ts_ms": 1}\n',
    "no time": b'{"kind": "open"}\n',
    "another first kind": b'{"kind": "open", "ts_ms": 1}\n',
    "a list without an end": b"[1, 2]",
}
LATER = {
    "an unknown trial": {"kind": "epoch", "trial": 9, "epoch": 1, "metrics": {}, "seconds": 1, "lr": 1, "loss": 1},
    "a huge trial": {"kind": "attempt", "trial": 10**400, "attempt": 1, "after_epoch": 0},
    "a huge epoch": {"kind": "epoch", "trial": 0, "epoch": 10**30, "metrics": {}, "seconds": 1, "lr": 1, "loss": 1},
    "a huge score": {"kind": "epoch", "trial": 0, "epoch": 1, "metrics": {}, "seconds": 10**400, "lr": 1, "loss": 1},
    "epoch 0": {"kind": "epoch", "trial": 0, "epoch": 0, "metrics": {}, "seconds": 1, "lr": 1, "loss": 1},
    "a text for metrics": {"kind": "epoch", "trial": 0, "epoch": 1, "metrics": "x", "seconds": 1, "lr": 1, "loss": 1},
    "a text for a trial": {"kind": "end", "trial": "0", "state": "finished", "epoch": 1, "reason": ""},
    "an unknown state": {"kind": "end", "trial": 0, "state": "fine", "epoch": 1, "reason": ""},
    "a missing field": {"kind": "end", "trial": 0, "epoch": 1, "reason": ""},
    "a gap in the births": {"kind": "trial", "trial": 6, "point": {}, "config_id": ""},
    "a best that is none": {"kind": "close", "reason": "done", "best": 77},
    "a second head": {"kind": "sweep"},
}  # fmt: skip


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_file_is_one_message(tmp_path, what):
    (tmp_path / "odd").mkdir()
    file = tmp_path / "odd" / FILE
    file.write_bytes(FOREIGN[what])
    with pytest.raises(DataError, match="is damaged at line 1: ") as caught:
        Journal(file)
    assert caught.value.where == str(file)
    assert not is_vacant(file.parent)
    assert sweeps(tmp_path) == [file.parent]


@pytest.mark.parametrize("what", LATER)
def test_a_foreign_record_is_one_message(old, what):
    lines = old.path.read_bytes().splitlines(keepends=True)
    record = {**(json.loads(lines[0]) if what == "a second head" else {}), **LATER[what], "ts_ms": 1}
    old.path.write_bytes(b"".join(lines) + json.dumps(record).encode() + b"\n")
    with pytest.raises(DataError, match=f"is damaged at line {len(lines) + 1}: ") as caught:
        Journal(old.path)
    assert len(str(caught.value)) < len(str(old.path)) + 250


def test_a_config_that_is_not_that_of_its_id_is_told(tmp_path):
    plan = made_plan("first")
    journal = made_journal(tmp_path, plan)
    book(journal, plan, {"optim.lr": 1e-3}, [50.0])
    trial = journal.trials[0]
    assert trial.config["optim"]["lr"] == 1e-3
    for point in ({"optim.lr": 2e-3}, {"nowhere.lr": 1e-3}, {"model.lr": 1e-3}):
        trial.point = point
        with pytest.raises(DataError, match="the config of trial 0 is not that of its id"):
            trial.config  # noqa: B018
    journal.unlock()


# --- a crash before the first record


@pytest.mark.parametrize("content", [b"", b"{", b'{"crc": "12', b'{"crc": "00000000", "kind": "sweep", "na', b"\0\0"])
def test_a_sweep_that_died_before_its_first_record_frees_its_folder(tmp_path, content):
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / FILE).write_bytes(content)
    assert (has_begun(folder), is_vacant(folder), sweeps(tmp_path)) == (False, True, [])
    create(folder, made_sweep()).unlock()
    assert Journal(folder / FILE).sweep.name == "first"
    assert (has_begun(folder), is_vacant(folder)) == (True, False)


def test_a_folder_with_anything_else_in_it_is_not_free(tmp_path):
    (tmp_path / FILE).touch()
    assert is_vacant(tmp_path)
    (tmp_path / "best.safetensors").touch()
    assert not is_vacant(tmp_path)
    assert not is_vacant(tmp_path / "nowhere")


# --- records


def test_every_record_is_its_text_again():
    for one in (made_sweep(), OpenRow(), row(1, 2, float("nan")), diverged(0, 3)):
        assert to_text(from_text(to_text(one))) == to_text(one)
        assert type(from_text(to_text(one))) is type(one)


def test_a_state_takes_no_record_before_that_of_its_sweep():
    for one in (OpenRow(), row(0, 1, 50.0), diverged(0, 1)):
        with pytest.raises(ValueError, match="the first record is not that of a sweep"):
            SweepState().apply(one)


def test_a_record_that_the_disk_does_not_take_leaves_no_half_line(tmp_path, monkeypatch):
    journal = made_journal(tmp_path, made_plan("first"))
    before = journal.path.read_bytes()
    wanted = Chain(int(before[len(SEALED) :][:8], 16), is_sealed=True)

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("search.record.journal.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        journal.append(OpenRow())
    assert journal.path.read_bytes() == before
    monkeypatch.undo()
    written = journal.append(OpenRow())
    journal.unlock()
    assert journal.path.read_bytes() == before + wanted.line_of(written)
