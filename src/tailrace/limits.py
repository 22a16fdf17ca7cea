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
"""What zeros before chunk sizes, chunk extensions and trailers of one message may take beyond plain
chunk framing. Go's HTTP server reads as much."""
SMALL_CHUNK_BYTES: Final = 16
"""Chunks with less than this on average count as small."""
SMALL_CHUNKS_MAX: Final = 16_384
"""Small chunks that come together, in one request whose body is collected: as each costs a call,
they would cost 20 times what the body costs in one piece. Streams have no such bound."""
INTERIM_ANSWERS_MAX: Final = 16
"""Answers of status 1xx before the final answer to a request of ours."""
EMPTY_LINES_MAX: Final = 2
"""Empty lines before a request line (RFC 9112 §2.2: at least one is ignored)."""
FRAMING_BYTES_PER_READ_PIECE: Final = 32
"""Framing allowed per piece of body: a chunk header of 16 hex digits, two CRLFs, some extension."""
PIPELINED_BYTES_MAX: Final = 16 * KIB
"""What may arrive behind a request that is not answered yet; beyond it the connection is cut."""

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
"""How often deadlines are looked at; a deadline is met this much late at the most."""
SWEEP_ENDED_PER_TURN_MAX: Final = 100
"""Connections or exchanges that a look at deadlines ends in one call of the event loop: 10 ms."""
SWEEP_SEEN_PER_TURN_MAX: Final = 4_000
"""How many such a look takes in, in one call: 7 ms."""

WRITE_BUFFER_HIGH_BYTES: Final = 64 * KIB
"""Above this many unsent bytes the producer is paused."""
WRITE_BUFFER_LOW_BYTES: Final = 16 * KIB
"""Below this many unsent bytes the producer is resumed."""
READ_BYTES_MAX: Final = 256 * KIB
"""The most that one read hands over (uvloop reads up to 250 KiB, asyncio 256 KiB)."""
STREAM_BUFFER_BYTES_MAX: Final = WRITE_BUFFER_HIGH_BYTES + READ_BYTES_MAX + KIB
"""The most that the gateway holds of one stream: the high water mark, one read and its framing."""

JSON_BUILT_BYTES_MAX: Final = 64 * KIB
"""JSON of a peer that is built whole in one call of the event loop, which takes 15 ms at the most.
A longer text is scanned, and only what is wanted of it is built."""
LINGER_BYTES_MAX: Final = 4 * MIB
"""What is read and thrown away after an early answer, so that the peer can read the answer."""
LINGER_TIMEOUT_S: Final = 2.0
"""How long that may take once the answer has left the process; then the connection is closed."""
BACKLOG_MAX: Final = 4_096
"""Connections that wait to be accepted; the kernel's own limit (net.core.somaxconn) is as high."""
UPLOADS_MAX: Final = 512
"""Request bodies of a listener that are not complete. They are kept in memory: 512 times
REQUEST_BODY_BYTES_MAX, 384 MB; on response-stream routes STREAM_REQUEST_BODY_BYTES_MAX, 2.3 GB; in
the emulator SYNC_INVOKE_BYTES_MAX, 3.2 GB."""
UPLOAD_KEPT_S: Final = 30.0
"""How long such a body surely has; at the bound, one that takes longer makes room for another."""
CONNECTIONS_MAX: Final = 16_000
"""Open connections of one listener; above it those that wait longest for a request are closed."""
DESCRIPTORS_LEFT: Final = 64
"""File descriptors that connections of clients leave free in their process, for listeners, files,
processes and connections of functions; of a process with few of them, an eighth."""
DESCRIPTORS_LEFT_LAST: Final = 16
"""The same of connections of functions."""
CALLBACKS_SPARE: Final = 32
"""Connections of the callback listener for callbacks that are refused."""
DESCRIPTORS_RESERVED: Final = 400
"""File descriptors for all but held responses: INVOKE_CONNECTIONS_MAX, CALLBACKS_SPARE,
STREAM_CONNECTIONS_KEPT_MAX, DESCRIPTORS_LEFT, and 112 for clients that wait or send."""
WARNING_INTERVAL_S: Final = 10.0
"""What happens again and again is warned of this often, with a count."""
REFUSAL_ROUTES_MAX: Final = 1_000
"""Routes whose refusals are counted for such a warning; beyond it all counts begin anew."""

# --- the function's response -------------------------------------------------------------------

