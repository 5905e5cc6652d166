"""The store from Python: what is written is read, found and kept, against plain dicts and numpy."""

from __future__ import annotations

import json
import pathlib
import pickle
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import anear
import numpy as np
import pytest
from programs import ENVIRONMENT, PACKAGE

SEED = 11
DATA = pathlib.Path(__file__).resolve().parents[3] / "bench" / "data"

ROWS = np.random.default_rng(SEED).normal(size=(600, 16)).astype(np.float32)
MORNING = datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=timezone.utc)


@pytest.fixture
def store(tmp_path):
    with anear.open(tmp_path / "s.anear") as opened:
        yield opened


@pytest.fixture
def docs(store):
    return store.create_collection(
        "docs",
        vectors={"embedding": anear.Vector(16)},
        fields={"section": anear.String(), "size": anear.Int64(), "tags": anear.StringList()},
        dynamic=True,
    )


def keys_of(count: int) -> list[str]:
    return [f"k{i:04}" for i in range(count)]


def fill(docs, count: int = 600) -> None:
    docs.upsert(
        keys_of(count),
        vectors={"embedding": ROWS[:count]},
        fields={
            "section": ["even" if i % 2 == 0 else "odd" for i in range(count)],
            "size": list(range(count)),
            "tags": [["all", f"t{i % 7}"] for i in range(count)],
        },
    )


def nearest(query: np.ndarray, rows: np.ndarray, k: int) -> list[int]:
    rows = rows.astype(np.float64)
    cosine = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    return list(np.argsort(-cosine)[:k])


def test_records_are_found_by_vector_filter_and_key(docs):
    fill(docs)
    hits = docs.search(ROWS[5], k=10, filter="section = $s and size < 400", params={"s": "odd"}, recall=1)
    odd = [i for i in range(400) if i % 2]
    assert hits.keys == [f"k{odd[j]:04}" for j in nearest(ROWS[5], ROWS[odd], 10)]
    assert hits[0].key == "k0005" and hits[0].distance == pytest.approx(0, abs=1e-6)
    assert hits[0].fields == {"section": "odd", "size": 5, "tags": ["all", "t5"]}
    assert list(hits.distances) == sorted(hits.distances)
    assert docs.search(key="k0005", k=600).keys.count("k0005") == 0
    assert docs.search(key="k0005", k=1, recall=1).keys == [f"k{nearest(ROWS[5], ROWS, 2)[1]:04}"]


def test_batches_answer_a_row_a_query(docs):
    fill(docs, 30)
    many = docs.search_batch(ROWS[:7], k=40, threads=2)
    assert len(many) == 7 and many.k == 40 and many.distances.shape == (7, 40)
    assert [row[0] for row in many.keys] == keys_of(7) and list(many.found) == [30] * 7
    assert np.isinf(many.distances[:, 30:]).all() and np.isfinite(many.distances[:, :30]).all()
    assert "7 queries" in repr(many) and many.keys is many.keys


def test_hits_are_a_sequence(docs):
    import collections.abc

    fill(docs)
    hits = docs.search(ROWS[0], k=5, explain=True)
    assert isinstance(hits, collections.abc.Sequence) and len(hits) == 5
    assert [hit.key for hit in hits] == hits.keys == [hit.key for hit in hits[:]] and hits[-1].key == hits.keys[4]
    assert [hit.key for hit in hits[1:3]] == hits.keys[1:3] and [h.key for h in reversed(hits)] == hits.keys[::-1]
    with pytest.raises(IndexError):
        hits[5]
    assert hits.explain["plan"] and hits.explain["matches"] == 600 and docs.search(ROWS[0]).explain is None
    assert repr(hits[0]).startswith("Hit(key='k0000', distance=") and repr(hits).startswith("Hits([Hit(")
    first = hits[0]
    del hits
    assert first.key == "k0000" and first.score == -first.distance and 0 <= first.relevance <= 1
    assert docs.search(ROWS[0], k=1, fields=False)[0].fields == {}
    assert docs.search(ROWS[0], k=1, fields=["size"])[0].fields == {"size": 0}
    assert docs.search(ROWS[0], k=1, fields=["colour"])[0].fields == {}  # A dynamic collection may have it.


