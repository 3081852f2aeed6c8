package awsclient

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
)

func TestSignWebsocket(t *testing.T) {
	var golden struct {
		AccessKeyID, SecretAccessKey, Region, Time string
		Cases                                      []struct{ Name, SessionToken, URL, Payload, Authorization, Host string }
	}
	goldenfile.Read(t, "testdata/websocket_signatures.json", &golden)
	at, err := time.Parse("20060102T150405Z", golden.Time)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			creds := Credentials{AccessKeyID: golden.AccessKeyID, SecretAccessKey: golden.SecretAccessKey, SessionToken: c.SessionToken}
			h, err := SignWebsocket(t.Context(), creds, golden.Region, c.URL, []byte(c.Payload), at)
			if err != nil {
				t.Fatal(err)
			}
			if got := h.Get("Authorization"); got != c.Authorization {
				t.Errorf("Authorization\n got %s\nwant %s", got, c.Authorization)
			}
			want := []string{"Authorization", "Host", "X-Amz-Date"}
			if c.SessionToken != "" {
				want = append(want, "X-Amz-Security-Token")
			}
			var names []string
			for k := range h {
				names = append(names, k)
			}
			slices.Sort(names)
			if !slices.Equal(names, want) {
				t.Errorf("headers %v, want %v", names, want)
			}
			if h.Get("Host") != c.Host || h.Get("X-Amz-Date") != golden.Time || h.Get("X-Amz-Security-Token") != c.SessionToken {
				t.Errorf("headers %v", h)
			}
		})
	}
}

func TestSignWebsocketUpgradeIgnoresTheSchemeOfTheSocket(t *testing.T) {
	creds := Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	var signatures []string
	for _, u := range []string{"https://acs.example.com/ws?a=b+c", "wss://acs.example.com/ws?a=b+c", "wss://acs.example.com:443/ws?a=b%20c"} {
		h, err := SignWebsocket(t.Context(), creds, "us-west-2", u, nil, at)
		if err != nil {
			t.Fatal(err)
		}
		signatures = append(signatures, h.Get("Authorization"))
	}
	if signatures[0] != signatures[1] || signatures[1] != signatures[2] {
		t.Errorf("signatures differ:\n%s", strings.Join(signatures, "\n"))
	}
	if !strings.Contains(signatures[0], "/us-west-2/ecs/aws4_request") {
		t.Errorf("scope of %s", signatures[0])
	}
}

func TestUserAgent(t *testing.T) {
	var golden []struct {
		Version, Commit, OSFamily, Want string
		Dirty                           bool
	}
	goldenfile.Read(t, "testdata/user_agents.json", &golden)
	for _, c := range golden {
		if got := userAgent(c.Version, c.Commit, c.Dirty, "linux", c.OSFamily); got != c.Want {
			t.Errorf("got  %s\nwant %s", got, c.Want)
		}
	}
}
