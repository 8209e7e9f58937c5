"""Safeguards of execution: a function of state and entry alone, all or nothing, each request once."""

from sim.ablations.patch import Edit, without
from zooweeper.ops import create, data, op
from zooweeper.ops.delete import Delete
from zooweeper.ops.multi import Multi
from zooweeper.replica import plain
from zooweeper.replica.leadership import Leadership
from zooweeper.replica.replica import Replica
from zooweeper.tree.sessions import SessionTable
from zooweeper.tree.state import State
from zooweeper.tree.tree import DataTree

LOCAL = "result = execute(state, entry)"

EXECUTION = {
    "half_change_on_error": without(
        "a multi that fails keeps what it has done by then",
        Edit(Multi.execute, "state.tree.undo(mark)", "pass"),
    ),
    "clock_in_execution": without(
        "execution asks the node's own clock",
        Edit(Replica._execute, LOCAL, f"entry = entry._replace(time_ms=self.wall_ms); {LOCAL}"),
    ),
    "local_limit_in_execution": without(
        "execution refuses what is larger than the node's own setting allows",
        Edit(
            Replica._execute,
            LOCAL,
            f"entry = entry._replace(code=-1) if len(entry.body) > 50 * self.config.id else entry; {LOCAL}",
        ),
    ),
    "memory_in_execution": without(
        "a result depends on what else this process happens to hold",
        Edit(
            Replica._execute,
            LOCAL,
            f"entry = entry._replace(code=-1) if self.watches.count() > 2 else entry; {LOCAL}",
        ),
    ),
    "no_running_number": without(
        "a request that stands in the log twice is executed twice",
        Edit(SessionTable.expect, "if ahead == 1:", "if ahead <= 1:"),
        Edit(SessionTable.remember, "assert entry.number == session.number + 1, (session, entry.number)", ""),
    ),
    "forget_results": without(
        "the answers that a client may ask for again are not kept",
        Edit(SessionTable.remember, "if session.results is not None:", "if False:"),
        Edit(plain.execute_plain, "results = session.results", "results = None"),
    ),
    "versions_ignored": without(
        "a change is made whatever version it was made for",
        Edit(op.expect_version, "expected in (-1, actual)", "True"),
    ),
    "sequence_by_children": without(
        "a sequence number is how many children there are",
        Edit(create._create, "{up.cversion:010d}", "{len(up.children):010d}"),
        Edit(plain._create, "% family.cversion", "% len(family.children)"),
    ),
    "plain_for_all": without(
        "what is executed in one piece does not ask whom the znode is open to",
        Edit(plain._set, "node.traits.acl is not OPEN", "False"),
    ),
    "plain_at_any_number": without(
        "what is executed in one piece may be executed twice",
        Edit(plain.execute_plain, "session.number + 1 != number", "session.number + 1 < number"),
    ),
    "plain_of_the_past": without(
        "what is executed in one piece takes requests of an earlier attachment",
        Edit(plain.execute_plain, "session.attach != attach", "False"),
    ),
    "plain_beside_a_snapshot": without(
        "what is executed in one piece gives no old image to the snapshot under way",
        Edit(plain._set, "(tree.keep is not None and node.seen != tree.generation)", "False"),
    ),
    "permissions_ignored": without(
        "everybody may change everything",
        Edit(State.require, "acl is not OPEN and", "False and"),
    ),
    "delete_with_children": without(
        "a znode goes, and what is below it stays",
        Edit(Delete.execute, "if node.children:", "if False:"),
        Edit(DataTree.delete, "assert not node.children, path", ""),
    ),
    "time_runs_back": without(
        "entries are stamped with the leader's wall clock as it is",
        Edit(Leadership.order, "max(replica.time_ms, replica.wall_ms)", "replica.wall_ms"),
    ),
    "unsorted_children": without(
        "names are listed in the order in which this node came to know them",
        Edit(DataTree.children, "sorted(family.children)", "[*family.children]"),
    ),
    "check_then_lost": without(
        "a check in a multi is not made",
        Edit(data.Check.execute, "not expect_version(request.version, node.version)", "False"),
    ),
}
