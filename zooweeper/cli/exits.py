"""How a command ends: the exit code and the one line for each error.

Rules: every error that a user can cause or meet has a row; scripts rely on the codes. The line says what happened and,
where we know it, what to do next. A stack trace is a bug.

    0 done · 1 refused by the server · 2 usage · 69 no server reachable · 75 no quorum or timed out, a retry makes
    sense · 77 not authorised · 130 Ctrl-C
"""

from zooweeper.model import errors

DONE, REFUSED, USAGE, UNREACHABLE, RETRY, DENIED, INTERRUPTED = 0, 1, 2, 69, 75, 77, 130

CODES: dict[type[errors.ZkError], int] = {
    errors.BadArguments: USAGE,
    errors.NotConnected: UNREACHABLE,
    errors.ConnectionLoss: RETRY,
    errors.OperationTimeout: RETRY,
    errors.NoQuorum: RETRY,
    errors.ThrottledOp: RETRY,
    errors.Behind: RETRY,
    errors.SessionExpired: RETRY,
    errors.NewConfigNoQuorum: RETRY,
    errors.ReconfigInProgress: RETRY,
    errors.NoAuth: DENIED,
    errors.AuthFailed: DENIED,
}

NEXT_STEPS: dict[type[errors.ZkError], str] = {
    errors.NoNode: "look around with ls; create makes missing parents with -p",
    errors.NodeExists: "change it with set",
    errors.NotEmpty: "deleteall removes the children, too",
    errors.BadVersion: "somebody was faster; look at it with stat",
    errors.NoAuth: "identify yourself with ZOOWEEPER_AUTH=digest:user:password",
    errors.AuthFailed: "ZOOWEEPER_AUTH must be digest:user:password",
    errors.NotConnected: "is it running? ./deploy.sh status; other addresses: --hosts or ZOOWEEPER_HOSTS",
    errors.NoQuorum: "zooweeper status shows who is missing; try again when a majority is back",
    errors.NewConfigNoQuorum: "zooweeper member list shows who follows the leader; start the others first",
    errors.ReconfigInProgress: "try again",
    errors.ThrottledOp: "try again",
    errors.ConnectionLoss: "whether it was done is unknown; look before you try again",
    errors.OperationTimeout: "whether it was done is unknown; look before you try again, or give a longer --timeout",
}


class Failure(Exception):
    """A command cannot go on; the text is one clear line."""

    def __init__(self, line: str, code: int = REFUSED) -> None:
        super().__init__(line)
        self.code = code


def code_of(error: errors.ZkError) -> int:
    return next((CODES[cls] for cls in type(error).__mro__ if cls in CODES), REFUSED)


def line_of(error: errors.ZkError) -> str:
    """What happened; next step."""
    step = next((NEXT_STEPS[cls] for cls in type(error).__mro__ if cls in NEXT_STEPS), "")
    told = error.detail.removeprefix(f"{error.path}: ") if error.path else error.detail
    what = f"{error.name} {error.path}".rstrip() + (f": {told}" if told and told != error.path else "")
    return f"{what}; {step}" if step else what
