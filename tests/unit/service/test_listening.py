"""Since when the service listens: what is a pause, and what is none."""

from service.listening import PAUSE_US, Listening

S = 1_000_000


def noted(listening: Listening, *rounds: tuple[float, bool], connections: int = 1) -> list[float]:
    return [
        listening.note(round(at_s * S), connections, caught_up=caught_up) / S
        for at_s, caught_up in rounds
    ]


def test_it_begins_when_the_source_is_caught_up_for_the_first_time():
    listening = Listening(0, 1)
    assert noted(listening, (1, False), (2, False), (3, True), (4, True)) == [1, 2, 3, 3]


def test_a_burst_is_no_pause_and_five_seconds_are_one():
    listening = Listening(0, 1)
    noted(listening, (1, True))
    assert noted(listening, (2, False), (5.9, False), (5.95, True)) == [1, 1, 1]
    assert noted(listening, (8, False), (10.95, False), (30, False), (40, True), (41, True)) == [
        1, 10.95, 30, 40, 40,
    ]  # fmt: skip
    assert PAUSE_US == 5 * S


def test_a_round_that_took_long_is_a_pause_whatever_held_it_up():
    listening = Listening(0, 1)
    noted(listening, (1, True))
    assert noted(listening, (61, True)) == [61]


def test_a_new_connection_is_one_however_quick_it_was():
    listening = Listening(0, 1)
    noted(listening, (1, True), (2, True))
    assert noted(listening, (2.1, False), connections=2) == [2.1]
    assert noted(listening, (4.2, True), (5, True), connections=2) == [4.2, 4.2]


def test_a_clock_that_is_set_back_moves_nothing():
    listening = Listening(100 * S, 1)
    assert noted(listening, (100, True), (40, True), (41, False)) == [100, 100, 100]
