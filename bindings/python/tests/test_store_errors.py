"""Bad input and damaged directories: typed errors that name what was wrong, and nothing changed by them."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from datetime import date, datetime, timedelta, timezone

import anear
import numpy as np
import pytest
from programs import ENVIRONMENT

SEED = 12

ROWS = np.random.default_rng(SEED).normal(size=(400, 8)).astype(np.float32)
Bad = anear.InvalidArgumentError


@pytest.fixture
def docs(tmp_path):
    with anear.open(tmp_path / "s") as store:
        made = store.create_collection(
            "docs",
            {"embedding": anear.Vector(8)},
            {
                "section": anear.String(),
                "size": anear.Int64(),
                "at": anear.Timestamp(),
                "tags": anear.StringList(),
                "ratio": anear.Float64(),
                "ratios": anear.Float64List(),
            },
        )
        made.upsert(["a", "b"], ROWS[:2], {"section": ["x", "y"], "size": [1, 2]})
        yield made


def rows(count: int, at: int | None = None, value: float = 0.0, whole: bool = False) -> np.ndarray:
    made = ROWS[:count].copy()
    if at is not None:
        made[at, slice(None) if whole else 3] = value
    return made


KEYS = ["p", "q", "r"]
# Local times that are no datetimes in UTC.
LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-5)))
EARLIEST = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
# What is written, the class, the subcode, the record, and words that the message has.
WRITES = {
    "wrong dimension": ((KEYS, ROWS[:3, :7]), Bad, 1, None, ["(3, 8)", "(3, 7)"]),
    "one short row": ((KEYS, [[1.0] * 8, [1.0] * 7, [1.0] * 8]), Bad, 1, 1, ["8", "7"]),
    "too few rows": ((KEYS, ROWS[:2]), Bad, 14, None, ["(3, 8)", "(2, 8)"]),
    "one row for three keys": ((KEYS, ROWS[0]), Bad, 14, None, ["(3, 8)", "(8,)"]),
    "three axes": ((KEYS, np.zeros((3, 2, 4))), Bad, 1, None, ["(3, 2, 4)"]),
    "nan": ((KEYS, rows(3, 1, np.nan)), Bad, 2, 1, ["'q'"]),
    "infinity": ((KEYS, rows(3, 2, np.inf)), Bad, 2, 2, ["'r'"]),
    "beyond float32": ((KEYS, rows(3).astype(np.float64) * [[1], [1e300], [1]]), Bad, 2, 1, ["'q'"]),
    "zero under cosine": ((KEYS, rows(3, 2, 0.0, whole=True)), Bad, 3, 2, ["'r'", "cosine"]),
    "words as vectors": ((KEYS, [["a"] * 8] * 3), Bad, 4, None, ["numbers"]),
    "complex numbers": ((KEYS, ROWS[:3].astype(np.complex64)), Bad, 4, None, ["complex64"]),
    "objects": ((KEYS, ROWS[:3].astype(object)), Bad, 4, None, ["object"]),
    "an unknown vector": ((KEYS, {"title": ROWS[:3]}), Bad, 6, None, ["'title'", "'embedding'"]),
    "a string for an int": ((KEYS, ROWS[:3], {"size": [1, "2", 3]}), Bad, 4, 1, ["'size'", "int64", "string"]),
    "an int for a string": ((KEYS, ROWS[:3], {"section": ["s", "s", 3]}), Bad, 4, 2, ["'section'", "int64"]),
    "a list for a string": ((KEYS, ROWS[:3], {"section": ["s", ["s"], "s"]}), Bad, 4, 1, ["'section'", "list"]),
    "an int in a string list": ((KEYS, ROWS[:3], {"tags": [["a"], ["a", 1], []]}), Bad, 4, 1, ["'tags'", "int"]),
    "an unknown field": ((KEYS, ROWS[:3], {"size": [1, 2, 3], "colour": [1, 2, 3]}), Bad, 5, 0, ["'colour'", "dynamic"]),
    "an unknown field of one record": ((KEYS, ROWS[:3], [{}, {"size": 1}, {"colour": 1}]), Bad, 5, 2, ["'colour'", "'r'"]),
    "a masked number": ((KEYS, np.ma.masked_array(ROWS[:3], ROWS[:3] > 1)), Bad, 4, None, ["masked"]),
    "too few values": ((KEYS, ROWS[:3], {"size": [1, 2]}), Bad, 14, None, ["'size'", "2", "3"]),
    "a value that is no list": ((KEYS, ROWS[:3], {"size": 7}), Bad, 4, None, ["'size'", "int"]),
    "a string instead of a list": ((KEYS, ROWS[:3], {"section": "abc"}), Bad, 4, None, ["'section'", "str"]),
    "an int of 65 bits": ((KEYS, ROWS[:3], {"size": [1, 2**64, 3]}), Bad, 4, 1, [str(2**64)]),
    "a naive datetime": ((KEYS, ROWS[:3], {"at": [None, None, datetime(2026, 1, 1)]}), Bad, 4, 2, ["time zone"]),
    "a date": ((KEYS, ROWS[:3], {"at": [date(2026, 1, 1), None, None]}), Bad, 4, 0, ["date"]),
    "numpy's datetime": ((KEYS, ROWS[:3], {"at": np.array(["2026-01-01"] * 3, "M8[us]")}), Bad, 4, 0, ["time zone"]),
    "beyond the year 9999 in UTC": ((KEYS, ROWS[:3], {"at": [None, LATEST, None]}), Bad, 4, 1, ["'at'", "9999-12-31", "years"]),
    "before the year 1 in UTC": ((KEYS, ROWS[:3], {"at": [None, None, EARLIEST]}), Bad, 4, 2, ["'at'", "0001-01-01", "years"]),
    "an int that no float is": ((KEYS, ROWS[:3], {"ratios": [[1], [2**53 + 1], []]}), Bad, 4, 1, ["'ratios'", str(2**53 + 1)]),
    "ints that no float is": ((KEYS, ROWS[:3], {"ratios": [[0.5, 2**63 - 1], [], []]}), Bad, 4, 0, ["'ratios'", str(2**63 - 1)]),
    "an int for a float": ((KEYS, ROWS[:3], {"ratio": [1, 0.5, -(2**53) - 1]}), Bad, 4, 2, ["'ratio'", str(-(2**53) - 1)]),
    "a file object": ((KEYS, ROWS[:3], {"section": ["s", sys.stderr, "s"]}), Bad, 4, 1, ["not supported"]),
    "a lone surrogate": ((["p", "\ud800", "r"], ROWS[:3]), Bad, 7, 1, ["UTF-8"]),
    "a key of 1,025 bytes": ((["p", "ü" * 512 + "x", "r"], ROWS[:3]), Bad, 7, 1, ["1025", "1024"]),
    "an empty key": ((["p", "", "r"], ROWS[:3]), Bad, 7, 1, ["empty"]),
    "a key twice": ((["p", "q", "p"], ROWS[:3]), Bad, 8, 2, ["'p'", "twice"]),
    "an int as a key": ((["p", 5, "r"], ROWS[:3]), Bad, 4, 1, ["string", "int"]),
    "bytes as keys": ((b"pqr", ROWS[:3]), Bad, 4, None, ["list of strings", "bytes"]),
    "too few payloads": ((KEYS, ROWS[:3], None, ["p"]), Bad, 14, None, ["payloads", "1", "3"]),
    "a payload of another type": ((KEYS, ROWS[:3], None, ["p", 5, None]), Bad, 4, 1, ["bytes", "int"]),
    "a payload above 16 MiB": ((KEYS, ROWS[:3], None, ["p", b"x" * (2**24 + 1), None]), anear.LimitExceededError, 20, 1, ["16"]),
    "not JSON": ((KEYS, ROWS[:3], {"tags": [{"a": {1j}}, None, None]}), Bad, 4, 0, ["JSON"]),
    "dicts for too few keys": ((KEYS, ROWS[:3], [{"size": 1}]), Bad, 14, None, ["1", "3"]),
    "a field name that is no string": ((KEYS, ROWS[:3], {5: [1, 2, 3]}), Bad, 13, None, ["fields", "5"]),
    "a field name in dicts that is no string": ((KEYS, ROWS[:3], [{}, {None: 1}, {}]), Bad, 13, 1, ["fields", "None"]),
    "a field name of a record that is no string": (("p", ROWS[0], {5: 1}), Bad, 13, 0, ["fields", "5"]),
    "a field name that is not UTF-8": ((KEYS, ROWS[:3], {"\ud800": [1, 2, 3]}), Bad, 7, None, ["UTF-8"]),
    "a vector name that is no string": ((KEYS, {None: ROWS[:3]}), Bad, 13, None, ["vectors", "None"]),
    "a vector name of a record that is no string": (("p", {5: ROWS[0]}), Bad, 13, None, ["vectors", "5"]),
    "lists for a record": (("p", ROWS[0], [{"size": 1}, {}]), Bad, 4, None, ["dict"]),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_bad_write_is_refused_named_and_changes_nothing(docs, name):
    arguments, kind, subcode, record, words = WRITES[name]
    before = [(r.key, r.fields, r.sequence) for r in docs.scan()]
    for write in (docs.upsert, docs.update):
        with pytest.raises(kind) as caught:
            write(*arguments)
        error = caught.value
        assert type(error) is kind and error.code == kind.code and isinstance(error, anear.Error)
        assert (error.subcode, error.record) == (subcode, record), error
        for word in words:
            assert word in str(error), error
    assert [(r.key, r.fields, r.sequence) for r in docs.scan()] == before
    assert docs.store.verify()["records"] == 2


READS = {
    "k 0": (lambda d: d.search(ROWS[0], k=0), 9, ["0"]),
    "k above 10,000": (lambda d: d.search(ROWS[0], k=10_001), 9, ["10001", "10000"]),
    "k above 10,000 in a batch": (lambda d: d.search_batch(ROWS, k=10_001), 9, ["10001"]),
    "k below 0": (lambda d: d.search(ROWS[0], k=-1), 0, ["k", "-1", "1 to 10000"]),
    "k no number": (lambda d: d.search(ROWS[0], k="ten"), 4, ["'ten'"]),
    "k a float": (lambda d: d.search(ROWS[0], k=10.0), 4, ["10.0"]),
    "recall 0": (lambda d: d.search(ROWS[0], recall=0), 0, ["recall"]),
    "recall above 1": (lambda d: d.search(ROWS[0], recall=1.5), 0, ["1.5"]),
    "recall nan": (lambda d: d.search(ROWS[0], recall=float("nan")), 0, ["nan"]),
    "recall no number": (lambda d: d.search(ROWS[0], recall="high"), 4, ["'high'"]),
    "a query of another dimension": (lambda d: d.search(ROWS[0, :7]), 1, ["(8,)", "(7,)"]),
    "queries of another dimension": (lambda d: d.search_batch(ROWS[:3, :7]), 1, ["8", "(3, 7)"]),
    "two queries": (lambda d: d.search(ROWS[:2]), 14, ["(2, 8)", "search_batch"]),
    "no query": (lambda d: d.search(), 0, ["key="]),
    "query and key": (lambda d: d.search(ROWS[0], key="a"), 0, ["key="]),
    "words as a query": (lambda d: d.search("edit photos"), 4, ["edit photos", "key="]),
    "a nan query": (lambda d: d.search(rows(1, 0, np.nan)[0]), 2, ["query vector"]),
    "a zero query": (lambda d: d.search(np.zeros(8)), 3, ["query vector"]),
    "one bad query of a batch": (lambda d: d.search_batch(rows(4, 2, np.inf)), 2, ["row 2: query vector"]),
    "a filter that is no string": (lambda d: d.search(ROWS[0], filter=5), 4, ["int"]),
    "params without a filter": (lambda d: d.search(ROWS[0], params={"a": 1}), 12, ["filter"]),
    "params without a filter to count": (lambda d: d.count(params={"a": 1}), 12, ["filter"]),
    "params without a filter to scan": (lambda d: d.scan(params={"a": 1}), 12, ["filter"]),
    "params beside keys": (lambda d: d.delete(["a"], params={"a": 1}), 12, ["filter"]),
    "an unknown field of hits": (lambda d: d.search(ROWS[0], fields=["size", "colour"]), 5, ["'colour'", "'size'"]),
    "an unknown field of a record": (lambda d: d.get("a", fields=["colour"]), 5, ["'colour'", "'size'"]),
    "an unknown field of no record": (lambda d: d.get("nobody", fields=["colour"]), 5, ["'colour'"]),
    "an unknown field of a scan": (lambda d: d.scan(fields=["colour"]), 5, ["'colour'"]),
    "a name in params that is no string": (lambda d: d.count("size = $a", params={5: 1, "a": 1}), 13, ["params", "5"]),
    "a name in params of a deletion": (lambda d: d.delete(filter="size = 1", params={None: 1}), 13, ["params", "None"]),
    "expected that is no list": (lambda d: d.upsert(["a"], ROWS[:1], expected=5), 4, ["expected", "5"]),
    "params that are no dict": (lambda d: d.count("size = $a", params=[1]), 4, ["list"]),
    "an empty key": (lambda d: d.search(key=""), 7, ["empty"]),
    "a key that is no string": (lambda d: d.search(key=7), 4, ["int"]),
    "delete without anything": (lambda d: d.delete(), 0, ["filter="]),
    "delete with both": (lambda d: d.delete("a", filter="size = 1"), 0, ["filter="]),
    "delete with an empty filter": (lambda d: d.delete(filter=""), 0, ["drop"]),
}


@pytest.mark.parametrize("name", READS)
def test_a_bad_request_is_refused_and_says_why(docs, name):
    call, subcode, words = READS[name]
    with pytest.raises(Bad) as caught:
        call(docs)
    assert caught.value.subcode == subcode and caught.value.code == 1, caught.value
    for word in words:
        assert word in str(caught.value), caught.value
    assert len(docs) == 2
    if "batch" in name and "bad" in name:
        assert caught.value.record == 2


@pytest.mark.parametrize(
    "filter, params, position",
    [
        ("size <", None, 6),
        ("size = 'x'", None, 7),
        ("colour = 1", None, 0),
        ("size = $n", None, 7),
        ("size = $n", {"n": "x' or 1 = 1"}, 7),
        ("size = 1; drop", None, 8),
    ],
)
def test_a_bad_filter_is_a_filter_error_with_its_place(docs, filter, params, position):
    # A scan is refused where it is asked for, not where it is first read.
    for call in (docs.count, docs.scan, lambda f, p: docs.search(ROWS[0], filter=f, params=p)):
        with pytest.raises(anear.FilterError) as caught:
            call(filter, params)
        assert caught.value.code == 5 and caught.value.position == position, caught.value


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize(
    "value, words",
    [
        (range(3), "range"),
        (b"x", "bytes"),
        (date(2026, 1, 1), "date"),
        (datetime(2026, 1, 1), "time zone"),
        (LATEST, "years"),
        (2**63, str(2**63)),
        ("\ud800", "UTF-8"),
        (np.datetime64("2026-01-01"), "time zone"),
        ({"a": 1}, "json"),
        (None, "null"),
        (float("nan"), "finite"),
        ([1], "list"),
    ],
)
def test_a_parameter_of_a_type_that_filters_do_not_have_is_named(docs, value, words, as_list):
    if as_list:
        filter, value = "size in $wanted", [1, value]
    else:
        filter = "size = $wanted"
    for call in (docs.count, docs.scan, lambda f, p: docs.search(ROWS[0], filter=f, params=p)):
        with pytest.raises(anear.FilterError) as caught:
            call(filter, {"wanted": value})
        assert caught.value.subcode == 12, caught.value
        assert "$wanted" in str(caught.value) and words in str(caught.value), caught.value


def test_a_long_key_is_not_repeated_in_full(docs):
    with pytest.raises(anear.NotFoundError) as caught:
        docs.search(key="key" * 700)
    assert "'keykey" in str(caught.value) and len(str(caught.value)) < 200


def test_a_parameter_never_changes_the_shape_of_a_filter(docs):
    assert docs.count("section = $s", {"s": "x' or section = 'y"}) == 0


@pytest.mark.parametrize(
    "vectors, fields, words",
    [
        ({"v": anear.Vector(0)}, None, "dimension"),
        ({"v": anear.Vector(65_536)}, None, "65536"),
        ({"v": anear.Vector(-4)}, None, "'v': dimension: expected an integer from 1 to 65535, got -4"),
        ({"v": anear.Vector(4, index=anear.Hnsw(links=-1))}, None, "'v': links: expected an integer from 2 to 512, got -1"),
        ({"v": anear.Vector(4, index=anear.IvfPq(train_from=-1))}, None, "train_from: expected an integer from 1 to"),
        ({"v": anear.Vector(4, 5)}, None, "'v': metric: expected a string, got int"),  # type: ignore[arg-type]
        ({"v": anear.Vector(4, dtype=None)}, None, "'v': dtype: expected a string"),  # type: ignore[arg-type]
        ({"v": anear.Vector(4, dtype="int8")}, None, "rows are stored as f32 or f16"),
        ({"v": anear.Vector(4, index=anear.Hnsw(codes=np.int8))}, None, "'v': codes: expected a string"),  # type: ignore[arg-type]
        ({5: anear.Vector(4)}, None, "vectors: a name must be a string, got 5"),
        ({"v": anear.Vector(4.0)}, None, "4.0"),  # type: ignore[arg-type]
        ({"v": anear.Vector(4, "hamming")}, None, "'hamming'"),
        ({"v": anear.Vector(4, dtype="f64")}, None, "'f64'"),
        ({"v": anear.Vector(4, index=anear.Hnsw(links=1))}, None, "links"),
        ({"v": anear.Vector(4, index=anear.Hnsw(codes="i4"))}, None, "'i4'"),
        ({"v": anear.Vector(4, index="hnsw")}, None, "anear.Hnsw()"),  # type: ignore[arg-type]
        ({"v": 384}, None, "anear.Vector"),
        ([anear.Vector(4)], None, "dict"),
        ({"a b": anear.Vector(4)}, None, "'a b'"),
        (None, {"f": str}, "anear.String()"),
        (None, {"": anear.String()}, "empty"),
        (None, {7: anear.String()}, "7"),
    ],
)
def test_a_bad_schema_is_refused(docs, vectors, fields, words):
    with pytest.raises(Bad) as caught:
        docs.store.create_collection("other", vectors, fields)
    assert words in str(caught.value) and docs.store.collections() == ["docs"]


@pytest.mark.parametrize("fields", [{5: [1]}, {"note": [1], None: [1]}, [{b"note": 1}]])
def test_a_dynamic_collection_takes_no_name_that_is_no_string(docs, fields):
    loose = docs.store.create_collection("loose", anear.Vector(8), dynamic=True)
    for write in (loose.upsert, loose.update):
        with pytest.raises(Bad, match="fields: a name must be a string") as caught:
            write(["a"], ROWS[:1], fields)
        assert caught.value.subcode == 13 and len(loose) == 0


@pytest.mark.parametrize("path", [5, None, b"bytes"])
def test_a_path_that_is_none_is_refused(path):
    with pytest.raises(Bad, match="path: expected a string"):
        anear.open(path)


@pytest.mark.parametrize("name", ["", "x" * 129, "a/b", "..", "a\0b", 5, None])
def test_a_bad_name_is_refused(docs, name):
    with pytest.raises(Bad):
        docs.store.create_collection(name)


# numpy: what is converted (test_no_copies.py: what is read in place).


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m,
        lambda m: m.astype(np.float16),
        lambda m: m.astype(np.float64),
        lambda m: m.astype(np.longdouble),
        lambda m: m.astype(">f4"),
        lambda m: np.asfortranarray(m),
        lambda m: np.hstack([m, m])[:, :8],
        lambda m: np.repeat(m, 2, axis=0)[::2],
        lambda m: m[::-1][::-1],
        lambda m: np.ascontiguousarray(m[:, ::-1])[:, ::-1],
        lambda m: np.frombuffer(b"x" + m.tobytes(), np.uint8)[1:].view(np.float32).reshape(m.shape),
        lambda m: m.tolist(),
        lambda m: tuple(map(tuple, m)),
        lambda m: list(m),
        lambda m: (m * 100).astype(np.int8),
    ],
)
def test_every_layout_of_numbers_is_read_rightly(docs, change):
    given = change(ROWS[:50])
    keys = [f"n{i}" for i in range(50)]
    docs.upsert(keys, given)
    expected = np.asarray(given, dtype=np.float32)
    stored = np.stack([r.vectors["embedding"] for r in docs.get(keys, with_vectors=True)])
    assert np.array_equal(stored, expected)
    assert docs.search(given[7], k=1, filter="section is missing").keys == ["n7"]
    assert [row[0] for row in docs.search_batch(given, k=1, filter="section is missing").keys] == keys


# Directories.


def listing(directory: pathlib.Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def closed(tmp_path):
    path = tmp_path / "closed"
    with anear.open(path) as store:
        made = store.create_collection("docs", anear.Vector(8), {"n": anear.Int64()})
        made.upsert([f"k{i}" for i in range(400)], ROWS, {"n": list(range(400))}, payloads=["text"] * 400)
        made.flush()
    return path


def test_a_missing_store_is_not_made_when_that_was_not_asked_for(tmp_path):
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(anear.NotFoundError) as caught:
            anear.open(tmp_path / "none", **options)
        assert "none" in str(caught.value) and not (tmp_path / "none").exists()


def test_foreign_directories_and_files_are_refused_untouched(tmp_path):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("no directory")
    before = listing(tmp_path)
    with pytest.raises(anear.UnsupportedFormatError) as caught:
        anear.open(tmp_path / "foreign")
    assert "foreign" in str(caught.value)
    with pytest.raises(anear.Error):
        anear.open(tmp_path / "file")
    assert listing(tmp_path) == before


def test_an_unreadable_directory_is_an_io_error(closed):
    # Root may read everything, so it asks as nobody: once it has imported what nobody may not be allowed to reach.
    script = (
        "import anear, os, sys\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([])\n"
        "    os.setgid(65534)\n"
        "    os.setuid(65534)\n"
        "for read_only in (False, True):\n"
        "    try:\n"
        "        anear.open(sys.argv[1], read_only=read_only)\n"
        "    except anear.IoError as error:\n"
        "        assert sys.argv[1] in str(error), error\n"
        "        print('refused')\n"
    )
    # Above pytest's own directories, which only their owner may enter.
    with tempfile.TemporaryDirectory() as parent:
        os.chmod(parent, 0o755)
        moved = pathlib.Path(parent) / "closed"
        shutil.copytree(closed, moved)
        moved.chmod(0)
        try:
            done = subprocess.run(
                [sys.executable, "-c", script, str(moved)],
                env=ENVIRONMENT,
                capture_output=True,
                text=True,
            )
        finally:
            moved.chmod(0o755)
    assert (done.returncode, done.stdout) == (0, "refused\nrefused\n"), done.stderr


def test_a_path_that_cannot_be_made_is_an_error(tmp_path):
    for path in ("", tmp_path / "no" / "parent", tmp_path / ("x" * 300)):
        with pytest.raises(anear.Error):
            anear.open(path)
    for path in (b"bytes", "nul\0byte"):
        with pytest.raises((anear.Error, ValueError)):
            anear.open(path)
    with pytest.raises(Bad):
        anear.open(tmp_path / "s", durability="maybe")


@pytest.mark.parametrize("place", [0, 4096])
def test_a_damaged_mark_is_told_by_verify(closed, place):
    marks = bytearray((closed / "MARK").read_bytes())
    marks[place + 20] ^= 1
    (closed / "MARK").write_bytes(marks)
    with anear.open(closed, read_only=True) as store, pytest.raises(anear.CorruptionError, match="MARK': one of its two marks"):
        store.verify()
    with anear.open(closed) as store:  # Renews both.
        assert store.verify()["records"] == 400


def test_a_newer_format_is_refused_untouched(closed):
    identity = next(path for path in closed.iterdir() if path.is_file() and path.read_bytes().startswith(b"anear store\n"))
    lines = identity.read_text().splitlines(keepends=True)
    identity.write_text("".join("format 99\n" if line.startswith("format ") else line for line in lines))
    before = listing(closed)
    with pytest.raises(anear.UnsupportedFormatError) as caught:
        anear.open(closed)
    assert caught.value.subcode == 16 and "99" in str(caught.value)
    assert listing(closed) == before


def test_a_second_writer_is_refused_with_the_pid_of_the_first(closed):
    script = (
        "import anear, sys\n"
        "store = anear.open(sys.argv[1])\n"
        "print('open', flush=True)\n"
        "sys.stdin.readline()\n"
        "store.close()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(closed)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(anear.LockedError) as caught:
        anear.open(closed)
    assert f"process {holder.pid}" in str(caught.value) and caught.value.code == 7
    holder.communicate("\n")
    assert holder.returncode == 0
    with anear.open(closed) as store:
        assert len(store["docs"]) == 400
        with pytest.raises(anear.LockedError) as caught:
            anear.open(closed)
        assert f"process {os.getpid()}" in str(caught.value)


def run_killed(script: str, path: pathlib.Path) -> None:
    """Runs a program on the store at `path` that kills itself."""
    environment = ENVIRONMENT
    assert subprocess.run([sys.executable, "-c", script, str(path)], env=environment).returncode == -9


def test_a_killed_writer_leaves_the_store_open_to_others(closed):
    script = (
        "import anear, os, signal, sys\n"
        "docs = anear.open(sys.argv[1])['docs']\n"
        "docs.upsert('last', [1.0] * 8)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run_killed(script, closed)
    with anear.open(closed) as store:
        assert not store.recovery["clean"] and "last" in store["docs"] and len(store["docs"]) == 401


def test_a_store_that_lost_commits_is_recovered_on_request(tmp_path):
    path = tmp_path / "lost"
    script = (
        "import anear, os, signal, sys\n"
        "docs = anear.open(sys.argv[1]).create_collection('docs', {'v': anear.Vector(2)})\n"
        "for i in range(4): docs.upsert(f'k{i}', [1.0, float(i)])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run_killed(script, path)
    (log,) = [each for each in (path / "records").glob("*.log") if each.stat().st_size > 0]
    held = log.read_bytes().rstrip(b"\0")  # It is reserved ahead with zeros.
    os.truncate(log, len(held) - 10)
    cut = log.read_bytes()
    with pytest.raises(anear.LostWritesError, match=r"recover\(\)"):
        anear.open(path)
    report = anear.recover(path)
    assert report["recovered_sequence"] == report["marked_sequence"] - 1
    assert (pathlib.Path(report["copy"]) / log.name).read_bytes() == cut
    with anear.open(path) as store:
        assert [record.key for record in store["docs"].scan()] == ["k0", "k1", "k2"]
        assert any("dropping" in line for line in store.recovery["warnings"]), store.recovery
    assert anear.recover(path)["copy"] is None


def test_a_damaged_row_file_is_repaired_but_for_the_damaged_row(closed):
    (rows,) = (closed / "rows").iterdir()
    data = bytearray(rows.read_bytes())
    data[4096 + 7 * (8 * 4 + 8)] ^= 1  # Of the eighth row.
    rows.write_bytes(data)
    with pytest.raises(anear.CorruptionError, match=r"repair\(\)"):
        anear.open(closed)
    report = anear.repair(closed)
    assert report["lost"] == [("docs", "vector", "k7")] and report["indexes"] == 1
    assert (pathlib.Path(report["copy"]) / rows.name).read_bytes() == bytes(data)
    with anear.open(closed) as store:
        assert store.verify()["records"] == 400 and store.verify()["rows"] == 399
        assert store["docs"].search(ROWS[3], k=1).keys == ["k3"]
    assert anear.repair(closed) == {"keys": 0, "containers": 0, "indexes": 0, "lost": [], "copy": None}


DAMAGE = (
    anear.CorruptionError,
    anear.UnsupportedFormatError,
    anear.LostWritesError,
    anear.NotFoundError,
    anear.IoError,
)


def answers_everything(path: pathlib.Path) -> bool:
    """False: it says that it cannot, by a typed error. Fails when an answer is wrong."""
    try:
        with anear.open(path, create=False) as store:
            docs = store["docs"]
            assert len(docs) == 400 and docs.count("n < 100") == 100
            assert docs.search(ROWS[3], k=1, recall=1).keys == ["k3"]
            assert docs.search(ROWS[3], k=1, filter="n < 5").keys == ["k3"]
            last = docs.get("k399")
            assert last is not None and last.text == "text"
        return True
    except DAMAGE:
        return False


def truncated(source: pathlib.Path, name: str, length: int) -> pathlib.Path:
    copy = source.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)
    os.truncate(copy / name, length)
    return copy


def test_every_truncated_file_is_an_error_or_harmless(closed):
    refused = set()
    for name in listing(closed):
        size = (closed / name).stat().st_size
        for length in {0, size // 2, max(0, size - 1)} - {size}:
            if not answers_everything(truncated(closed, name, length)):
                refused.add(name)
    assert {"ANEAR", "MARK"} <= refused and any(name.endswith(".sst") for name in refused)


def test_a_manifest_cut_in_the_middle_is_an_error(closed):
    name = next(name for name in listing(closed) if "MANIFEST" in name)
    broken = truncated(closed, name, (closed / name).stat().st_size // 2)
    with pytest.raises(anear.CorruptionError, match="MANIFEST-.* was cut"):
        anear.open(broken)


def test_verify_raises_on_a_flipped_bit_in_the_records(closed):
    tables = list(closed.rglob("*.sst"))
    assert tables
    largest = max(tables, key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 3] ^= 4
    largest.write_bytes(data)
    with pytest.raises(anear.CorruptionError) as caught:
        with anear.open(closed) as store:
            store.verify()
    assert caught.value.code == 13
