"""``python -m federa``."""

from federa.cli import main

main()
