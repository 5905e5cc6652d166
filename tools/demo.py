"""What tools/demo shows: an index over the bundled data, what it finds, how sure it is and what it costs."""

import json
import pathlib
import tempfile
import time

import anear
import numpy as np

DATA = pathlib.Path(__file__).resolve().parents[1] / "bench" / "data"


def show_hits(index, records, queries, words) -> None:
    print("\nThe nearest packages to a question:")
    for question in (0, 2, 7):
        found = index.search(queries[question], 4, recall=0.99)
        print(f"\n  \"{words[question]}\"")
        for key, distance in zip(found.keys[0], found.distances[0]):
            record = records[key]
            print(f"    {distance:.3f}  {record['name']:<28} {record['section']:<12} {record['installed_size']:>8} KiB")


def measure(index, queries, bound, target) -> None:
    index.search(queries, 10, recall=target)
    spent = []
    found = []
    for _ in range(3):
        found = []
        for query in queries:
            start = time.perf_counter()
            found.append(index.search(query, 10, recall=target).distances[0])
            spent.append(time.perf_counter() - start)
    recall = (np.stack(found) <= bound + 1e-6).mean()
    p50, p99 = np.percentile(spent, [50, 99]) * 1e6
    print(f"  asked {target:.2f}: found {recall:.3f} of the exact 10 nearest, "
          f"p50 {p50:5.0f} µs, p99 {p99:5.0f} µs, {1 / np.mean(spent):7.0f} queries/s on one thread")


def main() -> None:
    base, queries = np.load(DATA / "base_f16.npy"), np.load(DATA / "queries_f16.npy")
    words = (DATA / "queries.txt").read_text().splitlines()
    records = [json.loads(line) for line in (DATA / "records.jsonl").open()]

    index = anear.HnswIndex(384, metric="cosine", dtype="f16")
    start = time.perf_counter()
    for first in range(0, len(base), 2000):
        index.add(base[first : first + 2000], threads=2)
        print(f"\rindexed {len(index):6} of {len(base)} vectors", end="", flush=True)
    print(f" in {time.perf_counter() - start:.1f} s (kernels: {anear.isa()})")

    show_hits(index, records, queries, words)

    flat = anear.FlatIndex(384, metric="cosine", dtype="f16")
    flat.add(base, threads=2)
    bound = flat.search(queries, 10).distances[:, -1:]
    print("\nRecall against exact search:")
    for target in (0.90, 0.95, 0.99):
        measure(index, queries, bound, target)

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "demo.index"
        index.save(str(path))
        start = time.perf_counter()
        loaded = anear.HnswIndex.load(path)
        loaded.search(queries[0], 10)
        print(f"\nMemory {index.bytes / len(index):.0f} bytes a vector, disk {path.stat().st_size / len(index):.0f} "
              f"(384 float16 numbers are 768); load and first answer {(time.perf_counter() - start) * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
