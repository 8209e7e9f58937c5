"""Changes of membership: what a client asks for (reconfig), and what the log holds instead (members, founding, and
confirmed behind each).

Rules: whether a change is allowed depends on who is connected, which no replica but the leader knows: the leader
decides, when all before is executed, and orders the decision in the client's place, with its session and number, alone
in its batch. Agreement sees a membership by looking at batches of one entry (`membership_of`), and by the same look it
becomes the data of /zookeeper/config (replica/execute.py), which changes in no other way. Executing the entry answers
whoever asked.
"""

from zooweeper.codec.record import Buffer, Int, Long, Record, Str
from zooweeper.model.entry import Batch, Entry
from zooweeper.model.errors import BadArguments, ReconfigDisabled, TooLarge, ZkError, error_for
from zooweeper.model.members import TEXT_CHARS_MAX, Membership, parse, with_version
from zooweeper.model.paths import CONFIG, printable
from zooweeper.model.stat import Stat
from zooweeper.ops.op import Kind, Nothing, Op, State


class ConfigResult(Record):
    data: Buffer  # the new membership, as /zookeeper/config holds it
    stat: Stat


class Reconfig(Op, code=16, name="reconfig", kind=Kind.WRITE):
    """A client wants the members changed: some join and some leave, or all are named; what is not used is null."""

    class Request(Record):
        joining: Str
        leaving: Str
        new_members: Str
        from_config: Long  # only if the membership has this version; -1: any

    Result = ConfigResult

    @staticmethod
    def execute(request: Request, state: State, entry: Entry) -> ConfigResult:
        raise ReconfigDisabled("no leader has decided this change")

    @classmethod
    def admit(cls, request: Request) -> None:
        for text in (request.joining, request.leaving, request.new_members):
            if len(text or "") > TEXT_CHARS_MAX:
                raise TooLarge(f"a membership has at most {TEXT_CHARS_MAX} characters")


class Members(Op, code=-15, name="members", kind=Kind.SESSION, client=False):
    """The leader's decision about a client's reconfig: the membership from here on, or an error."""

    class Request(Record):
        error: Int
        detail: Str
        members: Str  # with an error: empty

        def decided(self) -> Membership:
            """The membership. The error, if it is one."""
            if self.error:
                raise error_for(self.error, printable(self.detail or ""))
            return parse(self.members or "")

    Result = ConfigResult

    @staticmethod
    def execute(request: Request, state: State, entry: Entry) -> ConfigResult:
        request.decided()
        node = state.tree.node(CONFIG)
        if node.mzxid != entry.zxid:
            raise BadArguments("a membership stands alone in its batch")
        return ConfigResult(node.data, node.stat())


class Founding(Op, code=-16, name="founding", kind=Kind.SESSION, client=False, numbered=False):
    """A leader whose log holds no membership puts that of its settings there: it is the same for all from here on."""

    Request = Members.Request
    Result = ConfigResult
    execute = Members.execute


class Confirmed(Op, code=-17, name="confirmed", kind=Kind.SESSION, client=False, numbered=False):
    """Nothing; but that it stands behind a membership says for ever that this one was committed."""

    Request = Nothing
    Result = Nothing

    @staticmethod
    def execute(request: Nothing, state: State, entry: Entry) -> Nothing:
        return Nothing()


def membership_of(batch: Batch) -> Membership | None:
    """The membership that executing this batch of one entry brings about; None: it is about something else."""
    if batch.code not in (Members.code, Founding.code):
        return None
    (entry,) = batch.entries()
    try:
        return with_version(Members.Request.decode(entry.body).decided(), entry.zxid)
    except ZkError:
        return None
