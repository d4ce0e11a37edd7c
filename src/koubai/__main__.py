"""``python -m koubai``: the command, where its script is not on the path."""

from koubai.cli import main

if __name__ == "__main__":
    main()
