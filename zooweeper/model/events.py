"""Watches as values: what can happen to a znode, and who wants to hear of what.

Rules: numbers are ZooKeeper's and travel on the wire.
"""

from enum import IntEnum


class EventType(IntEnum):
    """What a watch event reports."""

    CREATED = 1
    DELETED = 2
    DATA = 3
    CHILDREN = 4


class WatchMode(IntEnum):
    """The modes that addWatch knows."""

    PERSISTENT = 0
    RECURSIVE = 1


class WatcherType(IntEnum):
    """What is registered, checked or removed. The first two fire once."""

    CHILDREN = 1  # getChildren(watch): children come or go, or the znode goes
    DATA = 2  # getData(watch), exists(watch): the znode comes, changes or goes
    ANY = 3  # for check and remove alone
    PERSISTENT = 4  # both of the above, and stays
    RECURSIVE = 5  # comes, changes, goes: the znode and all below it; stays
