"""A PostgreSQL server of the tests' own, on a loopback port, that syncs as in earnest."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
"""Where Debian puts the server; its programs are not on PATH."""
USER = "postgres"
"""Made by the package; PostgreSQL refuses to run as root."""


class Missing(Exception):
    """There is no PostgreSQL here, and the text says how to get one."""


def find_program(name: str) -> str:
    """Return the path of one of the server's programs."""
    if (PROGRAMS / name).exists():
        return str(PROGRAMS / name)
    if found := shutil.which(name):
        return found
    raise Missing(f"PostgreSQL's {name} is neither in {PROGRAMS} nor on PATH: `make postgres` installs postgresql-15")


def find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclasses.dataclass
class Server:
    folder: pathlib.Path
    port: int
    process: subprocess.Popen | None = None

    @property
    def dsn(self) -> str:
        return f"postgresql://mayfly@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start, and return when connections are taken."""
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on",
            "synchronous_commit": "on",
            "max_connections": 200,
            "autovacuum_naptime": "5s",
        }
        words = [f"-c{name}={value}" for name, value in options.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [find_program("postgres"), "-D", str(self.folder / "data"), *words],
                stdout=log,
                stderr=log,
                **_as_user(),
            )
        self._wait()

    def _wait(self) -> None:
        assert self.process is not None
        for _ in range(600):
            ready = subprocess.run(
                [find_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"], check=False
            )
            if ready.returncode == 0:
                return
            if self.process.poll() is not None:
                break
        raise Missing(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End at once, as at a power cut of the process: recovery has to read the log."""
        assert self.process is not None
        subprocess.run(
            [find_program("pg_ctl"), "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop"],
            check=True,
            stdout=subprocess.DEVNULL,
            **_as_user(),
        )
        self.process.wait(timeout=20)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the server and to each process it forked."""
        assert self.process is not None
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in [self.process.pid, *map(int, children)]:
            os.kill(pid, number)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # fast shutdown
            self.process.wait(timeout=20)


def make(folder: pathlib.Path) -> Server:
    """Return a server with an empty cluster in ``folder``, started."""
    if os.geteuid() == 0:
        account = pwd.getpwnam(USER) if _has_user() else pwd.getpwnam("nobody")
        os.chown(folder, account.pw_uid, account.pw_gid)
    subprocess.run(
        [find_program("initdb"), "-D", str(folder / "data"), "-U", "mayfly", "-A", "trust", "-E", "UTF8", "--locale=C"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        **_as_user(),
    )
    server = Server(folder, find_port())
    server.start()
    return server


def _has_user() -> bool:
    return any(account.pw_name == USER for account in pwd.getpwall())


def _as_user() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(USER if _has_user() else "nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
