"""Training rows from Parquet files that are larger than memory.

- `parts`: the files of a streamable folder, and what ``stream.json`` says of them.
- `writer`: writes such a folder in chunks.
- `tally`: counts meanwhile what a model takes from all training rows.
- `save`: writes one from a data set in memory.
- `files`: reads rows back and checks them, as untrusted data.
- `order`: which rows come when: an epoch's order is a function of one number.
- `batches`: reads ahead in a thread and yields batches; its position can be kept and taken up.
- `dataset`: a `Dataset` whose training rows come from there; `opening` makes it from a folder.
"""
