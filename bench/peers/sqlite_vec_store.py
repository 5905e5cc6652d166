"""sqlite-vec in WAL mode, a table of fields beside the vectors, an index on each field. Exact search: there is no vector index."""

import os
import sqlite3

import sqlite_vec

requirements = ["sqlite-vec"]
unindexed = "no index"
synced, buffered = "synchronous = FULL: fdatasync before each answer", "synchronous = NORMAL: synced at checkpoints"

_COLUMNS = ("section", "architecture", "installed_size", "n_depends")


def _connect(folder, synced=True):
    database = sqlite3.connect(f"{folder}/db.sqlite", check_same_thread=False, isolation_level=None)
    database.enable_load_extension(True)
    sqlite_vec.load(database)
    database.execute("pragma journal_mode = wal")
    database.execute(f"pragma synchronous = {'full' if synced else 'normal'}")
    return database


def create(folder, dimension, synced):
    os.makedirs(folder)
    database = _connect(folder, synced)
    database.execute("create table docs(id integer primary key, section, architecture, installed_size, n_depends)")
    for name in _COLUMNS:
        database.execute(f"create index docs_{name} on docs({name})")
    database.execute("create table tags(id integer, tag, primary key(id, tag)) without rowid")
    database.execute("create index tags_tag on tags(tag)")
    database.execute(
        f"create virtual table rows using vec0(id integer primary key, row float[{dimension}] distance_metric=cosine)"
    )
    return database


def open(folder):
    return _connect(folder)


def upsert(database, keys, rows, fields):
    names = [(key,) for key in keys]
    database.execute("begin immediate")
    database.executemany("delete from rows where id = ?", names)
    database.executemany("delete from tags where id = ?", names)
    database.executemany("insert into rows values(?, ?)", [(key, row.tobytes()) for key, row in zip(keys, rows)])
    records = [(key, *(field[name] for name in _COLUMNS)) for key, field in zip(keys, fields)]
    database.executemany("insert or replace into docs values(?, ?, ?, ?, ?)", records)
    tags = [(key, tag) for key, field in zip(keys, fields) for tag in field["tags"]]
    database.executemany("insert or ignore into tags values(?, ?)", tags)
    database.execute("commit")


def finish(database):
    database.execute("pragma wal_checkpoint(truncate)")


def search(database):
    """On a connection of its own, as a reader beside the writer has one."""
    reader = _connect(os.path.dirname(database.execute("pragma database_list").fetchone()[2]))
    return lambda vector: [
        key for (key,) in reader.execute("select id from rows where row match ? and k = 10", (vector.tobytes(),))
    ]


def close(database):
    database.close()
