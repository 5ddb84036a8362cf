"""Cache: an entry of a version is made once, kept for it, and dropped with it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from countersign.store.lens.cache import Cache


def make_cache(max_bytes: int = 10) -> Cache[str]:
    return Cache[str](max_bytes, len)


def test_an_entry_that_many_ask_for_at_once_is_made_once() -> None:
    cache, made, together = make_cache(), list[int](), Barrier(8)

    def ask(n: int) -> str:
        together.wait()
        return cache.get(1, "key", lambda: made.append(n) or "made")  # type: ignore[func-returns-value]

    with ThreadPoolExecutor(8) as threads:
        answers = set(threads.map(ask, range(8)))
    assert (answers, len(made)) == ({"made"}, 1)


def test_another_version_is_made_anew() -> None:
    cache = make_cache()
    assert [cache.get(version, "key", lambda v=version: f"of {v}") for version in (1, 2)] == ["of 1", "of 2"]  # type: ignore[misc]
    assert cache.find(2, "key") == "of 2"


def test_the_least_recently_used_goes_first() -> None:
    cache = make_cache(max_bytes=2)
    for key in "ab":
        cache.get(1, key, key.lower)
    cache.find(1, "a")
    cache.get(1, "c", "c".lower)
    assert [cache.find(1, key) for key in "abc"] == ["a", None, "c"]


def test_an_entry_that_could_not_be_made_is_made_by_the_next_caller() -> None:
    cache = make_cache()
    with pytest.raises(ZeroDivisionError):
        cache.get(1, "key", lambda: str(1 / 0))
    assert cache.get(1, "key", lambda: "made") == "made"


def test_one_that_is_larger_than_all_may_be_drives_nothing_out() -> None:
    cache = make_cache(max_bytes=3)
    cache.get(1, "a", "aa".lower)
    assert cache.get(1, "b", "bbbb".lower) == "bbbb"
    assert [cache.find(1, key) for key in "ab"] == ["aa", None]


def test_no_more_bytes_are_kept_than_may_be() -> None:
    cache = make_cache(max_bytes=10)
    for n in range(1, 8):
        cache.get(1, n, lambda n=n: "x" * n)  # type: ignore[misc]
        kept = [found for key in range(1, 8) if (found := cache.find(1, key))]
        assert sum(map(len, kept)) <= 10
        assert kept[-1] == "x" * n
