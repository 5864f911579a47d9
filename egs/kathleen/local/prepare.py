"""Write the data directory of kathleen: `prepare.py --corpus FOLDER --output FOLDER`."""

import sys

from emotts.data.prepare import main

if __name__ == "__main__":
    sys.exit(main("kathleen"))
