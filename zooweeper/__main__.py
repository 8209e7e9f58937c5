"""`python -m zooweeper` is the command `zooweeper`.

Rules: nothing here.
"""

from zooweeper.cli.main import main

main()