PRELUDE_BYTES_MAX: Final = 16 * KIB
"""JSON prelude. API Gateway wants the delimiter within 16 KB (API Gateway guide,
"response-transfer-mode-lambda"); for Function URLs no limit is documented."""
BUFFERED_RESPONSE_BYTES_MAX: Final = 6_291_556
"""A buffered response: 6 MiB + 100 bytes (Runtime API server of AWS's emulator)."""
STREAM_RESPONSE_BYTES_MAX: Final = 200 * MIB
"""A streamed response: 200 MB since July 2025 (DG configuration-response-streaming)."""
HOLD_BACK_WRITES: Final = 3
"""Writes before the first bytes of a held-back stream leave: measured in public in September 2023
(betterdev.blog)."""
HOLD_BACK_BYTES: Final = 100_000
"""Held bytes of a stream that leave at once (same source: 100 KB of padding helped, 10 KB did
not)."""
WITHHELD_BYTES_MAX: Final = 6 * MIB
"""What is held of a response that is withheld whole; then all of it leaves. Chosen: the one report
of such responses names no size, and memory must have a bound."""
STREAM_BURST_BYTES: Final = 6 * MIB
"""What of a stream leaves at any speed (DG configuration-response-streaming: 6 MB)."""
STREAM_RATE_BYTES_PER_S: Final = 2 * MIB
"""How fast the rest leaves (same source: 2 MB/s)."""
STREAM_REFILL_S: Final = 0.125
"""How often that rate's share is granted (aws-lambda-runtime-interface-emulator)."""
FRAME_BYTES_MAX: Final = 16 * MIB
"""Payload of one frame of a framed response stream: a longer chunk takes several. Nobody holds it;
a length that is none is refused at once."""
FRAMES_PER_TURN_MAX: Final = 4_096
"""Frames that are read in one call of the event loop: 4 ms. A message may hold a million."""
FRAME_ERROR_BYTES_MAX: Final = 4 * KIB
"""The error in such a frame, which is held until it is whole; it is cut to fit."""

# --- Lambda's Invoke API -----------------------------------------------------------------------

EVENT_INVOKE_BYTES_MAX: Final = 1_048_576
"""Payload of an asynchronous invocation: 1 MB since October 2025 (DG gettingstarted-limits)."""
SYNC_INVOKE_BYTES_MAX: Final = 6_291_456
"""Payload of a synchronous invocation: 6 MB (DG gettingstarted-limits)."""
EVENT_CONTROLS_MAX: Final = 512 * KIB
"""Control characters in a body that an event carries as text: JSON makes six bytes of each. With
more the body is base64."""
STREAM_CHUNK_BYTES_MAX: Final = 64 * KIB
"""Payload of one message in which the emulator streams; Lambda's own sizes are not documented."""
ERROR_DETAILS_CHARS_MAX: Final = MIB
"""A function's error in `InvokeComplete`, as the emulator writes it."""
EVENT_STREAM_HEADERS_BYTES_MAX: Final = 128 * KIB
"""Headers of one message of an event stream: botocore's limit."""
EVENT_STREAM_PAYLOAD_BYTES_MAX: Final = 24 * MIB
"""Payload of one message of an event stream: botocore's limit."""
REQUEST_BODY_BYTES_MAX: Final = 750_000
"""Body of a client's request: with its headers, in base64, it fits EVENT_INVOKE_BYTES_MAX."""
STREAM_FRAME_BYTES_MAX: Final = BUFFERED_RESPONSE_BYTES_MAX
"""Payload of one message of Lambda's response stream, as the gateway takes it: its checksum comes
last, so all of it is held before a byte is relayed. What Lambda sends at a time is not documented;
more than a whole buffered response it cannot be."""
STREAM_REQUEST_BODY_BYTES_MAX: Final = 4_500_000
"""The same where the response is an invocation's response stream: that invocation is synchronous,
and the event fits SYNC_INVOKE_BYTES_MAX."""

# --- the gateway's deadlines -------------------------------------------------------------------

