"""The ssi-* commands' end of the supervisor's socket.

ssi-exec imports this module before its session begins: keep heavy imports out.
"""

import socket
from collections.abc import Callable

from ssiuml.cluster import unix_sockets
from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import Values, decode, encode
from ssiuml.errors import SsiumlError, UsageError

CONNECT_LIMIT_S = 10.0


def connect(folder: ClusterFolder) -> socket.socket:
    """Return a connection to the supervisor of a cluster.

    If the cluster does not run, clear up what a dead supervisor left behind and raise UsageError.
    """
    try:
        return unix_sockets.connect(folder.socket, CONNECT_LIMIT_S)
    except OSError:
        from ssiuml.cluster.state import clear_stale

        remarks = clear_stale(folder) if folder.path.exists() else []
        raise UsageError(
            "\n".join([*remarks, f"cluster '{folder.name}' does not run"]), hint="run ssi-start to start it"
        ) from None


def ask(
    folder: ClusterFolder,
    request: Values,
    on_event: Callable[[Values], None] = lambda _: None,
    limit_s: float | None = None,
) -> Values:
    """Send a request, call *on_event* with each event, return the answer.

    Raise UsageError if the cluster does not run, or if the supervisor refuses the request as wrong. Raise
    SsiumlError if it refuses for another reason, ends, or sends nothing for *limit_s* seconds.
    """
    with connect(folder) as stream:
        stream.settimeout(limit_s)
        stream.sendall(encode(request))
        try:
            with stream.makefile("rb") as lines:
                for line in lines:
                    values = decode(line)
                    if "event" in values:
                        on_event(values)
                    else:
                        return checked_answer(values)
        except TimeoutError:
            raise SsiumlError(f"{folder.socket}: no answer within {limit_s:.0f} s") from None
        except ConnectionError:
            pass
    raise SsiumlError(
        f"the supervisor of cluster '{folder.name}' ended before it answered", hint=f"look into {folder.log}"
    )


def checked_answer(values: Values) -> Values:
    """Return the answer. Raise UsageError or SsiumlError if it is a refusal."""
    if not values.get("ok") and "error" in values:
        kind = UsageError if values.get("is_usage") else SsiumlError
        raise kind(str(values["error"]), hint=values.get("hint"))
    return values
