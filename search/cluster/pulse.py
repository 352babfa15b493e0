"""Watches whether Ray is still there: Tune waits for ever for a node that does not come back."""

from __future__ import annotations

import socket
import time

import ray

PULSE_S = 2.0
ANSWER_S = 5.0


class Pulse:
    """Looks at most every PULSE_S seconds whether the joined cluster has its head and a living node. Ray itself takes
    half a minute to report a node that died, and ends this process a minute after its head did."""

    def __init__(self) -> None:
        self._next = time.monotonic() + PULSE_S
        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        self._head = host.strip("[]"), int(port)

    def fault(self) -> str:
        """Returns what has happened, one line, if the head does not answer or no node lives; '' otherwise."""
        if time.monotonic() < self._next:
            return ""
        self._next = time.monotonic() + PULSE_S
        try:
            socket.create_connection(self._head, timeout=ANSWER_S).close()
        except OSError as error:
            return f"Ray's head process (GCS) does not answer: {error.strerror or error}"
        if any(node["Alive"] for node in ray.nodes()):
            return ""
        return "Ray has no living node left (its raylet was killed, or the machine took it away)"