FIRST_BYTE_TIMEOUT_S: Final = 30.0
"""From the invocation to the function's response head."""
FUNCTION_IDLE_TIMEOUT_S: Final = 60.0
"""The longest silence of a function in mid-body."""
CLIENT_STALL_TIMEOUT_S: Final = 60.0
"""How long a client may take nothing while bytes wait for it: it must not bill a function for its
whole time-out."""
TOTAL_TIMEOUT_S: Final = 900.0
"""One exchange in all: the longest that a function runs (DG gettingstarted-limits)."""
DRAIN_TIMEOUT_S: Final = 300.0
"""How long held responses may go on after the gateway was told to stop."""
DRAIN_IDLE_TIMEOUT_S: Final = 5.0
"""How long an idle connection may bring one more request after its listener has closed. A proxy in
front that closes its own idle connections earlier loses no request to ours."""
LOCAL_DRAIN_IDLE_TIMEOUT_S: Final = 0.1
"""The same in the emulator and under `tailrace dev`, whose clients are on the same machine."""
DRAIN_DELAY_S: Final = 0.0
"""How long the gateway goes on taking requests after its health has turned 503; behind a load
balancer: its check interval times its threshold."""
INVOKE_TIMEOUT_S: Final = 10.0
"""How long the Lambda endpoint may take to answer an asynchronous invocation."""
CALLBACK_GRACE_S: Final = 0.25
"""How long after the end of its invocation a callback may come, where that end is known: it may be
on its way still."""
CREDENTIALS_RETRY_S: Final = 5.0
"""How long after a renewal of the AWS credentials the next one may begin. botocore wants the first
15 minutes before the end, so a source that is down is asked often enough and not overrun."""
INVOKE_CONNECTIONS_MAX: Final = 128
"""Connections to the Lambda endpoint and the routes' URLs, for asynchronous invocations."""
POOL_KEPT_TIMEOUT_S: Final = 15.0
"""How long an unused connection to the Lambda endpoint is kept."""
STREAM_CONNECTIONS_KEPT_MAX: Final = 64
"""Unused connections to the Lambda endpoint that are kept for further response streams."""
POOL_ANSWER_BYTES_MAX: Final = 64 * KIB
"""The most that is read of the Lambda endpoint's answer to an asynchronous invocation, its head
included."""
ROUTE_CONCURRENCY: Final = 1_000
"""Exchanges of one route at a time: the default concurrency of a Lambda account."""
HELD_MAX: Final = 10_000
"""Exchanges of one gateway at a time."""
TOMBSTONES_MAX: Final = 10_000
"""Ended exchanges that are remembered, so that late callbacks get 409 or 410 rather than 404."""
TOMBSTONE_AGE_S: Final = 300.0
"""How long an ended exchange is remembered: covers Lambda's retries, after 1 and 2 minutes."""

# --- the function's side -----------------------------------------------------------------------

CONNECT_TIMEOUT_S: Final = 5.0
"""Connecting to the gateway or the Runtime API."""
ANSWER_TIMEOUT_S: Final = 10.0
"""How long a callback waits for the gateway's first word (100, 404, 409, 410), and a runtime for
the answer to a report."""
FINISH_TIMEOUT_S: Final = TOTAL_TIMEOUT_S
"""How long a callback waits for the gateway's last word when the invocation has no deadline. The
word comes when the gateway has read all, at the client's pace; the gateway gives up who stalls."""
FINISH_MARGIN_S: Final = 0.5
"""How long before the invocation's deadline that wait ends: the invocation must not time out for a
response that is made, and Lambda try it again."""
SEND_STALL_TIMEOUT_S: Final = TOTAL_TIMEOUT_S
"""How long a callback's write may stay blocked. The gateway ends a stalled stream far earlier; this
is for a gateway that vanished without a word."""
ANSWER_BODY_BYTES_MAX: Final = 64 * KIB
"""Body of an answer to a callback: a few words of JSON, or the error page of a proxy."""
EVENT_BYTES_MAX: Final = 16 * MIB
"""An event that a runtime reads; Lambda's own limit is SYNC_INVOKE_BYTES_MAX."""
NEXT_RETRY_DELAYS_S: Final = (0.1, 0.2, 0.4, 0.8)
"""Pauses of one of several runtime processes after the Runtime API refused it the next event; then
it ends (awslambdaric 4.2.2)."""
TRAILERS_BYTES_MAX: Final = 4 * KIB
"""Trailers of a streamed response that failed; the error in them is cut to fit. Measured with AWS's
runtime interface emulator (aws-sam-cli 1.170.0, 2026-11): 4,096 bytes pass, with more the Runtime
API cuts the connection. It is written in Go, whose HTTP server reads no more."""
LOOP_CLOSE_TIMEOUT_S: Final = 0.25
"""How long tasks that an async handler left behind may take to clean up when the process ends:
half of what Lambda leaves between SIGTERM and SIGKILL."""
JOINED_CHUNK_BYTES_MAX: Final = 64 * KIB
"""A chunk up to this size is copied into one piece with its framing, a larger one is not copied."""
FLUSH_PAD_BYTES: Final = HOLD_BACK_BYTES
"""Default padding of a flush over native streaming: what lets all held bytes go."""
FLUSH_PAD_BYTES_MAX: Final = STREAM_BURST_BYTES
"""The most that one flush may pad: with more it would be slowed down itself."""
FLUSH_QUIET_S: Final = 0.05
"""Default time without a write after which adaptive flush lets held bytes go: longer than an LLM
takes over a token, shorter than a reader notices."""
FLUSH_QUIET_S_MAX: Final = TOTAL_TIMEOUT_S
"""The longest quiet time that makes sense: as long as a function runs."""
FLUSH_UNSCANNED_BYTES_MAX: Final = 256 * KIB
"""What is kept of a native stream for a flush that may be asked for; more is scanned. So a handler
that never flushes pays for no scanning while its response is of a common size."""
FLUSH_RETRY_S: Final = 0.01
"""How often padding that the kernel has no room for is tried again beside a sync handler at work.
An event loop is told when there is room."""

