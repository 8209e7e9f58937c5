"""Every error has a number, a name and an outcome: what happened to the request.

Rules: the only place where errors are made up. Codes of ZooKeeper keep its numbers and its names; codes of our own
start at -200 and never leave through the ZooKeeper wire. An error exists only if a caller could act on it;
programmers' mistakes are assertions. Executing an operation raises only NOT_APPLIED errors. Retry reads `outcome`.

    ZkError
    ├── refused by the state      NoNode NodeExists BadVersion NotEmpty NoAuth InvalidAcl ...
    ├── refused before the log    BadArguments MarshallingError Unimplemented TooLarge NoQuorum ...
    ├── about the session         SessionExpired SessionMoved AuthFailed NumberGap ...
    └── made by the client        ConnectionLoss OperationTimeout NotConnected
"""

from enum import Enum, IntEnum
from typing import ClassVar


class Outcome(Enum):
    """What an error says about the request."""

    NOT_APPLIED = "not applied"
    UNKNOWN = "unknown"


class ErrorCode(IntEnum):
    OK = 0
    SYSTEM_ERROR = -1
    RUNTIME_INCONSISTENCY = -2
    DATA_INCONSISTENCY = -3
    CONNECTION_LOSS = -4
    MARSHALLING_ERROR = -5
    UNIMPLEMENTED = -6
    OPERATION_TIMEOUT = -7
    BAD_ARGUMENTS = -8
    UNKNOWN_SESSION = -12
    NEW_CONFIG_NO_QUORUM = -13
    RECONFIG_IN_PROGRESS = -14
    NO_NODE = -101
    NO_AUTH = -102
    BAD_VERSION = -103
    NO_CHILDREN_FOR_EPHEMERALS = -108
    NODE_EXISTS = -110
    NOT_EMPTY = -111
    SESSION_EXPIRED = -112
    INVALID_ACL = -114
    AUTH_FAILED = -115
    SESSION_MOVED = -118
    NOT_READ_ONLY = -119
    NO_WATCHER = -121
    RECONFIG_DISABLED = -123
    QUOTA_EXCEEDED = -125
    THROTTLED_OP = -127
    NO_QUORUM = -200
    TOO_LARGE = -201
    NUMBER_GAP = -202
    RESULT_FORGOTTEN = -203
    TOO_MANY_NODES = -204
    NOT_CONNECTED = -205
    BEHIND = -206


class ZkError(Exception):
    """An error with ZooKeeper's code; `path` and `detail` say more where they are known."""

    code: ClassVar[int] = ErrorCode.SYSTEM_ERROR
    outcome: ClassVar[Outcome] = Outcome.NOT_APPLIED
    _classes: ClassVar[dict[int, type["ZkError"]]] = {}

    def __init_subclass__(cls, code: ErrorCode, outcome: Outcome = Outcome.NOT_APPLIED) -> None:
        assert code not in ZkError._classes, code
        cls.code = code
        cls.outcome = outcome
        ZkError._classes[code] = cls

    def __init__(self, detail: str = "", path: str = "") -> None:
        super().__init__(detail, path)
        self.detail = detail
        self.path = path

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def about(self) -> str:
        """Path and detail, as far as they are known: what travels with the code."""
        return f"{self.path}: {self.detail}" if self.path and self.detail else self.path or self.detail

    def __str__(self) -> str:
        text = self.name
        if self.path:
            text += f" {self.path}"
        return f"{text}: {self.detail}" if self.detail else text


class UnknownError(ZkError, code=ErrorCode.SYSTEM_ERROR, outcome=Outcome.UNKNOWN):
    """A code that this version does not know; its number is in `detail`."""


def error_for(code: int, detail: str = "", path: str = "") -> ZkError:
    """The error of a code that came over the wire."""
    cls = ZkError._classes.get(code)
    if cls is None:
        return UnknownError(detail or f"code {code}", path)
    return cls(detail, path)


class RuntimeInconsistency(ZkError, code=ErrorCode.RUNTIME_INCONSISTENCY):
    """A part of a multi that was not tried, because an earlier one failed."""


class DataInconsistency(ZkError, code=ErrorCode.DATA_INCONSISTENCY):
    """This replica's state differs from the others'; it stopped serving."""


