package server

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/agenttest"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/acsmsg"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// withLab gives the control plane a lab by its file alone: interfaces cannot be made in it, which agents do not know.
func withLab(c *Config) {
	text := `{"name": "no-such-lab", "ipv4": "10.200.0.0/24", "ipv6": "fd00:c8::/64"}`
	if err := os.WriteFile(filepath.Join(c.DataDir, "lab.json"), []byte(text), 0o600); err != nil {
		panic(err)
	}
}

// vpcTask is what RunTask gets for a task in a subnet.
func vpcTask(subnet string) m {
	return m{"taskDefinition": "vpc", "networkConfiguration": m{"awsvpcConfiguration": m{"subnets": []string{subnet}}}}
}

// vpcAgent is an agent that can attach interfaces.
func vpcAgent(p *plane) *agenttest.Agent {
	a := agenttest.New(p.t, p.Endpoint)
	a.Extra = []ecs.Attribute{{Name: "ecs.capability.task-eni"}}
	a.Register()
	p.register(m{"family": "vpc", "networkMode": "awsvpc", "containerDefinitions": []m{{"name": "web", "image": "example", "memory": 64}}})
	return a
}

func TestInterfaceComesBeforeTheTask(t *testing.T) {
	p := start(t, withLab)
	a := vpcAgent(p)
	a.Manual = true
	a.Connect()
	task := p.run(vpcTask("subnet-lab-dual"))[0]
	if task.LastStatus != ecs.Provisioning || len(task.Attachments) != 1 || task.Attachments[0].Status != "ATTACHING" || task.Attachments[0].Type != "ElasticNetworkInterface" {
		t.Fatalf("new task: %s, attachments %+v", task.LastStatus, task.Attachments)
	}
	agenttest.Eventually(t, "announcement", func() bool { return len(a.Received(acsmsg.TypeAttachENI)) > 0 })
	got := message[acsmsg.AttachENI](t, a.Received(acsmsg.TypeAttachENI)[0])
	if got.TaskArn != task.TaskArn || got.WaitTimeoutMs <= 0 || got.WaitTimeoutMs > 300_000 || len(got.ElasticNetworkInterfaces) != 1 {
		t.Fatalf("announcement %+v", got)
	}
	eni := got.ElasticNetworkInterfaces[0]
	details := map[string]string{}
	for _, d := range task.Attachments[0].Details {
		details[d.Name] = d.Value
	}
	for name, pair := range map[string][2]string{
		"address":       {eni.IPv4Addresses[0].PrivateAddress, "10.200.0.10"},
		"gateway":       {eni.SubnetGatewayIPv4Address, "10.200.0.1/24"},
		"IPv6 address":  {eni.IPv6Addresses[0].Address, "fd00:c8::a"},
		"IPv6 gateway":  {eni.SubnetGatewayIPv6Address, "fd00:c8::1/64"},
		"name":          {eni.PrivateDNSName, "ip-10-200-0-10.lab.internal"},
		"shown address": {details["privateIPv4Address"], "10.200.0.10"},
		"shown MAC":     {details["macAddress"], eni.MACAddress},
		"shown id":      {details["networkInterfaceId"], eni.EC2ID},
		"container":     {task.Containers[0].NetworkInterfaces[0].PrivateIPv4Address, "10.200.0.10"},
		"attachment":    {task.Containers[0].NetworkInterfaces[0].AttachmentID, eni.AttachmentArn[strings.LastIndex(eni.AttachmentArn, "/")+1:]},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", name, pair[0], pair[1])
		}
	}
	<-time.After(3 * p.cfg.ACS.Redeliver)
	if n := len(a.Received(acsmsg.TypePayload)); n != 0 {
		t.Errorf("%d payloads before the interface is attached", n)
	}
	if n := len(a.Received(acsmsg.TypeAttachENI)); n != 1 {
		t.Errorf("%d announcements although the first was acknowledged", n)
	}
	a.Attached(&got)
	agenttest.Eventually(t, "payload", func() bool { return len(a.Received(acsmsg.TypePayload)) == 1 })
	sent := message[acsmsg.Payload](t, a.Received(acsmsg.TypePayload)[0]).Tasks[0]
	if sent.NetworkMode != "awsvpc" || len(sent.ElasticNetworkInterfaces) != 1 || sent.ElasticNetworkInterfaces[0].MACAddress != eni.MACAddress {
		t.Errorf("task as the agent gets it: %s, %+v", sent.NetworkMode, sent.ElasticNetworkInterfaces)
	}
	now := p.task(task.TaskArn)
	if now.LastStatus != ecs.Pending || now.Attachments[0].Status != "ATTACHED" {
		t.Errorf("attached: %s, %s", now.LastStatus, now.Attachments[0].Status)
	}
	code := 0
	a.Report(task.TaskArn, "STOPPED", &code)
	if now := p.task(task.TaskArn); now.LastStatus != ecs.Stopped || now.Attachments[0].Status != "DELETED" {
		t.Errorf("at the end: %s, %s", now.LastStatus, now.Attachments[0].Status)
	}
}