def test_every_kind_of_value_comes_back_as_it_went_in(docs):
    values = {
        "flag": True,
        "whole": -(2**63),
        "fraction": 0.1,
        "words": "größe 🙂",
        "moment": MORNING,
        "flags": [True, False],
        "wholes": [1, 2**62],
        "fractions": [1.5, 2.0],
        "texts": ["a", ""],
        "moments": [MORNING, MORNING + timedelta(days=1)],
        "nothing": None,
        "document": {"a": [1, {"b": None}], "ü": 1.5},
        "mixed": [1, "two", None],
        "nested": [[1], [2]],
    }
    docs.upsert("one", ROWS[0], fields={**values, "absent": anear.MISSING})
    assert docs.get("one").fields == values
    # What numpy, sets and other zones make of the same values.
    tokyo = timezone(timedelta(hours=9))
    docs.upsert(
        "two",
        ROWS[0],
        fields={
            "whole": np.int32(7),
            "fraction": np.float32(0.5),
            "flag": np.bool_(True),
            "wholes": np.arange(3),
            "mixed numbers": [1, 2.5],
            "moment": MORNING.astimezone(tokyo),
            "set": {"x"},
            "document": {"array": np.arange(2)},
            "large": [2**60, 0.5],
        },
    )
    assert docs.get("two").fields == {
        "whole": 7,
        "fraction": 0.5,
        "flag": True,
        "wholes": [0, 1, 2],
        "mixed numbers": [1.0, 2.5],
        "moment": MORNING,
        "set": ["x"],
        "document": {"array": [0, 1]},
        "large": [2.0**60, 0.5],
    }
    with pytest.raises(anear.InvalidArgumentError, match=str(2**53 + 1)):
        docs.upsert("three", ROWS[0], fields={"fractions": [2**53 + 1, 0.5]})
    latest = datetime.max.replace(tzinfo=timezone.utc)
    docs.upsert("four", ROWS[0], fields={"moments": [datetime.min.replace(tzinfo=tokyo) + timedelta(hours=9), latest]})
    assert docs.get("four").fields["moments"] == [datetime.min.replace(tzinfo=timezone.utc), latest]


@pytest.mark.parametrize(
    "values",
    [
        [3, "x"],
        [2**53 + 1, 1.0],
        [5e-324, 5, 2**63 - 1],
        [True, "x", 0.5, MORNING],
        [],
        (7,),
        {"x"},
        np.arange(3),
        np.array([0.5, 2.0**53]),
    ],
)
def test_a_list_parameter_is_the_literal_list_of_its_values(docs, values):
    stored = [3, "x", 2**53, 2**53 + 1, 1, 1.0, 0.5, 5e-324, 5, 2**63 - 1, -(2**63), 2.0**63, True, False, MORNING, 7, None]
    docs.upsert(keys_of(len(stored)), [ROWS[0]] * len(stored), fields={"u": stored})
    for negation in ("", "not "):
        literal = f"u {negation}in ({', '.join(literal_of(value) for value in values)})"
        expected = [record.key for record in docs.scan(literal)]
        assert [record.key for record in docs.scan(f"u {negation}in $l", {"l": values})] == expected
    # Python compares numbers exactly too, but takes True for the number 1.
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    wanted = [(isinstance(value, bool), value) for value in plain]
    assert docs.count("u in $l", {"l": values}) == sum((isinstance(value, bool), value) in wanted for value in stored)


def literal_of(value) -> str:
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat()}'"
    return repr(value).lower() if isinstance(value, bool) else repr(value.item() if isinstance(value, np.generic) else value)


def test_declared_json_takes_any_document_and_float_takes_whole_numbers(store):
    notes = store.create_collection("notes", fields={"about": anear.Json, "weight": anear.Float64(), "at": anear.Timestamp()})
    documents = [{"a": 1}, [1, "x"], "text", 3, True, None]
    notes.upsert(keys_of(6), fields={"about": documents, "weight": [1, 2.5, 0, None, anear.MISSING, 3], "at": [MORNING] * 6})
    assert [r.fields["about"] for r in notes.scan()] == documents
    assert [r.fields.get("weight", "missing") for r in notes.scan()] == [1.0, 2.5, 0.0, None, "missing", 3.0]
    assert notes.count("at >= $t", {"t": MORNING}) == 6 and notes.count("at > $t", {"t": MORNING}) == 0


