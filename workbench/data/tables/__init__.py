"""Your own tables: from CSV or Parquet to a prepared data set, whatever their size.

- `guess`: looks at the first rows of a table and writes ``schema.yaml``, with a reason per line.
- `schema_file`: reads ``schema.yaml`` back, as untrusted text.
- `stage`: reads the tables once, checks every value and reports all problems together.
- `prepare`: split, vocabularies, counts, histories and sampled negatives, then the tensors; all of
  it in chunks, so that memory follows the number of distinct values and not the number of rows.
"""
