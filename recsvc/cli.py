"""The ``recsvc`` command."""

import sys

from recsvc import cli_keys, rules
from recsvc.cli_agents import mcp_command
from recsvc.cli_client import health_command, ingest_command, recommend_command
from recsvc.cli_serve import demo_command, doctor_command, serve_command
from recsvc.terminal import new_app, run

app = new_app("Per-customer product recommendations that fit the place and the past purchases.")
app.command("serve")(serve_command)
app.command("recommend")(recommend_command)
app.command("ingest")(ingest_command)
app.command("health")(health_command)
app.command("mcp")(mcp_command)
app.command("demo")(demo_command)
app.command("doctor")(doctor_command)
app.add_typer(rules.app, name="rules")
app.add_typer(cli_keys.app, name="keys")


def main() -> None:
    """Run the ``recsvc`` command."""
    sys.exit(run(app))


if __name__ == "__main__":
    main()
