import java.util.ArrayList;
import java.util.List;
import java.util.Scanner;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.zookeeper.data.Stat;

/**
 * Curator's recipes on an ensemble whose leader is killed meanwhile: a lock, an election, a cache.
 *
 * <p>usage: java Recipes.java HOSTS. Asks on stdout to have the leader killed ("kill leader"), and to have it back
 * ("start"), each answered with a line on stdin; in between the recipes are at work. Ends with "done".
 */
public class Recipes {
    static final int CLIENTS = 3;
    static final int TURNS = 40;
    static final long PATIENCE_S = 60;
    static final Scanner INPUT = new Scanner(System.in);

    static void check(boolean right, String what) {
        if (!right) {
            throw new AssertionError(what);
        }
    }

    static void ask(String what) {
        System.out.println(what);
        INPUT.nextLine();
    }

    public static void main(String[] words) throws Exception {
        List<CuratorFramework> clients = new ArrayList<>();
        for (int i = 0; i < CLIENTS; i++) {
            clients.add(CuratorFrameworkFactory.newClient(words[0], 20_000, 15_000, new ExponentialBackoffRetry(100, 10, 2_000)));
            clients.get(i).start();
            check(clients.get(i).blockUntilConnected((int) PATIENCE_S, TimeUnit.SECONDS), "connected");
        }
        clients.get(0).create().creatingParentsIfNeeded().forPath("/curator/count", "0".getBytes());
        try (CuratorCache cache = CuratorCache.build(clients.get(2), "/curator/tree")) {
            cache.start();
            election(clients, () -> {
                lock(clients);
                return null;
            });
            mirror(clients.get(1), cache);
        }
        clients.forEach(CuratorFramework::close);
        System.out.println("done");
    }

    /** One leader at a time; another when it gives up. */
    static void election(List<CuratorFramework> clients, Callable<Void> meanwhile) throws Exception {
        System.out.println("election");
        List<LeaderLatch> latches = new ArrayList<>();
        for (CuratorFramework client : clients) {
            latches.add(new LeaderLatch(client, "/curator/latch"));
            latches.get(latches.size() - 1).start();
        }
        LeaderLatch first = leader(latches);
        meanwhile.call();
        first = leader(latches);
        first.close();
        latches.remove(first);
        leader(latches);
        for (LeaderLatch latch : latches) {
            latch.close();
        }
    }

    static LeaderLatch leader(List<LeaderLatch> latches) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        while (System.nanoTime() < deadline) {
            List<LeaderLatch> leading = latches.stream().filter(LeaderLatch::hasLeadership).toList();
            check(leading.size() < 2, "at most one leads");
            if (leading.size() == 1) {
                return leading.get(0);
            }
            Thread.sleep(20);
        }
        throw new AssertionError("nobody leads");
    }

    /** Clients count up by reading and writing, each with the lock in hand; the leader of the ensemble dies meanwhile. */
    static void lock(List<CuratorFramework> clients) throws Exception {
        System.out.println("lock");
        ExecutorService threads = Executors.newFixedThreadPool(CLIENTS);
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger turns = new AtomicInteger();
        List<Future<Void>> all = new ArrayList<>();
        for (CuratorFramework client : clients) {
            all.add(threads.submit(() -> {
                InterProcessMutex mutex = new InterProcessMutex(client, "/curator/lock");
                for (int turn = 0; turn < TURNS; turn++) {
                    check(mutex.acquire(PATIENCE_S, TimeUnit.SECONDS), "the lock is free in the end");
                    try {
                        check(inside.incrementAndGet() == 1, "one holds the lock");
                        Stat stat = new Stat();
                        int count = Integer.parseInt(new String(client.getData().storingStatIn(stat).forPath("/curator/count")));
                        write(client, count + 1, stat.getVersion());
                        turns.incrementAndGet();
                        inside.decrementAndGet();
                    } finally {
                        mutex.release();
                    }
                }
                return null;
            }));
        }
        while (turns.get() < CLIENTS * TURNS / 4) {
            Thread.sleep(5);
        }
        ask("kill leader");
        for (Future<Void> one : all) {
            one.get(PATIENCE_S, TimeUnit.SECONDS);
        }
        ask("start");
        threads.shutdown();
        int count = Integer.parseInt(new String(clients.get(0).getData().forPath("/curator/count")));
        check(count == CLIENTS * TURNS, "counted " + count + " instead of " + CLIENTS * TURNS);
    }

    /** A retried write may find its own first try done: then the number is there already. */
    static void write(CuratorFramework client, int count, int version) throws Exception {
        try {
            client.setData().withVersion(version).forPath("/curator/count", Integer.toString(count).getBytes());
        } catch (org.apache.zookeeper.KeeperException.BadVersionException error) {
            int now = Integer.parseInt(new String(client.getData().forPath("/curator/count")));
            check(now == count, "found " + now + " instead of " + count);
        }
    }

    /** A cache on one node shows what is written through another. */
    static void mirror(CuratorFramework writer, CuratorCache cache) throws Exception {
        System.out.println("mirror");
        TreeMap<String, String> expected = new TreeMap<>();
        writer.create().orSetData().forPath("/curator/tree", "top".getBytes());
        expected.put("/curator/tree", "top");
        for (int i = 0; i < 50; i++) {
            String path = "/curator/tree/" + i;
            writer.create().forPath(path, "new".getBytes());
            expected.put(path, "new");
            if (i % 3 == 0) {
                writer.setData().forPath(path, ("set " + i).getBytes());
                expected.put(path, "set " + i);
            }
            if (i % 5 == 0) {
                writer.delete().forPath(path);
                expected.remove(path);
            }
        }
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        TreeMap<String, String> found = new TreeMap<>();
        while (System.nanoTime() < deadline && !found.equals(expected)) {
            Thread.sleep(20);
            found.clear();
            cache.stream().forEach((ChildData one) -> found.put(one.getPath(), new String(one.getData())));
        }
        check(found.equals(expected), "the cache holds " + found + " instead of " + expected);
    }
}
