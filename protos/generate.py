"""Generate the stubs under ``recsvc/v1`` from ``protos/recsvc/v1/*.proto``.

Run it from anywhere with the project's Python::

    python protos/generate.py           # write the stubs
    python protos/generate.py --check   # fail if the committed stubs are not current
    python protos/generate.py --lint    # fail if `buf lint` finds anything (offline)

``--check`` and ``--lint`` may be given together; neither changes a file. The same protos and
the same grpcio-tools give the same bytes.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from google import type as google_type
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
PACKAGE = Path("recsvc") / "v1"


def proto_names(protos: Path = PROTOS) -> list[str]:
    """List the project's proto files as protoc names them, sorted."""
    return sorted(path.relative_to(protos).as_posix() for path in protos.glob(f"{PACKAGE}/*.proto"))


def run_protoc(*options: str) -> None:
    """Run protoc over the project's protos.

    Args:
        *options: what to write and where, as protoc's own flags.

    Raises:
        SystemExit: protoc refused a file; it has said which and why on stderr.
    """
    # googleapis-common-protos and grpcio-tools carry the google/*.proto files that ours import.
    common = Path(next(iter(google_type.__path__))).parent.parent
    well_known = resources.files("grpc_tools") / "_proto"
    includes = [f"-I{PROTOS}", f"-I{common}", f"-I{well_known}"]
    if protoc.main(["protoc", *includes, *options, *proto_names()]) != 0:
        raise SystemExit(1)


def generate(out: Path) -> None:
    """Write ``_pb2.py``, ``_pb2.pyi`` and ``_pb2_grpc.py`` of every proto below ``out``."""
    run_protoc(f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}")


def stubs(root: Path) -> dict[str, bytes]:
    """Read the generated files below ``root``, by their path from there."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted((root / PACKAGE).glob("*_pb2*.py*"))
    }


def stale_stubs(root: Path = ROOT) -> list[str]:
    """Name the stubs below ``root`` that differ from what the protos give, are missing or extra."""
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        current = stubs(Path(directory))
    committed = stubs(root)
    names = sorted(current.keys() | committed.keys())
    return [name for name in names if current.get(name) != committed.get(name)]


def find_buf() -> str:
    """Find ``buf`` beside this Python, else on the PATH.

    Raises:
        SystemExit: it is not installed.
    """
    buf = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")
    if buf is None:
        raise SystemExit("buf is missing: install the dev dependencies (buf-bin)")
    return buf


def lint() -> int:
    """Run ``buf lint`` over a protoc image, which needs no network; 0 means nothing found."""
    with tempfile.TemporaryDirectory() as directory:
        image = Path(directory) / "image.binpb"
        run_protoc("--include_imports", "--include_source_info", f"--descriptor_set_out={image}")
        command = [find_buf(), "lint", str(image), "--config", str(PROTOS / "buf.yaml")]
        return subprocess.run(command, check=False, cwd=directory).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description="Generate, check and lint the API's stubs.")
    parser.add_argument("--check", action="store_true", help="fail if the stubs are not current")
    parser.add_argument("--lint", action="store_true", help="fail if buf lint finds anything")
    options = parser.parse_args(arguments)
    if not (options.check or options.lint):
        generate(ROOT)
        return 0
    if options.check and (stale := stale_stubs()):
        print(  # noqa: T201  # a command line's answer
            f"stubs are not current: {', '.join(stale)}; run python protos/generate.py",
            file=sys.stderr,
        )
        return 1
    return lint() if options.lint else 0


if __name__ == "__main__":
    sys.exit(main())
