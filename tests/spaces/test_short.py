"""Messages on values of any size are short, and made at once."""

import time

import pytest

from spaces.errors import LONGEST_PROBLEM, LONGEST_TEXT, ConfigError, shown
from spaces.space import parse_space
from spaces.yaml_text import LARGEST_BYTES, parse_yaml, read_yaml
from trainables.config import config_from


def bomb(levels, leaf="S1"):
    """Lists of lists by alias: six to the power of the levels, when written out."""
    text = f"&n0 [{', '.join([leaf] * 6)}]"
    for level in range(levels):
        text = f"&n{level + 1} [{text}{f', *n{level}' * 5}]"
    return text


@pytest.mark.parametrize("levels", [1, 5, 30])
def test_aliases_are_not_written_out(levels):
    started = time.perf_counter()
    text = f"model: graformer\ndata:\n  train_subjects: {bomb(levels)}\n"
    with pytest.raises(ConfigError, match=r"data\.train_subjects = \[\[") as caught:
        config_from(parse_yaml(text, "a.yaml"), "a.yaml")
    assert len(str(caught.value)) < 300
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("kind", ["choice", "range", "log"])
def test_aliases_in_a_space_are_not_written_out(kind):
    text = f"model: graformer\nrecipes: {{a: {{}}}}\nsearch:\n  optim.lr: {{{kind}: {bomb(30, '1')}}}\n"
    with pytest.raises(ConfigError, match=r"search\.optim\.lr") as caught:
        parse_space(parse_yaml(text, "a.yaml"), "a.yaml")
    assert len(str(caught.value)) < 300


def test_merges_of_merges_are_refused():
    lines = ["a0: &a0 {x0: 1, x1: 2, x2: 3, x3: 4, x4: 5, x5: 6, x6: 7, x7: 8, x8: 9}"]
    lines += [f"a{level + 1}: &a{level + 1} {{<<: [{', '.join([f'*a{level}'] * 9)}]}}" for level in range(12)]
    with pytest.raises(ConfigError, match=r"merges [0-9]+ keys"):
        parse_yaml("\n".join(lines), "a.yaml")


@pytest.mark.parametrize("value", ["x" * 10_000, 10**4000, list(range(10_000)), {"a": {"b": {"c": 1}}}, object])
def test_a_shown_value_fits_a_line(value):
    assert len(shown(value)) < 120


@pytest.mark.parametrize(("value", "text"), [(1.5, "1.5"), ("text", "text"), (None, "None"), ([1, 2], "[1, 2]")])
def test_a_short_value_is_shown_as_it_is(value, text):
    assert shown(value) == text


@pytest.mark.parametrize(
    ("count", "length"), [(1, 10), (1, 100_000), (2, 10), (2, 100_000), (5000, 10), (5000, 2 * LONGEST_PROBLEM)]
)
def test_a_message_fits_a_screen_whatever_is_wrong(count, length):
    text = str(ConfigError("a.yaml", ["x" * length + " remedy"] * count))
    assert len(text) < LONGEST_TEXT + 500
    assert text.startswith("a.yaml: ")
    assert "remedy" in text
    assert (f"and {count - text.count('remedy')} more" in text) == (text.count("remedy") < count)
    assert text.endswith("remedy")


def test_a_file_too_large_to_be_a_config_is_not_parsed(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 1\n" * (LARGEST_BYTES // 5 + 1))
    with pytest.raises(ConfigError, match="is larger than"):
        read_yaml(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match="is larger than"):
        read_yaml("/dev/zero")
