"""Every bound and time-out: name, unit, value, reason and source.

A limit that users may set is a default here and an option where it is used.
DG is the AWS Lambda Developer Guide.
"""

from __future__ import annotations

TYPE_CHECKING = False  # see `records`
if TYPE_CHECKING:
    from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# --- HTTP messages that reach us -------------------------------------------------------------

HEAD_BYTES_MAX: Final = 64 * KIB
"""Request line and headers; a larger head is answered 431. nginx takes 32 KiB, ALB 64 KiB."""
HEADER_COUNT_MAX: Final = 128
"""Header fields in a head, and in a trailer section. nginx and Apache stop at about 100."""
TARGET_BYTES_MAX: Final = 16 * KIB
"""Request target. CloudFront takes 8 KiB, ALB 16 KiB; a longer one is answered 414."""
FRAMING_BYTES_SLACK: Final = 4 * KIB
"""Bytes beyond plain chunk framing in one message: zeros before chunk sizes, chunk extensions,
trailers. Go's HTTP server has the same limit."""
SMALL_CHUNK_BYTES: Final = 16
"""Chunks are small if their average size is below this."""
SMALL_CHUNKS_MAX: Final = 16_384
"""Small chunks that arrive together in one request whose body is collected. Each costs a call, so
they cost 20 times as much as the same body in one piece. Streams have no such limit."""
INTERIM_ANSWERS_MAX: Final = 16
"""Answers of status 1xx before the final answer to one of our requests."""
KEPT_FIELD_BYTES_MAX: Final = 256
"""Longer values and names are read each time: those that are kept come from peers."""
HOSTS_KEPT: Final = 16
"""Host fields that are kept once they have been checked."""
CONNECTION_OPTIONS_KEPT: Final = 16
"""Connection fields that are kept once they have been read."""
EMPTY_LINES_MAX: Final = 2
"""Empty lines before a request line (RFC 9112 §2.2: at least one is ignored)."""
FRAMING_BYTES_PER_READ_PIECE: Final = 32
"""Framing allowed for each piece of a body: a chunk header of 16 digits, CRLFs, an extension."""
PIPELINED_BYTES_MAX: Final = 16 * KIB
"""Bytes that may arrive behind an unanswered request; with more the connection is reset."""

HEAD_TIMEOUT_S: Final = 10.0
"""From a connection's first byte to the end of a head (nginx: client_header_timeout, 60 s)."""
BODY_TIMEOUT_S: Final = 30.0
"""The longest silence inside a request body."""
BODY_TOTAL_TIMEOUT_S: Final = 300.0
"""The whole of a client's request body: REQUEST_BODY_BYTES_MAX at 20 kbit/s. On the emulator's
listeners SYNC_INVOKE_BYTES_MAX at 170 kbit/s."""
KEEP_ALIVE_TIMEOUT_S: Final = 75.0
"""Idle time between requests: longer than an ALB's 60 s, or the ALB sees random 502s."""
SWEEP_INTERVAL_S: Final = 0.5
"""The interval of sweeps over deadlines, and so the longest delay of a deadline."""
SWEEP_ENDED_PER_TURN_MAX: Final = 100
"""Connections or exchanges that a sweep ends in one call of the event loop: 10 ms."""
REQUESTS_PER_TURN_MAX: Final = 2
"""Requests of a listener that start in a turn of the event loop: a burst must not stop streams."""
SWEEP_SEEN_PER_TURN_MAX: Final = 4_000
"""Connections or exchanges that a sweep checks in one call of the event loop: 7 ms."""

WRITE_BUFFER_HIGH_BYTES: Final = 64 * KIB
"""Above this many unsent bytes the producer is paused."""
WRITE_BUFFER_LOW_BYTES: Final = 16 * KIB
"""Below this many unsent bytes the producer is resumed."""
READ_BYTES_MAX: Final = 256 * KIB
"""The most bytes of one read (uvloop reads up to 250 KiB, asyncio 256 KiB)."""
STREAM_BUFFER_BYTES_MAX: Final = WRITE_BUFFER_HIGH_BYTES + READ_BYTES_MAX + KIB
"""The most that the gateway holds of one stream: the high water mark, one read and its framing."""

