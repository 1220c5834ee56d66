"""GFS pools: the label of a member device, the configuration file, and which sector lies where."""
