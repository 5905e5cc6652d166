"""Values that no program should pass: refused by typed errors, and nothing is changed."""

from __future__ import annotations

import anear
import numpy as np
import pytest

Bad = anear.InvalidArgumentError
ROWS = np.random.default_rng(31).normal(size=(3, 8)).astype(np.float32)


@pytest.fixture
def docs():
    with anear.open("memory", in_memory=True) as store:
        fields = {"section": anear.String(), "tags": anear.StringList()}
        made = store.create_collection("docs", anear.Vector(8), fields)
        made.upsert(["a", "b"], ROWS[:2], {"section": ["x", "y"]})
        yield made


def nested(depth: int) -> list:
    inner: list = ["a"]
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize("value", ["itself", nested(100_000), nested(70)])
def test_lists_in_lists_without_end_are_refused(docs, value):
    if value == "itself":
        value = ["a"]
        value.append(value)
    for write in ({"tags": value}, {"section": value}):
        with pytest.raises(Bad):
            docs.upsert("c", ROWS[2], write)
    with pytest.raises(anear.Error):
        docs.count("section in $p", {"p": value})
    assert len(docs) == 2


LONE = "x\ud800"


def test_a_string_that_is_not_utf8_is_refused_wherever_it_is_given(docs, tmp_path):
    store = docs.store
    index = anear.FlatIndex(2)
    calls = [
        lambda: anear.open(tmp_path / LONE),
        lambda: store.create_collection(LONE),
        lambda: store.create_collection("c", {LONE: anear.Vector(2)}),
        lambda: store.create_collection("c", None, {LONE: anear.String()}),
        lambda: store.create_collection("c", {"v": anear.Vector(2, metric=LONE)}),
        lambda: store.collection(LONE),
        lambda: store.drop_collection(LONE),
        lambda: docs.search(ROWS[0], vector=LONE),
        lambda: docs.upsert("c", ROWS[2], {"section": LONE}),
        lambda: docs.upsert(LONE, ROWS[2]),
        lambda: index.save(tmp_path / LONE),
        lambda: index.load(tmp_path / LONE),
    ]
    for number, call in enumerate(calls):
        with pytest.raises(anear.Error):
            call()
            pytest.fail(f"call {number}")
    with anear.open("m", in_memory=True) as store:
        plain = store.create_collection("c", None, {"j": anear.Json()})
        for value in ({"x": LONE}, {LONE: 1}, LONE):
            with pytest.raises(Bad):
                plain.upsert("a", fields={"j": value})


def test_numbers_beyond_all_bounds_are_refused_with_the_bound(docs):
    with pytest.raises(Bad, match="from 0 to 18446744073709551615, got 18446744073709551616"):
        docs.store.create_collection("c", {"v": anear.Vector(2, index=anear.Hnsw(seed=2**64))})
    with pytest.raises(Bad, match="recall"):
        docs.search(ROWS[0], recall=10**400)
    with pytest.raises(Bad, match="of record 0: expected 8 numbers"):
        docs.upsert(["p", "q"], [np.array(1.0), np.array(2.0)])
    index = anear.FlatIndex(1, metric="l2")
    index.add(np.ones((2, 1), np.float32))
    with pytest.raises(anear.LimitExceededError, match="ask in parts"):
        index.search(np.broadcast_to(np.ones((1, 1), np.float32), (2**60, 1)), 16)
    with pytest.raises(Bad, match="progress"):
        index.add(np.ones((2, 1), np.float32), progress=5)


def test_each_record_may_be_any_mapping(docs):
    import types

    docs.upsert(["c", "d"], ROWS[1:], [types.MappingProxyType({"section": "m"}), {"section": "n"}])
    assert docs.get("c").fields["section"] == "m"
