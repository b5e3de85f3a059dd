"""What lies in Redis when a release is replaced by the next one is read by that, byte for byte.

The bytes are those of 0.1.0. Who has to change an expectation here has raised a format's number
first, and reads both: what lies in the shops' Redis is not written again.
"""

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.core.recommendation_id import Surface
from recsvc.service.questions import Question
from recsvc.service.served import ServedList
from recsvc.service.shopping import Deed, Event, Line, Link, LiveProfile, Person, Shopper
from recsvc.store.event_format import read_entry
from recsvc.store.profile_format import read_profile
from recsvc.store.served_format import unpack

ANNA = Shopper(Person.CUSTOMER, "anna", "0123456789abcdef")
LEEDS = Location(store_id="leeds-1", country_code="GB")
DEED = Deed(
    act=Act.PURCHASE,
    time=1_800_000_000,
    received=1_800_000_000_123,
    order=5_118_696,
    location=LEEDS,
    rating=4.5,
    products=("tea", "weighed"),
    quantities=(2.0, 0.25),
)
PROFILE = bytes.fromhex(
    "0100000007000001a3185c507b716b49d2004e1ae70a6c656564732d311f47422d0203746561020777656967686564ff"
    "3e800000"
)
PACKED_PROFILE = bytes.fromhex(
    "0100000007003978da635c2c1113505d98ed7989c14fea39574e6a6a4ab1aea1bcbb932e1373496a22137b796a667a46"
    "6aca7fbb060606465214030022861cab"
)
EVENT = (
    b'{"id":"e1","a":1,"t":1800000000.0,"c":"anna","k":"0123456789abcdef","l":[["tea",2.0,1.5,"EUR"'
    b'],["weighed",0.25]],"at":{"store":"leeds-1","country":"GB"},"o":"o1","h":"STORE","r":4.5}'
)
LINK = b'{"a":0,"t":5.0,"v":"v","vk":"fedcba9876543210","c":"anna","k":"0123456789abcdef"}'
SERVED = bytes.fromhex(
    "48898592dd4ec3300c85dfc5d7a14a0b633f77e3868740559525de16b126c5498ba0dabb63b7dd84b8215755cef1e763"
    "a7230c48c9c700bb5201a18d6d8bc199cc578d77b083fd011424a4015d937d8b6cdce8e5145a416b1cde84f5763922a4"
    "9e8ec6e2044ee7d875488cd365f5f8b47a5e6fb6e6601d1e19fed163ca5384116c9f726c91e6de2604c3864bb4e66660"
    "9970562f882e3d947065beffe646157ff9d4bc87f8c9de4c3d72ad1f50ea08073fcfb956708e127764bb1306ecde4630"
    "364f51ffce386d0599e27edff2140a22399949ff9b50818d7dc8f4d5d8e8980eaf2f929ab8269c1820ebea28bade6609"
    "03190dd4b21813b2cf1ee5b22a747dadb96a79b0b9c320f01306a4a53fc7622963cb35d59dcae63b58c181d03869902c"
    "471541172ba58b6a554b527ecffb4f01ba280b0dd71fc4cdad94"
)


def test_a_live_profile_is_read() -> None:
    """As it is added to, and as it is packed."""
    assert read_profile(PROFILE) == LiveProfile(7, (DEED,))
    assert read_profile(PACKED_PROFILE) == LiveProfile(7, (DEED, DEED))


def test_a_waiting_event_is_read() -> None:
    """And who turned out to be whom."""
    assert read_entry(EVENT) == Event(
        event_id="e1",
        act=Act.PURCHASE,
        shopper=ANNA,
        time=1_800_000_000.0,
        lines=(Line("tea", 2.0, 1.5, "EUR"), Line("weighed", 0.25)),
        location=LEEDS,
        order_id="o1",
        channel="STORE",
        rating=4.5,
    )
    visitor = Shopper(Person.VISITOR, "v", "fedcba9876543210")
    assert read_entry(LINK) == Link(visitor, ANNA, 5.0)


def test_an_event_of_a_later_release_is_read_without_what_it_adds() -> None:
    """Which names a field that this one does not know."""
    later = EVENT.removesuffix(b"}") + b',"weather":"rain"}'
    assert read_entry(later) == read_entry(EVENT)


def test_a_served_list_is_read() -> None:
    """Which is kept for 90 days, and so over several releases."""
    bought_tea = Deed(
        act=Act.PURCHASE,
        time=1_800_000_000,
        received=1_800_000_000_123,
        order=0,
        location=LEEDS,
        rating=0.0,
        products=("tea",),
        quantities=(2.0,),
    )
    assert unpack(SERVED) == ServedList(
        recommendation_id="Ab",
        served_time=1_800_000_000.0,
        made_time=1_799_999_999.0,
        surface=Surface.RECOMMEND,
        shopper=ANNA.key,
        question=Question(customer_id="anna", size=2, location=Location(store_id="leeds-1")),
        is_known=True,
        live=LiveProfile(7, (bought_tea,)),
        version_id="v1",
        generation=3,
        n_items=2,
        product_ids=("tea", "bread"),
        scores=(0.5, 0.25),
        code_version="0.1.0",
    )
