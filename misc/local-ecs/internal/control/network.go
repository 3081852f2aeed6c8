package control

import (
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/lab"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// DefaultAttachLimit is how long the service waits for an interface to be seen by the agent.
const DefaultAttachLimit = 5 * time.Minute

// ReasonNotAttached is why a task ended whose interface did not come.
const ReasonNotAttached = "Timeout waiting for network interface provisioning to complete."

// network gives the tasks of a launch their interfaces. Tasks of other network modes get none.
type network struct {
	control *Control
	lab     lab.Lab
	subnet  string
	wanted  bool
	taken   map[netip.Addr]bool
	last    netip.Addr
}

func (c *Control) network(tx *state.Tx, l *Launch, d *ecs.TaskDefinition) (*network, error) {
	n := &network{control: c, wanted: d.NetworkMode == "awsvpc", taken: map[netip.Addr]bool{}}
	if !n.wanted {
		return n, nil
	}
	var err error
	if n.lab, err = c.labNow(); err != nil {
		return nil, err
	}
	if l.Network == nil || l.Network.AWSVPC == nil || len(l.Network.AWSVPC.Subnets) == 0 {
		return nil, ecs.InvalidParameter("subnets can not be empty.")
	}
	n.subnet = l.Network.AWSVPC.Subnets[0]
	var newest ecs.Time
	for _, t := range tx.Tasks.All() {
		if t.ENI == nil {
			continue
		}
		// A task with an IPv6 address alone keeps its IPv4 address from others all the same.
		address, err := netip.ParseAddr(t.ENI.Slot)
		if err != nil {
			continue
		}
		if t.Live() {
			n.taken[address] = true
		}
		if !t.CreatedAt.Before(newest.Time) {
			newest, n.last = t.CreatedAt, address
		}
	}
	return n, nil
}

func (c *Control) labNow() (lab.Lab, error) {
	if c.Lab == nil {
		return lab.Lab{}, ecs.Unsupported("local-ecs has no network interfaces to attach: 'networkMode' awsvpc cannot run here.")
	}
	l, err := c.Lab()
	if errors.Is(err, lab.ErrNone) {
		return l, ecs.Unsupported("local-ecs has no network interfaces to attach: make a network for tasks of 'networkMode' awsvpc with `local-ecs lab up`, or use bridge, host or none.")
	} else if err != nil {
		return l, ecs.Unsupported("local-ecs has no network interfaces to attach: %v", err)
	}
	return l, nil
}

// next makes the next interface, nil for tasks that need none; ok is false when no address is left. The task is for that
// instance.
func (n *network) next(i *state.Instance) (eni *state.ENI, ok bool) {
	if !n.wanted {
		return nil, true
	}
	ipv4, ipv6, err := n.lab.Allocate(n.last, func(a netip.Addr) bool { return n.taken[a] })
	if err != nil {
		return nil, false
	}
	n.taken[ipv4], n.last = true, ipv4
	gateway4, gateway6 := n.lab.Gateways()
	eni = newInterface()
	eni.Slot = ipv4.String()
	eni.DNS, eni.Search = []string{gateway4.Addr().String()}, []string{lab.Domain}
	eni.Name = "ip-" + strings.ReplaceAll(ipv4.String(), ".", "-") + "." + lab.Domain
	eni.Until = ecs.At(n.control.Now().Add(n.control.AttachLimit))
	if n.subnet != lab.SubnetIPv6 {
		eni.IPv4, eni.IPv4Gateway = ipv4.String(), gateway4.String()
	}
	if n.subnet == lab.SubnetIPv6 || n.subnet == lab.SubnetDual {
		eni.IPv6, eni.IPv6Gateway = ipv6.String(), gateway6.String()
	}
	if n.subnet == lab.SubnetIPv6 {
		eni.DNS = []string{gateway6.Addr().String()}
		eni.Name = strings.Replace(eni.ID, "eni-", "i-", 1) + "." + lab.Domain
	}
	n.control.branch(i, eni, n.lab)
	return eni, true
}

// newInterface is one with an identity, and nothing else yet.
func newInterface() *state.ENI {
	id := NewUUID()
	return &state.ENI{ID: "eni-" + newID()[:17], AttachmentID: id, Plug: strings.ReplaceAll(id, "-", "")[:12], MAC: newMAC()}
}

// newMAC is a random address, locally administered, of one host.
func newMAC() string {
	mac := make(net.HardwareAddr, 6)
	rand.Read(mac)
	mac[0] = 0x02
	return mac.String()
}

// attach gives a new task its interface. Until the agent has seen it, or its branch is there, the task is PROVISIONING.
func (c *Control) attach(t *state.Task, eni *state.ENI) {
	eni.AttachmentArn = c.Names.Attachment(t.ClusterName, eni.AttachmentID)
	t.ENI = eni
	t.LastStatus = ecs.Provisioning
	details := []ecs.KeyValue{{Name: "networkInterfaceId", Value: eni.ID}, {Name: "macAddress", Value: eni.MAC}, {Name: "privateDnsName", Value: eni.Name}}
	if eni.IPv4 != "" {
		details = append(details, ecs.KeyValue{Name: "privateIPv4Address", Value: eni.IPv4})
	}
	if eni.IPv6 != "" {
		details = append(details, ecs.KeyValue{Name: "ipv6Address", Value: eni.IPv6})
	}
	t.Attachments = []ecs.Attachment{{ID: eni.AttachmentID, Type: "ElasticNetworkInterface", Status: "ATTACHING", Details: details}}
	for i := range t.Containers {
		t.Containers[i].NetworkInterfaces = []ecs.NetworkInterface{{AttachmentID: eni.AttachmentID, PrivateIPv4Address: eni.IPv4, IPv6Address: eni.IPv6}}
	}
}

// setAttachment changes the status of the interface of a task, a Clone.
func setAttachment(t *state.Task, status string) {
	t.Attachments = slices.Clone(t.Attachments)
	for i := range t.Attachments {
		if t.Attachments[i].ID == t.ENI.AttachmentID {
			t.Attachments[i].Status = status
		}
	}
}

// attached applies an agent's report about the interface of a task, a Clone, and tells whether it was news.
func attached(t *state.Task, reports []ecs.AttachmentReport) bool {
	for _, r := range reports {
		if t.ENI == nil || t.ENI.Attached || r.AttachmentArn != t.ENI.AttachmentArn || r.Status != "ATTACHED" {
			continue
		}
		eni := *t.ENI
		eni.Attached = true
		t.ENI = &eni
		setAttachment(t, "ATTACHED")
		if t.LastStatus == ecs.Provisioning {
			t.LastStatus = ecs.Pending
		}
		return true
	}
	return false
}

// Expire ends tasks whose interface did not come in time. Their agent never heard of them.
func (c *Control) Expire(tx *state.Tx) (ended []*state.Task) {
	for _, known := range tx.Tasks.Where(func(t *state.Task) bool {
		return t.ENI != nil && !t.ENI.Attached && t.Live() && t.ENI.Until.Before(c.Now())
	}) {
		t := known.Clone()
		if t.StopCode == "" {
			t.StopCode, t.StoppedReason = ecs.TaskFailedToStart, ReasonNotAttached
		}
		t.LastStatus = ecs.Stopped
		c.finish(t, "")
		t.Version++
		tx.Tasks.Put(t.ID, t)
		ended = append(ended, t)
	}
	return ended
}
