import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/**
 * A program written for ZooKeeper, with its official client: what it does to a server, it checks.
 *
 * <p>usage: java Client.java HOSTS (alone|three). With "three" it asks on stdout to have the node killed that it is
 * connected to ("kill PORT"), and goes on when a line comes on stdin. Every step prints its name; the last one is
 * "done". What is not as it should be ends the program.
 */
public class Client {
    static final int TIMEOUT_MS = 10_000;
    static final long PATIENCE_S = 30;
    static String hosts;

    /** A client that tells whom it is connected to, and keeps what its default watcher sees. */
    static class Session extends ZooKeeper {
        final BlockingQueue<WatchedEvent> states;

        Session(BlockingQueue<WatchedEvent> states) throws Exception {
            super(hosts, TIMEOUT_MS, states::add);
            this.states = states;
            await(KeeperState.SyncConnected);
        }

        Session() throws Exception {
            this(new LinkedBlockingQueue<>());
        }

        void await(KeeperState wanted) throws Exception {
            for (WatchedEvent event = take(states); event.getState() != wanted; event = take(states)) {}
        }

        int port() {
            return ((java.net.InetSocketAddress) testableRemoteSocketAddress()).getPort();
        }
    }

    static WatchedEvent take(BlockingQueue<WatchedEvent> events) throws Exception {
        WatchedEvent event = events.poll(PATIENCE_S, TimeUnit.SECONDS);
        check(event != null, "an event was expected");
        return event;
    }

    static void check(boolean right, String what) {
        if (!right) {
            throw new AssertionError(what);
        }
    }

    static void same(Object expected, Object found) {
        check(expected.equals(found), "expected " + expected + ", found " + found);
    }

    interface Action {
        void run() throws Exception;
    }

    static void fails(KeeperException.Code code, Action action) throws Exception {
        try {
            action.run();
        } catch (KeeperException error) {
            same(code, error.code());
            return;
        }
        throw new AssertionError("no " + code);
    }

    static String made(ZooKeeper zk, String path, CreateMode mode) throws Exception {
        return zk.create(path, path.getBytes(), Ids.OPEN_ACL_UNSAFE, mode);
    }

    public static void main(String[] words) throws Exception {
        hosts = words[0];
        try (Session zk = new Session(); Session other = new Session()) {
            made(zk, "/java", CreateMode.PERSISTENT);
            basics(zk);
            transactions(zk);
            order(zk);
            guarded(zk, other);
            watches(zk, other);
            shortLived(zk);
            if (words[1].equals("three")) {
                failover(zk, other);
            }
        }
        ended();
        System.out.println("done");
    }

    static void basics(Session zk) throws Exception {
        System.out.println("basics");
        same("/java/n0000000000", made(zk, "/java/n", CreateMode.PERSISTENT_SEQUENTIAL));
        same("/java/e", made(zk, "/java/e", CreateMode.EPHEMERAL));
        Stat stat = new Stat();
        same("/java/b", zk.create("/java/b", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, stat));
        same(zk.exists("/java/b", false), stat);
        check(zk.getData("/java/b", false, null) == null, "null stays null");
        same(1, zk.setData("/java/b", new byte[0], 0).getVersion());
        same(0, zk.getData("/java/b", false, null).length);
        same(zk.getSessionId(), zk.exists("/java/e", false).getEphemeralOwner());
        same(3, zk.getAllChildrenNumber("/java"));
        same(List.of("/java/e"), zk.getEphemerals());
        same("ip", zk.whoAmI().get(0).getAuthScheme());
        fails(KeeperException.Code.BADVERSION, () -> zk.delete("/java/b", 0));
        fails(KeeperException.Code.NOCHILDRENFOREPHEMERALS, () -> made(zk, "/java/e/x", CreateMode.PERSISTENT));
        fails(KeeperException.Code.NOTEMPTY, () -> zk.delete("/java", -1));
        zk.delete("/java/b", 1);
        zk.sync("/java");
        zk.getConfig(false, null);
    }

