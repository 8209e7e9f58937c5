"""The client without I/O: one session over many links.

Rules: `step(event)` in, `take()` out, as the servers' brain. Time comes with `Tick`, chance with the generator.
Requests live in one line: `_flight` (sent, answers come in this order) and behind it `_queue`; a lost link puts the
flight back in front of the queue, so the order never changes. A write has a running number only while it may count: see
docs/decisions/client-numbers.md for why it takes effect exactly once. What an earlier link says is never stepped.

After every Welcome go out, in this order: the credentials, the watches, what was sent and not answered, what waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zooweeper.model.errors import ErrorCode, error_for
from zooweeper.model.limits import PENDING_REQUESTS_MAX, RESULTS_KEPT_MAX
from zooweeper_client.calls import AUTH, CLOSE, REARM, auth_request, credential_of, rearm_request, unwatch_request
from zooweeper_client.messages import (
    Answered,
    Changed,
    Close,
    Event,
    Fired,
    Heard,
    Hello,
    Item,
    LinkDown,
    Outbox,
    Ping,
    Request,
    Start,
    Submit,
    Tick,
    Unwatch,
    Welcomed,
)
from zooweeper_client.options import Options
from zooweeper_client.retry import patience_ms
from zooweeper_client.states import PUBLIC, TABLE, ClientState, Input, State
from zooweeper_client.watches import LASTING, EventType, Watches

if TYPE_CHECKING:
    from random import Random

QUEUE_MAX = 65_536  # requests that wait in a client; beyond it ThrottledOp, at once
XID_MAX = 0x7FFFFFFF
NUMBER_MAX = 1 << 62  # no session lives for so many requests
FOREVER_MS = 1 << 62
EXPIRED = ErrorCode.SESSION_EXPIRED

# Answers to a numbered write that leave its number unused, and may be different a moment later.
REFUSALS = frozenset((ErrorCode.NO_QUORUM, ErrorCode.THROTTLED_OP))
# Answers to any request after which this attach is good for nothing.
DETACHED = frozenset((ErrorCode.SESSION_MOVED, ErrorCode.NUMBER_GAP, ErrorCode.SESSION_EXPIRED))


class ClientCore:
    """One client. Whoever drives it carries out what `take` returns and steps `Tick` at `wake_ms` at the latest."""

    def __init__(self, options: Options, rng: Random) -> None:
        self._options = options
        self._rng = rng
        self._hosts = list(options.hosts)
        if options.randomize_hosts:
            rng.shuffle(self._hosts)
        self._out = Outbox()
        self.state = State.CONNECTING
        self.session = options.session
        self.secret = options.secret
        self.seen = 0  # last zxid that the servers showed
        self._events_seen = 0  # up to here no watch event is missing; a Welcome alone does not tell of events
        self.timeout_ms = options.timeout_ms
        self.node = 0
        self.trouble = "not started"  # why there is no connection, for people
        self._credentials = list(options.auth)
        self._watches = Watches()
        self._queue: deque[Request] = deque()
        self._flight: deque[Request] = deque()
        self._held: list[Request] = []  # while going back: what to send again, in order
        self._going_back = False  # a write was refused; the answers of the flight behind it count for nothing
        self._writes = 0  # numbered requests in flight
        self._number = 1  # the next running number
        self._xid = 0
        self._rearming = 0  # setWatches requests unanswered
        self._now = 0
        self._host = 0  # which of them is next, or in use
        self._tries = 0  # in a row without a good answer
        self._refused = 0  # in a row without a good answer to a write
        self._identifying = False  # an auth is in flight: one at a time, or a refusal would not tell which
        self._proving = 0  # credentials of ours that this attach has not accepted yet; requests wait for that
        self._closing = False  # the program has asked to close the session
        self._linked = False
        self._dial_ms = FOREVER_MS  # when to connect
        self._give_up_ms = FOREVER_MS  # when the try to connect has taken too long
        self._resume_ms = 0  # not to send before, after a refusal
        self._heard_ms = self._said_ms = 0
        self._progress_ms = 0  # since when the first of the flight waits
        self._deadline_ms = FOREVER_MS  # no request ends before
        self._handlers: dict[type[Event], Callable[[Any], None]] = {
            Tick: self._on_tick,
            Start: self._on_start,
            Submit: self._on_submit,
            Unwatch: self._on_unwatch,
            Welcomed: self._on_welcomed,
            Answered: self._on_answered,
            Heard: self._on_heard,
            LinkDown: self._on_link_down,
            Close: self._on_close,
        }

    # --- the card

    def step(self, event: Event) -> None:
        """The only way in."""
        self._handlers[type(event)](event)

    def take(self) -> Outbox:
        """The only way out: everything since the last take."""
        self._pump()
        out, self._out = self._out, Outbox()
        return out

    @property
    def public(self) -> ClientState:
        return PUBLIC[self.state]

    @property
    def ready(self) -> bool:
        """Connected, and the servers have taken the credentials."""
        return self.state is State.CONNECTED and not self._proving

    @property
    def wake_ms(self) -> int:
        """When the next Tick is due."""
        wake = min(self._deadline_ms, self._dial_ms, self._give_up_ms)
        if self.state is State.CONNECTED:
            since = min(self._heard_ms, self._progress_ms) if self._flight else self._heard_ms
            wake = min(wake, self._said_ms + self.timeout_ms // 3, since + self.timeout_ms * 2 // 3)
            if self._resume_ms > self._now:
                wake = min(wake, self._resume_ms)
        return wake

    @property
    def waiting(self) -> int:
        """Requests without an answer."""
        return len(self._flight) + len(self._held) + len(self._queue)

    # --- what programs ask

    def _on_start(self, event: Start) -> None:
        if self.state is State.CONNECTING and not self._linked:
            self._dial()

    def _on_submit(self, event: Submit) -> None:
        request = event.request
        arm = request.arm
        if self.state is State.CLOSED:
            self._settle(request, ErrorCode.NOT_CONNECTED, "the client is closed")
        elif not request.patient and self.state is not State.CONNECTED:
            self._settle(request, ErrorCode.NOT_CONNECTED, self.trouble)
        elif len(self._queue) >= QUEUE_MAX:
            self._settle(request, ErrorCode.THROTTLED_OP, f"{QUEUE_MAX} requests are waiting in this client")
        elif arm is not None and self._watches.full:
            self._settle(request, ErrorCode.THROTTLED_OP, f"this client has {len(self._watches)} watches")
        else:
            if arm is not None and arm.kind in LASTING:
                # From now on, or another watcher's end would take the server's registration away from this one.
                self._watches.add(arm.kind, arm.path, arm.watcher)
            self._closing = self._closing or request.code == CLOSE
            self._queue.append(request)
            self._deadline_ms = min(self._deadline_ms, request.deadline_ms)

    def _on_unwatch(self, event: Unwatch) -> None:
        if self._watches.remove(event.kind, event.path, event.watcher) and self.state is State.CONNECTED:
            self._queue.append(unwatch_request(event.kind, event.path, FOREVER_MS, self))

    def _on_close(self, event: Close) -> None:
        self._end(ErrorCode.NOT_CONNECTED, "the client is closed")

    def _end(self, error: int, detail: str) -> None:
        """CLOSED, for good; everything unanswered fails."""
        if self.state is State.CLOSED:
            return
        self._hang_up()
        self._change(Input.CLOSE)
        self.trouble = detail
        self._dial_ms = FOREVER_MS
        self._fail_all(error, detail)

    # --- time

    def _on_tick(self, event: Tick) -> None:
        now = self._now = event.now_ms
        if now >= self._dial_ms:
            self._dial()
        elif now >= self._give_up_ms:
            self._leave("no answer in time")
        elif self.state is State.CONNECTED:
            silence = self.timeout_ms * 2 // 3
            if now >= self._heard_ms + silence:
                self._leave("the server is silent, or has no leader")
            elif self._flight and now >= self._progress_ms + silence:
                self._leave("the server answers no requests")  # it may be cut off from the others
            elif now >= self._said_ms + self.timeout_ms // 3:
                self._out.send.append(Ping())
                self._said_ms = now
        if now >= self._deadline_ms:
            self._expire_requests(now)

    def _expire_requests(self, now: int) -> None:
        """End the requests whose time is over. Those in flight keep their place, for their answer still comes."""
        earliest = FOREVER_MS
        for line in (self._flight, self._held, self._queue):
            for request in line:
                if request.abandoned or request.settled:
                    continue
                if now < request.deadline_ms:
                    earliest = min(earliest, request.deadline_ms)
                elif line is self._flight or request.unknown:
                    self._settle(request, ErrorCode.OPERATION_TIMEOUT, "no answer in time")
                elif request.error != ErrorCode.OK:  # the last refusal says more
                    self._settle(request, request.error, request.detail)
                else:
                    self._settle(request, ErrorCode.NOT_CONNECTED, self.trouble)
        self._deadline_ms = earliest

    # --- links

    def _dial(self) -> None:
        address = self._hosts[self._host]
        self._out.connect = address
        self._linked = True
        self._dial_ms = FOREVER_MS
        self._give_up_ms = self._now + patience_ms(self.timeout_ms, len(self._hosts), self._tries)
        timeout_ms = 0 if self._options.read_only else self._options.timeout_ms
        hello = Hello(self.session, self.secret, timeout_ms, self.seen, RESULTS_KEPT_MAX)
        self._out.send.append(hello)
        if not self._tries:  # else the last reason says more
            self.trouble = f"{address}: no answer yet"

    def _hang_up(self) -> None:
        if self._linked:
            self._linked = False
            self._out.hangup = True
            self._out.connect = None
        self._out.send.clear()
        self._give_up_ms = FOREVER_MS

    def _leave(self, detail: str) -> None:
        """Give this link up and go on with the next host."""
        if self._linked:
            self._lost_link(detail)

    def _on_link_down(self, event: LinkDown) -> None:
        if not self._linked:
            return
        if event.error == EXPIRED and self.session:
            self._lost_session(event.detail or "the session has ended")
            return
        if event.error == ErrorCode.AUTH_FAILED:
            for request in self._flight:  # holds one auth at most
                if request.code == AUTH and request.owner is self:
                    self._end(ErrorCode.AUTH_FAILED, event.detail or "the server refused the credentials")
                    return
                if request.code == AUTH:
                    self._settle(request, ErrorCode.AUTH_FAILED, event.detail)
        self._lost_link(event.detail or error_for(event.error).name)

    def _lost_link(self, detail: str) -> None:
        self.trouble = f"{self._hosts[self._host]}: {detail}"
        self._hang_up()
        self._change(Input.DOWN)
        self._back_in_line()
        self._host = (self._host + 1) % len(self._hosts)
        self._tries += 1
        # One try with every host at once, then slower and slower.
        rounds = self._tries // len(self._hosts)
        if rounds:
            self._dial_ms = self._now + self._options.retry.delay_ms(rounds - 1, self._rng)
        else:
            self._dial()

    def _back_in_line(self) -> None:
        """Put the flight back before the queue. Whether its writes were executed, the next Welcome tells."""
        for request in self._flight:
            request.unknown = request.unknown or request.numbered
        line = (*self._held, *self._flight, *self._queue)
        self._queue = deque(request for request in line if request.owner is not self and not request.gone)
        self._held.clear()
        self._flight.clear()
        self._going_back = self._identifying = False
        self._writes = self._rearming = self._proving = 0
        for request in self._queue:
            if not request.patient:
                code = ErrorCode.CONNECTION_LOSS if request.unknown else ErrorCode.NOT_CONNECTED
                self._settle(request, code, self.trouble)

    def _lost_session(self, detail: str) -> None:
        if self._closing:
            self._end(EXPIRED, detail)
            return
        self._hang_up()
        self._change(Input.EXPIRED)
        self._fail_all(EXPIRED, detail)
        for watcher, path in self._watches.take_one_shot():
            self._out.deliver.append(Fired(watcher, EventType.LOST, path, self.seen))
        self.session, self.secret = 0, b""
        self._tries = 0
        self._dial()

    def _fail_all(self, error: int, detail: str) -> None:
        """Settle everything; what may have been executed says so."""
        self._back_in_line()
        for request in self._queue:
            self._settle(request, ErrorCode.CONNECTION_LOSS if request.unknown else error, detail)
        self._queue.clear()

    def _on_welcomed(self, event: Welcomed) -> None:
        if not self._linked or self.state is State.CONNECTED or event.number > NUMBER_MAX:
            self._leave("a second welcome, or one that cannot be")
            return
        self.session, self.secret, self.timeout_ms = event.session, event.secret, event.timeout_ms
        self.node = event.node
        self.trouble = ""
        self._change(Input.WELCOME)
        self._give_up_ms = FOREVER_MS
        self._heard_ms = self._said_ms = self._resume_ms = self._now
        self._number = event.number + 1
        for request in self._queue:
            executed = request.unknown and request.number <= event.number
            if request.numbered and (not executed or request.code == AUTH):
                request.number, request.unknown = 0, False
        first = [auth_request(scheme, credential, FOREVER_MS, self) for scheme, credential in self._credentials]
        pieces = [rearm_request(self._events_seen, piece, FOREVER_MS, self) for piece in self._watches.rearm()]
        self._proving, self._rearming = len(first), len(pieces)
        self._queue.extendleft(reversed(first + pieces))
        self.seen = max(self.seen, event.zxid)

    # --- requests out, answers in

    def _pump(self) -> None:
        """Send what may be sent, in order."""
        if self.state is not State.CONNECTED or self._going_back or self._now < self._resume_ms:
            return
        queue, flight, send = self._queue, self._flight, self._out.send
        before = len(flight)
        if not before:
            self._progress_ms = self._now
        while queue and len(flight) < PENDING_REQUESTS_MAX:
            request = queue[0]
            if self._proving and request.owner is not self:
                break
            if request.numbered:
                if self._writes >= RESULTS_KEPT_MAX or (request.code == AUTH and self._identifying):
                    break
                if not request.gone:
                    self._writes += 1
                    if not request.number:
                        request.number = self._number
                        self._number += 1
            queue.popleft()
            if request.gone:
                continue
            self._xid = xid = self._xid + 1 if self._xid < XID_MAX else 1
            request.xid = xid
            request.error = ErrorCode.OK
            self._identifying = self._identifying or request.code == AUTH
            flight.append(request)
            send.append(request)
        if len(flight) > before:
            self._said_ms = self._now

    def _on_heard(self, event: Heard) -> None:
        self._heard_ms = self._now
        self._tries = 0

    def _on_answered(self, event: Answered) -> None:
        self._progress_ms = self._now
        flight = self._flight
        for item in event.items:
            if self.state is not State.CONNECTED:
                return  # an answer before made us leave; the rest is asked for again
            if item.zxid > self.seen:
                self.seen = item.zxid
            if not self._rearming:  # behind an event there may be others of its entry; before an answer there are all
                self._events_seen = self.seen if item.xid else max(self._events_seen, item.zxid - 1)
            if not item.stale:  # a node without a leader does not keep our session alive
                self._heard_ms = self._now
            xid = item.xid
            if not xid:
                for watcher in self._watches.fire(item.event, item.path):
                    self._out.deliver.append(Fired(watcher, item.event, item.path, item.zxid))
                continue
            if not flight or flight[0].xid != xid:
                self._leave(f"an answer to request {xid}, which is not the next")
                return
            request = flight.popleft()
            if request.numbered:
                self._writes -= 1
                self._identifying = self._identifying and request.code != AUTH
            error = item.error
            if self._going_back:
                self._on_void_answer(request, error)
            elif error and (error in DETACHED or (request.numbered and error in REFUSALS)):
                self._on_refused(request, error, item.detail)
            elif request.owner is self:
                self._on_own_answer(request, error, item.detail)
            else:
                self._on_answer(request, item)

    def _on_answer(self, request: Request, item: Item) -> None:
        error = item.error
        request.result = item.body
        request.zxid = item.zxid
        request.stale = item.stale
        self._tries = 0
        if request.numbered:
            self._refused = 0
        if not request.gone:
            if request.arm is not None:
                self._watches.registered(request.arm.kind, request.arm.path, request.arm.watcher, error)
            if not error and request.code == AUTH:
                self._credentials.append(credential_of(request))
        self._settle(request, error, item.detail)
        if request.code == CLOSE:
            self._end(ErrorCode.NOT_CONNECTED, "the client is closed")

    def _on_own_answer(self, request: Request, error: int, detail: str) -> None:
        """An answer to what the core itself asked."""
        if error == ErrorCode.AUTH_FAILED:
            self._end(error, detail or "the server refused the credentials")
        elif error and request.code in (AUTH, REARM):
            self._leave(str(error_for(error, detail)))
        elif request.code == AUTH:
            self._proving -= 1
        elif request.code == REARM:
            self._rearming -= 1
            if not self._rearming:
                for watcher, path in self._watches.lasting():
                    self._out.deliver.append(Fired(watcher, EventType.GAP, path, self.seen))

    def _on_refused(self, request: Request, error: int, detail: str) -> None:
        """A request that was not executed, for a reason that is not its own."""
        request.error, request.detail = error, detail
        if error == EXPIRED:
            self._held.append(request)
            self._lost_session(detail or "the session has ended")
        elif error in DETACHED:
            self._held.append(request)
            self._leave(str(error_for(error, detail)))
        else:
            self._refused += 1
            self._number = request.number
            if request.gone or not request.patient or self._now >= request.deadline_ms:
                self._settle(request, error, detail)
            else:
                self._held.append(request)
            if error == ErrorCode.NO_QUORUM and len(self._hosts) > 1:
                self._leave(str(error_for(error, detail)))
            else:
                self._going_back = True
                self._maybe_resume()

    def _on_void_answer(self, request: Request, error: int) -> None:
        """An answer that comes while we go back: a write behind a refused one cannot have been executed."""
        self._held.append(request)
        if request.numbered and error not in REFUSALS and error not in DETACHED:
            request.unknown = True
            self._leave(f"write {request.number} was answered, although {self._number} was refused")
        else:
            self._maybe_resume()

    def _maybe_resume(self) -> None:
        """When the last answer is there, put the held requests back in line, to be sent a little later."""
        if self._flight:
            return
        for request in self._held:
            request.number = 0
        self._queue.extendleft(reversed(self._held))
        self._held.clear()
        self._going_back = False
        self._resume_ms = self._now + self._options.retry.delay_ms(self._refused, self._rng)

    # --- both

    def _settle(self, request: Request, error: int, detail: str) -> None:
        if request.gone:
            return
        request.settled = True
        request.error, request.detail = error, detail
        if request.owner is not self:
            self._out.deliver.append(request)

    def _change(self, input: Input) -> None:
        state = TABLE[self.state, input]
        if state is not self.state:
            self.state = state
            self._out.deliver.append(Changed(state))
