"""Peers of bench/compare.py: one small file each, NAME_peer.py, found by its name and chosen by --peers NAME.

    \"\"\"What it is, and the settings it is built with.\"\"\"

    requirements = ["package"]           # what pip installs, by name; read without importing this file. Leave out if nothing

    import package

    sweep = [10, 20, 40]                 # settings to measure, one point each: numbers, strings or tuples of them

    def build(rows, threads, metric):    # rows: f32 [n, d], of length 1 under "cosine"; copy what is kept. Returns any state.
        ...                              # Without the parameter `metric` the peer is measured under cosine alone.

    def query(state, setting):           # the function that is timed: one query in (f32 [d]), 10 row numbers out. One thread.
        return lambda vector: ...

    def own_bytes(state): ...            # optional: the peer's own figure of its memory
    version = "1.0"                      # optional: of what is not a package; by default that of the first requirement

Each peer runs in a process of its own with OMP_NUM_THREADS=1; build() asks for `threads`. A peer that fails to install, to
import, to build or to search is named in the report with the reason. Show every library at its best: choose the settings
that win on the bundled data, and let the sweep reach a recall of .99.

Stores of bench/compare.py --durable: NAME_store.py, found and chosen in the same way.

    requirements = ["package"]
    synced = "how"                       # text, or None when it does not sync each write; literals, read without importing
    buffered = "how"                     # the same without a sync: "not synced…" when it offers nothing else, None if it always syncs
    unindexed = "all, until …"           # optional: what is not in the index after a write, where there is no lag()
    threaded = True                      # optional: write from several threads too

    def create(folder, dimension, synced): ...     # a new store; cosine; fields section, architecture, installed_size, n_depends,
                                                   # tags (list), all of which can be filtered by. Returns any state
    def open(folder): ...                          # one that is there
    def upsert(state, keys, rows, fields): ...     # keys: ints, rows: f32 [n, d], fields: one dict a key
    def finish(state): ...                         # all that is left to do: index, checkpoint, compaction
    def search(state): ...                         # the function that is timed: a query in, 10 keys out; recall .95 or more
    def close(state): ...
    def lag(state): ...                            # optional: how many records the index lacks"""
