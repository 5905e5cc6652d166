"""Compares indexes side by side: recall@10 (by distance) and queries/s of single queries on one thread.

    python bench/compare.py DATA [--peers anear,hnswlib] [--passes 5]

DATA: a folder with base_f16.npy, queries_f16.npy and gt.npy (cosine). Each peer is one small file in bench/peers with
build(rows, threads) -> state, sweep: list of settings, and query(state, setting) -> function of one query. Each peer builds in a
process of its own; passes are interleaved between peers, in a new order of queries each time, and the best pass counts.
Needs the peers installed (pip install hnswlib). Prints a table and one JSON line a point."""

import argparse
import importlib
import json
import multiprocessing
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


def load(folder: pathlib.Path):
    base = np.load(folder / "base_f16.npy").astype(np.float32)
    queries = np.load(folder / "queries_f16.npy").astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return base, queries, np.load(folder / "gt.npy")[:, :10]


def serve(name: str, folder: pathlib.Path, pipe) -> None:
    base, queries, truth = load(folder)
    bound = 1 - np.einsum("qd,qd->q", queries, base[truth[:, -1]])
    peer = importlib.import_module(f"peers.{name}")
    start = time.perf_counter()
    state = peer.build(base, 2)
    pipe.send(time.perf_counter() - start)
    while (task := pipe.recv()) is not None:
        setting, order = task
        search = peer.query(state, setting)
        start = time.perf_counter()
        found = [search(queries[q]) for q in order]
        spent = time.perf_counter() - start
        hits = sum(
            (1 - base[keys] @ queries[q] <= bound[q] + 1e-6 * max(1.0, abs(bound[q]))).sum()
            for q, keys in zip(order, found)
        )
        pipe.send((hits / (10 * len(order)), len(order) / spent))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--peers", default="anear,hnswlib")
    parser.add_argument("--passes", type=int, default=5)
    given = parser.parse_args()
    names = given.peers.split(",")
    queries = len(np.load(given.data / "queries_f16.npy"))
    context = multiprocessing.get_context("spawn")
    pipes, built = {}, {}
    for name in names:
        here, there = context.Pipe()
        context.Process(target=serve, args=(f"{name}_peer", given.data, there), daemon=True).start()
        pipes[name], built[name] = here, here.recv()
        print(f"{name}: built in {built[name]:.1f} s on 2 threads", file=sys.stderr)
    points: dict[tuple[str, str], tuple[float, float]] = {}
    random = np.random.default_rng(0)
    settings = {name: importlib.import_module(f"peers.{name}_peer").sweep for name in names}
    for _ in range(given.passes):
        order = random.permutation(queries)
        for step in range(max(map(len, settings.values()))):
            for name in names:
                if step >= len(settings[name]):
                    continue
                setting = settings[name][step]
                pipes[name].send((setting, order))
                recall, speed = pipes[name].recv()
                points[name, str(setting)] = (recall, max(speed, points.get((name, str(setting)), (0, 0))[1]))
    for pipe in pipes.values():
        pipe.send(None)
    for (name, setting), (recall, speed) in points.items():
        print(json.dumps({"peer": name, "setting": setting, "recall": round(float(recall), 4),
                          "queries_per_s": round(speed), "build_s": round(built[name], 2)}))
    print(f"\n{'queries/s at recall >=':<24}" + "".join(f"{target:>10}" for target in (0.90, 0.95, 0.99)))
    for name in names:
        best = [max((s for (n, _), (r, s) in points.items() if n == name and r >= t), default=0)
                for t in (0.90, 0.95, 0.99)]
        print(f"{name:<24}" + "".join(f"{b:>10.0f}" for b in best))


if __name__ == "__main__":
    main()
