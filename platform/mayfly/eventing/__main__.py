"""Start the eventing process: ``python -m mayfly.eventing``, settings from the environment."""

from __future__ import annotations

from mayfly import logs, settings
from mayfly.eventing import process


def main() -> None:
    """Read the settings, set up logging, run."""
    config = settings.EventingSettings()
    logs.configure(config.log_level)
    process.run_until_signalled(config)


if __name__ == "__main__":
    main()
