package mapping

import (
	"errors"
	"fmt"
	"sync"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// PortPool hands out host ports. A port that was handed out stays with its owner until released, although nothing
// listens on it before Docker starts the container.
type PortPool struct {
	ports task.PortRange
	// unused asks the host whether a listener could be opened.
	unused func(port uint16, protocol task.Protocol) bool

	mu sync.Mutex
	// last port handed out; the next search begins behind it, so that ports rest before they are used again.
	last int
	// held counts the holders of each port that is not free; owners has the same by holder.
	held   map[hostPort]int
	owners map[string][]hostPort
}

type hostPort struct {
	port     uint16
	protocol task.Protocol
}

// NewPortPool gives a pool of the ports in the range. unused says whether a listener could be opened on a port now.
func NewPortPool(ports task.PortRange, unused func(uint16, task.Protocol) bool) *PortPool {
	return &PortPool{ports: ports, unused: unused, held: map[hostPort]int{}, owners: map[string][]hostPort{}}
}

// Reserve finds n contiguous ports that nobody uses or holds, and holds them for owner.
func (p *PortPool) Reserve(owner string, n int, protocol task.Protocol) (task.PortRange, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first, last := max(int(p.ports.First), 1), int(p.ports.Last)
	found := 0
	if p.last >= first && p.last < last {
		found = p.search(p.last+1, last, n, protocol)
	}
	if found == 0 {
		found = p.search(first, last, n, protocol)
	}
	if found == 0 {
		if n == 1 {
			return task.PortRange{}, errors.New("a host port is unavailable")
		}
		return task.PortRange{}, fmt.Errorf("%d contiguous host ports are unavailable", n)
	}
	for i := range n {
		p.hold(owner, hostPort{uint16(found + i), protocol})
	}
	p.last = found + n - 1
	return task.PortRange{First: uint16(found), Last: uint16(p.last)}, nil
}

// search gives the first port of the first run of n free ones; 0 when there is none.
func (p *PortPool) search(from, to, n int, protocol task.Protocol) int {
	run := 0
	for port := from; port <= to; port++ {
		if p.held[hostPort{uint16(port), protocol}] > 0 || !p.unused(uint16(port), protocol) {
			run = 0
			continue
		}
		if run++; run == n {
			return port - n + 1
		}
	}
	return 0
}

// Hold keeps a port for owner that was not chosen by the pool. It may have other holders: who may listen on it in the
// end is not the pool's business.
func (p *PortPool) Hold(owner string, port uint16, protocol task.Protocol) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold(owner, hostPort{port, protocol})
}

func (p *PortPool) hold(owner string, port hostPort) {
	p.held[port]++
	p.owners[owner] = append(p.owners[owner], port)
}

// Release gives back all ports of owner.
func (p *PortPool) Release(owner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, port := range p.owners[owner] {
		if p.held[port]--; p.held[port] == 0 {
			delete(p.held, port)
		}
	}
	delete(p.owners, owner)
}
