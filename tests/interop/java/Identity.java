import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Stat;

/**
 * Who the server takes this client for, by the properties it was started with: a user of SASL, or the subject of a
 * certificate.
 *
 * <p>usage: java Identity.java HOST:PORT. Prints the ids in the ACL of a znode that only its creator may touch, and
 * then "done"; or the state in which the client ended up instead of connected.
 */
public class Identity {
    static final int TIMEOUT_MS = 10_000;
    static final long PATIENCE_S = 30;

    public static void main(String[] arguments) throws Exception {
        CountDownLatch connected = new CountDownLatch(1);
        CountDownLatch failed = new CountDownLatch(1);
        ZooKeeper client = new ZooKeeper(arguments[0], TIMEOUT_MS, event -> {
            if (event.getState() == KeeperState.SyncConnected || event.getState() == KeeperState.SaslAuthenticated) {
                connected.countDown();
            } else if (event.getState() == KeeperState.AuthFailed) {
                System.out.println(event.getState());
                failed.countDown();
                connected.countDown();
            }
        });
        if (!connected.await(PATIENCE_S, TimeUnit.SECONDS)) {
            System.out.println("not connected");
        } else if (System.getProperty("expected", "").equals("failure")) {
            failed.await(PATIENCE_S, TimeUnit.SECONDS);
        } else {
            String path = client.create("/mine-", null, Ids.CREATOR_ALL_ACL, CreateMode.EPHEMERAL_SEQUENTIAL);
            for (ACL row : client.getACL(path, new Stat())) {
                System.out.println(row.getId().getScheme() + " " + row.getId().getId());
            }
            client.close();
            System.out.println("done");
        }
        System.exit(0); // a client that failed to authenticate does not close
    }
}
