"""`python -m core` is `bankassist`: child processes need no script on the path."""

from core.cli import main

if __name__ == "__main__":
    main()
