"""The protocol between commands and supervisor: JSON objects, one a line, over the supervisor's unix socket.

A command sends one request, ``{"do": WORD, ...}``. The supervisor answers with any number of events,
``{"event": ...}``, and ends with ``{"ok": BOOL, ...}``; a refusal has ``error`` and perhaps ``hint``. After
the answer to ``console`` the connection carries the console's bytes.

==========  ==============================  =====================================================
request     fields                          answer
==========  ==============================  =====================================================
status                                      ``nodes``, ``past``, ``network``, ``switch``, ``supervisor``
start       ``nodes``                       events; ok when all of them are ready
kill        ``nodes``                       events; ok when they are dead
stop        ``limit_s``                     events; ok when all left in order and the root is clean, else
                                            ``failed``, ``root``; the supervisor ends
network     ``change``, ``groups``,         ``network``; ok when the change is in force, see
            ``value``                       ssiuml.cluster.faults
console     ``node``                        then bytes
uplink                                      ok when the interface of slirp4netns is in the bridge
unforward   ``port``                        ok when the forwarded port is closed
connect     ``node``                        ok when ssh to the node is connected (its ControlPath exists)
==========  ==============================  =====================================================
"""

import json
from typing import Any, Final

LINE_LIMIT_BYTES: Final = 1 << 20
# How long nodes may take to end in order; the default of ssi-stop.
STOP_LIMIT_S: Final = 60.0

Values = dict[str, Any]


def encode(values: Values) -> bytes:
    """Return one line with the values."""
    return json.dumps(values).encode() + b"\n"


def decode(line: bytes) -> Values:
    """Read one line. Raise ValueError if it is not a JSON object."""
    values = json.loads(line)
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    return values
