"""The language of configuration: round trips, identity, problems in words, files."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces import schema
from spaces.errors import ConfigError, InputError
from spaces.schema import config_id, diff, dump, flat, flatten, knobs, load, nest, override, tree_id, tree_of, type_name
from spaces.yaml_text import canonical_text, parse_yaml, read_yaml
from tests.spaces.config import SECTIONS, Data, Net, Optim, OtherNet, Run
from trainables.config import default_config


def run(**values):
    tree = nest({"model": "m"} | {name.replace("__", "."): value for name, value in values.items()})
    return load(Run, tree, "here", SECTIONS)


def problems_of(act):
    with pytest.raises(ConfigError) as caught:
        act()
    return caught.value.problems


# --- round trips and identity


def test_load_of_dump_is_identity():
    config = run(optim__lr=1e-5, net__names=("a", "no", "1e-4"), net__limit=7, net__flip=True, model="no")
    assert load(Run, parse_yaml(dump(config), "here"), "here", SECTIONS) == config


@pytest.mark.parametrize("lr", [1e-7, 1e22, 0.1 + 0.2, 4e-4, 5e-324, 3, 1.7976931348623157e308])
def test_floats_survive_dump_exactly(lr):
    config = run(optim__lr=lr)
    assert load(Run, parse_yaml(dump(config), "here"), "here", SECTIONS).optim.lr == lr


@pytest.mark.parametrize("name", ["no", "null", "1e-4", "0x1f", "a: b", "#x", "", " x ", "two\nlines", "12:30", "~"])
def test_text_survives_dump_exactly(name):
    config = run(model=name, net__names=(name or "x",))
    assert load(Run, parse_yaml(dump(config), "here"), "here", SECTIONS) == config


def test_flat_and_nest_are_inverse():
    tree = tree_of(run())
    assert nest(flat(tree)) == tree


def test_equal_configs_have_one_id_however_they_were_written():
    assert config_id(run(optim__lr="1e-3", net__sizes="1,2")) == config_id(run(optim__lr=0.001, net__sizes=[1, 2]))


def test_the_id_is_ten_hex_digits_and_changes_with_every_knob():
    changes = {
        "model": "n",
        "net.width": 64,
        "net.heads": 2,
        "net.kind": "max",
        "net.names": ("a",),
        "net.sizes": (3,),
        "net.limit": 5,
        "net.flip": True,
        "optim.lr": 1e-3,
        "optim.decay": 0.5,
        "optim.stairs": 7,
        "data.root": "elsewhere",
        "data.frames": 3,
    }
    assert changes.keys() == knobs(Run, SECTIONS).keys()
    ids = [config_id(override(run(), {path: value}, "here", SECTIONS)) for path, value in changes.items()]
    assert len({config_id(run()), *ids}) == len(changes) + 1
    assert all(len(one) == 10 and int(one, 16) >= 0 for one in ids)


def test_the_id_is_the_hash_of_the_canonical_text():
    # Known answer: the id names folders and MLflow runs, so it must not change by accident.
    assert dump(Optim()) == "lr: 0.0004\ndecay: 0.9\nstairs: 100\n"
    assert config_id(Optim()) == hashlib.sha256(b"lr: 0.0004\ndecay: 0.9\nstairs: 100\n").hexdigest()[:10]


def test_override_changes_what_it_names_and_nothing_else():
    config = override(run(), {"optim.lr": "1e-3", "net.names": "a, b"}, "here", SECTIONS)
    assert diff(run(), config) == {"optim.lr": (4e-4, 1e-3), "net.names": ((), ("a", "b"))}
    assert diff(config, config) == {}


def test_missing_fields_take_their_defaults():
    assert run() == Run(model="m", net=Net(), optim=Optim(), data=Data())


def test_the_model_chooses_the_type_of_a_section():
    config = load(Run, {"model": "m", "net": {"depth": 5}}, "here", {"net": OtherNet})
    assert config.net == OtherNet(depth=5)
    assert "net.depth" in flatten(config)


def test_knobs_carry_their_rules_by_dotted_path():
    found = knobs(Run, SECTIONS)
    assert list(found)[:2] == ["model", "net.width"]
    assert (found["optim.lr"].lane, found["optim.lr"].default, found["optim.stairs"].unit) == (True, 4e-4, "steps")
    assert found["optim.stairs"].allowed == "int and >= 1 and < 1000"
    assert found["net.kind"].allowed == "one of mean, median, max"
    assert [type_name(found[path].type) for path in ("net.names", "net.limit")] == ["list of str", "int or none"]


# --- problems


def test_all_problems_come_at_once_with_value_and_remedy():
    tree = {"model": 3, "net": {"width": "wide", "hedas": 2}, "optim": {"lr": 0, "decay": True}, "extra": 1}
    found = problems_of(lambda: load(Run, tree, "here", SECTIONS))
    assert found == (
        "model = 3: expected str, got int",
        "net.width = wide: expected int, got text 'wide'",
        "net.hedas: no such field; did you mean net.heads?",
        "optim.lr = 0: out of bounds; allowed: float and > 0",
        "optim.decay = True: expected float, got bool",
        "extra: no such field; fields here: model, net, optim, data",
    )


def test_a_broken_law_names_field_value_and_reason():
    assert problems_of(lambda: run(net__heads=3)) == ("net.heads = 3 must divide the width 32",)


def test_a_law_over_two_sections_names_the_whole_path():
    found = problems_of(lambda: run(net__flip=True, optim__stairs=501))
    assert found == ("optim.stairs = 501 must be at most 500 with net.flip",)


def test_a_broken_law_and_a_wrong_value_elsewhere_come_together():
    found = problems_of(lambda: run(net__heads=3, optim__lr=-1, data__frames=7, data__root=3))
    assert [line.split(" = ")[0] for line in found] == ["net.heads", "optim.lr", "data.root"]
    # The law of `Run` asks net and optim only; the fault in `data` does not silence it.
    found = problems_of(lambda: run(net__flip=True, optim__stairs=501, data__root=3))
    assert [line.split(" ")[0] for line in found] == ["data.root", "optim.stairs"]


def test_a_law_over_a_section_that_cannot_be_read_is_not_asked():
    found = problems_of(lambda: run(net__flip="perhaps", optim__stairs=501))
    assert found == ("net.flip = perhaps: expected bool, got str",)


def test_override_tells_unknown_knobs_and_wrong_values_together():
    changes = {"optim.lrr": 1, "zzz.qqq": 2, "net.heads": 3, "optim.decay": 2}
    found = problems_of(lambda: override(run(), changes, "here", SECTIONS))
    assert found[0] == "optim.lrr: no such knob; did you mean optim.lr?"
    assert found[1].startswith("zzz.qqq: no such knob; all: ")
    assert sorted(line.split(" = ")[0] for line in found[2:]) == ["net.heads", "optim.decay"]


def test_a_missing_model_is_named():
    assert problems_of(lambda: load(Run, {}, "here", SECTIONS)) == ("model is missing",)


@pytest.mark.parametrize("tree", [None, [], "text", 3])
def test_a_tree_that_is_no_mapping_is_refused(tree):
    assert problems_of(lambda: load(Run, tree, "here", SECTIONS)) == ("the file must be a mapping of names to values",)


def test_a_section_that_is_no_mapping_is_refused():
    found = problems_of(lambda: load(Run, {"model": "m", "net": 3}, "here", SECTIONS))
    assert found == ("net must be a mapping of names to values",)


def test_keys_that_are_no_text_are_refused_like_unknown_names():
    found = problems_of(lambda: load(Run, {"model": "m", 1: 2, None: 3, False: 4}, "here", SECTIONS))
    assert [line.split(":")[0] for line in found] == ["1", "None", "False"]


def test_problems_of_another_place_keep_its_name_in_a_larger_report():
    error = InputError("best.yaml", ["one", "two"])
    assert error.problems_in("best.yaml") == ["one", "two"]
    assert error.problems_in("launch") == ["best.yaml: one", "best.yaml: two"]


def test_one_problem_is_one_line_and_several_are_a_list():
    assert str(InputError("best.yaml", ["is empty"])) == "best.yaml: is empty"
    assert str(InputError("best.yaml", ["one", "two"])) == "best.yaml: 2 problems\n  one\n  two"


# --- files


def test_a_repeated_key_is_refused_with_its_place():
    found = problems_of(lambda: parse_yaml("optim:\n  lr: 1\n  lr: 2\n", "best.yaml"))
    assert "'lr' stands twice" in found[0]
    assert "line 2" in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 2",
        "a: b: c",
        "\tx: 1",
        "a: !!python/object:os.system {}",
        "a: 2020-13-45",  # a date to PyYAML, which then refuses the month in its own way
        "a: 0x_",
        "a: \x00",
        "[" * 1000,
    ],
    ids=["open", "colon", "tab", "object", "date", "hex", "zero", "deep"],
)
def test_text_that_is_no_yaml_is_a_config_error(text):
    assert "is not valid YAML" in problems_of(lambda: parse_yaml(text, "best.yaml"))[0]


def test_files_that_cannot_be_read_are_config_errors(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff\xfe\xfa")
    for path, why in (("none.yaml", "No such file"), ("", "Is a directory"), ("latin.yaml", "not UTF-8")):
        found = problems_of(lambda path=path: read_yaml(tmp_path / path))
        assert why in found[0], found


def test_an_empty_file_is_nothing_and_no_config(tmp_path):
    (tmp_path / "empty.yaml").touch()
    assert read_yaml(tmp_path / "empty.yaml") is None


PLAIN = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=200),
    st.floats(), st.integers(), st.booleans(), st.none(), st.lists(st.floats(), max_size=30),
)  # fmt: skip


@given(st.dictionaries(st.text("abc_", min_size=1), st.dictionaries(st.text("abc", min_size=1), PLAIN)))
def test_the_fast_way_to_an_id_is_the_canonical_text(tree):
    text = canonical_text(schema._with_tuples(tree))
    assert tree_id(tree) == hashlib.sha256(text.encode()).hexdigest()[:10]


@pytest.mark.parametrize(("section", "name"), schema.YOUNGER)
def test_a_knob_that_came_later_leaves_the_ids_of_before(section, name):
    default, before = schema.YOUNGER[section, name], {"first": 1, section: {"other": 2}}
    assert tree_id({**before, section: {name: default, "other": 2}}) == tree_id(before)
    assert tree_id({**before, section: {name: not default, "other": 2}}) != tree_id(before)


def test_ids_are_those_of_earlier_versions():
    plain = default_config("graformer", {"data.name": "h36m"}, "here")
    windows = {"data.name": "h36m", "data.frames": 27, "network.widths": "3,3,3"}
    assert config_id(plain) == "381f44556c"
    assert config_id(default_config("videopose3d", windows, "here")) == "1e87bb9cd5"


@pytest.mark.parametrize("value", ["a b" * 60, "é" * 99, "a\\b", 'say "no"', "\x85\u2028" * 40, "", " ", "null", "1e3"])
def test_an_id_of_any_text_is_that_of_its_canonical_text(value):
    tree = {"data": {"root": value}, "sizes": [1, 2.5]}
    text = canonical_text(schema._with_tuples(tree))
    assert tree_id(tree) == hashlib.sha256(text.encode()).hexdigest()[:10]
