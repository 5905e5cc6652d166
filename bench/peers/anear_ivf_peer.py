"""anear's IvfPqIndex with default options: a byte for every 8 dimensions, rotated, re-ranked on f32 rows."""

import anear

version = anear.__version__
sweep = [4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384]


def build(rows, threads, metric="cosine"):
    index = anear.IvfPqIndex(rows.shape[1], metric=metric)
    index.train(rows, threads=threads)
    index.add(rows, threads=threads)
    return index


def query(index, probes):
    return lambda vector: index.search(vector, 10, effort=probes).keys[0]


def own_bytes(index):
    return index.bytes
