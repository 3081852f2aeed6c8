//go:build integration && linux

package fault

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lab is two network namespaces joined by a pair of interfaces: that of a task, with a default route through eth0, and that
// of its peer. The peer has two addresses of each family.
type lab struct {
	*world
	task, peer string // paths of the namespaces
}

const (
	taskIPv4, peerIPv4, otherIPv4 = "10.99.0.2", "10.99.0.1", "10.99.0.9"
	taskIPv6, peerIPv6            = "fd99::2", "fd99::1"
)

func shell(t *testing.T, line string) string {
	t.Helper()
	f := strings.Fields(line)
	out, err := exec.Command(f[0], f[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("network namespaces need root: make run-integ-tests runs this with the right to make them")
	}
	taskName, peerName := fmt.Sprintf("fault-task-%d", os.Getpid()), fmt.Sprintf("fault-peer-%d", os.Getpid())
	for _, name := range []string{taskName, peerName} {
		shell(t, "ip netns add "+name)
		t.Cleanup(func() { shell(t, "ip netns del "+name) })
		shell(t, "ip -n "+name+" link set lo up")
	}
	shell(t, "ip -n "+taskName+" link add eth0 type veth peer name eth0 netns "+peerName)
	for _, line := range []string{
		taskName + " addr add " + taskIPv4 + "/24 dev eth0", taskName + " addr add " + taskIPv6 + "/64 dev eth0 nodad",
		peerName + " addr add " + peerIPv4 + "/24 dev eth0", peerName + " addr add " + otherIPv4 + "/24 dev eth0", peerName + " addr add " + peerIPv6 + "/64 dev eth0 nodad",
		taskName + " link set eth0 up", peerName + " link set eth0 up",
		taskName + " route add default via " + peerIPv4, taskName + " -6 route add default via " + peerIPv6,
	} {
		shell(t, "ip -n "+line)
	}
	l := &lab{world: newWorld(t.TempDir()), task: "/run/netns/" + taskName, peer: "/run/netns/" + peerName}
	l.warmUp(t)
	for _, tk := range l.tasks {
		if tk.NetworkNamespace != "" {
			tk.NetworkNamespace = l.task
		}
	}
	l.restart(l.injector.ledger.dir)
	return l
}

// warmUp waits until both families have found their neighbours.
func (l *lab) warmUp(t *testing.T) {
	t.Helper()
	conn := listen(t, l.task, ":0")
	for _, address := range []string{peerIPv4, "[" + peerIPv6 + "]"} {
		arrived := counter(listen(t, l.peer, address+":7000"), false)
		for deadline := time.Now().Add(10 * time.Second); arrived.Load() == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the lab's own network does not work: %s cannot be reached", address)
			}
			send(t, conn, address+":7000", 1)
		}
	}
}

// restart is a new agent with real tools. It has all the time that a busy or emulated machine may need: these tests are
// about what the kernel does.
func (l *lab) restart(dir string) {
	l.injector = NewInjector(l.instance, dir)
	l.injector.budget, l.injector.undoBudget = time.Minute, time.Minute
}

// within runs f in a namespace. Sockets and processes made there stay there.
func within(t *testing.T, namespace string, f func()) {
	t.Helper()
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		var fd int
		if fd, err = unix.Open(namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		defer unix.Close(fd)
		if err = unix.Setns(fd, unix.CLONE_NEWNET); err == nil {
			f()
		}
	}()
	<-done
	if err != nil {
		t.Fatal(err)
	}
}

