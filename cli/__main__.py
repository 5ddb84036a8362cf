"""python -m countersign.cli."""

from countersign.cli import main

main()
