"""Where the program begins: ``genolstm``, and ``python -m genolstm``, which is the same."""

import signal

# Until the command line handles signals, which takes its imports, Ctrl-C simply ends the process: a
# traceback from the middle of an import would help nobody.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """Run the command line."""
    from genolstm import interrupts

    interrupts.install()
    from genolstm.cli import main

    main()


if __name__ == "__main__":
    main()
