"""Times and sizes of the infrastructure.

On the way of a response each party waits longer than the one behind it, so that the innermost one
decides: function, gateway, load balancer, CloudFront.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tailrace import limits

# --- the load balancer -------------------------------------------------------------------------

PUBLIC_PORT: Final = 8080
"""The gateway's port for clients, behind the load balancer."""
TRUSTED_HOPS: Final = 2
"""CloudFront and the load balancer."""

HEALTH_INTERVAL_S: Final = 5
"""The shortest that an Application Load Balancer allows: a gateway that drains is noticed soon."""
HEALTH_TIMEOUT_S: Final = 4
"""Shorter than the interval, as it must be."""
HEALTHY_THRESHOLD: Final = 2
"""The fewest that are allowed."""
UNHEALTHY_THRESHOLD: Final = 2
"""The fewest that are allowed."""

SILENCE_MARGIN_S: Final = 10
"""How much longer each party accepts silence than the one behind it."""
BALANCER_CLIENT_KEEP_ALIVE_S: Final = 3_600
"""How old a connection of CloudFront may get; a request that is under way is completed. AWS's
default."""
DEREGISTRATION_MARGIN_S: Final = 45
"""How much longer than a gateway's drain the load balancer lets its streams go on."""

# --- CloudFront --------------------------------------------------------------------------------

READ_TIMEOUT_S_MAX: Final = 120
"""CloudFront's longest wait for a byte without a larger quota of the account."""
ORIGIN_KEEP_ALIVE_S: Final = 60
"""How long CloudFront keeps an idle connection, where the load balancer keeps it for longer."""
CONNECTION_TIMEOUT_S: Final = 5
"""How long CloudFront tries to connect to the load balancer."""
CONNECTION_ATTEMPTS: Final = 1
"""CloudFront repeats a GET whose connection fails; its function might run twice."""
ERROR_STATUSES: Final = (400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504)
"""All answers that CloudFront keeps for 10 s where nothing else is set, though caching is disabled
(CloudFront Developer Guide, "Control how long CloudFront caches errors", read 2026-11)."""

ORIGIN_SECRET_CHARS: Final = 48
"""Letters and digits of the secret between CloudFront and a public load balancer: 285 bits."""

# --- the network -------------------------------------------------------------------------------

NETWORK_CIDR: Final = "10.0.0.0/16"
ZONES: Final = 2
"""Availability zones of a VPC that is made: an Application Load Balancer needs two."""
SUBNET_BITS: Final = 4
"""A subnet has a sixteenth of the network: 4,091 addresses of a /16. Twelve parts remain free."""
CIDR_PREFIX_MIN: Final = 16
CIDR_PREFIX_MAX: Final = 24
"""AWS allows /16 to /28 for a VPC as for a subnet."""

# --- functions ---------------------------------------------------------------------------------

FUNCTION_TIMEOUT_S_MAX: Final = int(limits.FUNCTION_TIMEOUT_S_MAX)
"""Lambda takes whole seconds."""
MEMORY_MIB_MIN: Final = 128
MEMORY_MIB_MAX: Final = 10_240
MEMORY_MIB: Final = 512
LOG_RETENTION_DAYS: Final = 30
LOG_RETENTIONS_DAYS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545),
    *(731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653),
)
"""All that CloudWatch Logs allows (API Reference, PutRetentionPolicy, read 2026-11)."""
CONCURRENCY_MAX: Final = 100_000
"""More than accounts get; the quota of the account, 1,000 at first, is what counts."""

# --- gateways ----------------------------------------------------------------------------------

INSTANCE_TYPE: Final = "t4g.small"
GATEWAY_PYTHON: Final = "3.11"
CALLBACK_PORTS: Final = (8081, 8208)
"""Four for each of 32 workers. The admin port, 8082, is left out."""
INSTANCES_MIN: Final = 2
"""One in each availability zone."""
INSTANCES_MAX: Final = 4
VOLUME_GIB: Final = 8
"""The size of Amazon Linux's image."""
HOOK_HEARTBEAT_S: Final = 900
"""How long a machine without a sign of life may still have streams: the longest stream."""
HEALTH_GRACE_S: Final = 300
"""From a machine's being in service to its first health check that counts. The first machines of a
stack boot and install meanwhile; later ones serve by then."""
WARMUP_S: Final = 60
"""From a machine's health to its metrics: a line of them comes each minute."""
NAME_CHARS_MAX: Final = 64
GATEWAY_SETTINGS: Final[Mapping[str, float | str]] = {
    "held_max": 1_000,
    "trusted_hops": TRUSTED_HOPS,
    "scheme_header": "cloudfront-forwarded-proto",
    "drain_delay_s": 25,
    "drain_timeout_s": int(limits.TOTAL_TIMEOUT_S),
}
"""What differs from the gateway's own defaults. 1,000 streams with 6 chunks a second each are what
a t4g.small carries without burst credits: 0.4 cores, 64 µs a chunk (docs/topics/performance.md).
The load balancer needs two failed health checks, 10 s, to notice that a gateway drains; a target
that was deregistered has been seen to get requests for 17 s (docs/how-to/behind-a-proxy.md). The
longest stream ends whole."""
TARGET_HELD_PERCENT: Final = 60
"""The rest is for what comes while a further machine boots."""
BOOT_TIMEOUT_S: Final = 600
"""From a machine's start until its gateway serves; then it is given up."""
METRIC_PERIOD_S: Final = 60
"""A gateway writes a line of metrics each minute."""
BUSY_SHARE: Final = 0.8
"""Of a function's reserved concurrency: from there on an alarm goes off."""

# --- the boot of a machine ---------------------------------------------------------------------

USER_DATA_BYTES_MAX: Final = 16_384
"""What EC2 accepts as user data, before base64 (Amazon EC2 User Guide, read 2026-11)."""
TOKEN_BYTES: Final = 256
"""How long a value may become that AWS fills in later, such as the ARN of a function's version."""
BOOT_ATTEMPTS: Final = 8
"""How often a call of AWS or a package's installation is tried: a new machine's role may not be
known everywhere yet."""
BOOT_ATTEMPT_TIMEOUT_S: Final = 120
"""One attempt."""
BOOT_PAUSE_S_MAX: Final = 30
"""The longest pause between two attempts. It begins with 1 s and doubles; all are 91 s."""
