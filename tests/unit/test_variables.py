"""Variables that nobody reads are told, and nothing of Kubernetes is taken for one."""

import pytest

from recsvc.variables import unknown_variables


def test_what_is_no_setting_is_named_with_what_may_be_meant() -> None:
    """By its name alone: the value may be a secret."""
    told = dict(
        unknown_variables(
            {
                "RECSVC_WORKER": "3",
                "RECSVC_TLS_CERTIFICAT": "hush",
                "RECSVC_COLOUR_OF_THE_DOOR": "red",
                "PATH": "/bin",
                "recsvc_x": "1",
            }
        )
    )
    assert told == {
        "RECSVC_COLOUR_OF_THE_DOOR": "this release has no such setting; docs/operations.md lists "
        "them",
        "RECSVC_TLS_CERTIFICAT": "this release has no such setting; did you mean RECSVC_TLS_CERT?",
        "RECSVC_WORKER": "this release has no such setting; did you mean RECSVC_WORKERS?",
    }


@pytest.mark.parametrize(
    "name",
    [
        "RECSVC_REGISTRY",
        "RECSVC_JWT_KEYS_URL",
        "RECSVC_TARGET_TOKEN_FILE",
        "RECSVC_KEEP_MODELS",
        "RECSVC_METRICS_DIR",
        "RECSVC_WORKER_INDEX",
        "RECSVC_WORKER_REPLACES",
        "RECSVC_WORKER_SLOT",
        "RECSVC_SERVICE_HOST",
        "RECSVC_SERVICE_PORT",
        "RECSVC_SERVICE_PORT_GRPC",
        "RECSVC_METRICS_PORT_9090_TCP",
        "RECSVC_PORT_50051_TCP_ADDR",
    ],
)
def test_settings_and_services_of_kubernetes_are_no_slips(name: str) -> None:
    """Those of the service, of its callers, of the trainer and of its own processes."""
    assert list(unknown_variables({name: "10.0.0.1"})) == []


def test_a_port_that_somebody_has_set_is_a_slip() -> None:
    """Kubernetes gives an address under that name; an empty one is unset."""
    assert [name for name, _ in unknown_variables({"RECSVC_PORT": "8080"})] == ["RECSVC_PORT"]
    assert list(unknown_variables({"RECSVC_PORT": "tcp://10.0.0.1:50051"})) == []
    assert list(unknown_variables({"RECSVC_PORT": ""})) == []
