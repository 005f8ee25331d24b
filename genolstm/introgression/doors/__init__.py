"""One module per kind of input; each yields blocks of the same tracks."""
