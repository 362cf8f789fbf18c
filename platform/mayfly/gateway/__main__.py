"""Start the gateway's control: ``python -m mayfly.gateway``, settings from the environment."""

from __future__ import annotations

from mayfly import logs, settings
from mayfly.gateway import control


def main() -> None:
    """Read the settings, set up logging, run."""
    config = settings.GatewaySettings()
    logs.configure(config.log_level)
    control.run_until_signalled(config)


if __name__ == "__main__":
    main()
