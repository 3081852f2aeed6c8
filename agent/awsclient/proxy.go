package awsclient

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// errProxySetting marks proxy settings that make a request impossible, however often it is tried.
var errProxySetting = errors.New("proxy setting")

// ProxyFromEnvironment decides which proxy req goes through, nil for none. Unlike the function of the same name in
// net/http it reads the environment for every request. For use as http.Transport.Proxy.
func ProxyFromEnvironment(req *http.Request) (*url.URL, error) {
	return proxyFor(os.Getenv, "", req.URL)
}

// WebsocketProxy returns the proxy decision for websocket connections, judged as https for wss and as http for ws. While the
// user has not set NO_PROXY, the metadata and credentials addresses and the Docker endpoint count as listed there. The
// environment itself is left alone.
func WebsocketProxy(getenv func(string) string, dockerEndpoint string) func(*http.Request) (*url.URL, error) {
	noProxy := noProxyDefault(dockerEndpoint)
	return func(req *http.Request) (*url.URL, error) { return proxyFor(getenv, noProxy, req.URL) }
}

// noProxyDefault lists what is never behind a proxy: the metadata and credentials services and the Docker daemon.
func noProxyDefault(dockerEndpoint string) string {
	if _, rest, found := strings.Cut(dockerEndpoint, "://"); found {
		dockerEndpoint = rest
	}
	return "169.254.169.254,169.254.170.2," + dockerEndpoint
}

// proxyFor decides which proxy a request to target goes through, nil for none. Variables are HTTPS_PROXY (targets with
// https or wss), HTTP_PROXY (http and ws, and https when no HTTPS_PROXY is set) and NO_PROXY, each with a lower-case form
// that is looked at second. They are read at every call, so a change counts at once. noProxyDefault is added to no_proxy when NO_PROXY is empty.
func proxyFor(getenv func(string) string, noProxyDefault string, target *url.URL) (*url.URL, error) {
	var variable, setting string
	port := "80"
	switch target.Scheme {
	case "https", "wss":
		port = "443"
		variable, setting = firstSet(getenv, "HTTPS_PROXY", "https_proxy")
	case "http", "ws":
	default:
		return nil, nil
	}
	if setting == "" {
		variable, setting = firstSet(getenv, "HTTP_PROXY", "http_proxy")
		if setting != "" && getenv("REQUEST_METHOD") != "" {
			// In a CGI process HTTP_PROXY is a header that the client of the web server chose.
			return nil, fmt.Errorf("%w: refusing to use %s while REQUEST_METHOD is set", errProxySetting, variable)
		}
	}
	if setting == "" {
		return nil, nil
	}
	if p := target.Port(); p != "" {
		port = p
	}
	_, noProxy := firstSet(getenv, "NO_PROXY", "no_proxy")
	if noProxyDefault != "" && getenv("NO_PROXY") == "" {
		noProxy = noProxyDefault + "," + noProxy
	}
	host := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(target.Hostname())), ".")
	if bypasses(host, port, noProxy) {
		return nil, nil
	}
	return parseProxy(variable, setting)
}

// parseProxy reads scheme://host:port with scheme http, https or socks5, or host:port for http. The error does not show the
// value: it may hold a password.
func parseProxy(variable, value string) (*url.URL, error) {
	value = strings.TrimSpace(value)
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%w: %s is not a URL or host:port", errProxySetting, variable)
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, fmt.Errorf("%w: %s: scheme %q is none of http, https, socks5", errProxySetting, variable, u.Scheme)
}

// bypasses reports whether requests to host:port go direct.
func bypasses(host, port, noProxy string) bool {
	addr, err := netip.ParseAddr(host)
	isIP := err == nil
	addr = addr.Unmap()
	if host == "localhost" || isIP && addr.IsLoopback() {
		return true
	}
	for item := range strings.SplitSeq(noProxy, ",") {
		item = strings.ToLower(strings.TrimSpace(item))
		if item == "" {
			continue
		}
		pattern, patternPort := splitPatternPort(item)
		if patternPort != "" && patternPort != port {
			continue
		}
		if pattern == "*" {
			return true
		}
		if isIP {
			if matchesAddr(addr.WithZone(""), pattern) {
				return true
			}
		} else if matchesName(host, pattern) {
			return true
		}
	}
	return false
}

// splitPatternPort splits an optional port from a NO_PROXY item. Brackets around an IPv6 address are removed.
func splitPatternPort(item string) (pattern, port string) {
	if _, err := netip.ParseAddr(item); err == nil {
		return item, ""
	}
	if _, err := netip.ParsePrefix(item); err == nil {
		return item, ""
	}
	if host, port, err := net.SplitHostPort(item); err == nil {
		return host, port
	}
	return strings.TrimSuffix(strings.TrimPrefix(item, "["), "]"), ""
}

func matchesAddr(addr netip.Addr, pattern string) bool {
	if p, err := netip.ParsePrefix(pattern); err == nil {
		return p.Contains(addr)
	}
	p, err := netip.ParseAddr(pattern)
	return err == nil && p.Unmap() == addr
}

// matchesName: "example.com" matches itself and its sub-domains, ".example.com" and "*.example.com" sub-domains only.
func matchesName(host, pattern string) bool {
	if strings.HasPrefix(pattern, "*.") {
		pattern = pattern[1:]
	}
	if strings.HasPrefix(pattern, ".") {
		return strings.HasSuffix(host, pattern)
	}
	return host == pattern || strings.HasSuffix(host, "."+pattern)
}
