"""``python -m trueneg`` is the ``trueneg`` command."""

from trueneg.cli import main

if __name__ == "__main__":
    main()