WRITE_MOMENTS = r"""
#include <anear.h>
int main(int argc, char** argv) {
  const int64_t list[] = {INT64_MIN, 0};
  const anear_text key = {"far", 3};
  anear_value moments = anear_value_of(ANEAR_TYPE_TIMESTAMP_LIST);
  moments.as.list.data = list;
  moments.as.list.size = 2;
  const anear_value moment = anear_timestamp(INT64_MAX);
  const anear_field_column fields[] = {{"moment", &moment}, {"moments", &moments}};
  anear_batch batch = ANEAR_BATCH_INIT;
  batch.count = 1;
  batch.keys = &key;
  batch.fields = fields;
  batch.field_count = 2;
  anear_store* store = NULL;
  anear_collection* docs = NULL;
  int32_t code = anear_store_open(argv[argc - 1], NULL, &store, NULL);
  if (code == 0) code = anear_collection_open(store, "docs", &docs, NULL);
  if (code == 0) code = anear_collection_upsert(docs, &batch, NULL, NULL);
  anear_collection_free(docs);
  anear_store_free(store);
  return code;
}
"""


@pytest.mark.skipif(not (PACKAGE.parent / "libanear.so").exists(), reason="no C library was built beside the package")
def test_a_timestamp_that_only_c_can_write_is_read_as_its_integer(tmp_path):
    with anear.open(tmp_path / "s") as store:
        store.create_collection("docs", fields={"moment": anear.Timestamp(), "moments": anear.TimestampList()})
    (tmp_path / "write.c").write_text(WRITE_MOMENTS)
    include = pathlib.Path(__file__).resolve().parents[3] / "bindings" / "c" / "include"
    library = PACKAGE.parent
    subprocess.run(
        ["cc", "write.c", "-o", "write", f"-I{include}", f"-L{library}", "-lanear", f"-Wl,-rpath,{library}"],
        cwd=tmp_path,
        check=True,
    )
    subprocess.run([tmp_path / "write", tmp_path / "s"], check=True)
    with anear.open(tmp_path / "s") as store:
        docs = store["docs"]
        expected = {"moment": 2**63 - 1, "moments": [-(2**63), datetime(1970, 1, 1, tzinfo=timezone.utc)]}
        assert docs.get("far").fields == expected and [r.fields for r in docs.scan()] == [expected]
        # It is not taken back as a moment by mistake.
        with pytest.raises(anear.InvalidArgumentError, match="int64"):
            docs.update("far", fields={"moment": docs.get("far").fields["moment"]})


def test_null_and_missing_are_two_states(docs):
    docs.upsert(keys_of(3), ROWS[:3], fields={"section": ["x", None, anear.MISSING]})
    assert [docs.count(f"section is {state}") for state in ("null", "missing")] == [1, 1] and docs.count("exists(section)") == 1
    docs.update(keys_of(3), fields={"section": [None, anear.MISSING, "y"]})
    assert [r.fields.get("section", "missing") for r in docs.scan()] == [None, None, "y"]


def test_one_record_needs_no_lists(docs):
    sequence = docs.upsert("vim", ROWS[0], fields={"section": "editors", "tags": ["a", "b"]}, payloads="Vi IMproved")
    record = docs.get("vim")
    assert record.key == "vim" and record.fields == {"section": "editors", "tags": ["a", "b"]}
    assert record.text == "Vi IMproved" and record.payload == b"Vi IMproved" and record.sequence == sequence
    assert abs(record.updated - datetime.now(timezone.utc)) < timedelta(minutes=1)
    docs.update("vim", {"embedding": list(map(float, ROWS[1]))}, payloads=b"\xff", expected=sequence)
    assert docs.get("vim").payload == b"\xff" and docs.get("vim").fields["section"] == "editors"
    with pytest.raises(UnicodeDecodeError):
        docs.get("vim").text
    assert np.array_equal(docs.get("vim", with_vectors=True).vectors["embedding"], ROWS[1])
    assert docs.get("nano") is None and docs.delete("vim") == 1 and docs.get("vim") is None
    assert "Record(key='x'" in repr((docs.upsert("x", ROWS[0]), docs.get("x"))[1])


