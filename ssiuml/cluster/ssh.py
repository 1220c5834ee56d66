"""Command lines of ssh into a node. One master connection per node carries all its sessions (ControlMaster).

The supervisor runs the master, since only its network namespace has the interconnect. The master ends with
its node. The commands only use its ControlPath. All run in the cluster's folder and name files in it: ssh
takes names apart at blanks and quotes, and expands %, ~ and ${NAME} in them. ssi-exec imports this module
before its session begins: keep heavy imports out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ssiuml.cluster import unix_sockets
from ssiuml.cluster.paths import ClusterFolder

HOST_ALIAS: Final = "ssiuml-node"
SSH_PORT: Final = 922  # of cluster-tools/debian/ssh-server
_CONNECT_LIMIT_S: Final = 5
# ssh ends the sessions of a node that has not answered for a minute. Only the cluster decides whether it
# is dead: a paused node may come back.
_ALIVE_INTERVAL_S: Final = 10
_ALIVE_COUNT: Final = 6
# Runs a command in the node's login shell. ssh reports a command that a signal has ended as it reports a
# broken connection; the status 128 + n comes through. Without a terminal sshd gives it pipes. select reports
# the standard output as readable when nobody can read it any more, since the client has gone. The command
# then gets SIGHUP, as from a terminal. Every Debian has Perl (perl-base).
_WATCHED: Final = """\
pipe R, W; $SIG{CHLD} = sub { syswrite W, "x" };
defined($pid = fork) or die "fork: $!\\n";
if (!$pid) { exec { $ENV{SHELL} } $ENV{SHELL}, "-c", @ARGV; die "$ENV{SHELL}: $!\\n" }
$SIG{$_} = "IGNORE" for qw(HUP INT QUIT TERM);
vec($all = "", fileno R, 1) = 1;
vec($all, 1, 1) = 1 if -p STDOUT;
for (;;) {
    $ready = select $some = $all, undef, undef, undef;
    exit($? & 127 ? 128 + ($? & 127) : $? >> 8) if waitpid($pid, 1) == $pid;
    if ($ready > 0 && vec $some, 1, 1) { vec($all, 1, 1) = 0; kill HUP => 0 }
}
"""


def _options(folder: ClusterFolder, node: int) -> list[str]:
    # -F none: the configuration of the user and of the system must not change anything here.
    return ["-F", "none", "-o", f"ControlPath={folder.ssh_control_path(node).name}", "-o", "LogLevel=ERROR"]


def master_command(folder: ClusterFolder, node: int, address: str) -> list[str]:
    """Return the command line of the master connection. It runs in the foreground until the node ends.

    *address* is the node's on the interconnect.
    """
    settings = {
        "HostName": address,
        "Port": str(SSH_PORT),
        "ConnectTimeout": str(_CONNECT_LIMIT_S),
        "ControlMaster": "yes",
        "ControlPersist": "no",
        # The quickest of those that ssh has; a node has one processor, and its host has others to serve.
        "Ciphers": "aes128-gcm@openssh.com",
        "BatchMode": "yes",
        "HostKeyAlias": HOST_ALIAS,
        "UserKnownHostsFile": f"{folder.keys.name}/known_hosts",
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "IdentityFile": f"{folder.keys.name}/user_key",
        "IdentitiesOnly": "yes",
        "PreferredAuthentications": "publickey",
        "ServerAliveInterval": str(_ALIVE_INTERVAL_S),
        "ServerAliveCountMax": str(_ALIVE_COUNT),
        "ForwardAgent": "no",
        "ForwardX11": "no",
    }
    return [
        "ssh",
        *_options(folder, node),
        *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")),
        "-N",
        "-T",
        f"root@node{node}",
    ]


def session_command(folder: ClusterFolder, node: int, command: Sequence[str], *, terminal: bool) -> list[str]:
    """Return the command line of a session over the master connection.

    It runs in the cluster's folder. One word in *command* is a line for the node's shell. Several words reach
    the program unchanged. A command that a signal has ended gives 128 + n, as in a shell. A command whose
    client has gone gets SIGHUP.
    """
    import shlex

    line = []
    if command:
        inner = command[0] if len(command) == 1 else shlex.join(command)
        line = [shlex.join(["exec", "perl", "-e", _WATCHED, "--", inner])]
    return [
        "ssh",
        *_options(folder, node),
        *("-o", "ControlMaster=no"),
        # If there is no master, ssh must not look for a host of this name on the network.
        *("-o", "ProxyCommand=false"),
        *("-e", "none"),
        "-tt" if terminal else "-T",
        f"root@node{node}",
        *(["--", *line] if line else []),
    ]


def is_connected(path: Path) -> bool:
    """Return whether a master listens on the ControlPath *path*."""
    try:
        unix_sockets.connect(path).close()
    except OSError:
        return False
    return True
