"""`python -m emotts` is the command `emotts`."""

from emotts.cli.main import main

if __name__ == "__main__":
    main()
