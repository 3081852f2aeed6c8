package config

import (
	"net/url"
	"strings"
	"testing"
)

func TestProxy(t *testing.T) {
	for _, c := range []struct {
		name, env, target, want string
	}{
		{"none", "", "http://example.com", ""},
		{"http", "HTTP_PROXY=http://p:3128", "http://example.com", "http://p:3128"},
		{"lower case", "http_proxy=http://p:3128", "http://example.com", "http://p:3128"},
		{"upper case first", "HTTP_PROXY=http://p:1 http_proxy=http://p:2", "http://example.com", "http://p:1"},
		{"empty upper case is none", "HTTP_PROXY= http_proxy=http://p:2", "http://example.com", "http://p:2"},
		{"https", "HTTPS_PROXY=http://p:1 HTTP_PROXY=http://p:2", "https://example.com", "http://p:1"},
		{"https through the http proxy", "HTTP_PROXY=http://p:2", "https://example.com", "http://p:2"},
		{"https proxy is not for http", "HTTPS_PROXY=http://p:1", "http://example.com", ""},
		{"websocket", "HTTPS_PROXY=http://p:1", "wss://example.com", "http://p:1"},
		{"other schemes", "HTTP_PROXY=http://p:1", "unix:///var/run/docker.sock", ""},
		{"host and port", "HTTP_PROXY=p:3128", "http://example.com", "http://p:3128"},
		{"name without port", "HTTP_PROXY=p", "http://example.com", "http://p"},
		{"socks", "HTTP_PROXY=socks5://p:1080", "http://example.com", "socks5://p:1080"},
		{"proxy over TLS", "HTTP_PROXY=https://p", "http://example.com", "https://p"},
		{"password", "HTTP_PROXY=http://u:w@p:1", "http://example.com", "http://u:w@p:1"},
		{"unknown scheme", "HTTP_PROXY=ftp://user:hunter2@p:1", "http://example.com", "error"},
		{"no URL", "HTTP_PROXY=http://[::1:hunter2", "http://example.com", "error"},
		{"CGI", "HTTP_PROXY=http://p:1 REQUEST_METHOD=GET", "http://example.com", "error"},
		{"CGI does not matter to an https proxy", "HTTPS_PROXY=http://p:1 REQUEST_METHOD=GET", "https://example.com", "http://p:1"},

		{"localhost", "HTTP_PROXY=http://p:1", "http://localhost:8080", ""},
		{"loopback", "HTTP_PROXY=http://p:1", "http://127.5.5.5", ""},
		{"IPv6 loopback", "HTTP_PROXY=http://p:1", "http://[::1]:80", ""},
		{"not quite localhost", "HTTP_PROXY=http://p:1", "http://localhost.example.com", "http://p:1"},

		{"metadata service", "HTTP_PROXY=http://p:1", "http://169.254.169.254", "http://p:1"},
		{"NO_PROXY address", "HTTP_PROXY=http://p:1 NO_PROXY=169.254.169.254,169.254.170.2,/var/run/docker.sock", "http://169.254.170.2/x", ""},
		{"no_proxy", "HTTP_PROXY=http://p:1 no_proxy=169.254.169.254", "http://169.254.169.254", ""},
		{"another address", "HTTP_PROXY=http://p:1 NO_PROXY=169.254.169.254", "http://169.254.169.25", "http://p:1"},
		{"CIDR block", "HTTP_PROXY=http://p:1 NO_PROXY=10.0.0.0/8", "http://10.1.2.3", ""},
		{"outside the block", "HTTP_PROXY=http://p:1 NO_PROXY=10.0.0.0/8", "http://11.1.2.3", "http://p:1"},
		{"IPv6 address", "HTTP_PROXY=http://p:1 NO_PROXY=fd00:ec2::254", "http://[fd00:ec2::254]/", ""},
		{"IPv6 address and port", "HTTP_PROXY=http://p:1 NO_PROXY=[fd00:ec2::254]:80", "http://[fd00:ec2::254]/", ""},
		{"address and other port", "HTTP_PROXY=http://p:1 NO_PROXY=10.0.0.1:8080", "http://10.0.0.1/", "http://p:1"},
		{"address and port", "HTTP_PROXY=http://p:1 NO_PROXY=10.0.0.1:443", "https://10.0.0.1/", ""},
		{"domain", "HTTP_PROXY=http://p:1 NO_PROXY=example.com", "http://example.com", ""},
		{"sub-domain", "HTTP_PROXY=http://p:1 NO_PROXY=example.com", "http://A.Example.COM", ""},
		{"other domain with the same end", "HTTP_PROXY=http://p:1 NO_PROXY=example.com", "http://anexample.com", "http://p:1"},
		{"dot: sub-domain", "HTTP_PROXY=http://p:1 NO_PROXY=.example.com", "http://a.example.com", ""},
		{"dot: not the domain", "HTTP_PROXY=http://p:1 NO_PROXY=.example.com", "http://example.com", "http://p:1"},
		{"star: sub-domain", "HTTP_PROXY=http://p:1 NO_PROXY=*.example.com", "http://a.example.com", ""},
		{"star: not the domain", "HTTP_PROXY=http://p:1 NO_PROXY=*.example.com", "http://example.com", "http://p:1"},
		{"domain and port", "HTTP_PROXY=http://p:1 NO_PROXY=example.com:8080", "http://example.com:8080", ""},
		{"domain and other port", "HTTP_PROXY=http://p:1 NO_PROXY=example.com:8080", "http://example.com", "http://p:1"},
		{"everything", "HTTP_PROXY=http://p:1 NO_PROXY=*", "https://example.com", ""},
		{"empty items", "HTTP_PROXY=http://p:1 NO_PROXY=,,", "https://example.com", "http://p:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := map[string]string{}
			for _, entry := range strings.Fields(c.env) {
				name, value, _ := strings.Cut(entry, "=")
				env[name] = value
			}
			target, err := url.Parse(c.target)
			if err != nil {
				t.Fatal(err)
			}
			proxy, err := Proxy(func(name string) (string, bool) { v, ok := env[name]; return v, ok }, target)
			got := ""
			switch {
			case err != nil:
				got = "error"
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("the error holds the address: %v", err)
				}
			case proxy != nil:
				got = proxy.String()
			}
			if got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestWebsocketNoProxy(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	for endpoint, want := range map[string]string{
		"unix:///var/run/docker.sock":    "169.254.169.254,169.254.170.2,/var/run/docker.sock",
		"tcp://10.0.0.1:2375":            "169.254.169.254,169.254.170.2,10.0.0.1:2375",
		"npipe:////./pipe/docker_engine": "169.254.169.254,169.254.170.2,//./pipe/docker_engine",
	} {
		if got, ok := WebsocketNoProxy(none, endpoint); !ok || got != want {
			t.Errorf("%s: %q, %t", endpoint, got, ok)
		}
	}
	if _, ok := WebsocketNoProxy(func(name string) (string, bool) { return "x", name == "NO_PROXY" }, ""); ok {
		t.Error("NO_PROXY of the user is replaced")
	}
}

func FuzzProxy(f *testing.F) {
	f.Add("http://p:1", "example.com,.a,*.b,10.0.0.0/8,[::1]:80", "http://example.com")
	f.Fuzz(func(t *testing.T, proxy, noProxy, target string) {
		u, err := url.Parse(target)
		if err != nil {
			return
		}
		env := map[string]string{"HTTP_PROXY": proxy, "NO_PROXY": noProxy}
		got, err := Proxy(func(name string) (string, bool) { return env[name], true }, u)
		if err == nil && got != nil && got.Scheme != "http" && got.Scheme != "https" && got.Scheme != "socks5" {
			t.Errorf("%q gave %v", proxy, got)
		}
	})
}