# --- the emulator ------------------------------------------------------------------------------

GZIP_STEP_BYTES: Final = 4 * KIB
"""Compressed bytes of one step of decompression: what is left of it is copied for each member."""
GZIP_STEPS_PER_TURN: Final = 4
"""Such steps in one call of the event loop, unless READ_BYTES_MAX bytes have come of them."""
FUNCTION_TIMEOUT_S: Final = 30.0
"""Default time-out of a function. Lambda's own default is 3 s; streams need longer."""
FUNCTION_MEMORY_MB: Final = 128
"""Default memory of a function, as on Lambda; reported, not limited."""
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
"""Their events together."""
EVENT_ERROR_BYTES_MAX: Final = 64 * KIB
"""Of a failed attempt's error that is kept until the retry; of a larger one the record has null."""
RETRIES_MAX: Final = 2
"""Further attempts after a function error (DG invocation-async-error-handling)."""
RETRY_DELAYS_S: Final = (60.0, 120.0)
"""Waiting time before the first and the second retry (DG invocation-async-error-handling)."""
EVENT_AGE_S_MAX: Final = 21_600.0
"""Maximum age of an asynchronous event: 6 hours (DG invocation-async-error-handling)."""
DESTINATION_RECORD_BYTES_MAX: Final = EVENT_INVOKE_BYTES_MAX
"""Record of an asynchronous invocation: it may become another function's event."""
DESTINATION_HOPS_MAX: Final = 16
"""Functions that invoke one another through destinations; Lambda stops such a loop after about as
many (DG invocation-recursion)."""
LOG_LINE_BYTES_MAX: Final = 256 * KIB
"""One log line of a function; a longer one is cut (CloudWatch: 256 KB an event)."""
ENVIRONMENT_GRACE_S: Final = 0.1
"""How long an invocation waits for an environment that has answered the one before."""
LOG_TAIL_BYTES: Final = 4 * KIB
"""What `X-Amz-Log-Type: Tail` returns of an invocation's log (Lambda API, Invoke)."""
OUTPUT_BYTES_PER_TURN_MAX: Final = 256 * KIB
"""What is read of one process's output before others get their turn."""
OUTPUT_TIMEOUT_S: Final = 0.5
"""How long output is still read after a process has ended: something else may hold its pipe."""
RUNTIME_HEAD_BYTES_MAX: Final = 2 * MIB
"""Head or trailers of a runtime's message: it may carry an X-Ray cause of 1 MiB (awslambdaric)."""
RUNTIME_KEEP_ALIVE_TIMEOUT_S: Final = 3_600.0
"""Idle connections of a runtime: one stays silent while its handler works, up to 900 s."""
EXTENSIONS_MAX: Final = 10
"""Extensions of one execution environment (DG runtimes-extensions-api)."""
EXTENSION_BODY_BYTES_MAX: Final = 64 * KIB
"""Body of a registration or an error report of an extension."""
EXTENSION_SHUTDOWN_TIMEOUT_S: Final = 2.0
"""How long extensions may take over their SHUTDOWN event (DG lambda-runtime-environment)."""
RUNTIME_CONNECTIONS_MAX: Final = 64
"""Connections of one execution environment to its Runtime API; aws-lambda-ric opens five."""
ALLOWED_HOSTS_MAX: Final = 100
"""Hosts, or origins, that a setting lists: as many as a Function URL's CORS allows."""
ENV_FILE_BYTES_MAX: Final = 64 * KIB
"""Of a function's `env_file`: its variables and all that is written about them."""
PROFILE_TIMEOUT_S: Final = 10.0
"""How long a process waits for the credentials of its function's `aws_profile`."""
PROFILE_KEYS_LEFT_S_MIN: Final = 60.0
"""A process whose credentials expire sooner is replaced before its next invocation."""
ENVIRONMENT_BYTES_MAX: Final = 4 * KIB
"""All environment variables of a function together (DG configuration-envvars)."""
SIGNATURE_SKEW_S: Final = 300.0
"""How far the time of a signed request may be from ours (IAM User Guide: 5 minutes)."""
PRESIGNED_S_MAX: Final = 604_800
"""The longest that a presigned Function URL is good for (IAM User Guide: 7 days)."""

# --- tailrace dev's reload ---------------------------------------------------------------------

SOURCE_FILES_MAX: Final = 1_000
"""Files of one function that are compared when a request arrives: 5 ms of work, measured. Beyond
it a change counts when the watcher reports it."""
SOURCE_CLOCK_STEP_S: Final = 0.05
"""A file that changed this recently is compared by its content: file systems tell times apart by
the kernel's tick, 10 ms at the most."""
SOURCE_DIGEST_BYTES_MAX: Final = MIB
"""Of that content; a larger file counts as changed once more."""
