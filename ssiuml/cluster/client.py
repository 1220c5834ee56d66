"""The commands' side of the supervisor's socket. Imported on the path of ssi-exec: nothing heavy here."""

import socket
from collections.abc import Callable

from ssiuml.cluster.paths import ClusterFolder
from ssiuml.cluster.protocol import Values, decode, encode
from ssiuml.errors import SsiumlError, UsageError

CONNECT_LIMIT_S = 10.0


def connect(folder: ClusterFolder) -> socket.socket:
    """A connection to the supervisor of a cluster. UsageError if the cluster does not run; stale rests are
    cleared.
    """
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(CONNECT_LIMIT_S)
    try:
        stream.connect(str(folder.socket))
    except OSError:
        stream.close()
        from ssiuml.cluster.state import clear_stale

        remarks = clear_stale(folder) if folder.path.exists() else []
        raise UsageError(
            "\n".join([*remarks, f"cluster '{folder.name}' does not run"]), hint="ssi-start starts it"
        ) from None
    return stream


def ask(
    folder: ClusterFolder,
    request: Values,
    on_event: Callable[[Values], None] = lambda _: None,
    limit_s: float | None = None,
) -> Values:
    """Send a request, pass on the events, return the answer. Raises what the supervisor refused with."""
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
        f"the supervisor of cluster '{folder.name}' ended before it answered", hint=f"see {folder.log}"
    )


def checked_answer(values: Values) -> Values:
    """The answer, or the error that it is."""
    if not values.get("ok") and "error" in values:
        kind = UsageError if values.get("is_usage") else SsiumlError
        raise kind(str(values["error"]), hint=values.get("hint"))
    return values
