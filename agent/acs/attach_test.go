package acs

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAttachENIsAreAcknowledged(t *testing.T) {
	var golden struct {
		Cases []struct {
			Receive json.RawMessage
			Send    []envelope
		}
	}
	readJSON(t, "attach_enis", &golden)
	for _, c := range golden.Cases {
		b := newBench(0)
		for range 2 { // also when they are repeated
			same(t, "answers", b.receive(t, c.Receive), expected(t, c.Send))
		}
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
	readJSON(t, "confirm_attachment", &golden)
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			logged := logs.mark()
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
		logged := logs.mark()
		answers := newBench(0).receive(t, one(c.properties))
		if acknowledged := len(answers) == 1; acknowledged != (c.logged == "") || !strings.Contains(logged(), c.logged) {
			t.Errorf("%s: answered %v, logged %s", c.properties, answers, logged())
		}
	}
}
