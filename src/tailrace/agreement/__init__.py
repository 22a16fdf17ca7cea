"""Settings along the way of a response that must agree, and AWS's limits.

Pure: `check_agreement` takes a `Way` and returns findings.
"""

from tailrace.agreement.aws import AWS_DEFAULT, AWS_LIMITS, AwsLimit, part_of, with_defaults
from tailrace.agreement.capacity import event_age_s
from tailrace.agreement.check import RULES, Agreement, check_agreement
from tailrace.agreement.rule import Rule
from tailrace.agreement.surroundings import InvokedFunction, Part, Surroundings
from tailrace.agreement.way import Way, label, shown

__all__ = [
    "AWS_DEFAULT",
    "AWS_LIMITS",
    "RULES",
    "Agreement",
    "AwsLimit",
    "InvokedFunction",
    "Part",
    "Rule",
    "Surroundings",
    "Way",
    "check_agreement",
    "event_age_s",
    "label",
    "part_of",
    "shown",
    "with_defaults",
]
