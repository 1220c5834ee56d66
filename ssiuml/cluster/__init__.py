"""The running cluster: nodes on one machine that share a root, and the supervisor that owns them.

One supervisor process per cluster owns everything that runs. The ssi-* commands (``ssiuml.cli``) prepare its
folder, launch it, and send it requests over a unix socket. Decisions are pure functions in modules of their
own; the modules that run processes are small.

On the side of the commands:

paths          the files of a cluster                 image_choice   the image that a cluster runs on
client         sends requests                         root_copy      the cluster's copy of the root
protocol       requests, events and answers           ssh_keys       keys, and the initrd with them
launch_plan    plan.json: how nodes are started       launch         starts the supervisor
namespace      its network namespace, the bridge
ssh            command lines of ssh into a node       ssh_copy       copies files in and out of nodes
state          state.json: what runs; clears up       process        processes by pid and start time

The supervisor:

__main__       its process                            server         serves the requests
supervisor     puts the parts together                running        nodes that run, events, tasks
starting       starts nodes                           stopping       ends nodes, checks the root
node           one running node                       memexp         nodes of Linux 2.4, their lock server
membership     joins, mounts and fencing              arbiter        decides about these (pure)
network        ports of the bridge, faults in force   faults         cuts, delays, losses (pure)
delay_line     the process that holds frames back     ports          their names and addresses
command_lines  of the nodes, the switch of 2.4        unix_sockets   in folders with long names

The lines into a node:

serial_lines   console and control line               control_line   messages on the control line (pure)

smoke boots one node by itself, to test images; no supervisor takes part. The modules that ssi-exec imports
(client, paths, protocol, ssh, unix_sockets) import nothing heavy: a user waits for them.
"""