def test_upsert_replaces_and_update_merges(docs):
    docs.upsert("a", ROWS[0], fields={"section": "x", "size": 1}, payloads="p")
    docs.update("a", fields={"size": 2})
    assert docs.get("a").fields == {"section": "x", "size": 2} and docs.get("a").text == "p"
    docs.upsert("a", ROWS[0], fields={"size": 3})
    assert docs.get("a").fields == {"size": 3} and docs.get("a").payload == b""
    with pytest.raises(anear.NotFoundError) as caught:
        docs.update(["a", "b"], fields={"size": [4, 5]})
    assert "'b'" in str(caught.value) and docs.get("a").fields == {"size": 3}


def test_fields_come_as_columns_or_as_dicts(docs):
    docs.upsert(["a", "b"], ROWS[:2], fields=[{"size": 1}, {"section": "s"}])
    assert [r.fields for r in docs.get(["a", "b"])] == [{"size": 1}, {"section": "s"}]
    assert docs.upsert([], []) >= 0 and len(docs) == 2


def test_a_record_may_have_no_vector(docs):
    docs.upsert(keys_of(3), [ROWS[0], None, list(ROWS[2])])
    docs.upsert("none at all")
    assert sorted(docs.search(ROWS[0], k=10).keys) == ["k0000", "k0002"] and len(docs) == 4
    docs.upsert(keys_of(2), {"embedding": [None, None]})
    assert docs.search(ROWS[0], k=10).keys == ["k0002"]


def test_several_named_vectors_are_searched_by_name(store):
    both = store.create_collection("both", {"a": anear.Vector(16), "b": anear.Vector(4, "l2", anear.Flat(), "f16")})
    both.upsert(keys_of(9), {"a": ROWS[:9], "b": ROWS[:9, :4].astype(np.float16)})
    assert both.search(ROWS[3], k=1, vector="a").keys == both.search(ROWS[3, :4], k=1, vector="b").keys == ["k0003"]
    assert both.get("k0000", with_vectors=True).vectors["b"].dtype == np.float16
    for call, advice in (
        (lambda: both.search(ROWS[3]), "say which one by vector="),
        (lambda: both.upsert("x", ROWS[0]), "pass a dict of name and matrix"),
        (lambda: both.search(ROWS[3], vector="c"), "the collection has 'a', 'b'"),
    ):
        with pytest.raises(anear.InvalidArgumentError, match=advice) as caught:
            call()
        assert caught.value.subcode == 6


def test_scan_len_in_and_count_agree_with_a_dict(docs):
    fill(docs, 50)
    docs.delete(keys_of(10))
    expected = keys_of(50)[10:]
    assert [record.key for record in docs.scan(page=7)] == expected and len(docs) == docs.count() == 40
    assert "k0010" in docs and "k0000" not in docs and 5 not in docs
    assert docs and docs.store.create_collection("empty") and len(docs.store["empty"]) == 0
    odd = [key for key in expected if int(key[1:]) % 2]
    assert [r.key for r in docs.scan("section = $s", {"s": "odd"}, page=3)] == odd
    assert docs.count("'t3' in tags") == sum(int(key[1:]) % 7 == 3 for key in expected)
    assert docs.delete(filter="size >= $n", params={"n": 30}) == 20 and len(docs) == 20
    assert docs.get(["k0029", "k0030"])[1] is None


def test_expected_sequences_guard_a_read_and_write(docs):
    first = docs.upsert("a", ROWS[0], expected=0)
    assert docs.get("a").sequence == first
    docs.upsert(["a", "b"], ROWS[:2], expected=[first, 0])
    with pytest.raises(anear.ConflictError) as caught:
        docs.upsert(["c", "a"], ROWS[:2], expected=[0, first])
    assert caught.value.record == 1 and caught.value.code == 4 and "c" not in docs


