"""Addresses at which no Ray answers are told within seconds."""

import http.server
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from search.cluster import addresses, session
from search.cluster.addresses import check_address
from search.environment.variables import settle_environment
from spaces.errors import ConfigError


@pytest.fixture
def silent():
    """The port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def web():
    """The port of a web server."""
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def call_server():
    """The port of a server of the kind that Ray's are, without Ray's calls."""
    server = grpc.server(ThreadPoolExecutor(1))
    yield server.add_insecure_port("127.0.0.1:0")
    server.stop(None)


def fault_of(address):
    with pytest.raises(ConfigError) as caught:
        check_address(address)
    assert caught.value.where == f"--address {address}"
    return caught.value.problems[0]


def test_a_dead_address_is_told(silent):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert f"nobody listens at 127.0.0.1:{port}" in fault_of(f"127.0.0.1:{port}")
    assert f"nobody listens at 127.0.0.1:{port}" in fault_of(f"ray://127.0.0.1:{port}")
    assert "nobody listens at no.such.host.invalid:6379" in fault_of("no.such.host.invalid:6379")
    assert "give HOST:PORT of its head" in fault_of("there")


def test_what_listens_and_is_no_ray_is_told(silent, web, call_server, monkeypatch):
    monkeypatch.setattr(addresses, "CONNECT_S", 1.0)
    began = time.monotonic()
    for port in (silent, web):
        for scheme in ("", "ray://"):
            assert f"what listens at 127.0.0.1:{port} is no Ray" in fault_of(f"{scheme}127.0.0.1:{port}")
    assert time.monotonic() - began < 10.0
    assert addresses._fault_of(f"127.0.0.1:{call_server}", is_head=True)


def test_no_cluster_on_this_machine_is_told(monkeypatch):
    def nobody(address):
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(addresses.services, "canonicalize_bootstrap_address", nobody)
    assert fault_of("auto").startswith("no Ray cluster answers: none runs on this machine; start one")


@pytest.mark.parametrize(("home", "given"), [(None, {"env_vars": {"MALLOC_ARENA_MAX": "2"}}), ("/repository", None)])
def test_workers_of_a_cluster_get_few_arenas_unless_the_job_has_given_them(monkeypatch, home, given):
    asked = {}
    monkeypatch.setattr(os, "environ", dict(os.environ))  # so that nothing else keeps what is set here
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.delenv("POSESWEEP_HOME", raising=False)
    if home:
        monkeypatch.setenv("POSESWEEP_HOME", home)
    monkeypatch.setattr(session, "tell_token", lambda **told: None)
    monkeypatch.setattr(session, "check_address", lambda address: None)
    monkeypatch.setattr(session.ray, "init", lambda **options: asked.update(options))
    session.join("127.0.0.1:6379")
    assert asked["runtime_env"] == given
    settle_environment()
    assert os.environ["MALLOC_ARENA_MAX"] == "2"
    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    settle_environment()
    assert os.environ["MALLOC_ARENA_MAX"] == "7"
