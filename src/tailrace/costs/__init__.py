"""What a site of many streams needs on AWS, and costs: a model without input or output.

`US_EAST_1.nat_gateway_hour.month_usd` is the price of one thing; `estimate(Workload(...))` that of
a site.
"""

from tailrace.costs.estimate import Estimate, estimate, paying_left_share, paying_streams
from tailrace.costs.prices import US_EAST_1, Price, Prices
from tailrace.costs.workload import Workload

__all__ = [
    "US_EAST_1",
    "Estimate",
    "Price",
    "Prices",
    "Workload",
    "estimate",
    "paying_left_share",
    "paying_streams",
]
