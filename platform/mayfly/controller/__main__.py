"""Start the controller: ``python -m mayfly.controller``, settings from the environment."""

from __future__ import annotations

from mayfly import logs, settings
from mayfly.controller import process


def main() -> None:
    """Read the settings, set up logging, run."""
    config = settings.ControllerSettings()
    logs.configure(config.log_level)
    process.run_until_signalled(config)


if __name__ == "__main__":
    main()
