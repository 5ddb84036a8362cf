"""The engine against a slow settlement by the letter, on random markets that meet every rule."""

from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.models.enums import Refusal
from tests.support.duel import duel
from tests.support.worlds import world


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), sessions=st.integers(1, 6), strategies=st.integers(1, 6))
def test_the_engine_settles_like_the_letter(seed: int, sessions: int, strategies: int) -> None:
    duel(world(seed, sessions, strategies))


def test_the_random_markets_meet_every_refusal() -> None:
    assert set(duel(world(1, 30, 6))) == {None, *Refusal}