// A restart of local-ecs, a new connection, or no answer: the agent is told again.
func TestInterfaceIsAnnouncedAgain(t *testing.T) {
	p := start(t, withLab)
	a := vpcAgent(p)
	a.Manual = true
	a.Mute[acsmsg.TypeAttachENI] = true
	a.Connect()
	arn := p.run(vpcTask("subnet-lab"))[0].TaskArn
	agenttest.Eventually(t, "two announcements", func() bool { return len(a.Received(acsmsg.TypeAttachENI)) >= 2 })
	first, again := message[acsmsg.AttachENI](t, a.Received(acsmsg.TypeAttachENI)[0]), message[acsmsg.AttachENI](t, a.Received(acsmsg.TypeAttachENI)[1])
	if first.MessageID != again.MessageID {
		t.Errorf("announced again as another message: %s, %s", first.MessageID, again.MessageID)
	}
	a.Drop()
	a.Manual = false
	a.SetMute(acsmsg.TypeAttachENI, false)
	a.Connect()
	p.await(arn, ecs.Running)
}

func TestSubnetsDifferInTheirAddresses(t *testing.T) {
	p := start(t, withLab)
	a := vpcAgent(p)
	a.Connect()
	for subnet, want := range map[string][2]bool{"subnet-lab": {true, false}, "subnet-0123": {true, false}, "subnet-lab-dual": {true, true}, "subnet-lab-ipv6": {false, true}} {
		task := p.run(vpcTask(subnet))[0]
		n := task.Containers[0].NetworkInterfaces[0]
		if got := [2]bool{n.PrivateIPv4Address != "", n.IPv6Address != ""}; got != want {
			t.Errorf("in %s: %+v", subnet, n)
		}
		p.await(task.TaskArn, ecs.Running)
		eni := a.Task(task.TaskArn).ElasticNetworkInterfaces[0]
		if subnet == "subnet-lab-ipv6" && (eni.SubnetGatewayIPv4Address != "" || len(eni.IPv4Addresses) != 0 || !strings.HasPrefix(eni.PrivateDNSName, "i-")) {
			t.Errorf("IPv6 alone: %+v", eni)
		}
	}
}

func TestAddressesOfTheLabRunOut(t *testing.T) {
	p := start(t, withLab, func(c *Config) { c.ACS = acs.Options{Heartbeat: time.Minute, Redeliver: time.Minute} })
	a := vpcAgent(p)
	a.Manual = true
	a.CPU, a.Memory = 1<<20, 1<<20
	a.Register()
	a.Connect()
	var addresses []string
	for range 24 {
		in := vpcTask("subnet-lab")
		in["count"] = 10
		for _, task := range p.run(in) {
			addresses = append(addresses, task.Containers[0].NetworkInterfaces[0].PrivateIPv4Address)
		}
	}
	slices.Sort(addresses)
	if n := len(slices.Compact(slices.Clone(addresses))); n != 240 {
		t.Fatalf("%d different addresses of 240", n)
	}
	var out struct {
		Tasks    []ecs.Task    `json:"tasks"`
		Failures []ecs.Failure `json:"failures"`
	}
	in := vpcTask("subnet-lab")
	in["count"] = 2
	p.call("RunTask", in, &out)
	if len(out.Tasks) != 1 || len(out.Failures) != 1 || out.Failures[0].Reason != "RESOURCE:ENI" {
		t.Errorf("beyond the last address: %d tasks, failures %+v", len(out.Tasks), out.Failures)
	}
}