JSON_BUILT_BYTES_MAX: Final = 64 * KIB
"""JSON of a peer that is decoded as a whole, in one call of the event loop: 15 ms at most. A longer
text is scanned, and only the required parts are decoded."""
LINGER_BYTES_MAX: Final = 4 * MIB
"""Bytes that are read and discarded after an early answer, so that the peer can read the answer."""
LINGER_TIMEOUT_S: Final = 2.0
"""The time for that, from when the answer has left the process; then the connection is closed."""
BACKLOG_MAX: Final = 4_096
"""Connections that wait to be accepted; the kernel's limit (net.core.somaxconn) is the same."""
UPLOADS_MAX: Final = 512
"""Incomplete request bodies of a listener. They are kept in memory: 512 times
REQUEST_BODY_BYTES_MAX, 384 MB; on response-stream routes STREAM_REQUEST_BODY_BYTES_MAX, 2.3 GB; in
the emulator SYNC_INVOKE_BYTES_MAX, 3.2 GB."""
UPLOAD_KEPT_S: Final = 30.0
"""The time that each such body is given. When UPLOADS_MAX is reached, one that has taken longer is
refused in favour of a new one."""
CONNECTIONS_MAX: Final = 16_000
"""Open connections of one listener; above it those are closed that have waited longest for a
request."""
DESCRIPTORS_LEFT: Final = 64
"""File descriptors that connections of clients leave free in their process, for all other uses; an
eighth of them, if there are few."""
DESCRIPTORS_LEFT_LAST: Final = 16
"""File descriptors that connections of functions leave free."""
CALLBACKS_SPARE: Final = 32
"""Connections of the callback listener for callbacks that are refused."""
DESCRIPTORS_RESERVED: Final = 400
"""File descriptors that held responses leave free: INVOKE_CONNECTIONS_MAX, CALLBACKS_SPARE,
STREAM_CONNECTIONS_KEPT_MAX, DESCRIPTORS_LEFT, and 112 for clients that wait or send."""
WARNING_INTERVAL_S: Final = 10.0
"""The interval of warnings about repeated events, which have a count."""
REFUSAL_ROUTES_MAX: Final = 1_000
"""Routes whose refusals are counted for such a warning; with more, all counts start again."""
LATE_S_MAX: Final = 0.2
"""How late a process may run before it refuses requests: more than a busy machine's own pauses."""
LOG_DELAY_S: Final = 0.05
"""How long the gateway's line of an exchange waits for others, which are written with it. A warning
or an error of any part is written at once, and all that wait before it."""
LOG_WAITING_CHARS_MAX: Final = 64 * KIB
"""Characters of such lines; with more they are written at once."""

# --- the function's response -------------------------------------------------------------------

PRELUDE_BYTES_MAX: Final = 16 * KIB
"""JSON prelude. API Gateway requires the delimiter within 16 KB (API Gateway guide,
"response-transfer-mode-lambda"); for Function URLs no limit is documented."""
BUFFERED_RESPONSE_BYTES_MAX: Final = 6_291_556
"""A buffered response: 6 MiB + 100 bytes (Runtime API server of AWS's emulator)."""
ALB_RESPONSE_BYTES_MAX: Final = 1_000_000
"""A result for an Application Load Balancer, as JSON: 1 MB (Elastic Load Balancing guide
"lambda-functions"). Which megabyte is not documented: this is the smaller one."""
STREAM_RESPONSE_BYTES_MAX: Final = 200 * MIB
"""A streamed response: 200 MB since July 2025 (DG configuration-response-streaming)."""
HOLD_BACK_WRITES: Final = 3
"""Writes before the first bytes of a held-back stream leave: measured in public in September 2023
(betterdev.blog)."""
HOLD_BACK_BYTES: Final = 100_000
"""Held bytes of a stream that leave at once (same source: 100 KB of padding helped, 10 KB did
not)."""
WITHHELD_BYTES_MAX: Final = 6 * MIB
"""Bytes that are held of a response that is withheld as a whole; then all of them leave. Chosen:
the one report of such responses names no size, and memory must have a bound."""
STREAM_BURST_BYTES: Final = 6 * MIB
"""Bytes of a stream that leave at any speed (DG configuration-response-streaming: 6 MB)."""
STREAM_RATE_BYTES_PER_S: Final = 2 * MIB
"""The rate of the rest (same source: 2 MB/s)."""
STREAM_REFILL_S: Final = 0.125
"""The interval at which that rate is granted (aws-lambda-runtime-interface-emulator)."""
FRAME_BYTES_MAX: Final = 16 * MIB
"""Payload of one frame of a framed response stream: a longer chunk takes several. Payloads are not
held; a longer length is refused at once."""
FRAMES_PER_TURN_MAX: Final = 4_096
"""Frames that are read in one call of the event loop: 4 ms. A message may contain a million."""
FRAME_ERROR_BYTES_MAX: Final = 4 * KIB
"""The error in such a frame, which is held until it is complete; a longer one is shortened."""

