"""This module runs the program: `python -m headend`."""

from headend.cli.main import main

if __name__ == "__main__":
    main()