    static void transactions(Session zk) throws Exception {
        System.out.println("transactions");
        List<OpResult> results = zk.transaction()
            .create("/java/t", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT)
            .setData("/java/t", "x".getBytes(), 0)
            .check("/java/t", 1)
            .create("/java/t/s", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL)
            .commit();
        same("/java/t/s0000000000", ((OpResult.CreateResult) results.get(3)).getPath());
        same(1, ((OpResult.SetDataResult) results.get(1)).getStat().getVersion());
        try {
            zk.multi(List.of(Op.delete("/java/t/s0000000000", -1), Op.check("/java/t", 7), Op.delete("/java/t", -1)));
            throw new AssertionError("the multi did not fail");
        } catch (KeeperException.BadVersionException error) {
            List<Integer> codes = new ArrayList<>();
            error.getResults().forEach(one -> codes.add(((OpResult.ErrorResult) one).getErr()));
            same(List.of(0, KeeperException.Code.BADVERSION.intValue(), -2), codes);
        }
        same(1, zk.getChildren("/java/t", false).size());
        List<OpResult> read = zk.multi(List.of(Op.getData("/java/t"), Op.getChildren("/java/none")));
        same("x", new String(((OpResult.GetDataResult) read.get(0)).getData()));
        same(KeeperException.Code.NONODE.intValue(), ((OpResult.ErrorResult) read.get(1)).getErr());
    }

