"""Zooweeper: a coordination service. The nodes of an ensemble agree on one log of operations and each executes it."""

__version__ = "0.1.0"
