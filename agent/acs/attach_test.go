package acs

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestAttachENIsAreAcknowledged(t *testing.T) {
	var golden struct {
		Cases []struct {
			Receive json.RawMessage
			Send    []envelope
		}
	}
	goldenfile.Read(t, "testdata/attach_enis.json", &golden)
	for _, c := range golden.Cases {
		b := newBench(0)
		for range 2 { // also when they are repeated
			same(t, "answers", b.receive(t, c.Receive), expected(t, c.Send))
		}
	}
}

func TestAttachedENIs(t *testing.T) {
	const enis = `"waitTimeoutMs":60000,"elasticNetworkInterfaces":[` +
		`{"attachmentArn":"a1","ec2Id":"eni-1","macAddress":"m1","ipv4Addresses":[{"privateAddress":"10.0.0.10"}],"subnetGatewayIpv4Address":"10.0.0.1/20"},` +
		`{"attachmentArn":"a2","ec2Id":"eni-2","macAddress":"m2","ipv6Addresses":[{"address":"2600::1"}],"subnetGatewayIpv6Address":"fe80::1/64"}]}`
	const head = `{"messageId":"m","clusterArn":"` + clusterARN + `","containerInstanceArn":"` + instanceARN + `",`
	cases := []struct {
		kind, message string
		common        task.Attachment
	}{
		{"AttachTaskNetworkInterfacesMessage", head + `"taskArn":"t","taskClusterArn":"c",` + enis,
			task.Attachment{Type: task.AttachmentTaskENI, TaskARN: "t", TaskClusterARN: "c"}},
		{"AttachInstanceNetworkInterfacesMessage", head + enis, task.Attachment{Type: task.AttachmentInstanceENI}},
	}
	for _, c := range cases {
		b := newBench(0)
		begun := time.Now()
		b.receive(t, frame(c.kind, c.message))
		c.common.ClusterARN, c.common.ContainerInstanceARN = clusterARN, instanceARN
		first, second := c.common, c.common
		first.ARN, first.MAC, second.ARN, second.MAC = "a1", "m1", "a2", "m2"
		for i := range b.enis.announced {
			if wait := b.enis.announced[i].ExpiresAt.Sub(begun); wait < time.Minute || wait > 2*time.Minute {
				t.Errorf("%s: waits %v", c.kind, wait)
			}
			b.enis.announced[i].ExpiresAt = time.Time{}
		}
		same(t, c.kind, b.enis.announced, []task.Attachment{first, second})
	}
}

func TestConfirmAttachment(t *testing.T) {
	var golden struct {
		Cases []struct {
			Name        string
			Receive     json.RawMessage
			Send        []envelope
			LogContains string
		}
	}
	goldenfile.Read(t, "testdata/confirm_attachment.json", &golden)
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			logged := logs.Mark()
			same(t, "answers", newBench(0).receive(t, c.Receive), expected(t, c.Send))
			if !strings.Contains(logged(), c.LogContains) {
				t.Errorf("logged %s, want %s", logged(), c.LogContains)
			}
		})
	}
}

func TestConfirmAttachmentOfVolumesOutsideEC2(t *testing.T) {
	one := func(properties string) []byte {
		return frame("ConfirmAttachmentMessage", `{"messageId":"m","clusterArn":"`+clusterARN+`","containerInstanceArn":"`+instanceARN+`","attachment":{"attachmentArn":"`+
			clusterARN+`","attachmentProperties":[`+properties+`]}}`)
	}
	cases := []struct{ properties, logged string }{
		{`{"name":"resourceType","value":"ElasticBlockStorage"},{"name":"volumeID","value":"v"},{"name":"deviceName","value":"d"}`, ""},
		{`{"name":"resourceType","value":"ElasticBlockStorage"},{"name":"volumeID","value":"v"}`, "property deviceName not found in attachment properties"},
		{`{"name":"resourceType","value":"Tape"}`, "unknown resourceType in attachment properties: Tape"},
		{`{"value":"v"}`, "no name specified for attachment property"},
		{`null`, "no name specified for attachment property"},
	}
	for _, c := range cases {
		logged := logs.Mark()
		answers := newBench(0).receive(t, one(c.properties))
		if acknowledged := len(answers) == 1; acknowledged != (c.logged == "") || !strings.Contains(logged(), c.logged) {
			t.Errorf("%s: answered %v, logged %s", c.properties, answers, logged())
		}
	}
}
