package awsclient

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestProxyFor(t *testing.T) {
	type vars = map[string]string
	const proxy = "http://proxy:3128"
	cases := []struct {
		name   string
		env    vars
		target string
		want   string // "" = direct
	}{
		{"nothing set", nil, "https://ecs.us-west-2.amazonaws.com/", ""},
		{"https proxy for https", vars{"HTTPS_PROXY": proxy}, "https://ecs.test/", proxy},
		{"https proxy is not for http", vars{"HTTPS_PROXY": proxy}, "http://ecs.test/", ""},
		{"http proxy for http", vars{"HTTP_PROXY": proxy}, "http://ecs.test/", proxy},
		{"http proxy serves https when there is no https proxy", vars{"HTTP_PROXY": proxy}, "https://ecs.test/", proxy},
		{"https proxy before http proxy", vars{"HTTP_PROXY": "http://other:1", "HTTPS_PROXY": proxy}, "https://ecs.test/", proxy},
		{"lower case", vars{"https_proxy": proxy}, "https://ecs.test/", proxy},
		{"upper case first", vars{"https_proxy": "http://other:1", "HTTPS_PROXY": proxy}, "https://ecs.test/", proxy},
		{"wss is judged as https", vars{"HTTPS_PROXY": proxy}, "wss://acs.test/ws", proxy},
		{"ws is judged as http", vars{"HTTP_PROXY": proxy}, "ws://acs.test/ws", proxy},
		{"host and port only", vars{"HTTPS_PROXY": "proxy:3128"}, "https://ecs.test/", proxy},
		{"user and password", vars{"HTTPS_PROXY": "http://u:p@proxy:3128"}, "https://ecs.test/", "http://u:p@proxy:3128"},
		{"socks5", vars{"HTTPS_PROXY": "socks5://proxy:1080"}, "https://ecs.test/", "socks5://proxy:1080"},
		{"proxy without port", vars{"HTTP_PROXY": "proxy"}, "http://ecs.test/", "http://proxy"},
		{"proxy over TLS", vars{"HTTP_PROXY": "https://proxy"}, "http://ecs.test/", "https://proxy"},
		{"empty upper case is not set", vars{"HTTP_PROXY": "", "http_proxy": proxy}, "http://ecs.test/", proxy},
		{"CGI does not matter to an https proxy", vars{"HTTPS_PROXY": proxy, "REQUEST_METHOD": "GET"}, "https://ecs.test/", proxy},
		{"other schemes go direct", vars{"HTTP_PROXY": proxy}, "unix:///var/run/docker.sock", ""},

		{"localhost", vars{"HTTP_PROXY": proxy}, "http://localhost:51678/", ""},
		{"localhost as an absolute name", vars{"HTTP_PROXY": proxy}, "http://localhost.:51678/", ""},
		{"not quite localhost", vars{"HTTP_PROXY": proxy}, "http://localhost.test/", proxy},
		{"loopback IPv4", vars{"HTTP_PROXY": proxy}, "http://127.0.0.2:51678/", ""},
		{"loopback IPv6", vars{"HTTP_PROXY": proxy}, "http://[::1]:51678/", ""},
		{"loopback mapped", vars{"HTTP_PROXY": proxy}, "http://[::ffff:127.0.0.1]/", ""},

		{"no_proxy star", vars{"HTTP_PROXY": proxy, "NO_PROXY": "*"}, "http://ecs.test/", ""},
		{"no_proxy star with another port", vars{"HTTP_PROXY": proxy, "NO_PROXY": "*:81"}, "http://ecs.test/", proxy},
		{"no_proxy star with this port", vars{"HTTP_PROXY": proxy, "NO_PROXY": "*:80"}, "http://ecs.test/", ""},
		{"no_proxy lower case", vars{"HTTP_PROXY": proxy, "no_proxy": "ecs.test"}, "http://ecs.test/", ""},
		{"no_proxy upper case first", vars{"HTTP_PROXY": proxy, "NO_PROXY": "other", "no_proxy": "ecs.test"}, "http://ecs.test/", proxy},
		{"no_proxy list with blanks and case", vars{"HTTP_PROXY": proxy, "NO_PROXY": "a , ECS.test ,b"}, "http://Ecs.TEST/", ""},
		{"no_proxy domain covers sub-domains", vars{"HTTP_PROXY": proxy, "NO_PROXY": "test"}, "http://a.ecs.test/", ""},
		{"no_proxy domain is not a suffix of letters", vars{"HTTP_PROXY": proxy, "NO_PROXY": "cs.test"}, "http://ecs.test/", proxy},
		{"no_proxy leading dot is sub-domains only", vars{"HTTP_PROXY": proxy, "NO_PROXY": ".ecs.test"}, "http://ecs.test/", proxy},
		{"no_proxy leading dot matches a sub-domain", vars{"HTTP_PROXY": proxy, "NO_PROXY": ".test"}, "http://ecs.test/", ""},
		{"no_proxy star dot matches a sub-domain", vars{"HTTP_PROXY": proxy, "NO_PROXY": "*.test"}, "http://ecs.test/", ""},
		{"no_proxy star dot is not the domain", vars{"HTTP_PROXY": proxy, "NO_PROXY": "*.ecs.test"}, "http://ecs.test/", proxy},
		{"no_proxy port of the scheme", vars{"HTTPS_PROXY": proxy, "NO_PROXY": "ecs.test:443"}, "https://ecs.test/", ""},
		{"no_proxy other port", vars{"HTTPS_PROXY": proxy, "NO_PROXY": "ecs.test:8443"}, "https://ecs.test/", proxy},
		{"no_proxy explicit port", vars{"HTTPS_PROXY": proxy, "NO_PROXY": "ecs.test:8443"}, "https://ecs.test:8443/", ""},
		{"no_proxy address", vars{"HTTP_PROXY": proxy, "NO_PROXY": "169.254.169.254"}, "http://169.254.169.254/latest", ""},
		{"no_proxy address and port", vars{"HTTP_PROXY": proxy, "NO_PROXY": "169.254.169.254:81"}, "http://169.254.169.254/latest", proxy},
		{"no_proxy network", vars{"HTTP_PROXY": proxy, "NO_PROXY": "10.0.0.0/8"}, "http://10.1.2.3/", ""},
		{"no_proxy other network", vars{"HTTP_PROXY": proxy, "NO_PROXY": "10.0.0.0/8"}, "http://11.1.2.3/", proxy},
		{"no_proxy IPv6 in brackets", vars{"HTTP_PROXY": proxy, "NO_PROXY": "[fd00:ec2::254]:80"}, "http://[fd00:ec2::254]/", ""},
		{"no_proxy IPv6 bare", vars{"HTTP_PROXY": proxy, "NO_PROXY": "fd00:ec2::254"}, "http://[fd00:ec2::254]/", ""},
		{"no_proxy IPv6 network", vars{"HTTP_PROXY": proxy, "NO_PROXY": "fd00::/8"}, "http://[fd00:ec2::254]/", ""},
		{"the metadata service is not excepted", vars{"HTTP_PROXY": proxy}, "http://169.254.169.254/latest", proxy},
		{"no_proxy address of the same beginning", vars{"HTTP_PROXY": proxy, "NO_PROXY": "169.254.169.254"}, "http://169.254.169.25/", proxy},
		{"no_proxy address and port of the scheme", vars{"HTTPS_PROXY": proxy, "NO_PROXY": "10.0.0.1:443"}, "https://10.0.0.1/", ""},
		{"no_proxy absolute name", vars{"HTTP_PROXY": proxy, "NO_PROXY": "ecs.test"}, "http://ecs.test./", ""},
		{"no_proxy empty items", vars{"HTTP_PROXY": proxy, "NO_PROXY": ",,"}, "http://ecs.test/", proxy},
		{"no_proxy names do not match addresses", vars{"HTTP_PROXY": proxy, "NO_PROXY": "3"}, "http://10.1.2.3/", proxy},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			target, err := url.Parse(c.target)
			if err != nil {
				t.Fatal(err)
			}
			got, err := proxyFor(func(k string) string { return c.env[k] }, "", target)
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			if got != nil {
				text = got.String()
			}
			if text != c.want {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}

func TestProxySettingsThatCannotWork(t *testing.T) {
	target, _ := url.Parse("https://ecs.test/")
	for name, vars := range map[string]map[string]string{
		"CGI":            {"HTTP_PROXY": "http://proxy:1", "REQUEST_METHOD": "GET"},
		"unknown scheme": {"HTTPS_PROXY": "ftp://user:secret@proxy:1"},
		"no IPv6 URL":    {"HTTP_PROXY": "http://[::1:secret"},
		"not a URL":      {"HTTPS_PROXY": "http://user:secret@pro xy"},
	} {
		_, err := proxyFor(func(k string) string { return vars[k] }, "", target)
		if !errors.Is(err, errProxySetting) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if got := err.Error(); strings.Contains(got, "secret") {
			t.Errorf("%s: the error shows the password: %s", name, got)
		}
		if worthRetrying(&transportError{"Op", err}) {
			t.Errorf("%s: a proxy setting does not get better by trying again", name)
		}
	}
}

func TestWebsocketProxyDefaultsNoProxy(t *testing.T) {
	vars := map[string]string{"HTTPS_PROXY": "http://proxy:1", "HTTP_PROXY": "http://proxy:1"}
	decide := WebsocketProxy(func(k string) string { return vars[k] }, "tcp://docker.internal:2375")
	direct := func(rawURL string) bool {
		t.Helper()
		u, err := decide(httptest.NewRequest(http.MethodGet, rawURL, nil))
		if err != nil {
			t.Fatal(err)
		}
		return u == nil
	}
	if !direct("http://169.254.169.254/") || !direct("http://169.254.170.2/") || !direct("http://docker.internal:2375/") {
		t.Error("metadata, credentials and Docker addresses must go direct")
	}
	if direct("https://acs.test/") {
		t.Error("the control plane must go through the proxy")
	}
	vars["no_proxy"] = "acs.test"
	if !direct("https://acs.test/") || !direct("http://169.254.169.254/") {
		t.Error("the user's no_proxy counts beside the default")
	}
	vars["NO_PROXY"] = "example.com"
	if direct("http://169.254.169.254/") {
		t.Error("the user's NO_PROXY replaces the default")
	}
}

func TestNoProxyDefault(t *testing.T) {
	for endpoint, want := range map[string]string{
		"unix:///var/run/docker.sock":    "169.254.169.254,169.254.170.2,/var/run/docker.sock",
		"tcp://10.0.0.1:2375":            "169.254.169.254,169.254.170.2,10.0.0.1:2375",
		"npipe:////./pipe/docker_engine": "169.254.169.254,169.254.170.2,//./pipe/docker_engine",
	} {
		if got := noProxyDefault(endpoint); got != want {
			t.Errorf("%s: %q", endpoint, got)
		}
	}
}

func FuzzProxyFor(f *testing.F) {
	f.Add("http://p:1", "example.com,.a,*.b,10.0.0.0/8,[::1]:80", "http://example.com")
	f.Add("http://[::1:x", "*", "https://10.0.0.1")
	f.Fuzz(func(t *testing.T, proxy, noProxy, target string) {
		u, err := url.Parse(target)
		if err != nil {
			return
		}
		env := map[string]string{"HTTP_PROXY": proxy, "NO_PROXY": noProxy}
		got, err := proxyFor(func(name string) string { return env[name] }, "", u)
		if err == nil && got != nil && !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, got.Scheme) {
			t.Errorf("%q gave %v", proxy, got)
		}
	})
}

func FuzzBypasses(f *testing.F) {
	f.Add("ecs.test", "443", "*.test:443,10.0.0.0/8,[::1]:80")
	f.Add("10.0.0.1", "80", "10.0.0.0/33,:,[,],*")
	f.Fuzz(func(t *testing.T, host, port, noProxy string) {
		bypasses(host, port, noProxy)
		if !bypasses(host, port, noProxy+",*") {
			t.Error("* matches everything")
		}
	})
}
