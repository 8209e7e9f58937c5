"""The operations: one page, by code.

Rules: codes below 200 are ZooKeeper's, with its meaning; from 200 on they are our own. A code is never used again:
`RETIRED` keeps the ones that are out of use, and why.
"""

from zooweeper.ops.create import Create, Create2, CreateContainer, CreateTtl
from zooweeper.ops.data import Check, GetAcl, GetData, SetAcl, SetData
from zooweeper.ops.delete import Delete, DeleteContainer, DeleteRecursive
from zooweeper.ops.multi import Multi, MultiRead
from zooweeper.ops.op import Op
from zooweeper.ops.read import (
    Exists,
    GetAllChildrenNumber,
    GetChildren,
    GetChildren2,
    GetEphemerals,
    ListChildren,
    ListSubtree,
    WhoAmI,
)
from zooweeper.ops.reconfig import Confirmed, Founding, Members, Reconfig
from zooweeper.ops.session import AddIdentity, Attach, Auth, CloseSession, ExpireSession, OpenSession, Ping, Sasl, Sync
from zooweeper.ops.watches import AddWatch, CheckWatches, RemoveWatches, SetWatches, SetWatches2

OPS: dict[int, type[Op]] = {
    op.code: op
    for op in (
        # session's life, as entries
        Attach,
        AddIdentity,
        ExpireSession,
        CloseSession,
        OpenSession,
        # the membership
        Founding,
        Members,
        Confirmed,
        Reconfig,
        # writes
        Create,
        Delete,
        SetData,
        SetAcl,
        Check,
        Multi,
        Create2,
        CreateContainer,
        DeleteContainer,
        CreateTtl,
        DeleteRecursive,
        # reads
        Exists,
        GetData,
        GetAcl,
        GetChildren,
        GetChildren2,
        CheckWatches,
        RemoveWatches,
        MultiRead,
        SetWatches,
        GetEphemerals,
        GetAllChildrenNumber,
        SetWatches2,
        AddWatch,
        WhoAmI,
        ListChildren,
        ListSubtree,
        # about the connection
        Sync,
        Ping,
        Auth,
        Sasl,
    )
}

PLAIN_READS = frozenset((GetData.code, Exists.code))
"""What most reads are: without a watch, of a znode that is open to all, they need to know nobody's rights."""

RETIRED: dict[int, str] = {
    0: "notification: never a request",
    10: "an operation of ZooKeeper before its first release",
}
