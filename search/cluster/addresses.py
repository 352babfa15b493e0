"""Addresses of Ray clusters: finds out within seconds whether a Ray answers at one."""

from __future__ import annotations

import os
import socket

import grpc
from ray._private import services

from spaces.errors import ConfigError

from ..environment.store import redacted

CONNECT_S = 5.0  # each, for a connection and for an answer
# A call that every Ray cluster has; without a token it is refused, which tells as much.
CALL = "/ray.rpc.NodeInfoGcsService/CheckAlive"
NOBODY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def check_address(address: str) -> None:
    """Raises ConfigError within 2 * CONNECT_S seconds if no Ray answers at `address`, where Ray itself would wait for
    minutes. `address`: HOST:PORT, auto, or ray://HOST:PORT."""
    place = address
    if address == "auto":
        try:
            place = str(services.canonicalize_bootstrap_address(address))
        except (ConnectionError, ValueError):
            raise no_cluster(address, "none runs on this machine") from None
    host, _, port = place.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise no_cluster(address, "give HOST:PORT of its head, e.g. 10.0.0.1:6379, or auto on one of its nodes")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except OSError as error:  # no such host, and no answer in time
        raise no_cluster(address, f"nobody listens at {host}:{port} ({error})") from None
    if not _uses_tls() and (fault := _fault_of(f"{host}:{port}", is_head=not place.startswith("ray://"))):
        raise no_cluster(address, fault)


def no_cluster(address: str, found: str) -> ConfigError:
    """Builds the error of an address at which no Ray cluster can be used. `found`: what was found there."""
    remedy = "start one or look at the address (`ray status`); without --address a Ray of our own is started"
    return ConfigError(f"--address {redacted(address)}", [f"no Ray cluster answers: {redacted(found)}; {remedy}"])


def _uses_tls() -> bool:
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _fault_of(place: str, *, is_head: bool) -> str:
    """Asks what listens at HOST:PORT for a sign of life; returns what is wrong, '' if nothing. `is_head`: it should be
    a cluster's head, else its server for clients, which knows no such call."""
    with grpc.insecure_channel(place, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(CALL)(b"", timeout=CONNECT_S)
        except grpc.RpcError as error:
            if error.code() in NOBODY:
                return f"what listens at {place} is no Ray"
            if is_head and error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return f"what listens at {place} is not the head of a Ray; its port is 6379 unless told otherwise"
    return ""
