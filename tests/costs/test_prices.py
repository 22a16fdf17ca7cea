"""The table of prices: tiers, free tiers, months, and where each is from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from tailrace.costs.capacity import NODE_TYPES
from tailrace.costs.prices import US_EAST_1, Price

TIERED = Price(
    usd=3, unit="GB", page="", seen="AWS", read="2026", tiers=((10, 2), (100, 1)), free=5
)


def every_price() -> Iterator[tuple[str, Price]]:
    for field in dataclasses.fields(US_EAST_1):
        value = getattr(US_EAST_1, field.name)
        if isinstance(value, Price):
            yield field.name, value
        elif not isinstance(value, str):
            yield from ((f"{field.name} {name}", price) for name, price in value.items())


@pytest.mark.parametrize(
    ("amount", "usd"),
    [(0, 0), (4, 12), (10, 30), (11, 32), (100, 210), (101, 211), (1_000, 1_110)],
)
def test_each_tier_has_its_price(amount: float, usd: float) -> None:
    assert TIERED.cost_usd(amount) == pytest.approx(usd)


@pytest.mark.parametrize(("amount", "usd"), [(4, 0), (5, 0), (9, 12), (105, 210)])
def test_free_units_are_the_first_ones(amount: float, usd: float) -> None:
    assert TIERED.cost_usd(amount, has_free_tier=True) == pytest.approx(usd)


def test_a_nat_gateway_has_a_price_for_a_month() -> None:
    assert US_EAST_1.nat_gateway_hour.month_usd == pytest.approx(32.85)
    assert US_EAST_1.endpoint_hour.month_usd == pytest.approx(7.30)
    with pytest.raises(ValueError, match="priced by the GB"):
        _ = US_EAST_1.nat_gateway_gb.month_usd


@pytest.mark.parametrize(("name", "price"), list(every_price()), ids=[n for n, _ in every_price()])
def test_each_price_says_where_it_is_from(name: str, price: Price) -> None:
    assert price.usd > 0
    assert price.page.startswith("https://aws.amazon.com/")
    assert price.read
    later = [usd for _, usd in price.tiers]
    assert [price.usd, *later] == sorted([price.usd, *later], reverse=True)
    begins = [begin for begin, _ in price.tiers]
    assert begins == sorted(set(begins))


def test_each_machine_has_a_price() -> None:
    assert set(US_EAST_1.node_hour) == set(NODE_TYPES)
