"""A real SCIM 2.0 server for tests and the demo: scim2-server behind a faster HTTP server.

scim2-server's own command cannot start with users in it, opens a connection per
request, and takes its token from the command line. Protocol, storage and token
check are the package's own; nothing of it is changed here.
"""

import argparse
import ctypes
import json
import logging
import os
import signal
import socket
import stat
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import waitress
from people import person
from scim2_models import ScimProvider
from scim2_server.memory import InMemoryStorage
from scim2_server.testserver.application import BEARER_TOKEN_SCHEME, BearerTokenApplication
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)

HOST = "127.0.0.1"
TOKEN_ENV = "JOINERY_SCIM_TOKEN"
# As many as any test opens at once; Python runs them one at a time anyway.
THREADS = 16
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"Serve SCIM 2.0 from memory; the bearer token is ${TOKEN_ENV}.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--users", type=int, default=0, help="start with this many made-up users")
    parser.add_argument("--seed-file", type=Path, help="start with these: a JSON array of SCIM User resources")
    return parser.parse_args()


def make_provider() -> ScimProvider:
    config = load_default_service_provider_config()
    config.authentication_schemes = [BEARER_TOKEN_SCHEME]
    return ScimProvider.from_discovery(
        load_default_schemas().values(), load_default_resource_types().values(), config=config
    )


def read_seed(path: Path) -> list[dict[str, Any]]:
    try:
        users = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"scim server: seed file {path}: {error}") from error
    if not isinstance(users, list):
        raise SystemExit(f"scim server: seed file {path}: not a JSON array")
    return users


def seed(application: BearerTokenApplication, users: list[dict[str, Any]]) -> None:
    """Create users as a POST would (same checks, own ids), without the HTTP in between."""
    resource_type = next(rt for rt in application.provider.resource_types if rt.name == "User")
    for number, user in enumerate(users):
        try:
            body = json.dumps(user).encode()
            resource = application.service.read_creation(resource_type, body, "application/scim+json")
            application.storage.create(resource_type, resource)
        except Exception as error:
            raise SystemExit(f"scim server: user {number} ({user.get('userName')!r}): {error}") from error


def end_with_starter() -> None:
    """Never outlive who started this: a pipe on stdin that closes, or else the parent process."""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        threading.Thread(target=exit_at_end_of_input, daemon=True).start()
        return
    # A shell gives /dev/null to what it starts with '&'; that says nothing about its own end.
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(0)


def exit_at_end_of_input() -> NoReturn:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)  # nothing here outlives the process, so nothing needs closing


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    end_with_starter()
    arguments = parse_arguments()
    token = os.environ.pop(TOKEN_ENV, "")
    if not token:
        raise SystemExit(f"scim server: {TOKEN_ENV} is not set")
    # Every 4xx is a log line of the package otherwise: tests cause them by the hundred.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)

    application = BearerTokenApplication(InMemoryStorage(), make_provider(), bearer_tokens=[token])
    users = [person(number) for number in range(arguments.users)]
    if arguments.seed_file:
        users += read_seed(arguments.seed_file)
    seed(application, users)

    try:
        listener = socket.create_server((HOST, arguments.port), backlog=128)
    except OSError as error:
        raise SystemExit(f"scim server: listen on {HOST}:{arguments.port}: {error}") from error
    port = listener.getsockname()[1]
    server = waitress.create_server(application, sockets=[listener], threads=THREADS, ident="scim2-server")
    print(json.dumps({"baseURL": f"http://{HOST}:{port}/v2", "port": port, "pid": os.getpid()}), flush=True)
    server.run()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
