"""Malformed inputs of every kind are answered with exit code 2, one message, and nothing left behind."""

from tests.faults.malformed import make_home, run

KINDS = {"space", "config", "set", "option", "json", "npz", "safetensors", "pt", "data"}


def test_malformed_inputs_are_answered_in_good_order(tmp_path):
    counts, wrong = run(make_home(tmp_path), 220)
    assert not wrong, "\n".join(wrong)
    assert counts.keys() == KINDS
