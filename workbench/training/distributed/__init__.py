"""Training over several processes, on one machine or many, started by ``torchrun``.

`launch` tells whether torchrun started this process, `group` names the process among the others,
`share` cuts every global batch into shares and `draws` makes random draws those of the global
batch, so that any number of processes trains what one process trains at the same batch size.
`trainer` is the loop, `rowwise` and `torchrec_table` split the embedding table, `checkpoint` keeps
a split model so that any number of processes goes on with it, `experiment` writes the run.
"""