def test_collections_are_made_listed_described_and_dropped(store):
    assert store.collections() == [] and "no collections" in repr(store)
    schema = dict(
        vectors={"v": anear.Vector(8, "ip", anear.Hnsw(links=24, codes="f32", seed=2**63 + 5), "f16"), "w": anear.Vector(3, index=anear.Flat())},
        fields={"s": anear.String(), "t": anear.TimestampList(), "j": anear.Json()},
        dynamic=True,
    )
    docs = store.create_collection("docs", **schema)
    assert dict(docs.schema) == schema and docs.schema.vectors["v"].index.links == 24
    copy = store.create_collection("copy", **docs.schema)
    assert copy.schema == docs.schema and store.collections() == ["copy", "docs"] == list(store)
    assert "docs" in store and store["docs"].name == "docs" and docs.store is store
    assert repr(docs) == "<anear.Collection 'docs': 0 records>" and "copy, docs" in repr(store)
    with pytest.raises(anear.AlreadyExistsError):
        store.create_collection("docs")
    assert store.create_collection("docs", exist_ok=True).schema == docs.schema
    store.drop_collection("copy")
    assert store.collections() == ["docs"]
    for call in (lambda: store.collection("copy"), lambda: copy.count(), lambda: store.drop_collection("copy")):
        with pytest.raises(anear.NotFoundError):
            call()
    assert "not readable" in repr(copy)


@pytest.mark.parametrize("given, kept", [("int8", "i8"), ("float16", "f16"), ("float32", "f32")])
def test_numpys_names_of_number_types_are_understood_and_ours_are_kept(store, given, kept):
    rows = given if given != "int8" else "float32"
    made = store.create_collection("docs", anear.Vector(8, dtype=rows, index=anear.Hnsw(codes=given)))
    vector = made.schema.vectors["vector"]
    assert (vector.index.codes, vector.dtype) == (kept, "f16" if given == "float16" else "f32")
    made.upsert("a", np.ones(8))
    assert made.search(np.ones(8)).keys == ["a"]


def test_everything_is_there_after_reopening(tmp_path):
    with anear.open(tmp_path / "s") as store:
        docs = store.create_collection("docs", {"embedding": anear.Vector(16)}, dynamic=True)
        fill(docs)
        docs.flush()
        assert docs.stats()["tail_records"] == 0 and docs.stats()["records"] == 600
        docs.upsert("late", ROWS[7], payloads="after the flush")
        before = docs.search(ROWS[7], k=5, recall=1).keys
    with anear.open(tmp_path / "s", create=False) as store:
        docs = store.collection("docs")
        assert store.recovery["clean"] and len(docs) == 601
        assert docs.search(ROWS[7], k=5, recall=1).keys == before and docs.get("late").text == "after the flush"
        assert store.verify()["records"] == 601
    with anear.open(tmp_path / "s", read_only=True) as store:
        assert len(store["docs"]) == 601
        with pytest.raises(anear.ReadOnlyError):
            store["docs"].upsert("x", ROWS[0])


def test_a_reader_follows_its_writer_when_asked(docs, store):
    fill(docs, 100)
    with anear.open(store.path, read_only=True) as reader:
        seen = reader["docs"]
        then = seen.pinned()
        fill(docs, 200)
        other = store.create_collection("other", vectors={"v": anear.Vector(2)})
        other.upsert("a", [1.0, 2.0])
        assert len(seen) == 100 and "other" not in reader
        assert reader.refresh() == store.refresh() == docs.stats()["last_sequence"] + 2
        assert len(seen) == 200 and len(then) == 100 and len(reader["other"]) == 1
        assert seen.search(ROWS[150], k=1).keys == ["k0150"]
        with pytest.raises(anear.ReadOnlyError):
            then.upsert("x", ROWS[0])
        store.drop_collection("other")
        gone = reader["other"]
        reader.refresh()
        with pytest.raises(anear.NotFoundError):
            len(gone)
    with pytest.raises(anear.ClosedError):
        reader.refresh()


