"""Flower's SuperNode, but one that ends when it has given up.

Whatever answer it does not expect (a server's status 500, say) ends its loop, and it tells the
server that it goes; then a thread that serves its own tasks keeps the process alive for ever.
"""

from __future__ import annotations

import os
import sys

GAVE_UP = 70
"""The exit code then; Flower's own are 0 and 1."""


def main() -> None:
    """Flower's own command, with its arguments."""
    from flwr.supernode.cli import flower_supernode

    sys.argv[0] = "flower-supernode"
    flower_supernode()
    sys.stdout.flush()
    os._exit(GAVE_UP)


if __name__ == "__main__":
    main()
