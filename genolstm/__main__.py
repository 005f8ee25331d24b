"""``python -m genolstm`` is the same as ``genolstm``."""

from genolstm.cli import main

main()
