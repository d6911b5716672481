"""`python -m charnn` and the console script."""

import _signal  # type: ignore[import-not-found]  # signal, without its enumerations, which take a while to import


def main() -> None:
    """Run the program. Ctrl-C while it is being imported ends it as it ends any program: without a traceback."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from charnn.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
