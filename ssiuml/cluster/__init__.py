"""The running cluster: nodes on one machine that share a root, and the supervisor that owns them.

One supervisor process per cluster owns everything that runs; the commands (``ssiuml.cli``) prepare its
folder, start it and talk to it over a unix socket. What is decided is pure, what runs is small:

folder         where a cluster's files lie; light, as are client, door and relay, for ssi-exec's sake
process        processes by pid and start time: alive or not, ended for certain with their group
state          state.json: what runs; whether it still does; clearing up behind a dead supervisor
configuration  ~/.ssiuml/ssiuml.conf                  choice    which image a cluster runs on
root           the cluster's copy of the root         memory    whether the host has enough of it
timings        token timeout, staggered start         plan      plan.json, from ssi-start to the supervisor
keys           keys of the door, the initrd with them launch    starts a supervisor
commands       command lines of switch, nodes, terminals namespace a network of the cluster's own

control        the control line's language            arbiter   who survives, may join, may mount (pure)
frames         the door's language (pure)             serial    the host's ends of console and control line
doorway        the host's end of the door             door      ssh's command lines; relay: its ProxyCommand
member         one running node                       running   all that run, and who is told of them
fencing        kills what the arbiter says            admission joining and leaving, one by one
conversation   what nodes say and are answered        starting  stopping  nodes up; down, in order or not
rootcheck      the root after a crash                 doorkeeper ssh's shared connection to a node
supervisor     puts these together                    reception its socket: requests, events, answers
__main__       the supervisor's process
protocol       requests and events as JSON lines      client    the commands' side of them
copying        files in and out of nodes (ssi-cp)

node, console  one node alone, and talking to it as a person does (doit check)
"""
