"""The indexes from Python, against a plain numpy scan."""

import threading

import anear
import numpy as np
import pytest

ROWS = np.random.default_rng(1).normal(size=(3000, 32)).astype(np.float32)
QUERIES = np.random.default_rng(2).normal(size=(40, 32)).astype(np.float32)


def exact(metric: str, rows: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    rows, queries = rows.astype(np.float64), queries.astype(np.float64)
    if metric == "l2":
        distances = ((queries[:, None, :] - rows[None, :, :]) ** 2).sum(-1)
    elif metric == "ip":
        distances = -queries @ rows.T
    else:
        distances = 1 - (queries / np.linalg.norm(queries, axis=1)[:, None]) @ (
            rows / np.linalg.norm(rows, axis=1)[:, None]
        ).T
    return np.sort(distances, axis=1)[:, :k]


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_flat_index_is_exact(metric, dtype):
    index = anear.FlatIndex(32, metric=metric)
    keys = index.add(ROWS.astype(dtype))
    assert list(keys) == list(range(3000)) and len(index) == 3000
    found = index.search(QUERIES, 10)
    expected = exact(metric, ROWS.astype(dtype), QUERIES, 10)
    assert np.allclose(found.distances, expected, atol=1e-4)


@pytest.mark.parametrize("codes", ["i8", "int8", "f16", "float16", "f32", "float32"])
def test_hnsw_index_keeps_its_recall_promise(codes):
    index = anear.HnswIndex(32, metric="cosine", codes=codes)
    index.add(ROWS, threads=2)
    expected = exact("cosine", ROWS, QUERIES, 10)[:, -1:]
    for target in (0.9, 0.95, 0.99):
        found = index.search(QUERIES, 10, recall=target)
        assert (found.distances <= expected + 1e-5).mean() >= target


def trained_empty_ivf_pq(dimension: int = 32, **options) -> anear.IvfPqIndex:
    index = anear.IvfPqIndex(dimension, **options)
    index.train(ROWS, threads=2)
    return index


def trained_ivf_pq(**options) -> anear.IvfPqIndex:
    index = trained_empty_ivf_pq(**options)
    index.add(ROWS, threads=2)
    return index


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_ivf_pq_index_keeps_its_recall_promise(metric, dtype):
    index = trained_ivf_pq(metric=metric, dtype=dtype, lists=60, subspaces=8, rotate=dtype == "f32", iterations=5, seed=3)
    assert index.is_trained and index.lists == 60 and len(index) == 3000
    expected = exact(metric, ROWS, QUERIES, 10)[:, -1:]
    for target in (0.9, 0.95, 0.99):
        found = index.search(QUERIES, 10, recall=target)
        assert (found.distances <= expected + 1e-2 * (dtype == "f16") + 1e-5).mean() >= target - 0.02


def test_ivf_pq_index_is_trained_once_and_before_rows():
    index = anear.IvfPqIndex(32)
    assert not index.is_trained and index.lists == 0
    assert list(index.search(QUERIES[0], 2).keys[0]) == [-1, -1]
    with pytest.raises(anear.InvalidArgumentError):
        index.add(ROWS)
    assert len(index) == 0
    index.train(ROWS)
    with pytest.raises(anear.InvalidArgumentError):
        index.train(ROWS)
    index.add(ROWS)
    assert 0 < index.row_bytes < index.bytes


@pytest.mark.parametrize(
    "make, other_kind", [(anear.HnswIndex, anear.IvfPqIndex), (trained_empty_ivf_pq, anear.HnswIndex)]
)
def test_an_index_is_the_same_after_save_and_load(tmp_path, make, other_kind):
    index = make(32)
    index.add(ROWS, threads=2)
    index.save(str(tmp_path / "x.index"))
    loaded = type(index).load(tmp_path / "x.index")
    other = type(index)(32)
    other.load(tmp_path / "x.index")
    for again in (loaded, other):
        assert np.array_equal(again.search(QUERIES).keys, index.search(QUERIES).keys)
    with pytest.raises(anear.InvalidArgumentError):
        other_kind.load(tmp_path / "x.index")


def test_a_deleted_row_is_not_found():
    index = anear.HnswIndex(32)
    index.add(ROWS)
    assert 5 in index and index.delete([5, 5, -1]) == 1 and 5 not in index
    assert 5 not in index.search(ROWS[5], 10).keys


def test_fewer_rows_than_k_are_padded():
    index = anear.FlatIndex(32)
    index.add(ROWS[:3])
    found = index.search(QUERIES[0], 5)
    assert found.keys.shape == (1, 5) and list(found.keys[0][3:]) == [-1, -1]
    assert np.isinf(found.distances[0][3:]).all()


@pytest.mark.parametrize("kind", [anear.FlatIndex, anear.HnswIndex])
def test_what_is_saved_beside_changes_is_whole(tmp_path, kind):
    index = kind(32)
    index.add(ROWS[:500])
    path = tmp_path / "index"
    failures: list[BaseException] = []

    def change() -> None:
        try:
            for begin in range(500, 3000, 20):
                index.delete(index.add(ROWS[begin : begin + 20])[::4])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    saved = 0
    while saved < 10 or any(thread.is_alive() for thread in threads):
        index.save(path)
        assert len(kind.load(path)) >= 500
        saved += 1
    for thread in threads:
        thread.join()
    assert not failures and len(index) == 500 + 2 * 2500 * 3 // 4


def test_a_callback_cannot_wait_for_the_call_that_it_is_made_from(tmp_path):
    index = anear.HnswIndex(32)
    index.add(ROWS[:100])
    refused: list[str] = []

    def progress(done: int, total: int) -> None:
        for call in (lambda: index.save(tmp_path / "index"), lambda: index.add(ROWS[:1]), index.calibrate):
            with pytest.raises(anear.InvalidArgumentError) as raised:
                call()
            refused.append(str(raised.value))
        index.delete([3])

    index.add(ROWS[100:], threads=2, progress=progress)
    assert refused and "calls back" in refused[0]
    assert len(index) == len(ROWS) - 1
    index.save(tmp_path / "index")


def test_any_number_of_threads_is_taken_for_as_many_as_are_of_use():
    index = anear.FlatIndex(32)
    index.add(ROWS[:100])
    assert index.search(ROWS[:20], 1, threads=10**12).keys[:, 0].tolist() == list(range(20))


@pytest.mark.parametrize(
    "call",
    [
        lambda: anear.FlatIndex(0),
        lambda: anear.FlatIndex(70_000),
        lambda: anear.FlatIndex(4, metric="hamming"),
        lambda: anear.HnswIndex(4, links=1),
        lambda: anear.IvfPqIndex(4, subspaces=5),
        lambda: anear.IvfPqIndex(4, iterations=0),
        lambda: anear.IvfPqIndex(4).train(np.zeros((3, 4))),
        lambda: anear.IvfPqIndex(4).train(np.zeros((0, 4))),
        lambda: anear.IvfPqIndex(4).train([[1, 2, 3]]),
        lambda: anear.FlatIndex(4).add([[1, 2, 3]]),
        lambda: anear.FlatIndex(4).add([["a", "b", "c", "d"]]),
        lambda: anear.FlatIndex(4).add(np.zeros((1, 4))),
        lambda: anear.FlatIndex(4).add([[1, 2, 3, float("nan")]]),
        lambda: anear.FlatIndex(4).add([[1, 2, 3, 1e30]]),
        lambda: anear.FlatIndex(4).search([1, 2, 3, 4], 0),
        lambda: anear.FlatIndex(4).search([1, 2, 3, 4], 10_001),
        lambda: anear.FlatIndex(4).search([1, 2, 3, 4], recall=1.5),
        lambda: anear.FlatIndex(4).search([[1, 2, 3]]),
        lambda: anear.FlatIndex(4).add(np.zeros((2, 2, 2))),
        lambda: anear.FlatIndex(-1),
        lambda: anear.FlatIndex(4.5),
        lambda: anear.HnswIndex(-1),
        lambda: anear.HnswIndex(4, links=-1),
        lambda: anear.HnswIndex(4, ef_construction=2**32),
        lambda: anear.HnswIndex(4, seed=-1),
        lambda: anear.IvfPqIndex("4"),
        lambda: anear.IvfPqIndex(4, lists=-1),
        lambda: anear.IvfPqIndex(4).train(np.ones((3, 4)), threads=-1),
        lambda: anear.FlatIndex(4).add(np.ones((1, 4)), threads=-1),
        lambda: anear.FlatIndex(4).search([1, 2, 3, 4], -1),
        lambda: anear.FlatIndex(4).search([1, 2, 3, 4], effort=-1),
        lambda: anear.FlatIndex(4).calibrate(threads=-1),
        lambda: anear.FlatIndex(4).add(np.ma.masked_array(np.ones((1, 4)), [[0, 1, 0, 0]])),
        lambda: anear.FlatIndex(4).search([1, 2, 3, 4], recall="high"),
        lambda: anear.FlatIndex(4).delete([0, 1.5]),
        lambda: anear.FlatIndex(4).delete(5),
        lambda: anear.FlatIndex(4, metric=5),
        lambda: anear.FlatIndex(4, dtype=None),
        lambda: anear.HnswIndex(4, codes=np.int8),
        lambda: anear.HnswIndex(4, codes="int4"),
        lambda: anear.IvfPqIndex(4, dtype="int8"),
        lambda: anear.FlatIndex(4).save(5),
        lambda: anear.FlatIndex.load(None),
    ],
)
def test_bad_input_raises_invalid_argument(call):
    with pytest.raises(anear.InvalidArgumentError):
        call()


def test_an_error_of_a_query_says_so_and_which():
    with pytest.raises(anear.InvalidArgumentError, match="query vector has dimension 3, expected 4"):
        anear.FlatIndex(4).search([1, 2, 3])
    with pytest.raises(anear.InvalidArgumentError, match="row 1: query vector is zero") as caught:
        anear.FlatIndex(4).search([[1, 2, 3, 4], [0, 0, 0, 0]])
    assert caught.value.record == 1
    with pytest.raises(anear.InvalidArgumentError, match="^recall is 1.5") as caught:
        anear.FlatIndex(4).search([[1, 2, 3, 4]], recall=1.5)
    assert caught.value.record is None


@pytest.mark.parametrize(
    "call, too_large, expected",
    [
        (lambda value: anear.FlatIndex(value), 65_536, "dimension: expected an integer from 1 to 65535, got -1"),
        (lambda value: anear.HnswIndex(4, links=value), 513, "links: expected an integer from 2 to 512, got -1"),
        (
            lambda value: anear.HnswIndex(4, ef_construction=value),
            100_001,
            "ef_construction: expected an integer from 1 to 100000, got -1",
        ),
        (lambda value: anear.IvfPqIndex(4, lists=value), 2**20 + 1, "lists: expected an integer from 0 to 1048576, got -1"),
        (lambda value: anear.IvfPqIndex(4, iterations=value), 1_001, "iterations: expected an integer from 1 to 1000, got -1"),
        (lambda value: anear.IvfPqIndex(4, subspaces=value), 5, "subspaces: expected an integer from 0 to the dimension, got -1"),
        (
            lambda value: anear.FlatIndex(4).search([1, 2, 3, 4], value),
            10_001,
            "k: expected an integer from 1 to 10000, got -1",
        ),
    ],
)
def test_a_negative_number_is_told_the_range_that_the_index_has(call, too_large, expected):
    with pytest.raises(anear.InvalidArgumentError) as caught:
        call(-1)
    assert str(caught.value) == expected
    with pytest.raises(anear.InvalidArgumentError) as caught:
        call(too_large)
    assert str(4 if "subspaces" in expected else too_large - 1) in str(caught.value)


def test_keys_that_cannot_be_are_not_there_and_a_wrong_one_deletes_nothing():
    index = anear.FlatIndex(32)
    index.add(ROWS[:10])
    assert not any(key in index for key in (-1, 10, 2**80, 1.0, "1", None)) and np.int64(9) in index
    with pytest.raises(anear.InvalidArgumentError, match="keys: expected integers, got 'b'") as caught:
        index.delete([3, "b"])
    assert caught.value.record == 1 and len(index) == 10
    assert index.delete(np.array([-1, 3, 10])) == 1 and index.delete([2**80, 3]) == 0


def test_a_bad_row_is_named_and_changes_nothing():
    rows = ROWS[:10].copy()
    rows[6, 3] = np.inf
    index = anear.FlatIndex(32)
    with pytest.raises(anear.InvalidArgumentError) as caught:
        index.add(rows)
    assert caught.value.record == 6 and caught.value.code == 1 and len(index) == 0


def test_missing_and_foreign_files_raise_typed_errors(tmp_path):
    with pytest.raises(anear.NotFoundError):
        anear.HnswIndex.load(tmp_path / "nothing")
    (tmp_path / "foreign").write_bytes(b"x" * 1000)
    with pytest.raises(anear.UnsupportedFormatError):
        anear.HnswIndex.load(tmp_path / "foreign")


def test_threads_search_while_another_adds():
    index = anear.HnswIndex(32, ef_construction=50)
    index.add(ROWS[:500])
    failures = []

    def look():
        for query in QUERIES:
            if (index.search(query, 5).keys < 0).any():
                failures.append("a short answer")

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    index.add(ROWS[500:])
    for reader in readers:
        reader.join()
    assert not failures and len(index) == 3000


@pytest.mark.parametrize("make", [lambda: anear.HnswIndex(32), trained_empty_ivf_pq])
def test_progress_is_told_and_may_stop_the_work(make):
    told = []
    make().add(ROWS, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(ROWS), len(ROWS))
    index = make()
    with pytest.raises(anear.CancelledError):
        index.add(ROWS, progress=lambda done, total: False)
    assert len(index) == 0
    with pytest.raises(ZeroDivisionError):
        index.add(ROWS, progress=lambda done, total: 1 // 0)
    assert len(index) == 0
    keys = index.add(ROWS)
    assert list(index.search(ROWS[5], k=1, recall=1).keys[0]) == [keys[5]]


@pytest.mark.parametrize("make", [lambda: anear.FlatIndex(32), lambda: anear.HnswIndex(32), trained_empty_ivf_pq])
def test_threads_that_add_get_keys_of_their_own(make):
    index, keys = make(), []

    def add_some() -> None:
        for start in range(0, 600, 50):
            keys.extend(index.add(ROWS[start : start + 50]).tolist())

    threads = [threading.Thread(target=add_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(keys) == list(range(2400)) and len(index) == 2400


def test_a_search_beside_load_answers_from_one_of_the_two(tmp_path):
    index = anear.HnswIndex(32)
    keys = index.add(ROWS[:1000])
    index.save(tmp_path / "x.index")
    done = threading.Event()
    wrong = []

    def search() -> None:
        while not done.is_set():
            if index.search(ROWS[3], k=1).keys[0, 0] != keys[3]:
                wrong.append(True)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        index.load(tmp_path / "x.index")
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong and len(index) == 1000
