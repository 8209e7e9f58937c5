"""One line per event of a node's life, for people and for grep: `12:03:04.131 node=2 election.won epoch=2`.

Rules: the first word after the node is the event's stable name, then key=value. Never data, never secrets: values of
requests do not come here at all. Debug and info are about the node's life, warnings about something to look at,
errors about an end.
"""

import logging
import sys
import time


class _Line(logging.Formatter):
    def __init__(self, node: int) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = f"{record.levelname.lower()} " if record.levelno >= logging.WARNING else ""
        text = f"{clock}.{int(record.msecs):03d} node={self._node} {level}{record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def configure(node: int, level: int = logging.INFO) -> None:
    """Log to stderr as this node."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line(node))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("zooweeper").setLevel(level)
    # What it would say of a stream that was cancelled or broken, transport and doors say themselves, in one line.
    logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)
