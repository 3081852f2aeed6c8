package telemetry

import (
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
)

func TestBody(t *testing.T) {
	for frame, want := range map[string]string{
		`{"a":1}`:                          `{"a":1}`,
		"\r\n\r\n{}":                       "{}",
		"Host: h\r\nX: y\r\n\r\n{\"a\":2}": `{"a":2}`,
		"Host: h\n\n{}":                    "{}",
		"garbage":                          "garbage",
		"":                                 "",
	} {
		if got := string(body([]byte(frame))); got != want {
			t.Errorf("%q: %q, want %q", frame, got, want)
		}
	}
}

func TestUsageIsForgottenWithoutNews(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	h := &Hub{Control: &control.Control{Now: func() time.Time { return now }}}
	if len(h.Usage()) != 0 {
		t.Error("usage before any report")
	}
	report := func(arn string) {
		t.Helper()
		if err := h.metrics([]byte(`{"taskMetrics":[{"taskArn":"` + arn + `","containerMetrics":[{"cpuStatsSet":{"sum":3,"sampleCount":2}}]}]}`)); err != nil {
			t.Fatal(err)
		}
	}
	report("old")
	now = now.Add(time.Minute)
	report("new")
	if u := h.Usage(); len(u) != 2 || u["old"].CPU != 1.5 || u["old"].Memory != 0 {
		t.Errorf("%+v", u)
	}
	now = now.Add(time.Minute)
	if u := h.Usage(); len(u) != 1 || u["new"].CPU != 1.5 {
		t.Errorf("%+v", u)
	}
}
