"""The ``recsvc-train`` command."""

from recsvc.terminal import new_app, run

COMMANDS = {
    "fit": "training.cli_fit:fit_command",
    "validate": "training.cli_fit:validate_command",
    "evaluate": "training.cli_evaluation:evaluate_command",
    "compare": "training.cli_evaluation:compare_command",
    "promote": "training.cli_promotion:promote_command",
    "rollback": "training.cli_versions:rollback_command",
    "models": "training.cli_versions:models_command",
    "collect": "training.cli_collect:collect_command",
    "nightly": "training.cli_nightly:nightly_command",
    "tune": "training.cli_tuning:tune_command",
    "settings": "training.cli_tuning:settings_command",
    "recommend": "training.cli_recommend:recommend_command",
    "due": "training.cli_due:due_command",
    "replay": "training.cli_replay:replay_command",
    "experiment": "training.cli_experiment:app",
}
"""Where each command is. It is imported when it is called: a rollback does not wait for the
libraries that train."""

app = new_app(
    "Train recommendations from purchases, measure them and publish them.\n\n"
    "A first run: recsvc-train fit --events purchases.csv --registry registry --promote",
    COMMANDS,
)


def main() -> None:
    """Entry point of the console script."""
    raise SystemExit(run(app))