# --- Lambda's Invoke API -----------------------------------------------------------------------

EVENT_INVOKE_BYTES_MAX: Final = 1_048_576
"""Payload of an asynchronous invocation: 1 MB since October 2025 (DG gettingstarted-limits)."""
SYNC_INVOKE_BYTES_MAX: Final = 6_291_456
"""Payload of a synchronous invocation: 6 MB (DG gettingstarted-limits)."""
EVENT_CONTROLS_MAX: Final = 512 * KIB
"""Control characters in a body that an event contains as text: JSON makes six bytes of each. With
more, the body is base64."""
STREAM_CHUNK_BYTES_MAX: Final = 64 * KIB
"""Payload of one message of the emulator's response streams; Lambda's sizes are not documented."""
ERROR_DETAILS_CHARS_MAX: Final = MIB
"""A function's error in `InvokeComplete`, as the emulator writes it."""
EVENT_STREAM_HEADERS_BYTES_MAX: Final = 128 * KIB
"""Headers of one message of an event stream: botocore's limit."""
EVENT_STREAM_PAYLOAD_BYTES_MAX: Final = 24 * MIB
"""Payload of one message of an event stream: botocore's limit."""
REQUEST_BODY_BYTES_MAX: Final = 750_000
"""Body of a client's request: with its headers, in base64, it fits EVENT_INVOKE_BYTES_MAX."""
STREAM_FRAME_BYTES_MAX: Final = BUFFERED_RESPONSE_BYTES_MAX
"""Payload of one message of Lambda's response stream, as the gateway accepts it: its checksum comes
last, so all of it is held before a byte is relayed. Lambda's sizes are not documented; a message
cannot be larger than a whole buffered response."""
STREAM_REQUEST_BODY_BYTES_MAX: Final = 4_500_000
"""Body of a client's request on a response-stream route: that invocation is synchronous, and the
event fits SYNC_INVOKE_BYTES_MAX."""

# --- the gateway's deadlines -------------------------------------------------------------------

