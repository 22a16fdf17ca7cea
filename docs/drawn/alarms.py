"""The table of alarms, from the code that makes them."""

from __future__ import annotations

from docs.drawn.markdown import table

from tailrace.deploy.alarm_table import ALARMS, AlarmRow
from tailrace.deploy.limits import BUSY_SHARE

_OF = {
    "gateway": "`{}` of the gateways",
    "group": "`{}` of the Auto Scaling group",
    "function": "`{}` of the function",
    "balancer": "`{}` of the load balancer",
}
_FOLLOWS = {
    "few-machines": "`instances_min`",
    "function-busy": f"{BUSY_SHARE:g} × `reserved_concurrency`",
}


def alarm_rows() -> str:
    """Each alarm: when it goes off, what that means, what to do."""
    rows = [[f"`{row.name}`", _when(row), row.meaning, row.remedy] for row in ALARMS]
    return table(["alarm", "goes off", "meaning", "what to do"], rows)


def _when(row: AlarmRow) -> str:
    metric = _OF[row.of].format(row.metric)
    threshold = _FOLLOWS[row.name] if row.threshold is None else f"{row.threshold:g}"
    bound = f"{row.comparison} {threshold}"
    minutes = f"{row.bad_min} of {row.of_min} minutes" if row.of_min > 1 else "one minute"
    without = ", or nothing is known of it" if row.is_bad_without_data else ""
    return f"{metric} ({row.statistic}) {bound} in {minutes}{without}"
