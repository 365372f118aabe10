"""`python -m attnbench` is the same program as `attnbench`."""

from attnbench.cli.main import main

if __name__ == "__main__":
    main()
