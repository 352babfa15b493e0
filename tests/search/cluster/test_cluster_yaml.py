"""The cluster files pass the launcher's own validation, and their pins are those of requirements.txt."""

import shlex

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from tests import ROOT

PINS = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]


FILES = [ROOT / "cluster.yaml", *sorted((ROOT / "deploy").glob("cluster-*.yaml"))]


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def cluster(request):
    return yaml.safe_load(request.param.read_text(encoding="utf-8"))


def test_the_launcher_accepts_it(cluster):
    validate_config(prepare_config(cluster))


def test_a_misspelt_key_would_be_found(cluster):
    with pytest.raises(Exception, match="Additional properties"):
        validate_config(prepare_config({**cluster, "worker": 1}))


def test_every_pin_is_installed_on_every_node(cluster):
    words = [word for command in cluster["setup_commands"] for word in shlex.split(command)]
    assert [word for word in words if "==" in word] == PINS


def test_a_local_provider_counts_its_machines():
    cluster = yaml.safe_load(FILES[0].read_text(encoding="utf-8"))
    count = len(cluster["provider"]["worker_ips"])
    assert cluster["min_workers"] == cluster["max_workers"] == count


def test_the_head_is_one_of_the_node_types_and_counts_hold(cluster):
    # The launcher's own check stops before this one.
    types = cluster.get("available_node_types", {})
    assert not types or cluster["head_node_type"] in types
    assert all(kind.get("max_workers", 0) <= cluster["max_workers"] for kind in types.values())


def test_data_and_stores_stay_where_they_are(cluster):
    for folder in ("data/store", "mlruns", ".venv", ".git"):
        assert f"{folder}/**" in cluster["rsync_exclude"]


def test_the_dashboard_is_on_loopback_and_the_token_is_asked_for(cluster):
    head = cluster["head_start_ray_commands"][-1]
    assert "--dashboard-host=127.0.0.1" in head
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in head
    for commands in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert "RAY_AUTH_MODE=token" in cluster[commands][-1]
