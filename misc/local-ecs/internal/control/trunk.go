package control

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/lab"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// Attributes of instances with a trunk: the agent says that it can use one, the service that there is one.
const (
	attributeTrunking = "ecs.capability.task-eni-trunking"
	attributeTrunk    = "ecs.awsvpc-trunk-id"
)

// offerTrunk gives an instance, a Clone, a trunk if its agent can use one and the lab has them. One that did not come in time
// is offered again with every registration.
func (c *Control) offerTrunk(i *state.Instance) {
	if c.Lab == nil {
		return
	}
	l, err := c.Lab()
	if errors.Is(err, lab.ErrNone) || err == nil && !l.Trunk {
		i.Trunk, i.Attachments = nil, []ecs.Attachment{}
		return
	}
	_, able := i.Attribute(attributeTrunking)
	if err != nil || i.Trunk == nil && !able {
		return
	}
	if i.Trunk == nil || !i.Trunk.Attached {
		i.Trunk = c.newTrunk(i.ClusterName, l)
	}
	showTrunk(i)
}

func (c *Control) newTrunk(cluster string, l lab.Lab) *state.ENI {
	gateway, _ := l.Gateways()
	eni := newInterface()
	eni.AttachmentArn = c.Names.Attachment(cluster, eni.AttachmentID)
	eni.IPv4, eni.IPv4Gateway = l.TrunkAddress().String(), gateway.String()
	eni.Until = ecs.At(c.Now().Add(c.AttachLimit))
	return eni
}

// showTrunk makes an instance, a Clone, show its trunk.
func showTrunk(i *state.Instance) {
	status := "ATTACHING"
	if i.Trunk.Attached {
		status = "ATTACHED"
		i.Attributes = slices.DeleteFunc(slices.Clone(i.Attributes), func(a ecs.Attribute) bool { return a.Name == attributeTrunk })
		i.Attributes = append(i.Attributes, ecs.Attribute{Name: attributeTrunk, Value: i.Trunk.ID})
	}
	i.Attachments = []ecs.Attachment{{ID: i.Trunk.AttachmentID, Type: "ElasticNetworkInterface", Status: status, Details: []ecs.KeyValue{
		{Name: "networkInterfaceId", Value: i.Trunk.ID}, {Name: "macAddress", Value: i.Trunk.MAC}}}}
}

// ReportAttachments applies an agent's report about interfaces of its instance.
func (c *Control) ReportAttachments(tx *state.Tx, reports []ecs.AttachmentReport) Outcome {
	outcome := Applied // what is not known here is let go of
	for _, known := range tx.Instances.Where(func(i *state.Instance) bool { return i.Trunk != nil }) {
		if !slices.ContainsFunc(reports, func(r ecs.AttachmentReport) bool {
			return r.AttachmentArn == known.Trunk.AttachmentArn && r.Status == "ATTACHED"
		}) {
			continue
		}
		if known.Trunk.Attached {
			outcome = Repeated
			continue
		}
		i := known.Clone()
		trunk := *i.Trunk
		trunk.Attached = true
		i.Trunk = &trunk
		showTrunk(i)
		i.Version++
		tx.Instances.Put(i.ID, i)
	}
	return outcome
}

// branch makes the interface of a new task a branch of its instance's trunk, if that is there.
func (c *Control) branch(i *state.Instance, eni *state.ENI, l lab.Lab) {
	if _, able := i.Attribute(attributeTrunking); !able || i.Trunk == nil || !i.Trunk.Attached {
		return
	}
	address, err := netip.ParseAddr(eni.Slot)
	if err != nil {
		return
	}
	if vlan, err := l.VLAN(address); err == nil {
		eni.Branch = &state.Branch{VLAN: vlan, TrunkMAC: i.Trunk.MAC, TrunkPlug: i.Trunk.Plug}
	}
}

// BranchesAreThere lets the tasks begin whose branches have been made, by their ids in the lab. Their agent hears of them with
// the task alone.
func (c *Control) BranchesAreThere(tx *state.Tx, plugs []string) {
	for _, known := range tx.Tasks.Where(func(t *state.Task) bool { return t.Provisioning() && t.ENI.Branch != nil }) {
		if !slices.Contains(plugs, known.ENI.Plug) {
			continue
		}
		t := known.Clone()
		attached(t, []ecs.AttachmentReport{{AttachmentArn: t.ENI.AttachmentArn, Status: "ATTACHED"}})
		t.Version++
		tx.Tasks.Put(t.ID, t)
	}
}
