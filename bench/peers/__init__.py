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
that win on the bundled data, and let the sweep reach a recall of .99."""
