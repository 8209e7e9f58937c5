"""Every bound, with its reason; the relations between them are asserted here.

Rules: nothing grows without a name in this file. Bytes and counts say so in the name; milliseconds end in `_ms`.
Limits that look at a request alone are checked before the log; none of these decides a result of execution, except
those marked (replicated), which are constants of the format and may change only by feature level.
"""

MIB = 1 << 20

# --- requests
FRAME_BYTES_MAX = 0xFFFFF  # a request's body, ZooKeeper's jute.maxbuffer; larger is refused unread
DATA_BYTES_MAX = FRAME_BYTES_MAX - 8192  # so that a full znode still fits a frame with its path and ACL
PATH_BYTES_MAX = 4096  # nobody types longer ones; bounds the keys of every table
MULTI_PARTS_MAX = 1024  # ZooKeeper has none; bounds how long one entry may keep a replica busy (replicated)
DELETE_NODES_MAX = 100_000  # deleteRecursive: the same reason (replicated)
PAGE_NODES_MAX = 10_000  # of one page of children or of a subtree
PAGE_BYTES_MAX = FRAME_BYTES_MAX  # a page ends early rather than outgrow a frame

# --- sessions
SESSION_TIMEOUT_MIN_MS = 500  # some ticks, or a busy leader would expire the living
SESSION_TIMEOUT_MAX_MS = 60_000
VISIT_TIMEOUT_MS = 10_000  # what a client without a session goes by
SESSIONS_MAX = 50_000  # (replicated)
RESULTS_KEPT_MAX = 128  # results a session keeps for retries = requests it may have unanswered (replicated)
IDENTITIES_MAX = 32  # of a session (replicated)
ACL_ROWS_MAX = 256  # of one list: bounds what a permission check costs (replicated)
RESULTS_BYTES_MAX = MIB  # of them; the last one is kept whatever its size (replicated)
PENDING_REQUESTS_MAX = 4096  # unanswered requests of one connection; the door stops reading there
ASKED_BYTES_MAX = 16 * MIB  # of them; the same
ANSWERED_BYTES_MAX = 8 * MIB  # read for one connection in one step; the rest of what waits is read in the next
OUTSTANDING_BYTES_MAX = 64 * MIB  # unanswered writes of one node; beyond it: ThrottledOp
OUTPUT_BYTES_MAX = 64 * MIB  # answers and events a client does not take; then its connection ends
WATCHES_PER_CONNECTION_MAX = 100_000
CONNECTIONS_MAX = 50_000  # of one node; every session may end up there

# --- the tree
PATHS_FOUND_MAX = 32_768  # paths found without a walk from the root; some 5 MB

# --- batches and history
BATCH_BYTES_MAX = MIB  # what gathers beyond it waits for the next batch; a single larger request travels alone
BATCH_REQUESTS_MAX = 8192
BATCH_DATA_BYTES_MAX = BATCH_BYTES_MAX + FRAME_BYTES_MAX  # of one as it travels; a single large request fits
WINDOW_BYTES_MAX = 32 * MIB  # recent batches in memory, for DIFF
WINDOW_ENTRIES_MAX = 50_000
EPOCHS_KEPT = 4096  # of a history's epochs: the table that every learner sends; who missed more gets a snapshot
READ_BACK_BYTES_MAX = BATCH_BYTES_MAX + FRAME_BYTES_MAX + 65_536  # a log record or a peer message; > all writers

# --- peers
PEER_QUEUE_BYTES_MAX = 64 * MIB  # waiting for one slow peer; then its stream is dropped and it synchronizes anew
PEER_MESSAGE_BYTES_MAX = 4 * MIB
LANE_KEPT_BYTES_MAX = 8 * MIB  # on a peer's lane, unconfirmed; beyond it messages take the stream
LANE_CONFIRM_BYTES = MIB  # of a lane are confirmed even if there is no frame to ride on
LANE_STRANGERS_MAX = 32  # connections to the lane's port that have not shown their token yet
SNAPSHOT_CHUNK_BYTES = 64 * 1024  # some tenths of a millisecond to make
SNAPSHOT_CHUNKS_IN_FLIGHT = 32  # per learner

# --- storage
SEGMENT_BYTES = 64 * MIB  # preallocated, so an fsync does not have to grow the file
SNAPSHOT_EVERY_ENTRIES = 100_000
SNAPSHOT_EVERY_BYTES = 256 * MIB
SNAPSHOTS_KEPT = 3

assert DATA_BYTES_MAX + PATH_BYTES_MAX < FRAME_BYTES_MAX
assert BATCH_DATA_BYTES_MAX < READ_BACK_BYTES_MAX < PEER_MESSAGE_BYTES_MAX
assert LANE_CONFIRM_BYTES < LANE_KEPT_BYTES_MAX < PEER_QUEUE_BYTES_MAX
assert PEER_MESSAGE_BYTES_MAX < LANE_KEPT_BYTES_MAX
assert SNAPSHOT_CHUNK_BYTES * SNAPSHOT_CHUNKS_IN_FLIGHT < PEER_QUEUE_BYTES_MAX
assert FRAME_BYTES_MAX < OUTPUT_BYTES_MAX
assert READ_BACK_BYTES_MAX < SEGMENT_BYTES
assert SESSION_TIMEOUT_MIN_MS < SESSION_TIMEOUT_MAX_MS