FIRST_BYTE_TIMEOUT_S: Final = 30.0
"""From the invocation to the function's response head."""
FUNCTION_IDLE_TIMEOUT_S: Final = 60.0
"""The longest silence of a function within a body."""
CLIENT_STALL_TIMEOUT_S: Final = 60.0
"""How long a client may take nothing while bytes wait for it: a stalled client must not keep a
function running for its whole time-out."""
TOTAL_TIMEOUT_S: Final = 900.0
"""One exchange: the longest run of a function (DG gettingstarted-limits)."""
DRAIN_TIMEOUT_S: Final = 300.0
"""How long held responses may continue after DRAIN_DELAY_S."""
DRAIN_IDLE_TIMEOUT_S: Final = 5.0
"""How long an idle connection may send one more request after its listener has closed. A proxy in
front that closes its own idle connections earlier loses no request."""
LOCAL_DRAIN_IDLE_TIMEOUT_S: Final = 0.1
"""The same in the emulator and under `tailrace dev`, whose clients are on the same machine."""
DRAIN_DELAY_S: Final = 0.0
"""How long the gateway accepts requests after its health has turned 503. Behind a load balancer:
its check interval times its threshold."""
INVOKE_TIMEOUT_S: Final = 10.0
"""How long the Lambda endpoint may take to answer an asynchronous invocation."""
CALLBACK_GRACE_S: Final = 0.25
"""How long a callback may arrive after the end of its invocation, where that end is known."""
CREDENTIALS_RETRY_S: Final = 5.0
"""The shortest time between two renewals of the AWS credentials. botocore renews them from 15
minutes before their end, so a source that is down is tried often enough, and not too often."""
CREDENTIALS_LOOK_S: Final = 1.0
"""How long AWS credentials that need no renewal are used before their end is compared with the time
again: botocore's comparison costs as much as a tenth of a request."""
INVOKE_CONNECTIONS_MAX: Final = 128
"""Connections to the Lambda endpoint and the routes' URLs, for asynchronous invocations."""
INVOKED_FUNCTIONS_KEPT_MAX: Final = 256
"""Functions of a transport whose prepared requests are kept."""
POOL_KEPT_TIMEOUT_S: Final = 15.0
"""How long an unused connection to the Lambda endpoint is kept."""
STREAM_CONNECTIONS_KEPT_MAX: Final = 64
"""Unused connections to the Lambda endpoint that are kept for further response streams."""
POOL_ANSWER_BYTES_MAX: Final = 64 * KIB
"""The Lambda endpoint's answer to an asynchronous invocation, with its head."""
ROUTE_CONCURRENCY: Final = 1_000
"""Exchanges of one route at a time: the default concurrency of a Lambda account."""
HELD_MAX: Final = 10_000
"""Exchanges of one gateway at a time."""
WORKERS_MAX: Final = 64
"""Workers of one gateway: one for each core of a large machine."""
WORKER_SLOTS_MAX: Final = 4 * WORKERS_MAX
"""Workers of a gateway and those before them that still drain, together: four generations."""
ROUTES_COUNTED_MAX: Final = 16_384
"""Routes with open exchanges that all workers count at a time, 2 KiB each: more than HELD_MAX."""
CAPABILITIES_MADE: Final = 64
"""Ids and secrets of callback URLs that are made at a time."""
TOMBSTONES_MAX: Final = 10_000
"""Tombstones of ended exchanges, so that late callbacks get 409 or 410 and not 404."""
TOMBSTONE_AGE_S: Final = 300.0
"""How long a tombstone is kept: covers Lambda's retries, after 1 and 2 minutes."""

# --- the function's side -----------------------------------------------------------------------

