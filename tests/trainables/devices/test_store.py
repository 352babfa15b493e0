"""The store through which the ranks of a group find each other listens on the group's address only."""

import socket
import subprocess
import sys

import pytest

from tests import ROOT
from tests.made.commands import LIMIT_S

RANK = """
import os, sys, torch
from torch import distributed
from trainables.devices.team import narrow_store
from tests.made.commands import listening_of
if sys.argv[3] == "narrow":
    narrow_store()
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=sys.argv[2], RANK=sys.argv[1], WORLD_SIZE="2")
os.environ.update(GLOO_SOCKET_IFNAME="lo")
distributed.init_process_group("gloo")
total = torch.ones(1)
distributed.all_reduce(total)
assert total.item() == 2
print(*sorted(address for address, port in listening_of(os.getpid())))
distributed.destroy_process_group()
"""


@pytest.mark.parametrize(("way", "address"), [("narrow", "127.0.0.1"), ("plain", "::")])
def test_the_store_of_a_group_listens_on_its_address_alone(way, address):
    """Torch's own way is tried too: should it ever do this by itself, our change is not needed any more."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK, rank, port, way], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for rank in ("0", "1")
    ]
    first, second = [rank.communicate(timeout=LIMIT_S)[0].split() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    assert sorted(first) == sorted(["127.0.0.1", address])
    assert second == ["127.0.0.1"]
