"""`python -m pipeline` is the command `ecosight`, wherever the script was not installed."""

from pipeline.cli import main

main()
