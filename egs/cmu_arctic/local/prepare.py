"""Write the data directory of cmu_arctic: `prepare.py --corpus FOLDER --output FOLDER`."""

import sys

from emotts.data.prepare import main

if __name__ == "__main__":
    sys.exit(main("cmu_arctic"))
