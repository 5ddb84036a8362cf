"""The process of a home's Prefect server: Prefect's own app, with a guard before it.

    python -m countersign.deployments.orchestration.prefect_server HOST PORT [--also http://NAME:PORT …]

`prefect server start` has no room for the guard. Prefect's settings, the login among them, come by the environment.
"""

import argparse

import uvicorn
from prefect.server.api.server import create_app

from countersign.deployments.orchestration.environment import server_addresses
from countersign.deployments.orchestration.guard import Guard

# As Prefect's own command has them.
KEEP_ALIVE_SECONDS = 5


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="countersign.deployments.orchestration.prefect_server")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--also", action="append", default=[], metavar="URL", help="another address it is asked for by")
    options = parser.parse_args()
    uvicorn.run(
        Guard(create_app(final=True), (*server_addresses(options.port), *options.also)),
        host=options.host,
        port=options.port,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
