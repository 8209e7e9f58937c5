"""kazoo's own tests, on our nodes: the modules that ask most of a server. All of them: `./test.sh kazoo`."""

import pytest

from tests.interop import kazoo_suite
from tests.interop.environment import NoEnvironment

MODULES = ("test_client", "test_connection", "test_sasl", "test_watchers")
SLOW = "not test_child_watcher_remove_session_watcher and not test_update_host_list"  # they only wait, ten seconds each
PASSED, SKIPPED = 146, 2


@pytest.mark.timeout(400)
def test_what_kazoo_asks_of_a_server() -> None:
    try:
        result = kazoo_suite.run(MODULES, ("-k", SLOW), quiet=True)
    except NoEnvironment as error:
        pytest.skip(f"kazoo's tests cannot be had here: {error}")
    assert (result.failures, result.passed, result.skipped) == ((), PASSED, SKIPPED), result
