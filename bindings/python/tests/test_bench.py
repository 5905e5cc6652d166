"""The benchmark harness runs, and judges as it says: a tiny generated set with anear alone, nothing installed."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

BENCH = pathlib.Path(__file__).resolve().parents[3] / "bench"
sys.path.insert(0, str(BENCH))

from harness import datasets, environment, report, runs, tradeoff  # noqa: E402


def run(folder: pathlib.Path, *words: str) -> tuple[str, list[dict]]:
    """What compare.py prints about 1,000 generated rows of 16 dimensions, and its JSON lines."""
    command = [sys.executable, str(BENCH / "compare.py"), "random:1000x16", "--here", "--passes", "2"]
    command += ["--out", str(folder / "out.jsonl"), "--cache", str(folder / "cache"), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


def test_compare_measures_anear_and_names_what_it_leaves_out(tmp_path):
    text, lines = run(tmp_path, "--peers", "anear,nothing_of_this_name", "--metric", "l2")
    assert "| anear" in text and "left out: nothing_of_this_name: unknown" in text
    kinds = [line["kind"] for line in lines]
    assert kinds[0] == "run" and {"build", "point", "skipped"} <= set(kinds)
    points = [line for line in lines if line["kind"] == "point"]
    assert max(point["recall"] for point in points) >= 0.99
    assert all(len(point["speeds"]) == 2 and point["p99_us"] >= point["p50_us"] > 0 for point in points)
    assert all(point["queries_per_s"] == max(point["speeds"]) and point["short"] == 0 for point in points)


def test_growth_tells_what_an_insert_writes_and_what_for(tmp_path):
    command = [sys.executable, str(BENCH / "growth.py"), "random:3000x32", "--here", "--replace", "1"]
    command += ["--out", str(tmp_path / "out.jsonl"), "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "first answer" in done.stdout
    filled, replaced, opened = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert filled["records"] == filled["inserts"] == replaced["records"] == 3000 and replaced["inserts"] == 4500
    row = 32 * 4
    # Each row stands in the log and in a row file, and its code in an image.
    assert filled["written"]["log"] > row and filled["written"]["rows"] > row and filled["written"]["images"] > row / 4
    assert filled["disk"] > row and len(opened["open_ms"]) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_the_trade_off_shows_what_dropped_dimensions_cost(tmp_path):
    text, lines = run(tmp_path, "--dims", "4,16", "--codes", "f32", "--index", "flat,hnsw", "--reduce", "truncate,pca")
    choices = [line for line in lines if line["kind"] == "choice"]
    found = {(line["index"], line["dimension"], line["reduction"]): line for line in choices}
    assert len(found) == 6 and "left out" not in text
    whole, cut = found["flat", 16, ""], found["flat", 4, "truncate"]
    assert whole["recall"] == 1.0 and cut["recall"] < 0.9
    assert cut["searched_bytes"] == whole["searched_bytes"] - 12 * 4
    assert found["flat", 4, "pca"]["recall"] > cut["recall"]
    assert found["hnsw", 16, ""]["recall"] >= 0.9
    assert found["hnsw", 16, ""]["searched_bytes"] > whole["searched_bytes"]


def test_every_choice_is_listed_once_and_codes_keep_rows_beside_them():
    wanted = {"dims": ["8", "16"], "codes": ["f32", "f16", "int8"], "index": ["hnsw", "ivf_pq"], "reduce": ["truncate", "pca"]}
    listed = tradeoff.choices(wanted, 16, "f16")
    whole = [choice for choice in listed if choice.dimension == 16]
    assert [(c.index, c.codes, c.row_kind, c.row_bytes) for c in whole] == [
        ("hnsw", "f32", "f32", 0),
        ("hnsw", "f16", "f16", 0),
        ("hnsw", "int8", "f16", 32),
        ("ivf_pq", "pq", "f32", 64),
        ("ivf_pq", "pq", "f16", 32),
    ]
    assert len(listed) == 3 * len(whole)


@pytest.mark.parametrize("words", [["--dims", "17"], ["--codes", "f8"], ["--reduce", "random"]])
def test_the_trade_off_refuses_what_it_does_not_know(words):
    wanted = {"dims": ["16"], "codes": ["f32"], "index": ["flat"], "reduce": ["pca"], words[0][2:]: [words[1]]}
    assert words[1] in tradeoff.problem_of(wanted, 16)


@pytest.mark.parametrize("metric", datasets.METRICS)
def test_exact_nearest_is_what_a_plain_sort_in_double_precision_says(metric):
    random = np.random.default_rng(3)
    rows, queries = random.standard_normal((20_000, 8), np.float32), random.standard_normal((7, 8), np.float32)
    numbers = np.broadcast_to(np.arange(len(rows)), (7, len(rows)))
    plain = np.sort(datasets.distances(metric, queries, rows, numbers), axis=1)[:, : datasets.K]
    found = datasets.exact_nearest(metric, rows, queries)
    assert np.array_equal(datasets.distances(metric, queries, rows, found), plain)


def test_recall_counts_ties_once_each_and_neither_repeats_nor_gaps():
    rows = np.repeat(np.arange(15, dtype=np.float32)[:, None], 2, axis=1)
    rows[10] = rows[9]  # As near as the true tenth, so as good an answer.
    queries = np.zeros((1, 2), np.float32)
    judge = runs.Judge("l2", rows, queries, np.arange(10)[None])
    order = np.array([0])
    assert judge.recall(order, np.arange(10)[None]) == (1.0, 0)
    assert judge.recall(order, np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8, 10]])) == (1.0, 0)
    assert judge.recall(order, np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8, 11]])) == (0.9, 0)
    assert judge.recall(order, np.array([[0, 0, 0, 1, 2, 3, 4, 5, 6, -1]])) == (0.7, 1)
    assert judge.recall(order, np.array([[0, 1, 2, 3, 4, 5, 6, 7, 8, 99]])) == (0.9, 1)


def test_the_best_speed_is_a_measured_one_that_reaches_the_recall():
    points = [runs.Point("a", 1, recall=0.94, queries_per_s=9), runs.Point("a", 2, recall=0.96, queries_per_s=5)]
    assert report.best_speed(points, "a", 0.90) == 9
    assert report.best_speed(points, "a", 0.95) == 5
    assert report.best_speed(points, "a", 0.99) == 0


def test_the_front_keeps_what_nothing_beats():
    assert tradeoff.front([(1, 5), (2, 4), (2, 6), (1, 5), (3, 1)]) == [True, True, False, True, True]


def test_a_wrong_truth_is_refused(tmp_path):
    random = np.random.default_rng(4)
    np.save(tmp_path / "base.npy", random.standard_normal((500, 8), np.float32))
    np.save(tmp_path / "queries.npy", random.standard_normal((30, 8), np.float32))
    np.save(tmp_path / "gt.npy", np.tile(np.arange(10), (30, 1)))
    source = datasets.find(str(tmp_path), "cosine", tmp_path, 1_000, 0)
    with pytest.raises(datasets.BadData, match="does not hold the nearest rows"):
        datasets.truth_of(source, *source.vectors(), tmp_path)


def test_every_peer_says_what_it_requires_and_is_found_by_its_name():
    assert {"anear", "hnswlib", "faiss", "usearch", "zvec"} <= set(environment.known_peers())
    assert environment.requirements_of("anear") == [] and environment.requirements_of("hnswlib") == ["hnswlib"]
