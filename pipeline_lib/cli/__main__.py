"""``python -m pipeline_lib.cli``: the command without its entry point."""

from pipeline_lib.cli import main

if __name__ == "__main__":
    main()
