"""The public API: complete, documented, linted, and its stubs current."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import EnumDescriptor, FileDescriptor

from recsvc.core.claims import ReasonCode
from recsvc.v1 import (
    catalog_pb2,
    catalog_service_pb2,
    common_pb2,
    customer_service_pb2,
    errors_pb2,
    event_service_pb2,
    model_service_pb2,
    recommendation_service_pb2,
)

ROOT = Path(__file__).resolve().parents[2]

# What the client sends -> what the server answers.
RPCS = {
    "RecommendationService": {
        "Recommend": "unary -> unary",
        "BatchRecommend": "unary -> unary",
        "StreamBatchRecommend": "stream -> stream",
        "ListSimilarProducts": "unary -> unary",
        "ListBoughtTogether": "unary -> unary",
        "ListBuyAgain": "unary -> unary",
    },
    "EventService": {
        "IngestEvents": "unary -> unary",
        "StreamEvents": "stream -> stream",
    },
    "CatalogService": {
        "BatchUpsertProducts": "unary -> unary",
        "GetProduct": "unary -> unary",
        "ListProducts": "unary -> unary",
        "BatchUpsertStores": "unary -> unary",
        "ListStores": "unary -> unary",
        "BatchSetInventory": "unary -> unary",
        "BatchGetInventory": "unary -> unary",
        "WithdrawProducts": "unary -> unary",
        "RestoreProducts": "unary -> unary",
    },
    "CustomerService": {
        "GetCustomer": "unary -> unary",
        "UpdateCustomer": "unary -> unary",
        "LinkVisitor": "unary -> unary",
        "EraseCustomer": "unary -> unary",
        "ExportCustomer": "unary -> stream",
    },
    "ModelService": {
        "ListModels": "unary -> unary",
        "GetModel": "unary -> unary",
        "ActivateModel": "unary -> unary",
        "RollbackModel": "unary -> unary",
    },
}

REASONS = {
    "INVALID_ARGUMENT": [
        "FIELD_INVALID",
        "PAGE_TOKEN_INVALID",
        "PAGE_TOKEN_MISMATCH",
        "BATCH_TOO_LARGE",
        "FILTER_UNSUPPORTED",
    ],
    "NOT_FOUND": [
        "PRODUCT_NOT_FOUND",
        "STORE_NOT_FOUND",
        "MODEL_NOT_FOUND",
        "CUSTOMER_NOT_FOUND",
    ],
    "FAILED_PRECONDITION": [
        "MODEL_NOT_ACTIVATABLE",
        "NO_PREVIOUS_MODEL",
        "DURABILITY_UNAVAILABLE",
    ],
    "ALREADY_EXISTS": ["REQUEST_ID_REUSED"],
    "UNAUTHENTICATED": ["CREDENTIAL_MISSING", "CREDENTIAL_INVALID"],
    "PERMISSION_DENIED": ["SCOPE_MISSING", "CUSTOMER_MISMATCH"],
    "RESOURCE_EXHAUSTED": ["RATE_LIMITED", "OVERLOADED"],
    "ABORTED": ["STREAM_IDLE", "STREAM_UNREAD"],
    "UNAVAILABLE": ["WARMING_UP", "DRAINING", "STORE_UNAVAILABLE"],
    "UNIMPLEMENTED": ["NOT_YET_AVAILABLE"],
    "INTERNAL": ["INTERNAL"],
}

FIELDS = {
    "Shopper": "customer_id visitor_id session_id",
    "Location": "country_code subdivision_code postal_code store_id lat_lng",
    "RecommendationContext": (
        "location channel placement_id journey_stage basket recent_product_ids currency_code "
        "as_of_time"
    ),
    "LineItem": "product_id quantity unit_price",
    "PriceRange": "min max",
    "ProductFilter": (
        "category_paths brands price_range attributes_any exclude_product_ids in_stock_only "
        "exclude_purchased strict"
    ),
    "RecommendRequest": (
        "shopper context page_size page_token filter diversity explain include_products "
        "experiment_id consistency_token"
    ),
    "RecommendResponse": "recommendations next_page_token recommendation_id serving",
    "RecommendedProduct": "product_id rank score strategy location_level explanation product",
    "Explanation": "reason_code text evidence_product_ids",
    "ServingModel": "model_id version_id train_time",
    "ServingInfo": (
        "model served_from compute_time cache_age experiment_id variant_id degraded "
        "degraded_reason warnings resolved_location location_level"
    ),
    "ListSimilarProductsRequest": "product_id shopper context filter",
    "ListBoughtTogetherRequest": "product_ids shopper context filter",
    "BuyAgainRecommendation": "due_time usual_interval usual_quantity",
    "LearntPurchases": "product_id purchase_count first_time last_time usual_quantity",
    "Event": (
        "event_id type shopper event_time items location channel placement_id recommendation_id "
        "order_id rating"
    ),
    "IngestEventsRequest": "events durable request_id",
    "IngestEventsResponse": "consistency_token",
    "Product": (
        "product_id group_id title titles category_path brand price attributes available_from "
        "available_to uri image_uri sensitive"
    ),
    "Store": "store_id name country_code subdivision_code postal_code lat_lng time_zone",
    "InventoryRecord": "effective_time price",
    "WithdrawProductsRequest": "product_ids request_id",
    "WithdrawProductsResponse": "consistency_token",
    "GetCustomerRequest": "customer_id",
    "UpdateCustomerRequest": "customer update_mask allow_missing request_id",
    "UpdateCustomerResponse": "customer consistency_token",
    "LinkVisitorRequest": "visitor_id customer_id request_id",
    "EraseCustomerRequest": "customer_id request_id",
    "EraseCustomerResponse": "receipt consistency_token",
    "ListModelsRequest": "page_size page_token",
    "ListModelsResponse": "models next_page_token",
    "GetModelRequest": "version_id",
    "ActivateModelRequest": "version_id request_id",
    "RollbackModelRequest": "request_id",
}

ENUMS = {
    "LocationLevel": "STORE POSTAL_CODE CELL SUBDIVISION COUNTRY EVERYWHERE",
    "Channel": "WEB APP STORE EMAIL CHAT AGENT",
    "JourneyStage": "DISCOVER CONSIDER CART CHECKOUT POST_PURCHASE",
    "Diversity": "NONE LOW MEDIUM HIGH",
    "Strategy": "COLLABORATIVE SIMILAR BOUGHT_TOGETHER BUY_AGAIN POPULAR_NEARBY POPULAR",
    "ServedFrom": "MODEL CACHE STALE_CACHE FALLBACK",
    "EventType": "PURCHASE RETURN VIEW ADD_TO_CART REMOVE_FROM_CART IMPRESSION CLICK FEEDBACK",
    "EventOutcome": "ACCEPTED DUPLICATE REJECTED DROPPED_NO_CONSENT",
    "Consent": "GRANTED WITHDRAWN UNKNOWN",
}

FILES: tuple[FileDescriptor, ...] = (
    catalog_pb2.DESCRIPTOR,
    catalog_service_pb2.DESCRIPTOR,
    common_pb2.DESCRIPTOR,
    customer_service_pb2.DESCRIPTOR,
    errors_pb2.DESCRIPTOR,
    event_service_pb2.DESCRIPTOR,
    model_service_pb2.DESCRIPTOR,
    recommendation_service_pb2.DESCRIPTOR,
)


def run_generate(*flags: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the generator of the checkout at ``root``."""
    command = [sys.executable, str(root / "protos" / "generate.py"), *flags]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> list[descriptor_pb2.FileDescriptorProto]:
    """The project's own files of the descriptor image, with their comments."""
    path = tmp_path_factory.mktemp("image") / "image.binpb"
    run = run_generate("--image", str(path))
    assert run.returncode == 0, run.stderr
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    return [file for file in files if file.package == "recsvc.v1"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the protos and the stubs that a test may spoil."""
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    shutil.copytree(
        ROOT / "recsvc" / "v1",
        tmp_path / "recsvc" / "v1",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return tmp_path


def elements(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield every element that needs a comment: its path in the source info, and its name.

    The numbers are field numbers in descriptor.proto: a file's messages are its field 4, its
    enums 5, its services 6; a message's fields 2, its nested messages 3, its nested enums 4,
    its oneofs 8; an enum's values and a service's methods 2.
    """

    def of_enum(path: tuple[int, ...], name: str, enum: descriptor_pb2.EnumDescriptorProto) -> None:
        found.append((path, f"{name}{enum.name}"))
        found.extend(
            ((*path, 2, i), f"{name}{enum.name}.{value.name}") for i, value in enumerate(enum.value)
        )

    def of_message(
        path: tuple[int, ...], prefix: str, message: descriptor_pb2.DescriptorProto
    ) -> None:
        if message.options.map_entry:  # made by the compiler; nobody can comment it
            return
        name = f"{prefix}{message.name}"
        found.append((path, name))
        found.extend(
            ((*path, 2, i), f"{name}.{field.name}") for i, field in enumerate(message.field)
        )
        found.extend(
            ((*path, 8, i), f"{name}.{oneof.name}")
            for i, oneof in enumerate(message.oneof_decl)
            if not oneof.name.startswith("_")  # the compiler's, for an optional field
        )
        for i, nested in enumerate(message.nested_type):
            of_message((*path, 3, i), f"{name}.", nested)
        for i, enum in enumerate(message.enum_type):
            of_enum((*path, 4, i), f"{name}.", enum)

    found: list[tuple[tuple[int, ...], str]] = []
    for i, message in enumerate(file.message_type):
        of_message((4, i), "", message)
    for i, enum in enumerate(file.enum_type):
        of_enum((5, i), "", enum)
    for i, service in enumerate(file.service):
        found.append(((6, i), service.name))
        found.extend(
            ((6, i, 2, j), f"{service.name}.{rpc.name}") for j, rpc in enumerate(service.method)
        )
    yield from found


def enum_named(name: str) -> EnumDescriptor:
    """Find an enum of the API by its short name."""
    return next(file.enum_types_by_name[name] for file in FILES if name in file.enum_types_by_name)


def test_every_element_of_the_api_has_a_comment(
    image: list[descriptor_pb2.FileDescriptorProto],
) -> None:
    """Whatever a caller meets in the protos explains itself in a sentence."""
    seen = 0
    bare = []
    for file in image:
        comments = {
            tuple(place.path): (place.leading_comments + place.trailing_comments).strip()
            for place in file.source_code_info.location
        }
        for path, name in elements(file):
            seen += 1
            if not comments[path].endswith((".", "?")):
                bare.append(f"{file.name}: {name}")
    assert len(image) == len(FILES)
    assert seen > 300
    assert bare == []


def test_the_services_and_rpcs_are_those_of_the_contract() -> None:
    """Each service has exactly the promised RPCs, each streaming in the promised directions."""
    kinds = ("unary", "stream")
    found = {
        service.name: {
            rpc.name: f"{kinds[rpc.client_streaming]} -> {kinds[rpc.server_streaming]}"
            for rpc in service.methods
        }
        for file in FILES
        for service in file.services_by_name.values()
    }
    assert found == RPCS


@pytest.mark.parametrize("message", FIELDS)
def test_a_message_has_the_fields_of_the_contract(message: str) -> None:
    """The field names that callers rely on exist."""
    found = next(
        file.message_types_by_name[message]
        for file in FILES
        if message in file.message_types_by_name
    )
    assert set(FIELDS[message].split()) <= set(found.fields_by_name)


@pytest.mark.parametrize("enum", ENUMS)
def test_an_enum_has_the_values_of_the_contract_in_their_order(enum: str) -> None:
    """The values carry their enum's prefix, follow an UNSPECIFIED zero and are all there."""
    descriptor = enum_named(enum)
    names = [value.name for value in descriptor.values]
    prefix = names[0].removesuffix("UNSPECIFIED")
    assert prefix.replace("_", "").lower() == enum.lower()
    assert names[1:] == [f"{prefix}{value}" for value in ENUMS[enum].split()]
    assert [value.number for value in descriptor.values] == list(range(len(names)))


def test_the_error_reasons_are_those_of_the_contract_and_say_their_code(
    image: list[descriptor_pb2.FileDescriptorProto],
) -> None:
    """Every promised reason exists, and its comment begins with the status code it comes with."""
    file = next(file for file in image if file.name.endswith("/errors.proto"))
    comments = {tuple(p.path): p.leading_comments.strip() for p in file.source_code_info.location}
    found: dict[str, list[str]] = {}
    for i, value in enumerate(file.enum_type[0].value[1:], start=1):
        code = comments[5, 0, 2, i].partition(":")[0]
        found.setdefault(code, []).append(value.name.removeprefix("ERROR_REASON_"))
    assert found == REASONS


def test_the_filter_tells_unset_from_false() -> None:
    """A caller can say no to stock and purchases, which differs from saying nothing."""
    product_filter = common_pb2.ProductFilter(in_stock_only=False)
    assert product_filter.HasField("in_stock_only")
    assert not product_filter.HasField("exclude_purchased")


def test_the_committed_stubs_are_current() -> None:
    """Generating again gives the committed files byte for byte."""
    run = run_generate("--check")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_a_stale_a_missing_and_an_extra_stub_are_named_in_one_line(checkout: Path) -> None:
    """Whoever forgets to generate reads which files differ and what to run."""
    stubs = checkout / "recsvc" / "v1"
    (stubs / "common_pb2.py").write_text("stale\n")
    (stubs / "errors_pb2.pyi").unlink()
    (stubs / "gone_pb2.py").write_text("its proto was deleted\n")
    run = run_generate("--check", root=checkout)
    assert run.returncode == 1
    assert run.stderr == (
        "stubs are not current: recsvc/v1/common_pb2.py, recsvc/v1/errors_pb2.pyi, "
        "recsvc/v1/gone_pb2.py; run python protos/generate.py\n"
    )


def test_generating_repairs_the_stubs(checkout: Path) -> None:
    """Without flags the generator writes what the check asks for."""
    (checkout / "recsvc" / "v1" / "common_pb2.py").write_text("stale\n")
    assert run_generate(root=checkout).returncode == 0
    assert run_generate("--check", root=checkout).returncode == 0


def test_a_broken_proto_is_refused_with_its_place(checkout: Path) -> None:
    """The compiler's own message reaches the reader, without a stack trace."""
    (checkout / "protos" / "recsvc" / "v1" / "errors.proto").write_text(
        'syntax = "proto3";\nenum\n'
    )
    run = run_generate("--check", root=checkout)
    assert run.returncode == 1
    assert "recsvc/v1/errors.proto:" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_python_without_the_tools_is_one_line() -> None:
    """Whoever generates with another Python reads what is missing and which one to take."""
    command = [sys.executable, "-S", str(ROOT / "protos" / "generate.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == (
        f"error: {sys.executable} has no grpcio-tools; run this with the project's Python: "
        "make stubs, or .venv/bin/python protos/generate.py\n"
    )


def test_the_reasons_in_the_comment_are_those_that_are_given(
    image: list[descriptor_pb2.FileDescriptorProto],
) -> None:
    """A client's author finds every code that a list can hold."""
    file = next(file for file in image if file.name.endswith("/recommendation_service.proto"))
    paths = {name: path for path, name in elements(file)}
    comments = {tuple(p.path): p.leading_comments for p in file.source_code_info.location}
    codes = re.findall(r"[A-Z]+(?:_[A-Z]+)*", comments[paths["Explanation.reason_code"]])
    assert {code.value for code in ReasonCode} <= set(codes)


def test_the_protos_pass_buf_lint() -> None:
    """The API keeps buf's STANDARD rules, checked without a network."""
    run = run_generate("--lint")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_buf_lint_finds_what_breaks_the_rules(checkout: Path) -> None:
    """The lint is alive: a value without its enum's prefix fails it."""
    errors = checkout / "protos" / "recsvc" / "v1" / "errors.proto"
    errors.write_text(errors.read_text().replace("ERROR_REASON_INTERNAL", "INTERNAL"))
    run = run_generate("--lint", root=checkout)
    assert run.returncode != 0
    assert "ERROR_REASON_" in run.stdout
