"""The ``recsvc-train`` command."""

import os
import sys
from collections.abc import Mapping

from recsvc.terminal import Place, new_app, run

COMMANDS = {
    "fit": Place(
        "training.cli_fit:fit_command",
        "Train on purchases, measure on the last weeks of them, and publish a version.",
    ),
    "validate": Place(
        "training.cli_fit:validate_command", "Read and check files as fit would, without training."
    ),
    "evaluate": Place(
        "training.cli_evaluation:evaluate_command",
        "Measure a published version on purchases made after its data ended.",
    ),
    "compare": Place(
        "training.cli_evaluation:compare_command",
        "Measure two published versions on the same purchases, made after the data of both ended.",
    ),
    "promote": Place(
        "training.cli_promotion:promote_command",
        "Make a version the one that is served; running servers follow by themselves.",
    ),
    "rollback": Place(
        "training.cli_versions:rollback_command", "Serve the version before the current one again."
    ),
    "models": Place(
        "training.cli_versions:models_command", "List the published versions, newest first."
    ),
    "prune": Place(
        "training.cli_prune:prune_command",
        "Remove old versions that nobody needs any more; nightly does it by itself.",
    ),
    "collect": Place(
        "training.cli_collect:collect_command",
        "Drain live events, and the sample of served lists, into files, each exactly once.",
    ),
    "nightly": Place(
        "training.cli_nightly:nightly_command",
        "Train on the whole history and serve the result, unless it is worse or was not measured.",
    ),
    "tune": Place(
        "training.cli_tuning:tune_command",
        "Search for settings that suit your data better than the defaults.",
    ),
    "settings": Place(
        "training.cli_tuning:settings_command",
        "Print all settings of fit with what each is for, as a file for fit --config.",
    ),
    "recommend": Place(
        "training.cli_recommend:recommend_command",
        "Write the lists of many customers, the same that the server would answer.",
    ),
    "due": Place(
        "training.cli_due:due_command",
        "Write who needs what soon, and when to say so, for proactive messages.",
    ),
    "replay": Place(
        "training.cli_replay:replay_command",
        "Make a served list again, and say why each product is on it.",
    ),
    "experiment": Place(
        "training.cli_experiment:app",
        "Compare models on live traffic: plan, activate, report, stop.",
    ),
}
"""Where each command is, and its first sentence. It is imported when it is called: a rollback does
not wait for the libraries that train, and the help is there without them."""

app = new_app(
    "Train recommendations from purchases, measure them and publish them.\n\n"
    "A first run: recsvc-train fit --events purchases.csv --registry registry --promote",
    COMMANDS,
)


def main() -> None:
    """Entry point of the console script."""
    _warn_of_unknown_variables(os.environ)
    raise SystemExit(run(app))


def _warn_of_unknown_variables(environment: Mapping[str, str]) -> None:
    """Name those that look like settings and are none; the command goes on."""
    if not any(name.startswith("RECSVC_") for name in environment):
        return
    from recsvc.variables import unknown_variables  # noqa: PLC0415  # .15 s, for who sets none

    for name, hint in unknown_variables(environment):
        sys.stderr.write(f"warning: {name}: {hint}\n")
