"""The program, as `attnbench` and as `python -m attnbench`: it can be interrupted from its first moment on."""

import os
import signal
from contextlib import suppress
from typing import NoReturn

from attnbench.standard_streams import make_streams_forgiving

STANDARD_ERROR = 2
SHOW_CURSOR = b"\x1b[?25h"  # the progress bars hide it


def _leave(number: int, _frame: object) -> NoReturn:
    """End at once: an exception would be swallowed where torch imports numpy, and the program would go on."""
    with suppress(OSError):
        if os.isatty(STANDARD_ERROR):
            os.write(STANDARD_ERROR, SHOW_CURSOR)
    os._exit(128 + number)


def main() -> None:
    """Run the program; 130 after Ctrl-C, 143 after SIGTERM and 129 after a closed terminal, wherever they come."""
    make_streams_forgiving()
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as it is under `nohup`
        signal.signal(signal.SIGHUP, _leave)
    # Only now: what the commands import takes long enough for a Ctrl-C to come in between.
    from attnbench.cli.main import run

    run()


if __name__ == "__main__":
    main()
