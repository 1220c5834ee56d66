"""GFS pools: the label of a member device, the configuration file, the map of sectors, and their assembly."""
