"""LanceDB: merge_insert on an indexed key; once all is written, IVF_HNSW_SQ and indexes of the fields. Refined on the rows, so
that it reaches a recall of .95."""

import lancedb
import numpy
import pyarrow
from lancedb.index import HnswSq

requirements = ["lancedb"]
unindexed = "all, until an index is made"
synced, buffered = None, "not synced: no write issues a sync call"

_STRINGS, _INTEGERS = ("section", "architecture"), ("installed_size", "n_depends")


def _schema(dimension):
    fields = [("id", pyarrow.int64()), ("vector", pyarrow.list_(pyarrow.float32(), dimension))]
    fields += [(name, pyarrow.string()) for name in _STRINGS] + [(name, pyarrow.int64()) for name in _INTEGERS]
    return pyarrow.schema([*fields, ("tags", pyarrow.list_(pyarrow.string()))])


def create(folder, dimension, synced):
    return lancedb.connect(folder).create_table("docs", schema=_schema(dimension))


def open(folder):
    return lancedb.connect(folder).open_table("docs")


def upsert(table, keys, rows, fields):
    schema = table.schema
    flat = pyarrow.array(numpy.ascontiguousarray(rows).ravel())
    columns = [pyarrow.array(keys, pyarrow.int64()), pyarrow.FixedSizeListArray.from_arrays(flat, rows.shape[1])]
    for name in schema.names[2:]:
        columns.append(pyarrow.array([field[name] for field in fields], schema.field(name).type))
    batch = pyarrow.table(columns, schema=schema)
    table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(batch)


def finish(table):
    table.create_index("vector", config=HnswSq(distance_type="cosine", m=16, ef_construction=200), replace=True)
    for name in ("section", "architecture"):
        table.create_scalar_index(name, index_type="BITMAP", replace=True)
    for name in ("id", *_INTEGERS):
        table.create_scalar_index(name, index_type="BTREE", replace=True)
    table.create_scalar_index("tags", index_type="LABEL_LIST", replace=True)
    table.optimize()


def search(table):
    def nearest(vector):
        asked = table.search(vector).limit(10).select(["id"]).nprobes(1).refine_factor(4).ef(100)
        return asked.to_arrow()["id"].to_numpy()

    return nearest


def close(table):
    pass