CONNECT_TIMEOUT_S: Final = 5.0
"""Connecting to the gateway or the Runtime API."""
ANSWER_TIMEOUT_S: Final = 10.0
"""How long a callback waits for the gateway's first answer (100, 404, 409, 410), and a runtime for
the answer to a report."""
FINISH_TIMEOUT_S: Final = TOTAL_TIMEOUT_S
"""How long a callback waits for the gateway's final answer if the invocation has no deadline. It
comes when the gateway has read all, at the client's pace; the gateway aborts a stalled client."""
FINISH_MARGIN_S: Final = 0.5
"""How long before the invocation's deadline that wait ends: if the invocation timed out after a
complete response, Lambda would retry it."""
SEND_STALL_TIMEOUT_S: Final = TOTAL_TIMEOUT_S
"""How long a callback's write may be blocked. The gateway ends a stalled stream much earlier; this
covers a gateway that has vanished."""
ANSWER_BODY_BYTES_MAX: Final = 64 * KIB
"""Body of an answer to a callback: a short JSON document, or the error page of a proxy."""
ANSWER_NAMES_KEPT_MAX: Final = 64
"""Names of header fields in such answers whose check is kept for the next answer."""
ANSWER_STATUSES_KEPT_MAX: Final = 16
"""The same of status lines."""
FORM_FIELDS_MAX: Final = 1_000
"""Fields and files in a form that `Request.form` reads: as many as Django and Starlette take."""
FORM_PART_HEAD_BYTES_MAX: Final = 16 * KIB
"""The head of one of them in a multipart form. A browser sends two lines with names in them."""
EVENT_BYTES_MAX: Final = 16 * MIB
"""An event that a runtime reads; Lambda's own limit is SYNC_INVOKE_BYTES_MAX."""
NEXT_RETRY_DELAYS_S: Final = (0.1, 0.2, 0.4, 0.8)
"""Delays of one of several runtime processes after the Runtime API has refused it the next event;
then it ends (awslambdaric 4.2.2)."""
TRAILERS_BYTES_MAX: Final = 4 * KIB
"""Trailers of a streamed response that failed; the error in them is shortened to fit. Measured with
AWS's runtime interface emulator (aws-sam-cli 1.170.0, 2026-11): 4,096 bytes pass, with more the
Runtime API closes the connection. It is written in Go, whose HTTP server reads no more."""
LOOP_CLOSE_TIMEOUT_S: Final = 0.25
"""How long remaining tasks of an async handler may clean up when the process ends: half of the time
between SIGTERM and SIGKILL on Lambda."""
DISCONNECT_GRACE_S: Final = 5.0
"""How long an ASGI app may go on after it was told that its client has left; then its task is
cancelled."""
END_TURNS_MAX: Final = 64
"""Turns of the event loop after which a last message that Starlette's BaseHTTPMiddleware has sent
ends the response, though the app has not returned; see `function.apps.late_failure`. Each such
middleware raises the exception of the app inside within 3 turns."""
FAILURE_CAUSES_MAX: Final = 8
"""How many of the exceptions that have led to a failure its entry in the log shows."""
FAILED_START_S: Final = 1.0
"""How long an ASGI app may take to raise after it has reported that its start failed."""
JOINED_CHUNK_BYTES_MAX: Final = 64 * KIB
"""A chunk up to this size is copied into one piece with its framing; a larger one is not copied."""
FLUSH_PAD_BYTES: Final = HOLD_BACK_BYTES
"""Default padding of a flush over native streaming: it releases all held bytes."""
FLUSH_PAD_BYTES_MAX: Final = STREAM_BURST_BYTES
"""The largest padding of one flush: a larger one would be slowed down itself."""
FLUSH_QUIET_S: Final = 0.05
"""Default time without a write after which the adaptive policy flushes: longer than an LLM takes
for a token, shorter than a reader notices."""
FLUSH_QUIET_S_MAX: Final = TOTAL_TIMEOUT_S
"""The longest useful quiet time: the longest run of a function."""
FLUSH_UNSCANNED_BYTES_MAX: Final = 256 * KIB
"""Bytes of a native stream that are kept unscanned until a flush; with more they are scanned. So a
handler that never flushes pays for no scanning while its response has a common size."""
FLUSH_RETRY_S: Final = 0.01
"""The interval of retries of padding for which the kernel has no room, beside a working sync
handler. An event loop is notified when there is room."""
CHOICES_NAMED_MAX: Final = 10
"""Modules, apps or handlers that an error names when there is none of the wanted name."""
FOLDER_ENTRIES_MAX: Final = 1_000
"""Files of a folder among which it looks for them."""

# --- the emulator ------------------------------------------------------------------------------

