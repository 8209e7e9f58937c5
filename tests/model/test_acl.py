"""Who may do what: matching per scheme, fix-up of lists, hiding of digests."""

import pytest

from zooweeper.model.acl import ANYONE, OPEN, Acl, Id, Perm, allows, fixup, masked
from zooweeper.model.errors import InvalidAcl
from zooweeper.model.limits import ACL_ROWS_MAX

BOB = Id("digest", "bob:fyVmFCwVbTJYrznoSu1koqYEYF0=")
ANN = Id("digest", "ann:fyVmFCwVbTJYrznoSu1koqYEYF0=")
HOST = Id("ip", "10.1.2.3")
SUPER = Id("super", "")


@pytest.mark.parametrize("asked", list(Perm))
@pytest.mark.parametrize("granted", list(Perm))
def test_each_permission_is_its_own_bit(asked: Perm, granted: Perm) -> None:
    assert allows([Acl(granted, ANYONE)], asked, ()) == (asked == granted)


def test_one_common_bit_is_enough() -> None:
    assert allows([Acl(Perm.ADMIN, ANYONE)], Perm.READ | Perm.ADMIN, ())


@pytest.mark.parametrize(
    ("row", "mine", "allowed"),
    [
        (BOB, (BOB,), True),
        (BOB, (ANN,), False),
        (BOB, (), False),
        (BOB, (HOST, ANN, BOB), True),
        (BOB, (SUPER,), True),
        (Id("ip", "10.1.2.3"), (HOST,), True),
        (Id("ip", "10.1.2.4"), (HOST,), False),
        (Id("ip", "10.1.0.0/16"), (HOST,), True),
        (Id("ip", "10.1.255.255/16"), (HOST,), True),
        (Id("ip", "10.2.0.0/16"), (HOST,), False),
        (Id("ip", "0.0.0.0/0"), (HOST,), True),
        (Id("ip", "::/0"), (HOST,), False),
        (Id("ip", "2001:db8::/32"), (Id("ip", "2001:db8::7"),), True),
        (Id("ip", "2001:db8::/32"), (Id("ip", "2001:db9::7"),), False),
        (Id("ip", "10.0.0.0/8"), (Id("ip", "unknown"),), False),
        (Id("digest", "10.1.2.3"), (HOST,), False),
    ],
)
def test_matching(row: Id, mine: tuple[Id, ...], allowed: bool) -> None:
    assert allows([Acl(Perm.READ, row)], Perm.READ, mine) == allowed
    assert not allows([Acl(Perm.WRITE, row)], Perm.READ, mine) or SUPER in mine


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [Acl(31, Id("world", "me"))],
        [Acl(31, Id("world", None))],
        [Acl(31, Id("auth", ""))],  # nobody is authenticated
        [Acl(31, Id(None, "x"))],
        [Acl(31, Id("digest", None))],
        [Acl(31, Id("digest", "bob"))],
        [Acl(31, Id("digest", "bob:"))],
        [Acl(31, Id("digest", ":x"))],
        [Acl(31, Id("digest", "a:b:c"))],
        [Acl(31, Id("ip", "10.0.0"))],
        [Acl(31, Id("ip", "10.0.0.0/33"))],
        [Acl(31, Id("super", ""))],
        [Acl(31, Id("sasl", ""))],
        [Acl(31, Id("x509", "bob"))],
        [Acl(31, Id("x509", "=bob"))],
        [Acl(31, Id("unheard", "of"))],
        [*OPEN, Acl(31, Id("unheard", "of"))],
        [Acl(number, ANYONE) for number in range(ACL_ROWS_MAX + 1)],
    ],
)
def test_lists_that_are_refused(rows: list[Acl]) -> None:
    with pytest.raises(InvalidAcl):
        fixup(rows, (HOST, SUPER))


def test_auth_stands_for_the_authenticated_identities() -> None:
    for name in ("", None, "whatever"):
        assert fixup([Acl(3, Id("auth", name))], (HOST, BOB, SUPER, ANN)) == (Acl(3, BOB), Acl(3, ANN))


def test_duplicates_go_and_the_open_list_is_one_object() -> None:
    assert fixup([Acl(1, ANYONE), Acl(1, BOB), Acl(1, ANYONE)], ()) == (Acl(1, ANYONE), Acl(1, BOB))
    assert fixup([Acl(31, Id("world", "anyone"))], ()) is OPEN


def test_masking_hides_digests_alone() -> None:
    assert masked((Acl(1, BOB), Acl(2, HOST))) == (Acl(1, Id("digest", "bob:x")), Acl(2, HOST))
