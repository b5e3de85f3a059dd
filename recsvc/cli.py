"""The ``recsvc`` command."""

import os
import sys

from recsvc.terminal import Place, new_app, run

COMMANDS = {
    "serve": Place("recsvc.cli_serve:serve_command", "Serve recommendations over gRPC."),
    "recommend": Place(
        "recsvc.cli_client:recommend_command",
        "Ask a running server for a customer's list, and why each product is on it.",
    ),
    "ingest": Place(
        "recsvc.cli_client:ingest_command", "Send a file of events to a running server."
    ),
    "health": Place(
        "recsvc.cli_health:health_command",
        "Ask a running server whether it can answer, by gRPC's standard health protocol.",
    ),
    "mcp": Place(
        "recsvc.cli_agents:mcp_command",
        "Serve agents: recommendations as tools of the Model Context Protocol.",
    ),
    "demo": Place(
        "recsvc.cli_serve:demo_command",
        "Train on a year of real groceries, serve, and show what is recommended to whom, and "
        "where.",
    ),
    "doctor": Place(
        "recsvc.cli_serve:doctor_command",
        "Check that the service could start here: settings, model, Redis, who may call, port.",
    ),
    "rules": Place(
        "recsvc.rules:app",
        "Merchandising rules: pin, boost, bury, cap and exclude products, by place, channel, "
        "segment and time. docs/rules.md has examples to copy.",
    ),
    "keys": Place(
        "recsvc.cli_keys:app",
        "API keys of services: add, list, revoke. A server reads the file again when it changes. "
        "docs/security.md has the rest.",
    ),
}
"""Where each command is, and its first sentence. It is imported when it is called: a probe, which
runs every few seconds, waits for no other command's libraries."""

app = new_app(
    "Per-customer product recommendations that fit the place and the past purchases.", COMMANDS
)


def main() -> None:
    """Run the ``recsvc`` command."""
    # What a command says is one line: gRPC's own of a handshake that failed would come before it.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    sys.exit(run(app))


if __name__ == "__main__":
    main()
