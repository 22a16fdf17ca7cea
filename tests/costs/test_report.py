"""What `tailrace costs` writes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tailrace.cli.commands import tailrace
from tailrace.costs.estimate import estimate
from tailrace.costs.report import facts, text_lines
from tailrace.costs.workload import Workload


def test_the_text_has_each_way_and_each_quota() -> None:
    found = estimate(Workload(streams=5_000, left_share=0.1))

    text = "\n".join(text_lines(found))

    assert "callback  function-url      rest-api" in text
    assert f"{found.bills['callback'].usd:,.0f}" in text
    assert "machines: 6 × c7g.large, 1,069 streams each, bounded by cpu" in text
    assert "Lambda: 48 s to start one function so many times" in text
    assert "with 10.0%: from 189 streams at a time on" in text
    assert text.count("\nquota: ") == len(found.exceeded) == 3


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (Workload(streams=1), "at no share of clients that leave halfway"),
        (Workload(streams=10_000), "if 2.2% of clients leave halfway"),
        (
            Workload(stream_s=10, stream_bytes=200 * 2**20, memory_mb=10_240, chunks_per_s=1),
            "even if no client leaves",
        ),
        (Workload(left_share=0.001), "with 0.1%: at no size"),
    ],
)
def test_the_text_says_when_it_pays(load: Workload, words: str) -> None:
    assert words in "\n".join(text_lines(estimate(load)))


def test_json_has_every_line() -> None:
    result = CliRunner().invoke(
        tailrace, ["costs", "--streams", "200", "--memory", "512", "--nat", "1", "--json"]
    )

    assert result.exit_code == 0
    found = json.loads(result.output)
    expected = estimate(Workload(streams=200, memory_mb=512, nat_gateways=1))
    assert found == json.loads(json.dumps(facts(expected)))
    names = [line["name"] for line in found["bills"]["callback"]["lines"]]
    assert "NAT gateways" in names
    assert found["bills"]["callback"]["usd"] == pytest.approx(expected.bills["callback"].usd)


def test_each_option_reaches_the_model() -> None:
    arguments = "--seconds 60 --busy 0.5 --architecture x86 --bytes 1 --request-bytes 2 --chunks 3"
    arguments += " --left 0.25 --node c7g.xlarge --headroom 0.1 --spare 2 --zones 3 --deploys 4"
    arguments += " --drain 5 --rules 6 --endpoints 7 --nat 1 --public --free-tier"

    result = CliRunner().invoke(tailrace, ["costs", *arguments.split(), "--json"])

    assert json.loads(result.output)["workload"] == {
        "streams": 1_000,
        "stream_s": 60,
        "busy_share": 0.5,
        "memory_mb": 1_024,
        "architecture": "x86",
        "stream_bytes": 1,
        "request_bytes": 2,
        "chunks_per_s": 3,
        "left_share": 0.25,
        "node": "c7g.xlarge",
        "headroom": 0.1,
        "spare_nodes": 2,
        "zones": 3,
        "deploys": 4,
        "drain_s": 5,
        "rules": 6,
        "endpoints": 7,
        "nat_gateways": 1,
        "is_public": True,
        "has_free_tier": True,
        "metrics": 18,
        "alarms": 16,
    }


def test_a_machine_that_is_too_small_is_refused() -> None:
    result = CliRunner().invoke(tailrace, ["costs", "--chunks", "90000", "--node", "t4g.small"])

    assert result.exit_code != 0
    assert "take a larger type" in str(result.exception)