func TestInterfaceThatNeverComes(t *testing.T) {
	p := start(t, withLab, func(c *Config) { c.AttachLimit = 300 * time.Millisecond })
	a := vpcAgent(p)
	a.Manual = true
	a.Connect()
	arn := p.run(vpcTask("subnet-lab"))[0].TaskArn
	p.await(arn, ecs.Stopped)
	if task := p.task(arn); task.StopCode != ecs.TaskFailedToStart || task.StoppedReason != "Timeout waiting for network interface provisioning to complete." {
		t.Errorf("stopped: %s, %s", task.StopCode, task.StoppedReason)
	}
	if n := len(a.Received(acsmsg.TypePayload)); n != 0 {
		t.Errorf("the agent got the task, %d payloads", n)
	}
}

func TestServiceOfTasksWithInterfaces(t *testing.T) {
	p := start(t, withLab)
	a := vpcAgent(p)
	a.Connect()
	network := m{"awsvpcConfiguration": m{"subnets": []string{"subnet-lab"}}}
	var out struct{ Service ecs.Service }
	p.call("CreateService", m{"serviceName": "s", "taskDefinition": "vpc", "desiredCount": 2, "networkConfiguration": network}, &out)
	if n := out.Service.NetworkConfiguration; n == nil || fmt.Sprint(n.AWSVPC.Subnets) != "[subnet-lab]" {
		t.Errorf("the service's network: %+v", n)
	}
	agenttest.Eventually(t, "two tasks", func() bool {
		var list struct{ TaskArns []string }
		p.call("ListTasks", m{"serviceName": "s"}, &list)
		return len(list.TaskArns) == 2 && len(a.Arns()) == 2
	})
}

