"""What a worker does not load before it is asked for."""

import subprocess
import sys


def test_a_worker_without_tls_and_tokens_loads_none_of_their_libraries() -> None:
    """They are a good part of what it takes to start, and not every service needs them."""
    # Redis looks whether cryptography is there, which loads its outermost module alone.
    program = (
        "import sys, recsvc.app.worker; "
        "print([name for name in sys.modules if name.startswith(('cryptography.hazmat', "
        "'cryptography.x509', 'jwt'))])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout == "[]\n"
