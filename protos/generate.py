"""Generate the stubs under ``recsvc/v1`` from ``protos/recsvc/v1/*.proto``.

Run it from anywhere with the project's Python::

    python protos/generate.py               # write the stubs
    python protos/generate.py --check       # fail if the committed stubs are not current
    python protos/generate.py --lint        # fail if `buf lint` finds anything (offline)
    python protos/generate.py --image FILE  # write one descriptor set, for grpcurl or buf

Only the first changes the checkout; the others may be given together. The same protos and
the same grpcio-tools give the same bytes.
"""  # noqa: INP001  # a script beside the files that it reads, not a package

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
PACKAGE = Path("recsvc") / "v1"


def common_protos() -> Path:
    """Find the .proto files of google/type and google/rpc, which their package has beside stubs.

    protoc finds those of google/protobuf in grpcio-tools by itself.

    Raises:
        SystemExit: this Python has not got what it takes.
    """
    try:
        distribution("grpcio-tools")
        return Path(str(distribution("googleapis-common-protos").locate_file("")))
    except PackageNotFoundError as error:
        raise SystemExit(
            f"error: {sys.executable} has no {error.name}; run this with the project's Python: "
            "make stubs, or .venv/bin/python protos/generate.py"
        ) from error


def run_protoc(*options: str) -> None:
    """Run protoc over the project's protos.

    Args:
        *options: what to write and where, as protoc's own flags.

    Raises:
        SystemExit: protoc refused a file; it has said which and why on stderr.
    """
    names = sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.glob("recsvc/v1/*.proto"))
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"-I{common_protos()}"]
    if subprocess.run([*protoc, *options, *names], check=False).returncode != 0:
        raise SystemExit(1)


def generate(out: Path) -> None:
    """Write ``_pb2.py``, ``_pb2.pyi`` and ``_pb2_grpc.py`` of every proto below ``out``."""
    run_protoc(f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}")


def write_image(path: Path) -> None:
    """Write every proto, its imports and its comments as one ``FileDescriptorSet``."""
    run_protoc("--include_imports", "--include_source_info", f"--descriptor_set_out={path}")


def read_stubs(root: Path) -> dict[str, bytes]:
    """Read the generated files below ``root``, by their path from there."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in (root / PACKAGE).glob("*_pb2*.py*")
    }


def stale_stubs() -> list[str]:
    """Name the committed stubs that are missing, extra or not what the protos give."""
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        current = read_stubs(Path(directory))
    committed = read_stubs(ROOT)
    names = sorted(current.keys() | committed.keys())
    return [name for name in names if current.get(name) != committed.get(name)]


def lint() -> int:
    """Run ``buf lint`` over an image, which needs no network; 0 means nothing found.

    Raises:
        SystemExit: buf is neither beside this Python nor on the PATH.
    """
    buf = shutil.which("buf", path=Path(sys.executable).parent) or shutil.which("buf")
    if buf is None:
        raise SystemExit("buf is missing; install the development dependencies (buf-bin)")
    with tempfile.TemporaryDirectory() as directory:
        image = Path(directory) / "image.binpb"
        write_image(image)
        command = [buf, "lint", str(image), "--config", str(PROTOS / "buf.yaml")]
        return subprocess.run(command, check=False, cwd=directory).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description="Generate, check and lint the API's stubs.")
    parser.add_argument("--check", action="store_true", help="fail if the stubs are not current")
    parser.add_argument("--lint", action="store_true", help="fail if buf lint finds anything")
    parser.add_argument("--image", type=Path, metavar="FILE", help="write one descriptor set")
    options = parser.parse_args(arguments)
    if not (options.check or options.lint or options.image):
        generate(ROOT)
        return 0
    if options.image:
        write_image(options.image.resolve())
    if options.check and (stale := stale_stubs()):
        sys.stderr.write(
            f"stubs are not current: {', '.join(stale)}; run python protos/generate.py\n"
        )
        return 1
    return lint() if options.lint else 0


if __name__ == "__main__":
    sys.exit(main())
