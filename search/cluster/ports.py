"""Services of our own Ray instance, their address and their TCP ports, settled before it starts."""

from __future__ import annotations

import functools
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ray import _raylet
from ray._private import node, parameter, services
from ray._private.ray_constants import PROCESS_TYPE_DASHBOARD_AGENT as DASHBOARD_AGENT
from ray._private.ray_constants import PROCESS_TYPE_RUNTIME_ENV_AGENT as ENVIRONMENT_AGENT

from ..environment.variables import LOOPBACK

# Ray 2.60 gives an agent that chooses its own port 15 to 20 seconds to say which, fixed in its C++, and its node dies
# when that takes longer, as it does with a tenth of a core. Of a port that is given it waits for nothing.
LISTEN = "dashboard_agent_listen_port"  # to Ray, the name of a field and of a file
PRIVATE = (LISTEN, "metrics_agent_port", "runtime_env_agent_port")
# An autoscaler and a forwarder of log lines: one node on this machine has no use for either.
WITHOUT = {"no_monitor": True, "include_log_monitor": False}
# In the place of an agent that nobody uses: its raylet ends with it, so it must be there, and end with the raylet.
NOBODY = ["/bin/sh", "-c", 'while kill -0 "$PPID" 2>/dev/null; do sleep 2; done']


def free_ports(count: int) -> list[int]:
    """Finds `count` different free TCP ports on loopback."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextmanager
def settled_services(worker_program: Path | None = None, *, has_environments: bool = True) -> Iterator[int]:
    """Makes a Ray instance that is started within the block listen on loopback only, use preselected ports for its
    agents, and run no service that nobody uses, such as the dashboard, for which `ray.init` would wait. Yields the port
    for `ray.init`'s own metrics.

    `worker_program`: the program that starts a worker, instead of Ray's; `has_environments`: whether any worker may ask
    for a runtime environment, which only Ray's agent of these makes."""
    parts: Any = parameter
    nodes: Any = node.Node
    raylet: Any = _raylet
    addresses: Any = services
    plain, start, resolve = parts.RayParams, nodes.start_raylet, addresses.resolve_ip_for_localhost
    dashboard, agent = nodes.start_api_server, addresses._build_python_executable_command_memory_profileable
    metrics, *others = free_ports(1 + len(PRIVATE))
    given: dict[str, Any] = {**dict(zip(PRIVATE, others, strict=True)), **WITHOUT}
    if worker_program is not None:
        given["setup_worker_path"] = str(worker_program)
    unused = {DASHBOARD_AGENT} if has_environments else {DASHBOARD_AGENT, ENVIRONMENT_AGENT}

    def start_knowing(self: Any, *values: Any, **fields: Any) -> Any:
        # Of this one the node reads a file even when it was given; its agent writes the same into it, later.
        raylet.persist_port(self._session_dir, self._node_id, LISTEN, given[LISTEN])
        return start(self, *values, **fields)

    def start_none(self: Any, **fields: Any) -> None:
        """Ray 2.60 starts a process even where it is told to leave the dashboard out, for its usage statistics."""

    def command_of(kind: str, *values: Any, **fields: Any) -> list[str]:
        return list(NOBODY) if kind in unused else list(agent(kind, *values, **fields))

    parts.RayParams = functools.partial(plain, **given)
    addresses._build_python_executable_command_memory_profileable = command_of
    nodes.start_raylet = start_knowing
    nodes.start_api_server = start_none
    # Ray 2.60 takes the machine's own address for a loopback one that it is given, and then all its processes listen on
    # every interface. With a node that stays on loopback they listen there.
    addresses.resolve_ip_for_localhost = str
    try:
        yield metrics
    finally:
        parts.RayParams, nodes.start_raylet, addresses.resolve_ip_for_localhost = plain, start, resolve
        nodes.start_api_server = dashboard
        addresses._build_python_executable_command_memory_profileable = agent
