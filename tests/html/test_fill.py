"""The wire format, as text; tests/e2e/test_fill_script.py has what browsers make of it."""

from __future__ import annotations

import re

import pytest

from tailrace.html.fill import fill, place, script
from tailrace.html.limits import FILL_SCRIPT_BYTES_MAX


def source(policy: str = "") -> str:
    found = re.fullmatch('(.*?)<script nonce="n0">(.*)</script>', script("n0", policy))
    assert found is not None, "the script has no line breaks"
    assert found[1] == '<?start name="tailrace"><?end><template for="tailrace"></template>'
    return found[2]


@pytest.mark.parametrize(("policy", "more_bytes"), [("", 0), ("script-src 'strict-dynamic'", 115)])
def test_the_script_is_small_and_can_stand_in_a_page(policy: str, more_bytes: int) -> None:
    text = source(policy)

    assert text.isascii()
    assert len(text) <= FILL_SCRIPT_BYTES_MAX + more_bytes
    assert not any(sign in text for sign in ("//", "</", "<!--", "strict"))


def test_a_fill_is_followed_by_a_node_and_an_update_is_not() -> None:
    assert place("p1", "old") == '<?start name="p1">old<?end>'
    assert fill("p1", "new") == '<template for="p1">new</template><!---->'
    assert fill("p1", place("p2", "new")).endswith("</template><!---->")
    assert fill("p1", place("p1", "a") + "b").endswith("</template><!---->")
    assert fill("p1", place("p1", "new")) == (
        '<template for="p1"><?start name="p1">new<?end></template>'
    )
