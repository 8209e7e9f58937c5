"""Every key that a zoo.cfg may hold, and what becomes of it here: the table of docs/zoo-cfg.md.

Rules: a key is used as ZooKeeper uses it, mapped to something of ours, or not needed, and then the note says why. Keys
that would make a node stricter than it would be here are refused where they ask for it: to go on without them would be
less safe than what was asked for. A name that ends in * stands for all that begin so.
"""

from enum import Enum
from typing import NamedTuple

OFF = ("", "false", "no", "off", "0", "-1", "none")  # values that ask for nothing


class Fate(Enum):
    USED = "used"
    MAPPED = "mapped"
    IDLE = "not needed"
    REFUSED = "refused"


class Key(NamedTuple):
    name: str
    fate: Fate
    note: str
    harmless: tuple[str, ...] = OFF  # of a refused key: values, in small letters, that change nothing


U, M, I, R = Fate.USED, Fate.MAPPED, Fate.IDLE, Fate.REFUSED  # noqa: E741

_ROWS: tuple[tuple[str, Fate, str] | tuple[str, Fate, str, tuple[str, ...]], ...] = (
    # --- files
    ("dataDir", U, "the data is in its folder `zooweeper`; `myid` is read from it"),
    ("dataLogDir", I, "log and snapshots share one folder, under dataDir"),
    ("dynamicConfigFile", U, "its server lines are read; the membership in the log is stronger"),
    ("db.autocreate", U, "false: an empty dataDir begins without a vote, unless it holds a file `initialize`"),
    ("datadir.autocreate", I, "a missing dataDir is made"),
    ("snapCount", U, "entries between two snapshots"),
    ("snapSizeLimitInKb", I, "a snapshot is due after 256 MiB of log at the latest"),
    ("preAllocSize", I, "segments of the log are 64 MiB"),
    ("commitLogCount", I, "recent entries are kept by their bytes, for nodes that were away"),
    ("autopurge.*", I, "old snapshots and segments are removed by themselves; three snapshots stay"),
    ("forceSync", R, "what is acknowledged is on the disk, always", ("", "yes", "true")),
    ("fsync.warningthresholdms", I, "the log names slow writes"),
    ("snapshot.*", I, "snapshots have a format and checks of their own"),
    ("serializeLastProcessedZxid.enabled", I, "every snapshot says which zxid it is of"),
    ("digest.enabled", I, "replicas always compare digests"),
    ("maxnumfiles", I, "see autopurge"),
    # --- the client port
    ("clientPort", U, ""),
    ("clientPortAddress", U, "without it: the host of the own server line, or 127.0.0.1; 0.0.0.0 for every interface"),
    ("secureClientPort", U, "TLS; needs ssl.keyStore.location"),
    ("secureClientPortAddress", U, "without it as clientPortAddress"),
    ("maxClientCnxns", U, "connections of one address, loopback apart; default 60, 0: no bound"),
    ("maxCnxns", I, "a node has a bound of its own (docs/limits.md)"),
    ("4lw.commands.whitelist", U, "default here: ruok, srvr, stat, mntr, conf, isro, envi, wchs"),
    ("readonlymode.enabled", U, "default here: true"),
    ("client.portUnification", I, "plain and TLS have a port each"),
    ("clientPortListenBacklog", I, "1024, as far as the system allows"),
    ("jute.maxbuffer*", I, "a frame has at most 1 MiB, as is ZooKeeper's default"),
    ("globalOutstandingLimit", I, "unanswered requests are bounded in bytes, and for each connection in number"),
    ("tcpKeepAlive", I, "sessions tell who is gone"),
    ("serverCnxnFactory", I, "there is one"),
    ("nio.*", I, "one event loop serves all connections"),
    ("netty.*", I, "one event loop serves all connections"),
    ("requestThrottle*", I, "the port stops reading from who sends too much"),
    ("request_throttle*", I, "the port stops reading from who sends too much"),
    ("throttledOpWaitTime", I, "the port stops reading from who sends too much"),
    ("connection_*", I, "every connection below the limits is taken"),
    ("largeRequest*", I, "unanswered requests are bounded in bytes"),
    ("outstandingHandshake.limit", I, "a handshake has ten seconds"),
    ("closeSessionTxn.enabled", I, "the end of a session names nothing; its ephemerals are known"),
    ("watchManagerName", I, "there is one"),
    ("max*ResponseCacheSize", I, "nothing is cached: znodes are in memory"),
    ("enableEagerACLCheck", I, "a request is checked when it is executed"),
    # --- time
    ("tickTime", M, "gives the session timeouts their default; ours ticks ten times a second"),
    ("minSessionTimeout", U, "default two ticks; not below 500 ms"),
    ("maxSessionTimeout", U, "default twenty ticks"),
    ("initLimit", M, "how long a new leader may take, at most 3 s"),
    ("syncLimit", M, "after which silence a peer is taken for dead, at most 2 s"),
    ("cnxTimeout", I, "peers are dialed all the time"),
    # --- the ensemble
    ("server.*", U, "`host:peer port:gRPC port[:role][;client port]`: where ZooKeeper has its election port, our gRPC "
                    "clients connect"),
    ("group.*", R, "groups are not supported: a majority of all voters decides", ()),
    ("weight.*", R, "weights are not supported: every voter counts once", ("1",)),
    ("peerType", U, "must agree with the role in the own server line, which is stronger"),
    ("standaloneEnabled", I, "one server is an ensemble of one"),
    ("reconfigEnabled", U, "default false, as in ZooKeeper: members change by the files alone"),
    ("electionAlg", I, "there is one"),
    ("electionPortBindRetry", I, "a port that is taken ends the node with one line"),
    ("quorumListenOnAllIPs", I, "a node listens on the host of its own server line"),
    ("leaderServes", I, "a leader serves clients"),
    ("syncEnabled", I, "observers write a log"),
    ("observer.*", I, "observers follow the leader at once"),
    ("observerMasterPort", I, "observers follow the leader"),
    ("learner.*", I, "nodes that follow are sent what they need"),
    ("connectToLearnerMasterLimit", I, "peers are dialed all the time"),
    ("multiAddress.*", I, "a server has one address"),
    ("configBackwardsCompatibilityMode", I, "the file is never rewritten"),
    ("initialConfig*", I, "the membership in the log counts"),
    ("localSessionsEnabled", I, "every session is replicated"),
    ("localSessionsUpgradingEnabled", I, "every session is replicated"),
    ("zooweeper.cluster", U, "ours: the ensemble's name, equal on all nodes, so that different ensembles never mix; "
                             "default zookeeper"),
    ("zooweeper.peerCarrier", U, "ours: `fast` (default), lanes beside the streams between nodes, or `grpc`, the "
                                 "streams alone"),
    ("zooweeper.lanePort", U, "ours: where this server listens for lanes, on the host of its own server line; default "
                              "any free port"),
    # --- rights
    ("DigestAuthenticationProvider.superDigest", U, "who authenticates with it may do everything; better in a file "
                                                    "that only its owner can read"),
    ("DigestAuthenticationProvider.digestAlg", R, "ids in ACLs are SHA-1, as is ZooKeeper's default", ("", "sha1")),
    ("DigestAuthenticationProvider.enabled", R, "scheme digest cannot be turned off", ("", "true")),
    ("X509AuthenticationProvider.superUser", I, "the super user is the one of superDigest"),
    ("superUser", I, "the super user is the one of superDigest"),
    ("authProvider.*", M, "SASL is on when there are users for it; other providers do not exist here"),
    ("zooweeper.saslUsers", U, "ours: the file of users for SASL DIGEST-MD5, a JAAS file or lines `name:password`; "
                               "else java.security.auth.login.config in JVMFLAGS"),
    ("enforce.auth.*", R, "connections without identity are served, within the rights of world"),
    ("requireClientAuthScheme", R, "connections without identity are served, within the rights of world"),
    ("sessionRequireClientSASLAuth", R, "connections without identity are served, within the rights of world"),
    ("allowSaslFailedClients", I, "who fails is hung up on"),
    ("kerberos.*", I, "SASL is DIGEST-MD5 alone"),
    ("ensembleAuthName", I, "scheme ensemble does not exist here"),
    ("skipACL", I, "ACLs always count"),
    ("audit.enable", R, "there is no audit log"),
    ("enforceQuota", R, "quotas are not enforced"),
    # --- TLS
    ("ssl.keyStore.location", U, "a PEM file with the certificate and its plain key"),
    ("ssl.keyStore.type", U, "PEM alone"),
    ("ssl.keyStore.password*", I, "keys are plain; the file's mode protects them"),
    ("ssl.trustStore.location", U, "a PEM file with the authorities of clients' certificates"),
    ("ssl.trustStore.type", U, "PEM alone"),
    ("ssl.trustStore.password*", I, "a PEM file of certificates has none"),
    ("ssl.clientAuth", U, "need (the default), want, none"),
    ("ssl.crl", R, "revocation is not looked up"),
    ("ssl.ocsp", R, "revocation is not looked up"),
    ("ssl.*", I, "TLS 1.2 or newer, with the ciphers that OpenSSL prefers"),
    ("sslQuorum", R, "the streams between nodes are not encrypted"),
    ("sslQuorumReloadCertFiles", I, "see sslQuorum"),
    ("portUnification", I, "see sslQuorum"),
    ("client.certReload", I, "certificates are read at the start"),
    ("fips-mode", I, "that is OpenSSL's business"),
    ("quorum.auth.enableSasl", R, "nodes do not authenticate to each other"),
    ("quorum.auth.*", I, "see quorum.auth.enableSasl"),
    ("quorum.cnxn.threads.size", I, "one event loop serves all peers"),
    # --- operation
    ("admin.serverPort", M, "shown by status; there is no HTTP server of ZooKeeper's commands"),
    ("admin.*", I, "there is no HTTP server of ZooKeeper's commands"),
    ("metricsProvider.*", I, "`mntr` shows the numbers"),
    ("extendedTypesEnabled", I, "containers and TTL nodes are always there"),
    ("znode.container.*", I, "containers and TTL nodes are looked through every second"),
    ("commitProcessor.*", I, "one event loop does everything"),
    ("jvm.pause.*", I, "there is no JVM"),
    ("flushDelay", I, "writes gather while one is on its way to the disk"),
    ("max*BatchSize", I, "writes gather while one is on its way to the disk"),
    ("maxWriteQueuePollTime", I, "writes gather while one is on its way to the disk"),
    ("intBufferStartingSizeBytes", I, "nothing is preallocated for it"),
    ("leader.*", I, "nodes that follow are sent what they need"),
    ("follower.*", I, "nodes that follow are sent what they need"),
)  # fmt: skip

KEYS = tuple(Key(*row) for row in _ROWS)
_EXACT = {key.name: key for key in KEYS if "*" not in key.name}
_PATTERNS = [(*key.name.partition("*"), key) for key in KEYS if "*" in key.name]


def find(name: str) -> Key | None:
    """The row for a key; a full name counts before a pattern, a pattern before those below it."""
    if name in _EXACT:
        return _EXACT[name]
    for begin, _, end, key in _PATTERNS:
        if name.startswith(begin) and name.endswith(end) and len(name) >= len(begin) + len(end):
            return key
    return None


def names() -> list[str]:
    """For suggestions."""
    return list(_EXACT)
