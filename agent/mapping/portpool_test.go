package mapping

import (
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestReserveWalksThroughTheRangeAndStartsOver(t *testing.T) {
	type request struct {
		n    int
		want string // range, or error text
	}
	tests := []struct {
		name     string
		ports    task.PortRange
		busy     []uint16
		requests []request
	}{
		{name: "each search begins behind the last result", ports: task.PortRange{First: 40001, Last: 40080}, requests: []request{
			{10, "40001-40010"}, {30, "40011-40040"}, {20, "40041-40060"}, {20, "40061-40080"}, {15, "40001-40015"}}},
		{name: "ports in use are skipped; what does not fit behind the last result is looked for before it", ports: task.PortRange{First: 40001, Last: 40010}, busy: []uint16{40002, 40005}, requests: []request{
			{1, "40001-40001"}, {2, "40003-40004"}, {4, "40006-40009"}, {2, "40003-40004"}}},
		{name: "too many ports for the range", ports: task.PortRange{First: 40001, Last: 40005}, requests: []request{
			{20, "20 contiguous host ports are unavailable"}}},
		{name: "the whole range is searched at the end of it", ports: task.PortRange{First: 40001, Last: 40002}, busy: []uint16{40002}, requests: []request{
			{1, "40001-40001"}, {1, "40001-40001"}, {1, "40001-40001"}}},
		{name: "a run that spans the last result is found", ports: task.PortRange{First: 40001, Last: 40006}, busy: []uint16{40001}, requests: []request{
			{2, "40002-40003"}, {4, "40002-40005"}}},
		{name: "the last port there is", ports: task.PortRange{First: 65534, Last: 65535}, requests: []request{
			{2, "65534-65535"}, {1, "65534-65534"}, {1, "65535-65535"}, {3, "3 contiguous host ports are unavailable"}}},
		{name: "port 0 is never handed out", ports: task.PortRange{First: 0, Last: 1}, requests: []request{
			{1, "1-1"}, {2, "2 contiguous host ports are unavailable"}}},
		{name: "no port at all", ports: task.PortRange{First: 40001, Last: 40001}, busy: []uint16{40001}, requests: []request{
			{1, "a host port is unavailable"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pool := poolWithout(tt.ports, tt.busy...)
			for i, r := range tt.requests {
				found, err := pool.Reserve("owner", r.n, task.TCP)
				got := found.String()
				if err != nil {
					got = err.Error()
				}
				if got != r.want {
					t.Errorf("request %d for %d ports: %s, want %s", i, r.n, got, r.want)
				}
				pool.Release("owner")
			}
		})
	}
}

func TestPortsStayWithTheirOwnerUntilReleased(t *testing.T) {
	pool := poolWithout(task.PortRange{First: 40000, Last: 40002})
	pool.Hold("first", 40000, task.TCP)
	pool.Hold("second", 40000, task.TCP)
	if got, err := pool.Reserve("third", 2, task.TCP); err != nil || got.First != 40001 {
		t.Fatalf("Reserve: %v %v, want the ports behind the held one", got, err)
	}
	if got, err := pool.Reserve("fourth", 3, task.UDP); err != nil || got.First != 40000 {
		t.Fatalf("Reserve udp: %v %v, want the same ports of the other protocol", got, err)
	}
	pool.Release("first")
	if got, err := pool.Reserve("fifth", 1, task.TCP); err == nil {
		t.Fatalf("Reserve: %v although the second holder still has it", got)
	}
	pool.Release("second")
	if got, err := pool.Reserve("fifth", 1, task.TCP); err != nil || got.First != 40000 {
		t.Fatalf("Reserve: %v %v, want the released port", got, err)
	}
	pool.Release("nobody")
}

// However requests and releases are mixed, no port has two owners and a request only fails when no run is free.
func TestPortPoolProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const first, size = 100, 12
		owners := map[int]string{}
		pool := NewPortPool(task.PortRange{First: first, Last: first + size - 1}, func(uint16, task.Protocol) bool { return true })
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			owner := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "owner")
			if rapid.Bool().Draw(t, "release") {
				pool.Release(owner)
				for port, o := range owners {
					if o == owner {
						delete(owners, port)
					}
				}
				continue
			}
			n := rapid.IntRange(1, 5).Draw(t, "n")
			got, err := pool.Reserve(owner, n, task.TCP)
			if err != nil {
				if freeRun(owners, first, size, n) {
					t.Fatalf("no %d ports although there is a free run; owners %v", n, owners)
				}
				continue
			}
			for port := int(got.First); port <= int(got.Last); port++ {
				if o, taken := owners[port]; taken {
					t.Fatalf("port %d given to %s is %s's", port, owner, o)
				}
				owners[port] = owner
			}
		}
	})
}

func freeRun(owners map[int]string, first, size, n int) bool {
	run := 0
	for port := first; port < first+size; port++ {
		if _, taken := owners[port]; taken {
			run = 0
		} else if run++; run == n {
			return true
		}
	}
	return false
}

func TestPortPoolIsSafeForManyTasks(t *testing.T) {
	pool := poolWithout(task.PortRange{First: 40000, Last: 40099})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 10 {
				if _, err := pool.Reserve("owner", 1, task.TCP); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, err := pool.Reserve("owner", 1, task.TCP); err == nil {
		t.Errorf("port %v was given out twice", got)
	}
}
