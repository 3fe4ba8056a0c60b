"""``python -m mechint`` is ``mechint``, for programs that start it with their own Python."""

from mechint.cli import main

if __name__ == "__main__":
    main()
