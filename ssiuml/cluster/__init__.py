"""Nodes of a cluster: how one is started, and what is said with it over its console."""
