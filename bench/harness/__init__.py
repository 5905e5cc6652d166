"""What bench/compare.py is made of: environment (a place to install peers), datasets (vectors and their exact nearest rows),
runs (one process a peer, interleaved passes), report (tables, JSON lines), tradeoff (dimensions x codes x index)."""
