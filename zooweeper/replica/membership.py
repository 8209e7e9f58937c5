"""What a leader makes of a wish to change the members, before it is ordered (ops/reconfig.py).

Rules: asked when all before the wish is executed here, so its session, the membership and the ACL are what they will be
when the decision is executed. What the session may not ask at all (it has moved, has expired, or repeats itself) stays
as it is, and is executed to that. The order of checks is ZooKeeper's: settings, version, texts, quorum, permission.
"""

from collections.abc import Collection

from zooweeper.model.acl import Perm
from zooweeper.model.entry import Entry, pack_request
from zooweeper.model.errors import BadVersion, NewConfigNoQuorum, ReconfigDisabled, ZkError
from zooweeper.model.members import Membership, parse
from zooweeper.model.paths import CONFIG
from zooweeper.ops.reconfig import Confirmed, Founding, Members, Reconfig
from zooweeper.tree.state import State
from zooweeper.zab.quorum import is_quorum


def text_of(state: State) -> str:
    """The membership as it stands in a state; empty: the log has come to none yet."""
    return (state.tree.node(CONFIG).data or b"").decode()


def membership_in(state: State, settings: Membership) -> Membership:
    """The membership of a state, that of the settings if it has none. ValueError for what no log has made."""
    text = text_of(state)
    try:
        return parse(text) if text else settings
    except ZkError as error:
        raise ValueError(f"{CONFIG} holds no membership: {error.detail}") from None


def founding(settings: Membership) -> bytes:
    """The first membership of a log."""
    return pack_request(0, 0, 0, Founding.code, Members.Request(0, "", settings.text()).encode())


def confirmation() -> bytes:
    """What stands behind a membership when nothing else does. Without it, an ensemble that loses power before anybody
    writes would need the word of servers that are gone."""
    return pack_request(0, 0, 0, Confirmed.code, b"")


def decision(entry: Entry, state: State, settled: Membership, synced: Collection[int], allowed: bool) -> bytes:
    """The request to order in the place of a reconfig. `synced` have all that the leader has; `allowed`: by the
    leader's settings, clients may change members."""
    wish = pack_request(entry.session, entry.attach, entry.number, entry.code, entry.body)
    try:
        if state.sessions.expect(entry) is not None:
            return wish
    except ZkError:
        return wish
    try:
        if not allowed:
            raise ReconfigDisabled("the settings of the leader do not allow it")
        made = Members.Request(0, "", _changed(entry, state, settled, synced).text())
    except ZkError as refusal:
        made = Members.Request(refusal.code, refusal.about, "")
    return pack_request(entry.session, entry.attach, entry.number, Members.code, made.encode())


def _changed(entry: Entry, state: State, settled: Membership, synced: Collection[int]) -> Membership:
    request = Reconfig.Request.decode(entry.body)
    if request.from_config not in (-1, settled.version):
        raise BadVersion(f"expected {request.from_config:x}, is {settled.version:x}", CONFIG)
    changed = settled.changed(request.joining or "", request.leaving or "", request.new_members or "")
    if not is_quorum(changed.voters, synced):
        missing = [id for id in changed.voters if id not in synced]
        raise NewConfigNoQuorum(f"voters that are not in sync with the leader: {', '.join(map(str, missing))}")
    state.require(entry.session, state.tree.node(CONFIG).acl, Perm.WRITE)
    return changed.bounded()
