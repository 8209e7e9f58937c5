"""Safeguards of the disk: what is synced before it is relied on, what is believed, what is called damage."""

from sim.ablations.patch import Edit, without
from zooweeper.replica import execute, replica
from zooweeper.replica.replica import Replica
from zooweeper.storage import folder, log, records, recovery, snapshots, storage
from zooweeper.storage.log import Log
from zooweeper.storage.snapshots import SnapshotWriter
from zooweeper.storage.storage import Storage
from zooweeper.tree.snapshot import SnapshotReader

STORAGE = {
    "skip_log_fsync": without(
        "the log is written, and not synced",
        Edit(Log.sync, "write_through(", "write("),
    ),
    "skip_epoch_fsync": without(
        "a promised epoch is reported durable before it is written",
        Edit(
            Storage.write, "self._log.sync()", "[self._log.sync() for one in records if type(one) is not Accepted][:0]"
        ),
    ),
    "skip_folder_fsync": without(
        "the name of a new segment is not synced",
        Edit(log.create_segment, "disk.sync_folder()", "pass"),
    ),
    "skip_snapshot_fsync": without(
        "a snapshot gets its name before it is durable",
        Edit(SnapshotWriter.end, "self._file.sync()", "pass"),
    ),
    "rejoin_after_eio": without(
        "after a failed sync the node goes on",
        Edit(
            Log.sync,
            "    self._file.write_through(self._position, data)",
            "    try:\n        self._file.write_through(self._position, data)\n    except OSError:\n        pass",
        ),
    ),
    "no_checksum": without(
        "records are believed without their checksum",
        Edit(records.find_record, "crc != crc32(data[at + MARK_CRC.size : end])", "False"),
    ),
    "found_is_not_synced": without(
        "what a start found is relied on before it is durable",
        Edit(storage._settle, "    file.sync()\n", ""),
    ),
    "corrupt_is_short": without(
        "damage is taken for the tail of a crash",
        Edit(
            recovery._Reader.segment,
            "history.index < known or written_later(data, position, mark, history.index)",
            "False",
        ),
    ),
    "accept_partial_snapshot": without(
        "a snapshot need not be whole",
        Edit(recovery._Reader.sound, "return False", "return True"),
        Edit(snapshots.read_chunks, 'raise ValueError("ends early")', "return"),
    ),
    "snapshot_of_another_past": without(
        "a snapshot of what was cut since counts",
        Edit(recovery.recover, "and history.facts.contains(zxid)", ""),
    ),
    "repaired_folder_votes": without(
        "a folder that was damaged begins anew with a vote",
        Edit(folder.begin_repair, "voting=False", "voting=True"),
    ),
    "fuzzy_snapshot": without(
        "a snapshot is written while entries change what it holds",
        Edit(SnapshotReader.__init__, "tree.keep, sessions.keep = self._keep_node, self._put_session", "pass"),
    ),
    "snapshot_off_zxid": without(
        "a snapshot says that it is one entry older than it is",
        Edit(SnapshotReader.__init__, "VERSION,\n        self.zxid,", "VERSION,\n        self.zxid - 1,"),
        Edit(replica._load, "if state.zxid != recovered.snapshot:", "if False:"),
    ),
    "replay_overlap": without(
        "entries that a snapshot holds are executed again",
        Edit(Replica.__init__, "self.state.zxid < logged.batch.first and", ""),
        Edit(execute.execute, "assert follows(state.zxid, zxid), (state.zxid, zxid)", ""),
    ),
}
