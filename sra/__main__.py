"""`python -m sra`: the command line without its script, as torchrun needs it."""

from sra.commands import main

if __name__ == "__main__":
    main()
