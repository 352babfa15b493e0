"""Sockets on which processes listen, from the tables of the kernel."""

import ipaddress
import os
import struct
from contextlib import suppress
from pathlib import Path

import psutil

LISTENING = "0A"  # include/net/tcp_states.h


def listening_below(pid):
    """(address, port) of every TCP socket on which a process, or one that it or its children started, listens."""
    return {(address, port) for process in tree_of(pid) for address, port in listening_of(process.pid)}


def tree_of(pid):
    """A process and all below it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def listening_of(pid):
    """(address, port) of every TCP socket on which one process listens."""
    inodes = set()
    with suppress(OSError):
        for file in Path("/proc", str(pid), "fd").iterdir():
            with suppress(OSError):
                inodes.add(os.readlink(file))
    return {place for inode, place in _table() if f"socket:[{inode}]" in inodes}


def _table():
    for name in ("tcp", "tcp6"):
        with suppress(OSError):  # no IPv6 here
            for line in Path("/proc/net", name).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == LISTENING:
                    address, _, port = words[1].partition(":")
                    yield words[9], (_address(address), int(port, 16))


def _address(text):
    """An address of the kernel's, of 32-bit words in the machine's order; IPv4 within IPv6 is IPv4."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    address = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    return str(getattr(address, "ipv4_mapped", None) or address)
