"""Free ports on 127.0.0.1, chosen once per component and kept, so that whoever is started again is found again."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

from deploy.local.errors import StackError

HOST = "127.0.0.1"
# Below the range from which the kernel takes the near end of outgoing connections: a port there could be
# taken for a moment by any client, just while its owner is being restarted.
FIRST, LAST = 20_000, 31_999
TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(taken: Iterable[int]) -> int:
    """A free port that is not among `taken`."""
    avoided = set(taken)
    for _ in range(TRIES):
        port = random.randint(FIRST, LAST)
        if port not in avoided and is_free(port):
            return port
    raise StackError(f"no free port between {FIRST} and {LAST} on {HOST} in {TRIES} tries")


def accepts(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True
