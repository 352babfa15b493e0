"""Weights and states that are not ours, or damaged, are named with what is wrong."""

import json

import pytest
import torch
from safetensors.torch import save_file

from data.errors import DataError
from spaces.errors import InputError
from tests.made.checkpoints import network
from trainables.weights.checkpoint import METADATA, load_state, load_weights, read_maker, save_weights

FOREIGN = [
    *("null", "3", "[]", "{}", '"text"', "not json", "[" * 5000, '{"config": 3, "facts": {}}'),
    *(
        '{"config": "model: graformer"}',
        '{"config": null, "facts": null}',
        '{"config": "model: graformer", "facts": []}',
    ),
]


@pytest.mark.parametrize("text", FOREIGN, ids=lambda text: text[:30])
def test_metadata_of_others_is_refused(tmp_path, text):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(2)}, path, {METADATA: text})
    with pytest.raises(DataError, match="holds no config beside its weights: its metadata is not what"):
        read_maker(path)


@pytest.mark.parametrize(
    "config", ["", "[]", "model: 3", "model: nothing", "model: graformer\nnetwork: {width: x}", "{"]
)
def test_a_config_in_the_metadata_that_is_none_is_refused(tmp_path, config):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(2)}, path, {METADATA: json.dumps({"config": config, "facts": {}})})
    with pytest.raises(InputError) as caught:
        load_weights(path)
    assert "a.safetensors" in str(caught.value) or "nothing" in str(caught.value)


def test_own_metadata_is_read(tmp_path):
    made, config = network()
    save_weights(tmp_path / "a.safetensors", made.state_dict(), config, {"epoch": 3})
    assert read_maker(tmp_path / "a.safetensors") == (config, {"epoch": 3})


@pytest.mark.parametrize("content", [[], 3, {}, {"epoch": 1}, {"config_id": 3, "epoch": "one"}], ids=repr)
def test_a_state_of_others_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "state.pt")
    with pytest.raises(DataError, match="is no training state of ours"):
        load_state(tmp_path / "state.pt")
