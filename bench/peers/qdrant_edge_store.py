"""Qdrant Edge: one segment, HNSW m = 16, ef_construct = 200, all fields indexed; searched with ef = 100."""

import os

import qdrant_edge

requirements = ["qdrant-edge-py"]
unindexed = "all, until optimize()"
synced, buffered = None, "not synced: no write issues a sync call"


def create(folder, dimension, synced):
    os.makedirs(folder)
    config = qdrant_edge.EdgeConfig(
        vectors=qdrant_edge.EdgeVectorParams(dimension, qdrant_edge.Distance.Cosine),
        hnsw_config=qdrant_edge.HnswIndexConfig(16, 200, 10_000, 2),
        optimizers=qdrant_edge.EdgeOptimizersConfig(default_segment_number=1),
    )
    shard = qdrant_edge.EdgeShard.create(folder, config)
    kinds = dict.fromkeys(("section", "architecture", "tags"), qdrant_edge.PayloadSchemaType.Keyword)
    kinds |= dict.fromkeys(("installed_size", "n_depends"), qdrant_edge.PayloadSchemaType.Integer)
    for name, kind in kinds.items():
        shard.update(qdrant_edge.UpdateOperation.create_field_index(name, kind))
    return shard


def open(folder):
    return qdrant_edge.EdgeShard.load(folder)


def upsert(shard, keys, rows, fields):
    points = [qdrant_edge.Point(key, row.tolist(), field) for key, row, field in zip(keys, rows, fields)]
    shard.update(qdrant_edge.UpdateOperation.upsert_points(points))


def finish(shard):
    shard.optimize()
    shard.flush()


def search(shard):
    parameters = qdrant_edge.SearchParams(hnsw_ef=100)

    def nearest(vector):
        query = qdrant_edge.Query.Nearest(vector.tolist())
        asked = qdrant_edge.SearchRequest(query, 10, with_payload=False, with_vector=False, params=parameters)
        return [point.id for point in shard.search(asked)]

    return nearest


def close(shard):
    shard.close()
