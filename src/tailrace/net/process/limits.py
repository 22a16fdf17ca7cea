"""Bounds and time-outs of processes, and of what those of one node share: see `tailrace.limits`."""

from __future__ import annotations

from typing import Final

from tailrace.limits import KIB, MIB

# --- the workers of a node -----------------------------------------------------------------------

WORKER_START_TIMEOUT_S: Final = 60.0
"""How long a worker may take from its start until it serves; a start takes about half a second."""
WORKER_STOP_TIMEOUT_S: Final = 10.0
"""How long a worker may take to end after it was told to stop now; then it is killed."""
WORKER_REAP_INTERVAL_S: Final = 0.25
"""The longest interval at which the parent asks for the exit code of a worker that is ending."""
WORKER_RETRY_DELAYS_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Waiting times before a worker that has ended is replaced: the first one in a row at once, and
from the seventh on each after the last of these."""
WORKER_SETTLED_S: Final = 10.0
"""A worker that has served for so long has started well: its end begins a new row of ends."""
WORKER_WATCH_INTERVAL_S: Final = 1.0
"""The interval at which the parent looks at its workers."""
WORKER_SILENT_LOOKS_MAX: Final = 10
"""A worker whose event loop has not run between so many looks is killed, and one that should have
ended so many looks ago. Looks are counted, and no time is compared: whatever stops or suspends all
processes stops the parent's looks as well."""
HANDOVER_LOOK_INTERVAL_S: Final = 0.02
"""The interval at which the parent looks whether the trial of its new code has ended, and whether
its workers have taken its messages."""
HANDOVER_SENT_LOOKS_MAX: Final = 250
"""Looks, for 5 s, whether workers have taken the parent's messages, before it becomes its new
code. A worker that does not read is about to be killed, and needs none."""
NOTIFY_INTERVAL_S: Final = 5.0
"""The interval at which a service manager is told a status that has changed."""
NOTIFY_EXTEND_S: Final = 30.0
"""What it is asked for at a time while the gateway drains: time for several such messages."""
WORKER_LEAVE_DELAY_S: Final = 0.1
"""How long the parent waits until a worker that got SIGTERM leaves alone: a supervisor that signals
all processes of a group has signalled the parent as well, and then the whole node drains."""
WORKER_LEAVE_TIMEOUT_S: Final = 5.0
"""How long such a worker waits for its parent; then it leaves by itself."""
CHANNEL_LINE_BYTES_MAX: Final = 64 * KIB
"""One message between parent and worker; the longest is an error's text."""
LOG_WRITE_BYTES_MAX: Final = 4_096
"""Bytes of lines that are written at a time: PIPE_BUF on Linux. A pipe takes so many as a whole,
whoever else writes to it."""
LOG_KEPT_CHARS_MAX: Final = 256 * KIB
"""Characters of lines that are kept while nobody reads the log. Further lines are lost, and
counted: a process that waited for a reader would serve nobody."""
LOG_ROOM_TIMEOUT_S: Final = 0.2
"""How long the lines that are kept wait for a reader when the process is about to end."""
METRICS_LOOK_INTERVAL_S: Final = 1.0
"""The interval at which the parent looks how late its workers run, for the next line."""
COUNT_LOCK_TIMEOUT_S: Final = 0.02
"""How long a worker waits for another one to compare a count with its limit, which takes some
microseconds; then it refuses the request."""
COUNT_LOCK_INTERVAL_S: Final = 0.000_05
"""The interval at which it tries."""
ACCEPTS_PER_TURN_MAX: Final = 4
"""Connections that a worker accepts from a shared socket in one turn of its event loop: the other
workers get theirs, and each is admitted before many more are accepted."""
REQUESTS_BEHIND: Final = ACCEPTS_PER_TURN_MAX
"""With so many requests waiting for their turn a worker makes one connection in a turn: in the
kernel's queue they cost no memory, and another worker can take them."""
ACCEPT_RETRY_S: Final = 0.1
"""How long accepting rests when the process or the machine has no file descriptor or memory left:
the queue stays, and to ask again immediately would be a busy loop."""
BALANCE_SPREAD: Final = 16
"""Connections and held responses by which a worker may exceed the mean: 8 streams. Above that it
leaves new connections to the others."""
BALANCE_PAUSE_S: Final = 0.005
"""How long it leaves them: longer than a turn of a busy event loop, shorter than a client
notices."""
BALANCE_PAUSES: Final = 4
"""If the others leave some, it accepts one after each of so many such pauses, then two after each
of as many, and so on: after 0.1 s it leaves nothing to them."""
BALANCE_ACCEPTS_MAX: Final = 16
"""Connections that it accepts after a pause at most: 3,200 a second, about what a worker can."""
BEAT_INTERVAL_S: Final = 0.25
"""The interval at which a worker notes that its event loop runs."""
BEAT_FRESH_S: Final = 1.0
"""A worker whose last beat is older gets no connections left by the others."""
ADMIN_CONNECTIONS_MAX: Final = 64
"""Open connections of the admin listener: a few operators, probes and scrapers of metrics."""
ADMIN_TIMEOUT_S: Final = 5.0
"""How long `tailrace drain` waits for each answer of the admin listener."""
ADMIN_ANSWER_BYTES_MAX: Final = MIB
"""Such an answer: the counts of WORKER_SLOTS_MAX workers take a tenth of it."""
DRAIN_POLL_S: Final = 0.25
"""The interval at which `tailrace drain` asks what is open."""
DRAIN_SHOWN_INTERVAL_S: Final = 1.0
"""The shortest interval of its lines where the output is no terminal."""

