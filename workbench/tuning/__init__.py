"""Search for settings on validation AUC, with the same number of trials for every method.

`space` says what is searched, `search` runs the trials in processes of their own, `worker` trains
one of them without ever seeing the test rows, `report` writes what was found.
"""
