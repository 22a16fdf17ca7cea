"""The exchange as playbooks: events in, commands out, and what holds in any order of events."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.gateway.exchange.state import (
    CLIENT_SIDE,
    FUNCTION_SIDE,
    AbortResponse,
    AcceptSource,
    AnswerClient,
    AnswerSource,
    ClientLeft,
    ClientState,
    Close,
    Command,
    DeadlinePassed,
    EndResponse,
    Event,
    Exchange,
    FunctionFailed,
    FunctionState,
    GatewayFailed,
    HeadArrived,
    ImpossibleEventError,
    InvocationFailed,
    InvokeRefused,
    ResponseMalformed,
    SourceBroken,
    SourceEnded,
    SourceOpened,
    StartResponse,
    Stopped,
    Verdict,
)

WAITING: tuple[Event, ...] = ()
OPENED = (SourceOpened(),)
SENDING = (SourceOpened(), HeadArrived())
BODILESS = (SourceOpened(), HeadArrived(is_bodiless=True))
ENDED = (*SENDING, SourceEnded())
FAILED = (*OPENED, SourceBroken())

EVENTS: tuple[Event, ...] = (
    SourceOpened(),
    HeadArrived(),
    HeadArrived(is_bodiless=True),
    SourceEnded(),
    SourceBroken(),
    ResponseMalformed("no {prelude}"),
    InvokeRefused(429, "too {many}", 3),
    InvokeRefused(413, "too large"),
    InvocationFailed("no {callback}"),
    SourceBroken("stream"),
    FunctionFailed(),
    DeadlinePassed("first byte", "the first byte deadline has passed"),
    DeadlinePassed("stall", "the stall deadline has passed"),
    ClientLeft(),
    Stopped(),
    GatewayFailed(),
)


def after(*events: Event) -> Exchange:
    """An exchange to which these events have happened."""
    exchange = Exchange()
    for event in events:
        exchange.feed(event)
    return exchange


# --- playbooks: what a state does with an event --------------------------------------------------

PLAYBOOK: list[tuple[tuple[Event, ...], Event, tuple[Command, ...], FunctionState, ClientState]] = [
    # Invoked, and no callback yet: there is nobody to tell but the client.
    (WAITING, SourceOpened(), (AcceptSource(),), FunctionState.OPENED, ClientState.HELD),
    (
        WAITING,
        InvokeRefused(429, "too {many}", 3),
        (AnswerClient(429, "too {many}", 3), Close("invoke-refused")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        WAITING,
        InvokeRefused(413, "too large"),
        (AnswerClient(413, "too large", None), Close("invoke-refused")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        WAITING,
        InvocationFailed("no {callback}"),
        (AnswerClient(502, "no {callback}"), Close("invocation-failed")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        WAITING,
        DeadlinePassed("first byte", "the first byte deadline has passed"),
        (
            AnswerClient(
                504, "the function did not answer in time: the first byte deadline has passed"
            ),
            Close("first-byte-deadline"),
        ),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (WAITING, ClientLeft(), (Close("client-left"),), FunctionState.FAILED, ClientState.DONE),
    (
        WAITING,
        GatewayFailed(),
        (AnswerClient(500, "the gateway failed"), Close("gateway-failed")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        WAITING,
        Stopped(),
        (AnswerClient(503, "the gateway is shutting down"), Close("stopped")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    # A callback has the exchange and has said no head: both sides get a whole answer.
    (
        OPENED,
        HeadArrived(),
        (StartResponse(),),
        FunctionState.SENDING,
        ClientState.RECEIVING,
    ),
    (
        OPENED,
        HeadArrived(is_bodiless=True),
        (StartResponse(), EndResponse()),
        FunctionState.SENDING,
        ClientState.DONE,
    ),
    (
        OPENED,
        SourceBroken(),
        (AnswerClient(502, "the function ended before it answered"), Close("callback-broken")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        OPENED,
        SourceBroken("stream"),
        (AnswerClient(502, "the function ended before it answered"), Close("stream-broken")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        OPENED,
        FunctionFailed(),
        (AnswerClient(502, "the function failed"), Close("function-failed")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        OPENED,
        ResponseMalformed("no {prelude}"),
        (
            AnswerClient(502, "the function's response is malformed: no {prelude}"),
            AnswerSource(400, "no {prelude}"),
            Close("malformed"),
        ),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        OPENED,
        DeadlinePassed("total", "the total deadline has passed"),
        (
            AnswerClient(504, "the function did not answer in time: the total deadline has passed"),
            AnswerSource(410, "the total deadline has passed"),
            Close("total-deadline"),
        ),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        OPENED,
        ClientLeft(),
        (AnswerSource(410, "the client has left"), Close("client-left")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        OPENED,
        Stopped(),
        (
            AnswerClient(503, "the gateway is shutting down"),
            AnswerSource(410, "the gateway is stopping"),
            Close("stopped"),
        ),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        OPENED,
        GatewayFailed(),
        (
            AnswerClient(500, "the gateway failed"),
            AnswerSource(410, "the gateway failed"),
            Close("gateway-failed"),
        ),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    # The head has gone out: a loss is made visible by breaking the response off.
    (
        SENDING,
        SourceEnded(),
        (EndResponse(), AnswerSource(200, "relayed"), Close("complete")),
        FunctionState.ENDED,
        ClientState.DONE,
    ),
    (
        SENDING,
        SourceBroken(),
        (AbortResponse(is_flushed=True), Close("callback-broken")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        SENDING,
        FunctionFailed(),
        (AbortResponse(is_flushed=True), Close("function-failed")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        SENDING,
        ResponseMalformed("too long"),
        (
            AbortResponse(is_flushed=True),
            AnswerSource(400, "too long"),
            Close("malformed"),
        ),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        SENDING,
        DeadlinePassed("stall", "the stall deadline has passed"),
        (
            AbortResponse(is_flushed=False),
            AnswerSource(410, "the stall deadline has passed"),
            Close("stall-deadline"),
        ),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        SENDING,
        ClientLeft(),
        (AnswerSource(410, "the client has left"), Close("client-left")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        SENDING,
        Stopped(),
        (
            AbortResponse(is_flushed=False),
            AnswerSource(410, "the gateway is stopping"),
            Close("stopped"),
        ),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        SENDING,
        GatewayFailed(),
        (
            AbortResponse(is_flushed=True),
            AnswerSource(410, "the gateway failed"),
            Close("gateway-failed"),
        ),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    # The client has all that it will get, and the function works on: only it can be told anything.
    (
        BODILESS,
        SourceEnded(),
        (AnswerSource(200, "relayed"), Close("complete")),
        FunctionState.ENDED,
        ClientState.DONE,
    ),
    (BODILESS, SourceBroken(), (Close("complete"),), FunctionState.FAILED, ClientState.DONE),
    (BODILESS, FunctionFailed(), (Close("complete"),), FunctionState.FAILED, ClientState.DONE),
    (
        BODILESS,
        ResponseMalformed("too long"),
        (AnswerSource(400, "too long"), Close("complete")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        BODILESS,
        DeadlinePassed("total", "the total deadline has passed"),
        (AnswerSource(410, "the total deadline has passed"), Close("complete")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        BODILESS,
        Stopped(),
        (AnswerSource(410, "the gateway is stopping"), Close("complete")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
    (
        BODILESS,
        GatewayFailed(),
        (AnswerSource(410, "the gateway failed"), Close("complete")),
        FunctionState.FAILED,
        ClientState.DONE,
    ),
]


@pytest.mark.parametrize(
    ("events", "event", "commands", "function", "client"),
    PLAYBOOK,
    ids=[f"{after(*row[0]).function.value}-{row[1]}" for row in PLAYBOOK],
)
def test_playbook(
    events: tuple[Event, ...],
    event: Event,
    commands: tuple[Command, ...],
    function: FunctionState,
    client: ClientState,
) -> None:
    exchange = after(*events)

    assert exchange.feed(event) == commands
    assert (exchange.function, exchange.client) == (function, client)


def test_the_playbook_has_every_row_of_the_functions_table() -> None:
    played = {(after(*row[0]).function, type(row[1])) for row in PLAYBOOK}

    assert played == {
        (state, event)
        for state, row in FUNCTION_SIDE.items()
        for event, after in row.items()
        if type(after) is FunctionState
    }


def test_the_playbook_has_every_row_of_the_clients_table() -> None:
    played = {
        (after(*row[0]).client, row[3]) for row in PLAYBOOK if after(*row[0]).client != row[4]
    }

    # A bodiless head takes the client through RECEIVING at once.
    assert played == {(state, reached) for state, row in CLIENT_SIDE.items() for reached in row}


def rows(verdict: Verdict) -> list[tuple[tuple[Event, ...], Event]]:
    """A walk to each state, with each event for which the table has this verdict there."""
    walks = (WAITING, OPENED, SENDING, BODILESS, ENDED, FAILED)
    return [
        (walk, event)
        for walk in walks
        for event in EVENTS
        if FUNCTION_SIDE[after(*walk).function][type(event)] is verdict
    ]


def names_of(rows: list[tuple[tuple[Event, ...], Event]]) -> list[str]:
    return [f"{after(*walk).function.value}-{event}" for walk, event in rows]


LATE: list[tuple[tuple[Event, ...], Event]] = [
    (OPENED, InvokeRefused(504, "the endpoint was slower than the function")),
    (OPENED, InvocationFailed("it has called back: the callback says the rest")),
    (SENDING, InvokeRefused(502, "x")),
    (SENDING, InvocationFailed("x")),
    (BODILESS, ClientLeft()),  # it has all that it will get; the function may work on
    *((ENDED, event) for event in (InvokeRefused(504, "x"), InvocationFailed("x"))),
    *((ENDED, event) for event in (DeadlinePassed("total", "x"), ClientLeft(), Stopped())),
    *((FAILED, event) for event in EVENTS),
]

IMPOSSIBLE: list[tuple[tuple[Event, ...], Event]] = [
    (WAITING, HeadArrived()),
    (WAITING, SourceEnded()),
    (WAITING, SourceBroken()),
    (WAITING, ResponseMalformed("x")),
    (WAITING, FunctionFailed()),
    (OPENED, SourceOpened()),
    (OPENED, SourceEnded()),
    (SENDING, SourceOpened()),
    (SENDING, HeadArrived()),
    *((ENDED, event) for event in (SourceOpened(), HeadArrived(), SourceEnded())),
    *((ENDED, event) for event in (SourceBroken(), ResponseMalformed("x"), FunctionFailed())),
]


def test_the_table_has_every_event_in_every_state() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))
    assert set(FUNCTION_SIDE) == set(FunctionState)
    assert all(set(row) == set(get_args(Event)) for row in FUNCTION_SIDE.values())


@pytest.mark.parametrize(
    ("listed", "verdict"), [(LATE, Verdict.LATE), (IMPOSSIBLE, Verdict.IMPOSSIBLE)]
)
def test_the_table_has_no_other_verdicts_than_those_listed_here(
    listed: list[tuple[tuple[Event, ...], Event]], verdict: Verdict
) -> None:
    of_states = {(after(*walk).function, type(event)) for walk, event in listed}
    of_table = {(after(*walk).function, type(event)) for walk, event in rows(verdict)}

    of_states.discard((FunctionState.SENDING, ClientLeft))  # depends on the client's side
    assert of_table - {(FunctionState.ENDED, GatewayFailed)} == of_states


@pytest.mark.parametrize(
    ("events", "event"), [*LATE, *rows(Verdict.LATE)], ids=names_of([*LATE, *rows(Verdict.LATE)])
)
def test_a_late_event_has_no_effect(events: tuple[Event, ...], event: Event) -> None:
    exchange = after(*events)
    before = exchange.function, exchange.client

    assert exchange.feed(event) == ()
    assert (exchange.function, exchange.client) == before


@pytest.mark.parametrize(
    ("events", "event"),
    [*IMPOSSIBLE, *rows(Verdict.IMPOSSIBLE)],
    ids=names_of([*IMPOSSIBLE, *rows(Verdict.IMPOSSIBLE)]),
)
def test_an_impossible_event_raises_and_changes_nothing(
    events: tuple[Event, ...], event: Event
) -> None:
    exchange = after(*events)
    before = exchange.function, exchange.client

    with pytest.raises(ImpossibleEventError) as caught:
        exchange.feed(event)

    assert str(caught.value) == f"{type(event).__name__} in {before[0].name}"
    assert (exchange.function, exchange.client) == before


def test_bytes_are_relayed_between_head_and_end_only() -> None:
    assert [
        after(*events).is_relaying for events in (WAITING, OPENED, SENDING, BODILESS, ENDED, FAILED)
    ] == [False, False, True, False, False, False]


# --- what holds in any order of events -----------------------------------------------------------


def is_end_of_a_message(event: Event) -> bool:
    return isinstance(event, SourceEnded) or (isinstance(event, HeadArrived) and event.is_bodiless)


def feed_any(exchange: Exchange, event: Event) -> tuple[Command, ...]:
    """Feed an event; an impossible one must raise, and has no command."""
    if FUNCTION_SIDE[exchange.function][type(event)] is Verdict.IMPOSSIBLE:
        with pytest.raises(ImpossibleEventError):
            exchange.feed(event)
        return ()
    return exchange.feed(event)


def check_story(events: list[Event]) -> None:
    """Feed the events, then Stopped, which ends what is still open; check all commands.

    Impossible events are fed as well: they change nothing, and may come at any time.
    """
    exchange = Exchange()
    story: list[Command] = []
    for event in (*events, Stopped()):
        commands = feed_any(exchange, event)
        assert not (story and commands and isinstance(story[-1], Close)), "a command after Close"
        for command in commands:
            if isinstance(command, EndResponse):
                assert is_end_of_a_message(event)
        story += commands
        kinds = [type(command) for command in story]
        is_open = StartResponse in kinds and not {EndResponse, AbortResponse, Close} & set(kinds)
        assert exchange.is_relaying is is_open

    kinds = [type(command) for command in story]
    for kind in set(kinds):
        assert kinds.count(kind) == 1, f"{kind.__name__} more than once"
    assert kinds[-1] is Close
    assert not {EndResponse, AbortResponse} <= set(kinds)
    assert not {AnswerClient, StartResponse} <= set(kinds), "two answers to one client"
    if {EndResponse, AbortResponse} & set(kinds):
        assert StartResponse in kinds
    if AnswerSource in kinds:
        assert kinds.index(AcceptSource) < kinds.index(AnswerSource)


@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_any_order_of_events_leads_to_one_end(events: list[Event]) -> None:
    check_story(events)


def test_every_walk_through_the_states_leads_to_one_end() -> None:
    """Hypothesis tries many orders; this tries each event in each state that can be reached."""
    walks: list[list[Event]] = [[]]
    seen = set()
    while walks:
        walk = walks.pop()
        exchange = after(*walk)
        if (exchange.function, exchange.client) in seen:
            continue
        seen.add((exchange.function, exchange.client))
        for event in EVENTS:
            check_story([*walk, event])
            if FUNCTION_SIDE[exchange.function][type(event)] is not Verdict.IMPOSSIBLE:
                walks.append([*walk, event])

    assert seen == {
        (FunctionState.WAITING, ClientState.HELD),
        (FunctionState.OPENED, ClientState.HELD),
        (FunctionState.SENDING, ClientState.RECEIVING),
        (FunctionState.SENDING, ClientState.DONE),
        (FunctionState.ENDED, ClientState.DONE),
        (FunctionState.FAILED, ClientState.DONE),
    }
