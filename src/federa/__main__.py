"""``python -m federa``, and what the command ``federa`` runs."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line; before and after it, Ctrl-C ends the process without a traceback."""
    interrupted = signal.getsignal(signal.SIGINT)
    heard = interrupted is signal.default_int_handler  # it is ignored in the background
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from federa.cli import main as command

    try:
        signal.signal(signal.SIGINT, interrupted)
        command()
    finally:
        if heard:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
