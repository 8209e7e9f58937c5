"""The Cassandra store on a real Cassandra: what every store must do, and what a kill at any moment may not undo."""

from collections.abc import Callable, Iterator

import pytest

from tests.conformance import store as conformance
from tests.conformance.store import Opener
from tests.interop import cassandra
from zooweeper.cli.ports import free_base_port

pytestmark = [pytest.mark.cassandra, pytest.mark.skipif(bool(cassandra.missing()), reason=cassandra.missing())]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cassandra.Node]:
    base = free_base_port(1)
    node = cassandra.Node(tmp_path_factory.mktemp("cassandra"), base, base + 1000)
    node.start()
    yield node
    node.kill()


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
def test_it_does_what_every_store_must(check: Callable[[Opener], None], node: cassandra.Node) -> None:
    from grades.cassandra import CassandraStore

    prefix = check.__name__.removeprefix("check_")[:30]
    check(lambda name: CassandraStore("127.0.0.1", node.port, f"{prefix}_{name}"))
