"""Compares anear with other libraries, or the choices that anear offers with each other, on your vectors.

    python bench/compare.py [DATA] [--peers anear,hnswlib,faiss,usearch,zvec] [--passes 5]
        recall@10 (by distance) and queries/s of single queries on one thread, build time, memory. Peers are installed by
        package name into build/bench-venv; one that is unknown or cannot be installed is named and left out.

    python bench/compare.py --tradeoff [DATA] --dims 96,192,384 --codes f32,f16,int8 --index flat,hnsw,ivf_pq
        what each combination costs: recall against exact search over the full vectors, bytes, build time, queries/s, p50,
        p99. --reduce truncate,pca adds principal components beside the leading dimensions.

    python bench/compare.py --durable [DATA] [--peers anear,zvec,…] [--cases write,threads,reopen,search] [--records N]
        stores on disk, all writing records by key with metadata that can be filtered by: records/s in batches of 1, 100 and
        1,000, synced or not as each store offers it, beside the bare rate of the disk; 8 writers of single records; time from
        open to the first answer, and its recall; p99 of searches alone, beside a writer, and while the store finishes.
        DATA has meta.parquet or records.jsonl; --folder says on which disk the stores are made.

DATA: a folder (base_f16.npy or base.npy, queries_f16.npy or queries.npy, optionally gt.npy), a .npy file with vectors, or
random:ROWSxDIM; the bundled bench/data by default. How it is measured: docs/BENCHMARKS.md. Adding a peer: bench/peers."""

from __future__ import annotations

import argparse
import pathlib
import sys
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import environment  # noqa: E402

DEFAULT_PEERS = "anear,hnswlib,faiss,usearch,zvec"
DEFAULT_STORES = "anear,zvec,qdrant_edge,chroma,lancedb,sqlite_vec"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="folder, .npy file or random:ROWSxDIM (default: bench/data)")
    parser.add_argument("--data", dest="data_option", metavar="DATA", help="the same")
    parser.add_argument("--metric", choices=("cosine", "l2", "ip"), default="cosine")
    parser.add_argument("--peers", type=_words, help=f"default: {DEFAULT_PEERS}; of --durable: {DEFAULT_STORES}")
    parser.add_argument("--passes", type=int, help="the best one counts (default: 5, of --durable 3)")
    parser.add_argument("--queries", type=int, default=1_000, help="at most so many queries")
    parser.add_argument("--seed", type=int, default=0, help="of generated data, held-out queries and orders of queries")
    parser.add_argument("--build-threads", type=int, default=2)
    build = environment.ROOT / "build"
    parser.add_argument("--out", type=pathlib.Path, default=build / "bench.jsonl", help="JSON lines are appended")
    parser.add_argument("--cache", type=pathlib.Path, default=build / "bench-cache", help="generated data, exact answers")
    parser.add_argument("--here", action="store_true", help="use this Python as it is and install nothing")
    choice = parser.add_argument_group("trade-off")
    choice.add_argument("--tradeoff", action="store_true")
    choice.add_argument("--dims", type=_words, help="dimensions to keep, e.g. 96,192,384 (default: a quarter, a half, all)")
    choice.add_argument("--codes", type=_words, help="of f32,f16,int8 (default: all)")
    choice.add_argument("--index", type=_words, help="of flat,hnsw,ivf_pq (default: all)")
    choice.add_argument("--reduce", type=_words, help="of truncate,pca (default: truncate)")
    choice.add_argument("--rows", choices=("f32", "f16"), default="f16", help="numbers that int8 codes are re-ranked on")
    choice.add_argument("--recall", type=_targets, default=[0.95], help="targets to ask for, e.g. 0.9,0.95,0.99")
    stores = parser.add_argument_group("stores on disk")
    stores.add_argument("--durable", action="store_true")
    stores.add_argument("--cases", type=_words, help="of write,threads,reopen,search (default: all)")
    stores.add_argument("--records", type=int, default=1 << 31, help="at most so many records")
    stores.add_argument("--seconds", type=float, default=2.0, help="how long a write case runs at most")
    stores.add_argument("--folder", type=pathlib.Path, default=build / "bench-stores", help="where the stores are made")
    given = parser.parse_args()
    if given.data and given.data_option:
        parser.error("DATA is given twice")
    given.data = given.data or given.data_option or str(environment.ROOT / "bench" / "data")
    given.tradeoff = given.tradeoff or any((given.dims, given.codes, given.index, given.reduce))
    given.durable = given.durable or given.cases is not None
    given.peers = given.peers or _words(DEFAULT_STORES if given.durable else DEFAULT_PEERS)
    given.passes = given.passes or (3 if given.durable else 5)
    if given.passes < 1 or given.queries < 1:
        parser.error("--passes and --queries are at least 1")
    return given


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _targets(text: str) -> list[float]:
    targets = [float(word) for word in _words(text)]
    if not all(0 < target <= 1 for target in targets):
        raise ValueError(text)
    return targets


