"""anear's HnswIndex with default options: int8 codes walked, re-ranked on f32 rows."""

import anear

version = anear.__version__
sweep = [10, 16, 24, 32, 48, 64, 96, 128, 200, 300]


def build(rows, threads, metric):
    index = anear.HnswIndex(rows.shape[1], metric=metric)
    index.add(rows, threads=threads)
    return index


def query(index, effort):
    return lambda vector: index.search(vector, 10, effort=effort).keys[0]


def own_bytes(index):
    return index.bytes