// listen opens a UDP socket in a namespace.
func listen(t *testing.T, namespace, address string) *net.UDPConn {
	t.Helper()
	var conn *net.UDPConn
	var err error
	within(t, namespace, func() {
		var a *net.UDPAddr
		if a, err = net.ResolveUDPAddr("udp", address); err == nil {
			conn, err = net.ListenUDP("udp", a)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// counter counts the datagrams that arrive at a socket, and sends them back if echo is set.
func counter(conn *net.UDPConn, echo bool) *atomic.Int64 {
	n := &atomic.Int64{}
	go func() {
		buffer := make([]byte, 64)
		for {
			size, from, err := conn.ReadFromUDP(buffer)
			if err != nil {
				return
			}
			n.Add(1)
			if echo {
				_, _ = conn.WriteToUDP(buffer[:size], from)
			}
		}
	}()
	return n
}

// send sends n datagrams, not faster than the other side reads.
func send(t *testing.T, from *net.UDPConn, to string, n int) {
	t.Helper()
	a, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := from.WriteToUDP([]byte("x"), a); err != nil && !strings.Contains(err.Error(), "not permitted") { // how a drop on the way out may show
			t.Fatal(err)
		}
		if i%50 == 49 {
			time.Sleep(time.Millisecond)
		}
	}
}

// settled is the count once nothing arrives any more.
func settled(n *atomic.Int64) int64 {
	last := n.Load()
	for quiet := 0; quiet < 10; {
		time.Sleep(20 * time.Millisecond)
		if now := n.Load(); now == last {
			quiet++
		} else {
			last, quiet = now, 0
		}
	}
	return last
}

// rules are the packet filters of a namespace, without counters.
func (l *lab) rules(t *testing.T) (all string) {
	t.Helper()
	for _, tool := range []string{"iptables", "ip6tables"} {
		all += shell(t, "nsenter --net="+l.task+" "+tool+" -w 5 -S")
	}
	return all
}

func TestBlackHoleInTheKernel(t *testing.T) {
	l := newLab(t)
	empty := l.rules(t)
	addresses := map[string]string{"IPv4": peerIPv4, "IPv6": "[" + peerIPv6 + "]", "spared": otherIPv4}
	sender := listen(t, l.task, ":0")
	hit, other := map[string]*atomic.Int64{}, map[string]*atomic.Int64{}
	for name, address := range addresses {
		hit[name] = counter(listen(t, l.peer, address+":7777"), false)
		other[name] = counter(listen(t, l.peer, address+":7778"), false)
	}
	arrive := func(counts map[string]*atomic.Int64, port string, want map[string]int64) {
		t.Helper()
		for name, address := range addresses {
			before := counts[name].Load()
			send(t, sender, address+":"+port, 200)
			if got := settled(counts[name]) - before; got != want[name] {
				t.Errorf("%d of 200 packets arrive at port %s of %s, want %d", got, port, name, want[name])
			}
		}
	}
	all := map[string]int64{"IPv4": 200, "IPv6": 200, "spared": 200}
	body := `{"Port":7777,"Protocol":"udp","TrafficType":"egress","SourcesToFilter":["` + otherIPv4 + `"]}`
	arrive(hit, "7777", all)
	l.want(t, "own", "network-blackhole-port/status", body, 200, isNotRunning)
	l.want(t, "own", "network-blackhole-port/start", body, 200, isRunning)
	arrive(hit, "7777", map[string]int64{"IPv4": 0, "IPv6": 0, "spared": 200})
	arrive(other, "7778", all)

	// A new agent sees it.
	l.restart(l.injector.ledger.dir)
	l.injector.sweep(t.Context())
	l.want(t, "own", "network-blackhole-port/status", body, 200, isRunning)
	l.want(t, "own", "network-blackhole-port/start", body, 200, isRunning)
	l.want(t, "own", "network-blackhole-port/stop", body, 200, isStopped)
	l.want(t, "own", "network-blackhole-port/status", body, 200, isNotRunning)
	arrive(hit, "7777", all)
	if now := l.rules(t); now != empty {
		t.Errorf("left:\n%s", now)
	}
}

func TestIngressBlackHoleInTheKernel(t *testing.T) {
	l := newLab(t)
	l.want(t, "own", "network-blackhole-port/start", `{"Port":7777,"Protocol":"tcp","TrafficType":"ingress"}`, 200, isRunning)
	connect := func(port string) (err error) {
		var listener net.Listener
		within(t, l.task, func() { listener, err = net.Listen("tcp", taskIPv4+":"+port) })
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		within(t, l.peer, func() {
			var conn net.Conn
			if conn, err = net.DialTimeout("tcp", taskIPv4+":"+port, 500*time.Millisecond); err == nil {
				conn.Close()
			}
		})
		return err
	}
	if err := connect("7777"); err == nil {
		t.Error("a connection comes through the black hole")
	}
	if err := connect("7778"); err != nil {
		t.Errorf("a connection to another port: %v", err)
	}
}

func TestFaultsOfHostTasksInTheKernel(t *testing.T) {
	l := newLab(t)
	empty := l.rules(t)
	body := `{"Port":7777,"Protocol":"tcp","TrafficType":"egress"}`
	within(t, l.task, func() { // the agent's own namespace
		links, err := defaultLinks()
		if err != nil || fmt.Sprint(links) != "[{eth0 true true}]" {
			t.Errorf("links %v, %v", links, err)
		}
		l.want(t, "host", "network-blackhole-port/start", body, 200, isRunning)
		if !strings.Contains(l.rules(t), "-A egress-tcp-7777 -p tcp -m tcp --dport 7777 -j DROP") {
			t.Errorf("rules:\n%s", l.rules(t))
		}
		// The task ends and with it the fault, although the agent was started anew meanwhile.
		l.restart(l.injector.ledger.dir)
		l.end("host")
		l.injector.sweep(t.Context())
	})
	if now := l.rules(t); now != empty {
		t.Errorf("left:\n%s", now)
	}
}

func TestANamespaceThatIsGone(t *testing.T) {
	l := newLab(t)
	for _, tk := range l.tasks {
		if tk.ARN == "own" {
			tk.NetworkNamespace = "/proc/1/ns/none"
		}
	}
	for _, op := range []string{"start", "stop", "status"} {
		l.want(t, "own", "network-blackhole-port/"+op, blackholeBody, 500, isBroken)
		l.want(t, "own", "network-latency/"+op, latencyBody, 500, isBroken)
	}
}

// needNetem skips a test on kernels that cannot emulate networks.
func (l *lab) needNetem(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"netem delay 1ms", "prio"} {
		out, err := exec.Command("nsenter", strings.Fields("--net="+l.task+" tc qdisc add dev lo root "+kind)...).CombinedOutput()
		if err != nil {
			t.Skipf("this kernel has no %s (scripts/test-in-vm.sh brings one that has): %s", kind, out)
		}
		shell(t, "nsenter --net="+l.task+" tc qdisc del dev lo root")
	}
}

// roundTrips measures how long n datagrams take there and back.
func roundTrips(t *testing.T, conn *net.UDPConn, to string, n int) (times []time.Duration) {
	t.Helper()
	a, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 64)
	for range n {
		began := time.Now()
		if _, err := conn.WriteToUDP([]byte("x"), a); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, _, err := conn.ReadFromUDP(buffer); err != nil {
			t.Fatal(err)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times
}

func TestLatencyInTheKernel(t *testing.T) {
	l := newLab(t)
	l.needNetem(t)
	untouched := shell(t, "nsenter --net="+l.task+" tc qdisc show dev eth0")
	counter(listen(t, l.peer, peerIPv4+":7777"), true)
	counter(listen(t, l.peer, otherIPv4+":7777"), true)
	counter(listen(t, l.peer, "["+peerIPv6+"]:7777"), true)
	conn := listen(t, l.task, ":0")
	const delay = 100 * time.Millisecond
	body := `{"DelayMilliseconds":100,"JitterMilliseconds":0,"Sources":["10.99.0.0/24","` + peerIPv6 + `"],"SourcesToFilter":["` + otherIPv4 + `"]}`
	l.want(t, "own", "network-latency/start", body, 200, isRunning)
	l.want(t, "own", "network-latency/start", body, 409, `{"Error":"There is already one network latency fault running"}`)
	l.want(t, "own", "network-packet-loss/start", lossBody, 409, `{"Error":"There is already one network latency fault running"}`)
	l.want(t, "own", "network-packet-loss/status", "", 200, isNotRunning)
	for _, address := range []string{peerIPv4, "[" + peerIPv6 + "]"} {
		// The shortest says what the kernel adds; the others also wait for a busy machine.
		if shortest := roundTrips(t, conn, address+":7777", 60)[0]; shortest < delay*9/10 || shortest > delay*11/10 {
			t.Errorf("%s: %v there and back, want %v", address, shortest, delay)
		} else {
			t.Logf("%s: %v there and back, asked for %v", address, shortest, delay)
		}
	}
	if times := roundTrips(t, conn, otherIPv4+":7777", 40); times[len(times)/2] > delay/10 {
		t.Errorf("an address that is spared: %v", times[len(times)/2])
	}

	l.restart(l.injector.ledger.dir)
	l.injector.sweep(t.Context())
	l.want(t, "own", "network-latency/status", "", 200, isRunning)
	l.want(t, "own", "network-latency/stop", "", 200, isStopped)
	l.want(t, "own", "network-latency/status", "", 200, isNotRunning)
	if times := roundTrips(t, conn, peerIPv4+":7777", 40); times[len(times)/2] > delay/10 {
		t.Errorf("after the fault: %v", times[len(times)/2])
	}
	if now := shell(t, "nsenter --net="+l.task+" tc qdisc show dev eth0"); now != untouched {
		t.Errorf("left:\n%s", now)
	}
	// Jitter alone counts as latency.
	l.want(t, "own", "network-latency/start", `{"DelayMilliseconds":0,"JitterMilliseconds":20,"Sources":["10.99.0.0/24"]}`, 200, isRunning)
	l.want(t, "own", "network-latency/status", "", 200, isRunning)
}

func TestPacketLossInTheKernel(t *testing.T) {
	l := newLab(t)
	l.needNetem(t)
	const packets, percent = 2000, 30
	arrived := counter(listen(t, l.peer, peerIPv4+":7777"), false)
	conn := listen(t, l.task, ":0")
	lost := func() float64 {
		before := settled(arrived)
		send(t, conn, peerIPv4+":7777", packets)
		return 100 - 100*float64(settled(arrived)-before)/packets
	}
	l.want(t, "own", "network-packet-loss/start", fmt.Sprintf(`{"LossPercent":%d,"Sources":["%s"]}`, percent, peerIPv4), 200, isRunning)
	l.want(t, "own", "network-latency/start", latencyBody, 409, `{"Error":"There is already one network packet loss fault running"}`)
	if got := lost(); got < percent-5 || got > percent+5 {
		t.Errorf("%.1f %% of %d packets are lost, want %d %%", got, packets, percent)
	} else {
		t.Logf("%.1f %% of %d packets lost, asked for %d %%", got, packets, percent)
	}
	l.want(t, "own", "network-packet-loss/stop", "", 200, isStopped)
	if got := lost(); got != 0 {
		t.Errorf("after the fault %.1f %% are lost", got)
	}
	l.want(t, "own", "network-packet-loss/start", fmt.Sprintf(`{"LossPercent":100,"Sources":["%s"]}`, peerIPv4), 200, isRunning)
	if got := lost(); got != 100 {
		t.Errorf("%.1f %% are lost, want all", got)
	}
	// The end of the task ends it, and leaves nothing on a host's own interface.
	within(t, l.task, func() {
		l.want(t, "own", "network-packet-loss/stop", "", 200, isStopped)
		l.want(t, "host", "network-packet-loss/start", fmt.Sprintf(`{"LossPercent":100,"Sources":["%s"]}`, peerIPv4), 200, isRunning)
		l.end("host")
		l.injector.sweep(t.Context())
	})
	if got := lost(); got != 0 {
		t.Errorf("after the task %.1f %% are lost", got)
	}
}

// TestShareOfFlows impairs a quarter of the flows; each flow is impaired wholly or not at all.
func TestShareOfFlows(t *testing.T) {
	l := newLab(t)
	l.needNetem(t)
	arrived := counter(listen(t, l.peer, peerIPv4+":7777"), false)
	l.want(t, "own", "network-packet-loss/start", fmt.Sprintf(`{"LossPercent":100,"Sources":["%s"],"FlowsPercent":25}`, peerIPv4), 200, isRunning)
	const flows, each = 400, 3
	conns := make([]*net.UDPConn, flows)
	var err error
	within(t, l.task, func() {
		for i := range conns {
			if conns[i], err = net.ListenUDP("udp", nil); err != nil {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	before := arrived.Load()
	for _, conn := range conns {
		defer conn.Close()
		send(t, conn, peerIPv4+":7777", each)
	}
	came := settled(arrived) - before
	if share := 100 - 100*came/(flows*each); came%each != 0 || share < 15 || share > 35 {
		t.Errorf("%d %% of the flows are impaired (%d of %d packets came), want 25 %%", share, came, flows*each)
	} else {
		t.Logf("%d %% of %d flows impaired, asked for 25 %%", share, flows)
	}
}