def test_pages_of_a_pinned_handle_are_of_one_state(docs, store):
    fill(docs, 300)
    with anear.open(store.path, read_only=True) as reader:
        expected = [(record.key, record.sequence) for record in reader["docs"].scan()]
        seen = []
        for record in reader["docs"].pinned().scan(page=50):
            if len(seen) % 50 == 0:
                fill(docs, 310)
                docs.flush()
                reader.refresh()
            seen.append((record.key, record.sequence))
        assert seen == expected
        assert len(reader["docs"]) == 310


def test_a_pinned_handle_is_taken_back_when_its_time_is_over(tmp_path):
    with anear.open(tmp_path / "s", pinned_seconds_max=1, index_inline=True) as store:
        docs = store.create_collection("docs", vectors={"v": anear.Vector(2)})
        docs.upsert("a", [1.0, 2.0])
        then = docs.pinned()
        time.sleep(1.1)
        docs.upsert("b", [2.0, 1.0])
        with pytest.raises(anear.SnapshotExpiredError, match="pin it again"):
            len(then)
        assert len(docs.pinned()) == 2
    with pytest.raises(anear.InvalidArgumentError, match="pinned_seconds_max"):
        anear.open(tmp_path / "s", pinned_seconds_max=-1)


def test_a_reader_can_follow_by_itself(docs, store):
    for wrong in (-1, float("nan"), 1e9, "often"):
        with pytest.raises(anear.InvalidArgumentError, match="follow"):
            anear.open(store.path, read_only=True, follow=wrong)
    with anear.open(store.path, read_only=True, follow=0.005) as reader:
        fill(docs, 100)
        while len(reader["docs"]) != 100:
            time.sleep(0.001)


def test_a_program_that_forgets_to_close_loses_nothing(tmp_path):
    script = (
        "import anear, sys\n"
        "docs = anear.open(sys.argv[1]).create_collection('docs', anear.Vector(2))\n"
        "docs.upsert('a', [1.0, 2.0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "s")],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == ""
    with anear.open(tmp_path / "s") as store:
        assert store.recovery["clean"] and store["docs"].get("a") is not None


def test_a_closed_store_says_so(tmp_path):
    store = anear.open(tmp_path / "s")
    docs = store.create_collection("docs", anear.Vector(2))
    store.close()
    store.close()
    for call in (docs.count, docs.flush, store.collections, store.flush, lambda: docs.search([1, 2])):
        with pytest.raises(anear.ClosedError):
            call()
    assert "closed" in repr(store)


def test_a_store_in_memory_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with anear.open("scratch", in_memory=True) as store:
        store.create_collection("docs", anear.Vector(2)).upsert("a", [1.0, 2.0])
        assert store["docs"].search([1.0, 2.0]).keys == ["a"]
    assert list(tmp_path.iterdir()) == []


def test_errors_survive_pickling():
    error = anear.FilterError("bad", subcode=10, position=4)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is anear.FilterError and (again.code, again.subcode, again.position) == (5, 10, 4)
    assert pickle.loads(pickle.dumps(anear.MISSING)) is anear.MISSING


# Recall on the bundled data; the oracle is numpy and gt.npy, which was made apart from this code.


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    records = [json.loads(line) for line in (DATA / "records.jsonl").open()]
    base = np.load(DATA / "base_f16.npy")
    with anear.open(tmp_path_factory.mktemp("recall") / "s", durability="buffered", tail_records_max=20_000) as store:
        docs = store.create_collection(
            "docs",
            vectors={"embedding": anear.Vector(384, dtype="f16")},
            fields={"section": anear.String(), "installed_size": anear.Int64(), "tags": anear.StringList()},
        )
        columns = {name: [r[name] for r in records] for name in ("section", "installed_size", "tags")}
        docs.upsert([r["name"] for r in records], {"embedding": base}, columns)
        yield docs, records, base


FILTERS = {
    "installed_size < 400": lambda r: r["installed_size"] < 400,
    "section = 'python'": lambda r: r["section"] == "python",
    "'role::program' in tags and installed_size >= 1000": lambda r: "role::program" in r["tags"] and r["installed_size"] >= 1000,
    "section = 'editors' or section = 'sound'": lambda r: r["section"] in ("editors", "sound"),
}


def share_found(docs, records, queries, allowed, truth, target, filter) -> float:
    numbers = {record["name"]: i for i, record in enumerate(records)}
    many = docs.search_batch(queries, k=10, recall=target, filter=filter, threads=0)
    shared = 0
    for row, exact in zip(many.keys, truth):
        found = {numbers[key] for key in row}
        assert len(found) == min(10, int(allowed.sum())) and all(allowed[list(found)])
        shared += len(found & set(exact))
    return shared / sum(len(exact) for exact in truth)


def exact_rows(base, queries, allowed):
    rows = np.flatnonzero(allowed)
    unit = base[rows].astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return [rows[np.argsort(-(unit @ query.astype(np.float32)), kind="stable")[:10]] for query in queries]


@pytest.mark.parametrize("state", ["written", "flushed"])  # In this order: the second one flushes.
def test_the_recall_asked_for_is_found_with_and_without_filters(packages, state):
    docs, records, base = packages
    queries = np.load(DATA / "queries_f16.npy")
    if state == "flushed":
        docs.flush()
        assert docs.stats()["tail_records"] == 0
    everything = np.ones(len(records), dtype=bool)
    truth = np.load(DATA / "gt.npy")[:, :10]
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact_rows(base, queries, everything), truth)]) > 0.999
    # No allowance: the data is fixed, and as many records as these are indexed by one thread, in one order.
    for target in (0.90, 0.95, 0.99):
        assert share_found(docs, records, queries, everything, truth, target, None) >= target
    for filter, passes in FILTERS.items():
        allowed = np.array([passes(record) for record in records])
        assert docs.count(filter) == allowed.sum() > 20
        truth = exact_rows(base, queries, allowed)
        for target in (0.90, 0.95, 0.99):
            share = share_found(docs, records, queries, allowed, truth, target, filter)
            assert share >= target, (filter, target, share)


