"""Write the data directory of crema_d: `prepare.py --corpus FOLDER --output FOLDER`."""

import sys

from emotts.data.prepare import main

if __name__ == "__main__":
    sys.exit(main("crema_d"))
