"""Philox against published vectors; draws against what they claim."""

import numpy as np
import pytest

from simulator.randomness import (
    Stream,
    between,
    chance,
    exponential,
    geometric,
    lognormal,
    philox,
    pick,
    words,
)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # Random123, kat_vectors: philox4x32 10
        ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        (
            [0xFFFFFFFF] * 4,
            (0xFFFFFFFF, 0xFFFFFFFF),
            [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
        ),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_published_words(counter, key, expected):
    c = tuple(np.array([word], "u8") for word in counter)
    assert [int(word[0]) for word in philox(c, key)] == expected


def test_a_draw_depends_on_its_key_alone():
    together = words(7, Stream.DOOR, np.arange(50), np.arange(50) * 3)
    for i in (0, 17, 49):
        alone = words(7, Stream.DOOR, i, i * 3)
        assert [int(a) for a in alone] == [int(t[i]) for t in together]


def test_streams_seeds_and_indices_differ():
    base = int(words(7, 1, 2, 3)[0])
    others = [words(8, 1, 2, 3), words(7, 2, 2, 3), words(7, 1, 3, 3), words(7, 1, 2, 4)]
    others.append(words(7, 1, 2, 3 + 2**32))
    assert base not in [int(w[0]) for w in others]


def test_between_reaches_both_ends_and_no_further():
    drawn = between(words(1, 1, np.arange(5000), 0)[0], -2, 3)
    assert set(drawn.tolist()) == {-2, -1, 0, 1, 2, 3}
    assert between(np.array([0], "u8"), 5, 9)[0] == 5
    assert between(np.array([0xFFFFFFFF], "u8"), 5, 9)[0] == 9


def test_distributions_have_the_asked_means():
    w = words(1, 1, np.arange(100_000), 0)
    assert exponential(w[0], 60_000_000).mean() == pytest.approx(60e6, rel=0.02)
    assert geometric(w[1], 2).mean() == pytest.approx(2, rel=0.02)
    assert geometric(w[1], 1).max() == 1
    assert chance(w[2], 250_000).mean() == pytest.approx(0.25, abs=0.01)
    shares = np.bincount(pick(w[3], [1, 0, 3]), minlength=3) / 100_000
    assert shares == pytest.approx([0.25, 0, 0.75], abs=0.01)


def test_exponential_table_is_what_it_was():
    # computed by decimal, so equal on every machine; a change would change every seed's world
    w = np.array([0, 2**31, 2**32 - 1], "u8")
    assert exponential(w, 2**20).tolist() == [9448627, 726562, 128]


def test_lognormal_draws_have_their_median_and_tail():
    drawn = lognormal(words(1, Stream.RESCUE, np.arange(100_000), 0)[0], 676, 36)
    assert abs(np.median(drawn) - 676) < 5
    assert abs(drawn.mean() - 676 * np.exp(0.36**2 / 2)) < 5
    assert abs((drawn < 1_800).mean() - 0.997) < 0.001
