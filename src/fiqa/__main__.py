"""`python -m fiqa` is the command line."""

from .cli import main

main()