GZIP_STEP_BYTES: Final = 4 * KIB
"""Compressed bytes of one step of decompression: the rest of a step is copied for each member."""
GZIP_STEPS_PER_TURN: Final = 4
"""Such steps in one call of the event loop, unless they have yielded READ_BYTES_MAX bytes."""
FUNCTION_TIMEOUT_S: Final = 30.0
"""Default time-out of a function. Lambda's own default is 3 s; streams need longer."""
FUNCTION_MEMORY_MB: Final = 128
"""Default memory of a function, as on Lambda; reported, not enforced."""
FUNCTION_CONCURRENCY: Final = 10
"""Default number of execution environments of a function."""
FUNCTION_TIMEOUT_S_MAX: Final = 900.0
"""Longest time-out of a function (DG gettingstarted-limits)."""
FUNCTION_MEMORY_MB_MAX: Final = 10_240
"""Most memory of a function (DG gettingstarted-limits)."""
FUNCTION_CONCURRENCY_MAX: Final = 1_000
"""Most execution environments of a function: the default concurrency of a Lambda account."""
INIT_TIMEOUT_S: Final = 10.0
"""Init phase of an execution environment (DG lambda-runtime-environment)."""
SHUTDOWN_TIMEOUT_S: Final = 0.5
"""From SIGTERM to SIGKILL (DG lambda-runtime-environment: 500 ms)."""
EVENT_QUEUE_MAX: Final = 10_000
"""Asynchronous invocations that wait in the queue of one function."""
EVENT_QUEUE_BYTES_MAX: Final = 256 * MIB
"""The total size of their events."""
EVENT_ERROR_BYTES_MAX: Final = 64 * KIB
"""The error of a failed attempt that is kept until the retry; for a larger one the record has
null."""
RETRIES_MAX: Final = 2
"""Further attempts after a function error (DG invocation-async-error-handling)."""
RETRY_DELAYS_S: Final = (60.0, 120.0)
"""Waiting time before the first and the second retry (DG invocation-async-error-handling)."""
EVENT_AGE_S_MAX: Final = 21_600.0
"""Maximum age of an asynchronous event: 6 hours (DG invocation-async-error-handling)."""
DESTINATION_RECORD_BYTES_MAX: Final = EVENT_INVOKE_BYTES_MAX
"""Record of an asynchronous invocation: it may become another function's event."""
DESTINATION_HOPS_MAX: Final = 16
"""Functions that invoke one another through destinations; Lambda stops such a loop after about 16
(DG invocation-recursion)."""
LOG_LINE_BYTES_MAX: Final = 256 * KIB
"""One log line of a function; a longer one is shortened (CloudWatch: 256 KB an event)."""
ENVIRONMENT_GRACE_S: Final = 0.1
"""How long an invocation waits for an environment that has just answered."""
INIT_OUTPUT_BYTES_MAX: Final = 256 * KIB
"""Output of an init phase that is held back while it may be the same as that of the last one, which
failed; with more, all of it is shown."""
LOG_TAIL_BYTES: Final = 4 * KIB
"""The part of an invocation's log that `X-Amz-Log-Type: Tail` returns (Lambda API, Invoke)."""
OUTPUT_BYTES_PER_TURN_MAX: Final = 256 * KIB
"""Output of one process that is read before that of others."""
OUTPUT_TIMEOUT_S: Final = 0.5
"""How long output is read after a process has ended: a child may keep its pipe open."""
RUNTIME_HEAD_BYTES_MAX: Final = 2 * MIB
"""Head or trailers of a runtime's message: it may carry an X-Ray cause of 1 MiB (awslambdaric)."""
RUNTIME_KEEP_ALIVE_TIMEOUT_S: Final = 3_600.0
"""Idle connections of a runtime: one is silent while its handler works, up to 900 s."""
EXTENSIONS_MAX: Final = 10
"""Extensions of one execution environment (DG runtimes-extensions-api)."""
EXTENSION_BODY_BYTES_MAX: Final = 64 * KIB
"""Body of a registration or an error report of an extension."""
EXTENSION_SHUTDOWN_TIMEOUT_S: Final = 2.0
"""The time of extensions for their SHUTDOWN event (DG lambda-runtime-environment)."""
RUNTIME_CONNECTIONS_MAX: Final = 64
"""Connections of one execution environment to its Runtime API; aws-lambda-ric opens five."""
ALLOWED_HOSTS_MAX: Final = 100
"""Hosts, or origins, in a setting: as many as a Function URL's CORS allows."""
ENV_FILE_BYTES_MAX: Final = 64 * KIB
"""The size of a function's `env_file`, with its comments."""
APP_FILE_BYTES_MAX: Final = 64 * KIB
"""The part of a file that `tailrace init` searches for an app."""
INTERPRETER_TIMEOUT_S: Final = 5.0
"""How long a function's Python may take to tell its version at the start: 0.02 s, measured."""
PROFILE_TIMEOUT_S: Final = 10.0
"""How long a process waits for the credentials of its function's `aws_profile`."""
PROFILE_KEYS_LEFT_S_MIN: Final = 60.0
"""A process whose credentials expire sooner is replaced before its next invocation."""
ENVIRONMENT_BYTES_MAX: Final = 4 * KIB
"""All environment variables of a function together (DG configuration-envvars)."""
SIGNATURE_SKEW_S: Final = 300.0
"""The largest difference between the time of a signed request and ours (IAM User Guide: 5
minutes)."""
PRESIGNED_S_MAX: Final = 604_800
"""The longest validity of a presigned Function URL (IAM User Guide: 7 days)."""

# --- tailrace dev's reload ---------------------------------------------------------------------

SOURCE_FILES_MAX: Final = 1_000
"""Files of one function that are compared when a request arrives: 5 ms of work, measured. With
more, a change counts when the watcher reports it."""
SOURCE_CLOCK_STEP_S: Final = 0.05
"""A file that changed this recently is compared by its content: the times of file systems have the
resolution of the kernel's tick, 10 ms at most."""
SOURCE_DIGEST_BYTES_MAX: Final = MIB
"""The size of that content; a larger file counts as changed once more."""
