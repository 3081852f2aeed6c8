package docker

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInfo(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	for options, want := range map[string]bool{`["name=seccomp,profile=default","name=selinux"]`: true, `["selinux"]`: true, `["apparmor"]`: false, `null`: false} {
		d.answer("GET /info", 200, `{"SecurityOptions":`+options+`,"CgroupDriver":"systemd","CgroupVersion":"2","NCPU":4,"MemTotal":1024,"OSType":"linux",
			"Architecture":"x86_64","Runtimes":{"runc":{"path":"runc"},"nvidia":{}}}`)
		got, err := c.Info(t.Context())
		if err != nil || got.SELinux() != want {
			t.Errorf("%s: %+v, %v", options, got, err)
		}
		got.SecurityOptions = nil
		if diff := cmp.Diff(Info{CgroupDriver: "systemd", CgroupVersion: "2", CPUs: 4, Memory: 1024, OSType: "linux", Architecture: "x86_64",
			Runtimes: []string{"nvidia", "runc"}}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestVolumePlugins(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("GET /plugins", 200, `[{"Name":"rexray:latest","Enabled":true}]`)
	got, err := c.VolumePlugins(t.Context())
	if diff := cmp.Diff([]string{"rexray:latest"}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if q := d.calls[0].query; q != "filters=%7B%22capability%22%3A%7B%22volumedriver%22%3Atrue%7D%2C%22enabled%22%3A%7B%22true%22%3Atrue%7D%7D" {
		t.Errorf("query %s", q)
	}
}

func TestVolumes(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	d.answer("POST /volumes/create", 201, `{"Name":"v","Driver":"local","Mountpoint":"/m","Labels":{"a":"b"},"Options":{"o":"p"}}`)
	got, err := c.CreateVolume(t.Context(), Volume{Name: "v", Driver: "local", Options: map[string]string{"o": "p"}, Labels: map[string]string{"a": "b"}})
	want := Volume{Name: "v", Driver: "local", Mountpoint: "/m", Options: map[string]string{"o": "p"}, Labels: map[string]string{"a": "b"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if b := d.calls[0].body; b != `{"Driver":"local","DriverOpts":{"o":"p"},"Labels":{"a":"b"},"Name":"v"}`+"\n" {
		t.Errorf("body %s", b)
	}
	if _, err := c.InspectVolume(t.Context(), "w"); !IsNotFound(err) {
		t.Errorf("error %v", err)
	}
	if err := c.RemoveVolume(t.Context(), "w"); err != nil {
		t.Error(err)
	}
	d.on("DELETE /volumes/v", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	if err := c.RemoveVolume(t.Context(), "v"); err != nil {
		t.Error(err)
	}
	if last := d.calls[len(d.calls)-1]; last.query != "" {
		t.Errorf("remove query %s", last.query)
	}
}

func TestStats(t *testing.T) {
	d := newFakeDaemon(t)
	c := d.client()
	big := `{"name":"` + strings.Repeat("n", 20<<10) + `"}`
	d.on("GET /containers/x/stats", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "stream=1" {
			_, _ = io.WriteString(w, `{"read":"1"}`+"\n"+big+"\n")
			return
		}
		_, _ = io.WriteString(w, `{"read":"2"}`)
	})
	var got []string
	if err := c.StreamStats(t.Context(), "x", func(object []byte) error {
		got = append(got, string(object))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`{"read":"1"}`, big}, got); diff != "" {
		t.Error(diff)
	}
	enough := errors.New("enough")
	if err := c.StreamStats(t.Context(), "x", func([]byte) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
	one, err := c.Stats(t.Context(), "x")
	if err != nil || string(one) != `{"read":"2"}` {
		t.Errorf("%s, %v", one, err)
	}
	_, err = c.Stats(t.Context(), "y")
	if want := "DockerGoClient: Unable to retrieve stats for container y: Error response from daemon: page not found"; err == nil || err.Error() != want {
		t.Errorf("error %v", err)
	}
	if err := c.StreamStats(t.Context(), "y", nil); err == nil || !IsNotFound(err) {
		t.Errorf("error %v", err)
	}
}

func BenchmarkInspect(b *testing.B) {
	d := newFakeDaemon(b)
	d.answer("GET /containers/x/json", 200, running)
	c, err := d.connect(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Inspect(b.Context(), "x"); err != nil {
			b.Fatal(err)
		}
	}
}
