package docker

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommonVersions(t *testing.T) {
	for _, tt := range []struct {
		name, first, last            string
		minimum, highest             string
		usableFirst, capabilityFirst string
		want                         error
	}{
		{name: "engine 20.10", first: "1.12", last: "1.41", minimum: "1.21", highest: "1.41", usableFirst: "1.17", capabilityFirst: "1.17"},
		{name: "engine 25 dropped the oldest", first: "1.24", last: "1.44", minimum: "1.24", highest: "1.44", usableFirst: "1.24", capabilityFirst: "1.17"},
		{name: "engine 28 is used at 1.44", first: "1.24", last: "1.51", minimum: "1.24", highest: "1.44", usableFirst: "1.24", capabilityFirst: "1.17"},
		{name: "engine 29 leaves one version", first: "1.44", last: "1.52", minimum: "1.44", highest: "1.44", usableFirst: "1.44", capabilityFirst: "1.17"},
		{name: "a minimum below 1.24 does not extend", first: "1.22", last: "1.41", minimum: "1.22", highest: "1.41", usableFirst: "1.22", capabilityFirst: "1.22"},
		{name: "an old engine does not say its first version", first: "", last: "1.24", minimum: "1.21", highest: "1.24", usableFirst: "1.17", capabilityFirst: "1.17"},
		{name: "too old", first: "1.12", last: "1.20", want: ErrDaemonTooOld},
		{name: "too new", first: "1.45", last: "1.60", want: ErrDaemonTooNew},
		{name: "not a version", first: "1.12", last: "latest", want: ErrNoDaemon},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := commonVersions(tt.first, tt.last)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				return
			}
			usable, extended := v.usable(), v.extended()
			got := []string{v.minimum.String(), v.highest.String(), usable[0], extended[0], usable[len(usable)-1], extended[len(extended)-1]}
			want := []string{tt.minimum, tt.highest, tt.usableFirst, tt.capabilityFirst, tt.highest, tt.highest}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			c := &Client{versions: v}
			for minor := 15; minor < 60; minor++ {
				s := apiVersion{1, minor}.String()
				if got, want := c.Supports(s), slices.Contains(c.CapabilityVersions(), s); got != want {
					t.Errorf("Supports(%s) = %v, list says %v", s, got, want)
				}
			}
		})
	}
}

func TestEffectiveVersion(t *testing.T) {
	v, err := commonVersions("1.12", "1.41")
	if err != nil {
		t.Fatal(err)
	}
	for requested, want := range map[string]string{
		"": "1.21", "1.17": "1.21", "1.21": "1.21", "1.25": "1.25", "1.41": "1.41", "nonsense": "1.21", "1": "1.21", "1.-3": "1.21",
	} {
		got, err := v.effective(requested)
		if err != nil || got.String() != want {
			t.Errorf("effective(%q) = %s, %v; want %s", requested, got, err, want)
		}
	}
	for _, requested := range []string{"1.42", "1.44", "1.45", "2.0"} {
		_, err := v.effective(requested)
		if want := "docker client factory: client not found for docker version: " + requested; err == nil || err.Error() != want {
			t.Errorf("effective(%q): %v, want %s", requested, err, want)
		}
	}
}

func TestServerAtLeast(t *testing.T) {
	for _, tt := range []struct {
		server string
		want   bool
	}{
		{"20.10.0", true}, {"20.10.24+dfsg1", true}, {"25.0.5", true}, {"20.11.0", true}, {"19.03.15", false}, {"18.09.0", false},
		{"20.9.9", false}, {"20.10.0-rc1", false}, {"20.10.1-ce", true},
	} {
		got, err := serverAtLeast(tt.server, 20, 10, 0)
		if err != nil || got != tt.want {
			t.Errorf("%s: %v, %v; want %v", tt.server, got, err, tt.want)
		}
	}
	for _, server := range []string{"", "dev", "20.10", "20.10.x", "20.10.1.1"} {
		if _, err := serverAtLeast(server, 20, 10, 0); err == nil {
			t.Errorf("%q was read as a version", server)
		}
	}
}

func FuzzVersions(f *testing.F) {
	f.Add("1.12", "1.41", "1.30", "20.10.24+dfsg1")
	f.Add("", "1.99", "", "")
	f.Fuzz(func(t *testing.T, first, last, requested, server string) {
		_, _ = serverAtLeast(server, 20, 10, 0)
		v, err := commonVersions(first, last)
		if err != nil {
			return
		}
		if len(v.usable()) == 0 || v.minimum.less(oldestUsed) || v.highest.less(v.minimum) {
			t.Fatalf("%s … %s gives %+v", first, last, v)
		}
		if e, err := v.effective(requested); err == nil && (e.less(v.minimum) || v.highest.less(e)) {
			t.Fatalf("effective %s outside %+v", e, v)
		}
	})
}