# --- the lifecycle of an EC2 instance ------------------------------------------------------------

LIFECYCLE_LOOK_INTERVAL_S: Final = 2.0
"""The interval at which the parent reads from the instance's metadata whether the instance is to
end. AWS recommends 5 s for Spot notices, which leave two minutes."""
LIFECYCLE_LOOK_INTERVAL_MAX_S: Final = 30.0
"""The longest such interval: it doubles each time in which the metadata cannot be read."""
LIFECYCLE_HEARTBEAT_S: Final = 20.0
"""The default of `--lifecycle-heartbeat`: it leaves time for some attempts in the shortest
heartbeat time-out that a hook may have, 30 s."""
LIFECYCLE_RETRY_DELAYS_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Waiting times before a call that Auto Scaling did not take is repeated; the last one counts for
all further attempts."""
LIFECYCLE_COMPLETE_TIMEOUT_S: Final = 7_200.0
"""How long the completion of a hook is tried after a drain. A hook begins when the load balancers
have deregistered the instance, which takes 3,600 s at most, and its first heartbeat time-out is
7,200 s at most."""
LIFECYCLE_STOP_TIMEOUT_S: Final = 30.0
"""How long the process waits for the completion after SIGTERM and the drain, at most."""

# --- how late a process runs ---------------------------------------------------------------------

LATE_LOOK_INTERVAL_S: Final = 0.05
"""The interval at which one request, one callback and one turn of the event loop are looked at."""
REFUSALS_PER_TURN_MAX: Final = 4
"""Refusals in a turn of the event loop after which a request may still start: 0.3 ms."""
LATE_PATIENCE_S: Final = 1.0
"""How long everything must have been late before a request is refused: longer than a garbage
collection and what it delays, or a process that gets no core for some turns. What is admitted
meanwhile takes about as long to serve."""
LATE_QUEUE_S: Final = 1.0
"""How long nothing is refused after a request that the kernel received before the process began to
serve: others came while the queue of a restart was served, and stand behind it."""
LATE_ALERT_S: Final = 2.0
"""How long after a refusal late requests are refused without that patience: otherwise an overload
that goes on would be admitted in full for LATE_PATIENCE_S again and again."""