    /** Answers of asynchronous calls come in the order of the calls. */
    static void order(Session zk) throws Exception {
        System.out.println("order");
        int calls = 500;
        List<Integer> answered = new ArrayList<>();
        CountDownLatch left = new CountDownLatch(2 * calls);
        made(zk, "/java/o", CreateMode.PERSISTENT);
        for (int i = 0; i < calls; i++) {
            int number = i;
            zk.create("/java/o/" + i, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, path, ctx, name) -> {
                answered.add(rc == 0 ? 2 * number : -1);
                left.countDown();
            }, null);
            zk.exists("/java/o/" + i, false, (rc, path, ctx, stat) -> {
                answered.add(rc == 0 ? 2 * number + 1 : -1);
                left.countDown();
            }, null);
        }
        check(left.await(PATIENCE_S, TimeUnit.SECONDS), "all calls are answered");
        for (int i = 0; i < 2 * calls; i++) {
            same(i, answered.get(i));
        }
    }

    static void guarded(Session zk, Session other) throws Exception {
        System.out.println("guarded");
        fails(KeeperException.Code.INVALIDACL, () -> zk.create("/java/g", null, Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT));
        zk.addAuthInfo("digest", "bob:secret".getBytes());
        zk.create("/java/g", "mine".getBytes(), Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        fails(KeeperException.Code.NOAUTH, () -> other.getData("/java/g", false, null));
        same("bob:fyVmFCwVbTJYrznoSu1koqYEYF0=", zk.getACL("/java/g", null).get(0).getId().getId());
        same("mine", new String(zk.getData("/java/g", false, null)));
    }

    static void watches(Session zk, Session other) throws Exception {
        System.out.println("watches");
        BlockingQueue<WatchedEvent> once = new LinkedBlockingQueue<>();
        BlockingQueue<WatchedEvent> all = new LinkedBlockingQueue<>();
        Watcher watcher = all::add;
        made(zk, "/java/w", CreateMode.PERSISTENT);
        zk.getData("/java/w", once::add, null);
        zk.addWatch("/java/w", watcher, AddWatchMode.PERSISTENT_RECURSIVE);
        other.setData("/java/w", "1".getBytes(), -1);
        other.setData("/java/w", "2".getBytes(), -1);
        made(other, "/java/w/c", CreateMode.PERSISTENT);
        other.delete("/java/w/c", -1);
        same(EventType.NodeDataChanged, take(once).getType());
        List<String> seen = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            WatchedEvent event = take(all);
            seen.add(event.getType() + " " + event.getPath());
        }
        same(List.of("NodeDataChanged /java/w", "NodeDataChanged /java/w", "NodeCreated /java/w/c", "NodeDeleted /java/w/c"), seen);
        zk.removeWatches("/java/w", watcher, Watcher.WatcherType.Any, false);
        same(EventType.PersistentWatchRemoved, take(all).getType());
        other.setData("/java/w", "3".getBytes(), -1);
        zk.sync("/");
        check(once.isEmpty() && all.isEmpty(), "no more events");
        fails(KeeperException.Code.NOWATCHER, () -> zk.removeAllWatches("/java/w", Watcher.WatcherType.Any, false));
    }

    static void shortLived(Session zk) throws Exception {
        System.out.println("short-lived");
        made(zk, "/java/k", CreateMode.CONTAINER);
        made(zk, "/java/k/x", CreateMode.PERSISTENT);
        zk.create("/java/ttl", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, null, 200);
        zk.delete("/java/k/x", -1);
        gone(zk, "/java/k");
        gone(zk, "/java/ttl");
    }

    static void gone(Session zk, String path) throws Exception {
        CountDownLatch deleted = new CountDownLatch(1);
        if (zk.exists(path, event -> deleted.countDown()) != null) {
            check(deleted.await(PATIENCE_S, TimeUnit.SECONDS), path + " is deleted by the server");
        }
    }

    /** The node that a session is connected to is killed: the session moves, with all it has. */
    static void failover(Session zk, Session other) throws Exception {
        System.out.println("failover");
        Scanner input = new Scanner(System.in);
        BlockingQueue<WatchedEvent> data = new LinkedBlockingQueue<>();
        BlockingQueue<WatchedEvent> children = new LinkedBlockingQueue<>();
        BlockingQueue<WatchedEvent> created = new LinkedBlockingQueue<>();
        BlockingQueue<WatchedEvent> quiet = new LinkedBlockingQueue<>();
        BlockingQueue<WatchedEvent> forever = new LinkedBlockingQueue<>();
        made(zk, "/java/f", CreateMode.PERSISTENT);
        made(zk, "/java/quiet", CreateMode.PERSISTENT);
        made(zk, "/java/f/mine", CreateMode.EPHEMERAL);
        zk.getData("/java/f", data::add, null);
        zk.getChildren("/java/f", children::add);
        zk.exists("/java/new", created::add);
        zk.getData("/java/quiet", quiet::add, null);
        zk.addWatch("/java/f", forever::add, AddWatchMode.PERSISTENT_RECURSIVE);
        long id = zk.getSessionId();
        while (other.port() == zk.port()) {
            other.close();
            other = new Session();
        }
        zk.states.clear();
        System.out.println("kill " + zk.port());
        input.nextLine();
        other.setData("/java/f", "changed".getBytes(), -1);
        made(other, "/java/f/c", CreateMode.PERSISTENT);
        made(other, "/java/new", CreateMode.PERSISTENT);
        zk.await(KeeperState.SyncConnected);
        same(id, zk.getSessionId());
        Map<EventType, BlockingQueue<WatchedEvent>> expected = new TreeMap<>(Map.of(
            EventType.NodeDataChanged, data, EventType.NodeChildrenChanged, children, EventType.NodeCreated, created));
        for (Map.Entry<EventType, BlockingQueue<WatchedEvent>> one : expected.entrySet()) {
            WatchedEvent event = take(one.getValue());
            while (event.getType() == EventType.None) {
                event = take(one.getValue());
            }
            same(one.getKey(), event.getType());
        }
        same(id, zk.exists("/java/f/mine", false).getEphemeralOwner());
        same("mine", new String(zk.getData("/java/g", false, null)));
        forever.clear();
        other.setData("/java/f/c", "again".getBytes(), -1);
        other.setData("/java/quiet", "loud".getBytes(), -1);
        WatchedEvent last = take(forever);
        while (last.getType() == EventType.None) {
            last = take(forever);
        }
        same("/java/f/c", last.getPath());
        WatchedEvent loud = take(quiet);
        while (loud.getType() == EventType.None) {
            loud = take(quiet);
        }
        same(EventType.NodeDataChanged, loud.getType());
        for (BlockingQueue<WatchedEvent> queue : List.of(data, children, created, quiet)) {
            queue.removeIf(event -> event.getType() == EventType.None);
            check(queue.isEmpty(), "no event comes twice");
        }
        other.close();
    }

    /** A session that was closed is over, and its ephemerals with it. */
    static void ended() throws Exception {
        System.out.println("ended");
        Session first = new Session();
        long id = first.getSessionId();
        byte[] password = first.getSessionPasswd();
        made(first, "/java/last", CreateMode.EPHEMERAL);
        first.close();
        BlockingQueue<WatchedEvent> states = new LinkedBlockingQueue<>();
        try (ZooKeeper again = new ZooKeeper(hosts, TIMEOUT_MS, states::add, id, password)) {
            WatchedEvent event = take(states);
            while (event.getState() == KeeperState.Disconnected) {
                event = take(states);
            }
            same(KeeperState.Expired, event.getState());
        }
        try (Session zk = new Session()) {
            check(zk.exists("/java/last", false) == null, "the ephemeral is gone");
        }
    }
}
