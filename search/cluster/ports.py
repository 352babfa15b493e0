"""Ports for the parts of a Ray of our own, chosen before it starts."""

from __future__ import annotations

import functools
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import ray._private.parameter as parameter

from ..environment.variables import LOOPBACK

# Ray 2.60 gives an agent that chooses its own port 15 to 20 seconds to say which, fixed in its C++, and its node dies
# when that takes longer, as it does with a tenth of a core. Of a port that is given it waits for nothing.
PRIVATE = ("metrics_agent_port", "dashboard_agent_listen_port", "runtime_env_agent_port")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextmanager
def settled_ports() -> Iterator[int]:
    """Has the agents of a Ray that is started inside listen on ports of ours; gives the one of them that `ray.init`
    takes itself, for its metrics."""
    module: Any = parameter
    plain = module.RayParams
    metrics, *others = free_ports(1 + len(PRIVATE))
    module.RayParams = functools.partial(plain, **dict(zip(PRIVATE, others, strict=True)))
    try:
        yield metrics
    finally:
        module.RayParams = plain
