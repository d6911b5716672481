"""`python -m charnn` and the console script."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the program. Ctrl-C while it is being imported ends it as it ends any program: without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from charnn.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
