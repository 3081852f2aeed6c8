package store

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestAttachments(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	a := task.Attachment{ARN: "arn:aws:ecs:us-west-2:111122223333:attachment/a1", Type: task.AttachmentInstanceENI, MAC: "02:22:33:44:55:66",
		ExpiresAt: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
	b := a
	b.ARN = "arn:aws:ecs:us-west-2:111122223333:attachment/b2"
	s.SaveAttachment(a)
	s.SaveAttachment(b)
	s.SaveAttachment(task.Attachment{ARN: "ends/"}) // no key for it
	s.DeleteAttachment(b)
	s.DeleteAttachment(task.Attachment{})
	mustSync(t, s)
	if diff := cmp.Diff([]task.Attachment{a}, load(t, s).Attachments); diff != "" {
		t.Error(diff)
	}
	closeStore(t, s)
	want := `{"taskArn":"","attachmentArn":"arn:aws:ecs:us-west-2:111122223333:attachment/a1","status":0,"expiresAt":"2026-01-02T03:04:05.000000006Z",` +
		`"attachmentType":"instance-eni","macAddress":"02:22:33:44:55:66"}`
	if got := string(contents(t, dir)["eniattachments"]["a1"]); got != want {
		t.Errorf("saved as %s", got)
	}
	Off().SaveAttachment(a)
	Off().DeleteAttachment(a)
}

func TestUnreadableAttachmentsArePutAside(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]map[string]json.RawMessage{"eniattachments": {
		"a1": json.RawMessage(`{"attachmentArn":"arn:aws:ecs:us-west-2:111122223333:attachment/a1"}`),
		"a2": json.RawMessage(`{"attachmentArn":"arn:aws:ecs:us-west-2:111122223333:attachment/other"}`),
		"a3": json.RawMessage(`{"attachmentArn":7}`),
		"a4": json.RawMessage(`{}`),
	}})
	state := load(t, openStore(t, dir))
	if len(state.Attachments) != 1 || len(state.Lost) != 3 {
		t.Errorf("attachments %+v, lost %+v", state.Attachments, state.Lost)
	}
}
