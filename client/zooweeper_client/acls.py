"""Access control lists, under kazoo's names.

Rules: values alone; a password becomes its digest here and goes no further.
"""

from base64 import b64encode
from hashlib import sha1

from zooweeper.model.acl import ANYONE, Acl, Id, Perm

ANYONE_ID = ANYONE
AUTH_ID = Id("auth", "")
OPEN_ACL_UNSAFE = [Acl(Perm.ALL, ANYONE)]
READ_ACL_UNSAFE = [Acl(Perm.READ, ANYONE)]
CREATOR_ALL_ACL = [Acl(Perm.ALL, AUTH_ID)]  # whoever has proved to be somebody, at the time of the create


def make_digest(username: str, password: str) -> str:
    """The id of scheme digest, as ZooKeeper makes it: `user:base64(sha1(user:password))`.

    >>> make_digest("super", "test")
    'super:D/InIHSb7yEEbrWz8b9l71RjZJU='
    """
    return f"{username}:{b64encode(sha1(f'{username}:{password}'.encode()).digest()).decode()}"


def make_acl(
    scheme: str,
    credential: str,
    read: bool = False,
    write: bool = False,
    create: bool = False,
    delete: bool = False,
    admin: bool = False,
    all: bool = False,
) -> Acl:
    """One row of an ACL."""
    perms = Perm.READ * read + Perm.WRITE * write + Perm.CREATE * create + Perm.DELETE * delete + Perm.ADMIN * admin
    return Acl(int(Perm.ALL if all else perms), Id(scheme, credential))


def make_digest_acl(
    username: str,
    password: str,
    read: bool = False,
    write: bool = False,
    create: bool = False,
    delete: bool = False,
    admin: bool = False,
    all: bool = False,
) -> Acl:
    """One row for who knows the password."""
    return make_acl("digest", make_digest(username, password), read, write, create, delete, admin, all)