def test_inverted_lists_are_trained_by_the_store_and_there_again_after_reopen(tmp_path):
    random = np.random.default_rng(SEED)
    centres = random.normal(size=(60, 16))
    rows = (centres[random.integers(60, size=11_000)] + 0.7 * random.normal(size=(11_000, 16))).astype(np.float32)
    queries = (centres[random.integers(60, size=50)] + 0.7 * random.normal(size=(50, 16))).astype(np.float32)
    keys = [f"k{i}" for i in range(len(rows))]
    index = anear.IvfPq(lists=80, subspaces=8, iterations=3)

    def share_found(docs, **options) -> float:
        small = [i for i in range(len(rows)) if not options or i < 6_000]
        found = 0
        for query in queries:
            hits = docs.search(query, k=10, recall=0.95, explain=True, **options)
            assert len(hits) == 10
            assert hits.explain["plan"] == ("filtered inverted lists" if options else "inverted lists")
            found += len({hit.key for hit in hits} & {f"k{small[i]}" for i in nearest(query, rows[small], 10)})
        return found / (10 * len(queries))

    with anear.open(tmp_path / "s.anear") as store:
        docs = store.create_collection(
            "docs", vectors={"embedding": anear.Vector(16, index=index)}, fields={"size": anear.Int64()}
        )
        docs.upsert(keys[:500], vectors={"embedding": rows[:500]}, fields={"size": list(range(500))})
        docs.flush()
        assert docs.search(rows[0], explain=True).explain["plan"] == "flat scan"
        docs.upsert(keys[500:], vectors={"embedding": rows[500:]}, fields={"size": list(range(500, len(rows)))})
        docs.flush()
        assert share_found(docs) >= 0.94
        assert share_found(docs, filter="size < 6000") >= 0.94
    with anear.open(tmp_path / "s.anear", read_only=True) as store:
        docs = store.collection("docs")
        assert docs.schema.vectors["embedding"].index == index
        assert share_found(docs) >= 0.94
        store.verify()
