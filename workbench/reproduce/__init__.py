"""The paper's tables and the regimes of the gain, from raw data to files in ``data/results``.

`plan` says which runs a cell needs, `jobs` makes those that are not there yet, each in a process
of its own, `cells` turns finished runs into figures, `files` writes them.
"""
