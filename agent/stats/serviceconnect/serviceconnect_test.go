package serviceconnect

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConvert(t *testing.T) {
	text, err := os.ReadFile("testdata/metrics.json")
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		Cases []struct {
			Name, Text string
			Wrappers   []Wrapper
		}
	}
	if err := json.Unmarshal(text, &data); err != nil {
		t.Fatal(err)
	}
	for _, c := range data.Cases {
		families, err := parse(c.Text)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if diff := cmp.Diff(c.Wrappers, convert(families), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s:\n%s", c.Name, diff)
		}
	}
}

func wrappersOf(t *testing.T, text string) []Wrapper {
	t.Helper()
	families, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return convert(families)
}

func TestMetricsThatDifferInDirectionAreApart(t *testing.T) {
	got := wrappersOf(t, "# TYPE N counter\nN{A=\"a\",Direction=\"ingress\"} 1\nN{A=\"a\",Direction=\"egress\"} 2\nN{A=\"a\"} 3\n")
	want := []Wrapper{
		{MetricType: "1", Dimensions: []Dimension{{"A", "a"}}, Metrics: []Metric{{"N", []float64{1}, []int64{1}}}},
		{MetricType: "2", Dimensions: []Dimension{{"A", "a"}}, Metrics: []Metric{{"N", []float64{2}, []int64{1}}}},
		{Dimensions: []Dimension{{"A", "a"}}, Metrics: []Metric{{"N", []float64{3}, []int64{1}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTextFormat(t *testing.T) {
	got := wrappersOf(t, `
# HELP L whatever {
# TYPE L histogram
L_bucket{le="1"} 1e3
L_bucket{le="0.5"} 5 1395066363000
L_bucket{le="+Inf"} 1e30
L_sum 7
L_count 9
# TYPE big histogram
big{le="1"} 1e300
# TYPE bad gauge
bad NaN
bad{a="b"} +Inf
# TYPE "dotted.name" gauge
{"dotted.name", "label.name" = "a \"b\"\\\n" ,} -0x1p-2
untyped_one 5
	`)
	want := []Wrapper{
		{Metrics: []Metric{{"L", []float64{0.5, 1}, []int64{5, 995}}, {"big", []float64{1}, []int64{math.MaxInt64}}}},
		{Dimensions: []Dimension{{"label.name", "a \"b\"\\\n"}}, Metrics: []Metric{{"dotted.name", []float64{-0.25}, []int64{1}}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMalformedText(t *testing.T) {
	for _, text := range []string{
		"9name 1", "name", "name x", "name 1 2 3", "name 1 x", `name{a="b" 1`, `name{a=b} 1`, `name{a} 1`, `{a="b"} 1`, `name{a="b} 1`,
		`name{a="\x"} 1`, `name{a="b",a="c"} 1`, "# TYPE name thing", "# TYPE 9", "# TYPE a gauge\n# TYPE a gauge", "a 1\n# TYPE a gauge",
		"name{a=\"\xff\"} 1", `name{a="b"c="d"} 1`, `{"a","b"} 1`, `name{"a"} 1`,
	} {
		if _, err := parse(text); err == nil {
			t.Errorf("accepted %q", text)
		}
	}
}

// proxy answers on a unix socket.
func proxy(t *testing.T, answer http.HandlerFunc) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sc") // short enough for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: answer}}
	server.Start()
	t.Cleanup(server.Close)
	return socket
}

const request = "http://localhost/stats/prometheus?usedonly&filter=metrics_extension&delta"

func TestFetch(t *testing.T) {
	socket := proxy(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "localhost" || r.RequestURI != "/stats/prometheus?usedonly&filter=metrics_extension&delta" {
			t.Errorf("%s %s", r.Host, r.RequestURI)
		}
		fmt.Fprint(w, "# TYPE N counter\nN 1\n")
	})
	got, err := Fetch(t.Context(), socket, request)
	if err != nil || len(got) != 1 || got[0].Metrics[0].Name != "N" {
		t.Error(got, err)
	}
}

func TestFetchFailures(t *testing.T) {
	refusing := proxy(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	if got, err := Fetch(t.Context(), refusing, request); got != nil || err != nil {
		t.Error("status 503:", got, err)
	}
	garbled := proxy(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") })
	if _, err := Fetch(t.Context(), garbled, request); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Error("garbled:", err)
	}
	if _, err := Fetch(t.Context(), filepath.Join(t.TempDir(), "none"), request); err == nil {
		t.Error("no socket")
	}
	if _, err := Fetch(t.Context(), "", request); err == nil {
		t.Error("no address")
	}
	release := make(chan struct{})
	hanging := proxy(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Fetch(ctx, hanging, request); err == nil {
		t.Error("hanging")
	}
}

// Whatever a proxy says, the result can be encoded.
func FuzzParse(f *testing.F) {
	f.Add("# TYPE N counter\nN{A=\"a\",Direction=\"ingress\"} 1 2\n")
	f.Add("# TYPE L histogram\nL_bucket{le=\"0.5\"} 1\nL{le=\"1\"} 3\nL_sum 1\n")
	f.Add("{\"a.b\",\"c\"=\"\\n\"} 0x1p4\n")
	f.Fuzz(func(t *testing.T, text string) {
		families, err := parse(text)
		if err != nil {
			return
		}
		wrappers := convert(families)
		if _, err := json.Marshal(wrappers); err != nil {
			t.Error(err)
		}
		for _, w := range wrappers {
			for _, m := range w.Metrics {
				if len(m.Values) != len(m.Counts) || len(m.Values) == 0 {
					t.Errorf("%+v", m)
				}
			}
		}
	})
}