class ConnectionLoss(ZkError, code=ErrorCode.CONNECTION_LOSS, outcome=Outcome.UNKNOWN):
    """The connection ended before the answer; the request may have been executed."""


class MarshallingError(ZkError, code=ErrorCode.MARSHALLING_ERROR):
    """The request's bytes are not a record of its operation."""


class Unimplemented(ZkError, code=ErrorCode.UNIMPLEMENTED):
    """No such operation, or not for clients."""


class OperationTimeout(ZkError, code=ErrorCode.OPERATION_TIMEOUT, outcome=Outcome.UNKNOWN):
    """The caller's deadline passed before the answer; the request may still be executed."""


class BadArguments(ZkError, code=ErrorCode.BAD_ARGUMENTS):
    """An argument that cannot be: a path that is none, a flag that does not exist."""


class UnknownSession(ZkError, code=ErrorCode.UNKNOWN_SESSION):
    """The session is not known."""


class NewConfigNoQuorum(ZkError, code=ErrorCode.NEW_CONFIG_NO_QUORUM):
    """The new membership has no quorum that is connected and synchronized."""


class ReconfigInProgress(ZkError, code=ErrorCode.RECONFIG_IN_PROGRESS):
    """Another change of membership is under way."""


class NoNode(ZkError, code=ErrorCode.NO_NODE):
    """There is no such znode, or no parent for it."""


class NoAuth(ZkError, code=ErrorCode.NO_AUTH):
    """The ACL does not allow it."""


class BadVersion(ZkError, code=ErrorCode.BAD_VERSION):
    """The expected version is not the znode's version."""


class NoChildrenForEphemerals(ZkError, code=ErrorCode.NO_CHILDREN_FOR_EPHEMERALS):
    """An ephemeral znode cannot have children."""


class NodeExists(ZkError, code=ErrorCode.NODE_EXISTS):
    """The znode exists already."""


class NotEmpty(ZkError, code=ErrorCode.NOT_EMPTY):
    """The znode has children."""


class SessionExpired(ZkError, code=ErrorCode.SESSION_EXPIRED):
    """The session has ended, or its secret is wrong."""


class InvalidAcl(ZkError, code=ErrorCode.INVALID_ACL):
    """The ACL is empty, or an entry of it is malformed."""


class AuthFailed(ZkError, code=ErrorCode.AUTH_FAILED):
    """The credential was refused."""


class SessionMoved(ZkError, code=ErrorCode.SESSION_MOVED):
    """The session is attached elsewhere by now."""


class NotReadOnly(ZkError, code=ErrorCode.NOT_READ_ONLY):
    """A write, on a node that only reads."""


class NoWatcher(ZkError, code=ErrorCode.NO_WATCHER):
    """There is no such watch."""


class ReconfigDisabled(ZkError, code=ErrorCode.RECONFIG_DISABLED):
    """Changes of membership are not enabled."""


class QuotaExceeded(ZkError, code=ErrorCode.QUOTA_EXCEEDED):
    """A hard quota would be exceeded."""


class ThrottledOp(ZkError, code=ErrorCode.THROTTLED_OP):
    """Too many requests are waiting; try again later."""


class NoQuorum(ZkError, code=ErrorCode.NO_QUORUM):
    """This node is not connected to a majority, so it takes no writes; try again when one is back."""


class TooLarge(ZkError, code=ErrorCode.TOO_LARGE):
    """Data, path or request above its limit."""


class NumberGap(ZkError, code=ErrorCode.NUMBER_GAP):
    """The session's running number skips one: an earlier request of the session is missing."""


class ResultForgotten(ZkError, code=ErrorCode.RESULT_FORGOTTEN, outcome=Outcome.UNKNOWN):
    """The request was executed, so long ago that the session no longer keeps its result."""


class TooManyNodes(ZkError, code=ErrorCode.TOO_MANY_NODES):
    """The subtree is larger than the limit given with the request."""


class NotConnected(ZkError, code=ErrorCode.NOT_CONNECTED):
    """The request was never sent."""


class Behind(ZkError, code=ErrorCode.BEHIND):
    """This node has not yet seen what the client has seen; try another, or later."""
