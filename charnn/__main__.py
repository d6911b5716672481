"""`python -m charnn` and the console script."""

from charnn.cli.app import main

if __name__ == "__main__":
    main()
