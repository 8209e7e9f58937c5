"""Every error a call may raise, under our names and under the names kazoo's users know.

Rules: nothing is defined here but names; the classes are those of zooweeper.model.errors. `error.outcome` says whether
the request was applied: `Outcome.NOT_APPLIED` (safe to do again) or `Outcome.UNKNOWN`.

    >>> from zooweeper_client.exceptions import NoNode, NoNodeError
    >>> NoNode is NoNodeError
    True
"""

from zooweeper.model.errors import (
    AuthFailed,
    BadArguments,
    BadVersion,
    Behind,
    ConnectionLoss,
    DataInconsistency,
    ErrorCode,
    InvalidAcl,
    MarshallingError,
    NewConfigNoQuorum,
    NoAuth,
    NoChildrenForEphemerals,
    NodeExists,
    NoNode,
    NoQuorum,
    NotConnected,
    NotEmpty,
    NotReadOnly,
    NoWatcher,
    NumberGap,
    OperationTimeout,
    Outcome,
    QuotaExceeded,
    ReconfigDisabled,
    ReconfigInProgress,
    ResultForgotten,
    RuntimeInconsistency,
    SessionExpired,
    SessionMoved,
    ThrottledOp,
    TooLarge,
    TooManyNodes,
    Unimplemented,
    UnknownError,
    UnknownSession,
    ZkError,
    error_for,
)

ZookeeperError = ZkError
APIError = MarshallingError
AuthFailedError = AuthFailed
BadArgumentsError = BadArguments
BadVersionError = BadVersion
ConnectionClosedError = NotConnected
InvalidACLError = InvalidAcl
NewConfigNoQuorumError = NewConfigNoQuorum
NoAuthError = NoAuth
NoChildrenForEphemeralsError = NoChildrenForEphemerals
NodeExistsError = NodeExists
NoNodeError = NoNode
NotEmptyError = NotEmpty
OperationTimeoutError = OperationTimeout
ReconfigInProcessError = ReconfigInProgress
SessionExpiredError = SessionExpired
SessionMovedError = SessionMoved
UnimplementedError = Unimplemented

__all__ = [
    "APIError",
    "AuthFailed",
    "AuthFailedError",
    "BadArguments",
    "BadArgumentsError",
    "BadVersion",
    "BadVersionError",
    "Behind",
    "ConnectionClosedError",
    "ConnectionLoss",
    "DataInconsistency",
    "ErrorCode",
    "InvalidACLError",
    "InvalidAcl",
    "MarshallingError",
    "NewConfigNoQuorum",
    "NewConfigNoQuorumError",
    "NoAuth",
    "NoAuthError",
    "NoChildrenForEphemerals",
    "NoChildrenForEphemeralsError",
    "NoNode",
    "NoNodeError",
    "NoQuorum",
    "NoWatcher",
    "NodeExists",
    "NodeExistsError",
    "NotConnected",
    "NotEmpty",
    "NotEmptyError",
    "NotReadOnly",
    "NumberGap",
    "OperationTimeout",
    "OperationTimeoutError",
    "Outcome",
    "QuotaExceeded",
    "ReconfigDisabled",
    "ReconfigInProcessError",
    "ReconfigInProgress",
    "ResultForgotten",
    "RuntimeInconsistency",
    "SessionExpired",
    "SessionExpiredError",
    "SessionMoved",
    "SessionMovedError",
    "ThrottledOp",
    "TooLarge",
    "TooManyNodes",
    "Unimplemented",
    "UnimplementedError",
    "UnknownError",
    "UnknownSession",
    "ZkError",
    "ZookeeperError",
    "error_for",
]