// trunkAgent is an agent that can use a trunk, at a lab that has them.
func trunkAgent(t *testing.T) (*plane, *agenttest.Agent) {
	p := start(t, withLab, func(c *Config) {
		text := `{"name": "no-such-lab", "ipv4": "10.200.0.0/24", "ipv6": "fd00:c8::/64", "trunk": true}`
		if err := os.WriteFile(filepath.Join(c.DataDir, "lab.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	a := vpcAgent(p)
	a.Extra = append(a.Extra, ecs.Attribute{Name: "ecs.capability.task-eni-trunking"})
	a.Register()
	return p, a
}

func (p *plane) instance(arn string) ecs.ContainerInstance {
	p.t.Helper()
	var out struct{ ContainerInstances []ecs.ContainerInstance }
	p.call("DescribeContainerInstances", m{"containerInstances": []string{arn}}, &out)
	return out.ContainerInstances[0]
}

func trunkOf(i ecs.ContainerInstance) string {
	for _, a := range i.Attributes {
		if a.Name == "ecs.awsvpc-trunk-id" {
			return a.Value
		}
	}
	return ""
}

// An instance whose agent can use a trunk is given one; from then on its tasks get branches, of which the agent hears with the
// task alone.
func TestTrunkOfAnInstance(t *testing.T) {
	p, a := trunkAgent(t)
	a.Manual = true
	a.Connect()
	agenttest.Eventually(t, "announcement", func() bool { return len(a.Received(acsmsg.TypeAttachInstanceENI)) > 0 })
	got := message[acsmsg.AttachENI](t, a.Received(acsmsg.TypeAttachInstanceENI)[0])
	trunk := got.ElasticNetworkInterfaces[0]
	if got.TaskArn != "" || got.ContainerInstanceArn != a.Arn || got.WaitTimeoutMs <= 0 || trunk.MACAddress == "" || len(trunk.IPv4Addresses) != 1 || trunk.SubnetGatewayIPv4Address != "10.200.0.1/24" {
		t.Fatalf("announcement %+v", got)
	}
	if i := p.instance(a.Arn); len(i.Attachments) != 1 || i.Attachments[0].Status != "ATTACHING" || trunkOf(i) != "" {
		t.Errorf("the instance before: %+v, trunk %q", i.Attachments, trunkOf(i))
	}
	// Before the trunk is there, tasks get interfaces of their own.
	plain := p.run(vpcTask("subnet-lab"))[0]
	agenttest.Eventually(t, "announcement of a task's interface", func() bool { return len(a.Received(acsmsg.TypeAttachENI)) == 1 })

	a.Attached(&got)
	if i := p.instance(a.Arn); i.Attachments[0].Status != "ATTACHED" || trunkOf(i) != trunk.EC2ID {
		t.Errorf("the instance: %+v, trunk %q, want %s", i.Attachments, trunkOf(i), trunk.EC2ID)
	}
	task := p.run(vpcTask("subnet-lab"))[0]
	if task.LastStatus != ecs.Provisioning || task.Attachments[0].Status != "ATTACHING" {
		t.Errorf("a task whose branch is still to come: %s, %+v", task.LastStatus, task.Attachments)
	}
	var plug string
	p.server.store.View(func(tx *state.Tx) {
		plug = tx.Tasks.Get(task.TaskArn[strings.LastIndex(task.TaskArn, "/")+1:]).ENI.Plug
	})
	err := p.server.store.Update(func(tx *state.Tx) error {
		p.server.interfaces.control.BranchesAreThere(tx, []string{plug})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	agenttest.Eventually(t, "payload", func() bool { return len(a.Received(acsmsg.TypePayload)) == 1 })
	sent := message[acsmsg.Payload](t, a.Received(acsmsg.TypePayload)[0]).Tasks[0]
	eni := sent.ElasticNetworkInterfaces[0]
	if sent.Arn != task.TaskArn || eni.AssociationProtocol != "vlan" || eni.VLAN == nil || eni.VLAN.TrunkMAC != trunk.MACAddress || eni.VLAN.VLANID != "11" || eni.MACAddress == trunk.MACAddress {
		t.Errorf("the task as its agent gets it: %+v, VLAN %+v", eni, eni.VLAN)
	}
	if n := len(a.Received(acsmsg.TypeAttachENI)); n != 1 {
		t.Errorf("%d announcements; that of a branch would be awaited in vain", n)
	}
	if now := p.task(task.TaskArn); now.LastStatus != ecs.Pending || now.Attachments[0].Status != "ATTACHED" {
		t.Errorf("the task then: %s, %+v", now.LastStatus, now.Attachments)
	}
	if now := p.task(plain.TaskArn); now.LastStatus != ecs.Provisioning {
		t.Errorf("the task with an interface of its own: %s", now.LastStatus)
	}
	// A restart of the agent changes nothing of it.
	a.Register()
	if i := p.instance(a.Arn); trunkOf(i) != trunk.EC2ID || len(a.Received(acsmsg.TypeAttachInstanceENI)) != 1 {
		t.Errorf("registered again: trunk %q, %d announcements", trunkOf(i), len(a.Received(acsmsg.TypeAttachInstanceENI)))
	}
}

// A trunk that is not seen in time is offered again when the agent registers again.
func TestTrunkThatNeverComes(t *testing.T) {
	p, a := trunkAgent(t)
	a.Manual = true
	a.Mute[acsmsg.TypeAttachInstanceENI] = true
	a.Connect()
	agenttest.Eventually(t, "two announcements", func() bool { return len(a.Received(acsmsg.TypeAttachInstanceENI)) >= 2 })
	first := message[acsmsg.AttachENI](t, a.Received(acsmsg.TypeAttachInstanceENI)[0])
	a.Register()
	agenttest.Eventually(t, "another trunk", func() bool {
		all := a.Received(acsmsg.TypeAttachInstanceENI)
		return message[acsmsg.AttachENI](t, all[len(all)-1]).ElasticNetworkInterfaces[0].MACAddress != first.ElasticNetworkInterfaces[0].MACAddress
	})
	a.Attached(&first) // too late
	if i := p.instance(a.Arn); trunkOf(i) != "" {
		t.Errorf("a trunk that is not offered any more counts: %q", trunkOf(i))
	}
}

// Without trunks in the lab, or an agent that can use one, there is none.
func TestNoTrunk(t *testing.T) {
	p := start(t, withLab)
	able, unable := vpcAgent(p), vpcAgent(p)
	able.Extra = append(able.Extra, ecs.Attribute{Name: "ecs.capability.task-eni-trunking"})
	for _, a := range []*agenttest.Agent{able, unable} {
		a.Register()
		a.Connect()
		if i := p.instance(a.Arn); len(i.Attachments) != 0 || len(a.Received(acsmsg.TypeAttachInstanceENI)) != 0 {
			t.Errorf("attachments %+v", i.Attachments)
		}
	}
}