def main() -> int:
    given = arguments()
    if not given.here:
        environment.enter()
    from harness import datasets, report

    kind = "store" if given.durable else "peer"
    usable, skipped = ([], {}) if given.tradeoff else environment.choose_peers(given.peers, not given.here, kind)
    try:
        source = datasets.find(given.data, given.metric, given.cache, given.queries, given.seed)
        rows, queries = source.vectors()
        data = rows, queries, datasets.truth_of(source, rows, queries, given.cache)
    except datasets.BadData as bad:
        print(f"compare.py: {bad}", file=sys.stderr)
        return 2
    facts = {"data": source.name, "rows": len(rows), "dimension": rows.shape[1], "metric": source.metric}
    facts |= {"queries": len(queries), "k": datasets.K}
    if given.durable:
        facts["rows"] = min(len(rows), given.records)
    machine = report.machine()
    lines = report.JsonLines(given.out)
    lines.write("run", **machine, **facts, passes=given.passes, build_threads=given.build_threads)
    print(report.heading(machine, facts) + "\n")
    if given.tradeoff:
        return trade_off(given, source, data, lines)
    if given.durable:
        return compare_stores(given, (usable, skipped), (source, len(rows)), lines)
    built, points, failed = compare(given, usable, source, data)
    skipped |= failed
    for name, one in built.items():
        lines.build(name, one, len(rows))
    for point in points:
        lines.point(point)
    if built:
        print(report.comparison(built, points, len(rows)))
        print("\n" + "\n".join(report.LEGEND + report.remarks(points, given.passes)))
    _name_skipped(skipped, lines)
    return 0 if built else 1


def compare(given: argparse.Namespace, names: list[str], source: Any, data: tuple) -> tuple[dict, list, dict[str, str]]:
    from harness import runs

    running, built, failed = [], {}, {}
    for name in names:
        task = runs.Task(name, f"peers.{name}_peer", source, given.build_threads)
        try:
            running.append(runs.Running(task))
            built[name] = running[-1].built
            print(f"{name}: built in {built[name].build_s:.1f} s on {given.build_threads} threads", file=sys.stderr)
        except runs.Failed as failure:
            failed[name] = str(failure)
    judge = runs.Judge(source.metric, *data)
    points, broken = runs.interleave(running, judge, len(data[1]), given.passes, given.seed)
    for peer in running:
        peer.stop()
    return built, points, failed | broken


def compare_stores(given: argparse.Namespace, chosen: tuple, data: tuple, lines: Any) -> int:
    from harness import datasets, durable, records

    stores, skipped = chosen
    cases = given.cases or list(durable.CASES)
    if unknown := [case for case in cases if case not in durable.CASES]:
        print(f"compare.py: --cases {','.join(unknown)} is unknown; there are {','.join(durable.CASES)}", file=sys.stderr)
        return 2
    try:
        stored = records.find(data[0], data[1], given.records, given.cache)
    except datasets.BadData as bad:
        print(f"compare.py: {bad}", file=sys.stderr)
        return 2
    judge, queries = durable.judge_of(stored, given.cache)
    asked = durable.Given(stores, cases, stored, given.folder, given.seconds, given.passes, judge, queries)
    found = durable.compare(asked, lines)
    if found.outcomes:
        print(durable.tables(asked, found))
    _name_skipped(skipped | found.failed, lines)
    return 0 if found.outcomes else 1


def trade_off(given: argparse.Namespace, source: Any, data: tuple, lines: Any) -> int:
    from harness import report

    try:
        from harness import choice, tradeoff
    except ImportError as error:
        print(f"compare.py: {error}; build it first: docs/BENCHMARKS.md, at its top, says how", file=sys.stderr)
        return 2

    dimension = data[0].shape[1]
    wanted = {
        "dims": given.dims or [str(size) for size in (dimension // 4, dimension // 2, dimension) if size],
        "codes": given.codes or list(tradeoff.CODES),
        "index": given.index or list(tradeoff.INDEXES),
        "reduce": given.reduce or ["truncate"],
    }
    if problem := tradeoff.problem_of(wanted, dimension):
        print(f"compare.py: {problem}", file=sys.stderr)
        return 2
    picked, skipped = [], {}
    for one in tradeoff.choices(wanted, dimension, given.rows):
        if reason := choice.unavailable(one.index, one.codes):
            skipped[one.name] = reason
        else:
            picked.append(one)
    results, failed = tradeoff.measure(source, picked, given, data)
    for result in results:
        lines.write("choice", **result.facts())
    if results:
        print(tradeoff.table(results))
        print("\n" + "\n".join(tradeoff.LEGEND + report.remarks([result.point for result in results], given.passes)))
    _name_skipped(skipped | failed, lines)
    return 0 if results else 1


def _name_skipped(skipped: dict[str, str], lines: Any) -> None:
    reasons: dict[str, list[str]] = {}
    for name, reason in skipped.items():
        lines.write("skipped", name=name, reason=reason)
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        print(f"left out: {'; '.join(names)}: {reason}")


if __name__ == "__main__":
    sys.exit(main())
