package acs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
)

func TestFrames(t *testing.T) {
	var golden struct {
		Frames []struct {
			Frame    string
			Log      string
			Activity bool
			Answer   *envelope
		}
	}
	goldenfile.Read(t, "testdata/frames.json", &golden)
	for _, c := range golden.Frames {
		t.Run(c.Frame, func(t *testing.T) {
			r, err := decode([]byte(c.Frame))
			if activity := err == nil; activity != c.Activity {
				t.Errorf("activity %t: %v", activity, err)
			}
			if c.Log != "" && err.Error() != c.Log {
				t.Errorf("logged %q, want %q", err, c.Log)
			}
			if err != nil {
				return
			}
			b := newBench(0)
			b.dispatch(&b.conn, r)
			want := []envelope{}
			if c.Answer != nil {
				want = append(want, *c.Answer)
			}
			same(t, "answers", b.answers(t), expected(t, want))
		})
	}
}

func TestHeartbeatsAreAnswered(t *testing.T) {
	var golden struct {
		Cases []struct {
			Receive json.RawMessage
			Send    []envelope
		}
	}
	goldenfile.Read(t, "testdata/heartbeat.json", &golden)
	for _, c := range golden.Cases {
		b := newBench(0)
		same(t, string(c.Receive), b.receive(t, c.Receive), expected(t, c.Send))
		if len(b.beat) != 1 {
			t.Error("no health check was asked for")
		}
	}
}

func TestMessagesThatFailTheirChecksGetNoAnswer(t *testing.T) {
	var golden struct {
		Cases []struct {
			Type, Log string
			Message   json.RawMessage
		}
	}
	goldenfile.Read(t, "testdata/message_validation.json", &golden)
	for _, c := range golden.Cases {
		t.Run(c.Log, func(t *testing.T) {
			logged := logs.Mark()
			if got := newBench(0).receive(t, frame(c.Type, string(c.Message))); len(got) > 0 {
				t.Errorf("answered %s", got)
			}
			if !strings.Contains(logged(), c.Log) {
				t.Errorf("logged %s", logged())
			}
		})
	}
}

// A message that is null, or has nothing in it, is the worst case of missing members.
func TestEmptyMessages(t *testing.T) {
	for kind := range kinds {
		for _, message := range []string{"null", "{}", `{"messageId":"m"}`, `{"messageId":"m","tasks":[null],"stopTasks":[null],"timeline":1,"elasticNetworkInterfaces":[null]}`} {
			t.Run(kind+" "+message, func(t *testing.T) {
				b := newBench(0)
				answers := b.receive(t, frame(kind, message))
				if kind != "HeartbeatMessage" && kind != "TaskManifestMessage" && len(answers) > 0 {
					t.Errorf("answered %s", answers)
				}
			})
		}
	}
	logged := logs.Mark()
	newBench(0).receive(t, frame("PayloadMessage", "null"))
	if !strings.Contains(logged(), "Message is empty") {
		t.Error(logged())
	}
}

func TestUnreadableMessagesAreNotShownIfTheyMayHoldSecrets(t *testing.T) {
	secret := `{"type":"PayloadMessage","message":{"tasks":[{"roleCredentials":{"secretAccessKey":"hush"`
	for _, text := range []string{secret, strings.ToUpper(secret), `{"a":1,"environment":{"PASSWORD":"hush"}}`, `{"type":"Bad \"sessionToken\":\"hush\"","message":{}}`} {
		_, err := decode([]byte(text))
		if err == nil || strings.Contains(strings.ToLower(err.Error()), "hush") {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := decode([]byte(strings.Repeat("x", 5000)))
	if want := "Could not decode message into any expected format: " + strings.Repeat("x", 256) + "… (5000 bytes)"; err.Error() != want {
		t.Error(err)
	}
	c := wireCredentials{CredentialsID: "0123456789", SecretAccessKey: "hush", SessionToken: "hush", AccessKeyID: "hush"}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", &c), fmt.Sprintf("%#v", c)} {
		if text != "credentials 01234567-REDACTED" {
			t.Error(text)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"PayloadMessage","message":{"messageId":"m","seqNum":1,"tasks":[{"arn":"a"}]}}`))
	f.Add([]byte(`{"ServerException":"boom"}`))
	f.Add([]byte(`{"type":"TaskManifestMessage","message":{"timeline":1,"tasks":[{"taskArn":"a","desiredStatus":"RUNNING"}]}}`))
	f.Add([]byte(`{"type":"ConfirmAttachmentMessage","message":{"messageId":"m","attachment":{"attachmentProperties":[null]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decode(data)
		if err != nil {
			return
		}
		b := newBench(0)
		b.dispatch(&b.conn, r)
		if r, ok := b.work.take(); ok {
			b.handle(t.Context(), r)
		}
		b.answers(t)
	})
}
