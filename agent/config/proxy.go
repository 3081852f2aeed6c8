package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Proxy returns the proxy for a request to target, nil for none. It reads the variables (with lookup) at every call, so a
// change of NO_PROXY counts at once, and lets HTTP_PROXY serve https requests too when there is no HTTPS_PROXY; the
// standard library's ProxyFromEnvironment does neither. Use it as
//
//	transport.Proxy = func(r *http.Request) (*url.URL, error) { return config.Proxy(os.LookupEnv, r.URL) }
func Proxy(lookup func(string) (string, bool), target *url.URL) (*url.URL, error) {
	either := func(upper string) string {
		if v, _ := lookup(upper); v != "" {
			return v
		}
		v, _ := lookup(strings.ToLower(upper))
		return v
	}

	var proxy string
	switch target.Scheme {
	case "https", "wss":
		proxy = either("HTTPS_PROXY")
	case "http", "ws":
	default:
		return nil, nil
	}
	if proxy == "" {
		proxy = either("HTTP_PROXY")
		if method, _ := lookup("REQUEST_METHOD"); proxy != "" && method != "" {
			// In a CGI process HTTP_PROXY may be a request's Proxy header.
			return nil, errors.New("refusing to use HTTP_PROXY value in CGI environment; see golang.org/s/cgihttpproxy")
		}
	}
	if proxy == "" || bypassesProxy(target, either("NO_PROXY")) {
		return nil, nil
	}
	return parseProxy(proxy)
}

// parseProxy reads a URL with scheme http, https or socks5, or host:port.
func parseProxy(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err == nil && u.Host != "" {
		switch u.Scheme {
		case "http", "https", "socks5":
			return u, nil
		}
	}
	u, err = url.Parse("http://" + text)
	if err != nil || strings.Contains(text, "://") {
		// The text may hold a password, and so may the error of url.Parse.
		return nil, fmt.Errorf("invalid proxy address; expected a URL with scheme http, https or socks5, or host:port")
	}
	return u, nil
}

// bypassesProxy reports whether target is reached directly: this host, or what NO_PROXY lists.
func bypassesProxy(target *url.URL, noProxy string) bool {
	host := strings.TrimSuffix(strings.ToLower(target.Hostname()), ".")
	addr, addrErr := netip.ParseAddr(host)
	if host == "localhost" || addrErr == nil && addr.Unmap().IsLoopback() {
		return true
	}
	port := target.Port()
	if port == "" {
		port = map[string]string{"http": "80", "ws": "80", "https": "443", "wss": "443"}[target.Scheme]
	}
	for item := range strings.SplitSeq(noProxy, ",") {
		item = strings.ToLower(strings.TrimSpace(item))
		switch {
		case item == "":
		case item == "*":
			return true
		case addrErr == nil && itemCoversAddr(item, addr.Unmap(), port):
			return true
		case addrErr != nil && itemCoversName(item, host, port):
			return true
		}
	}
	return false
}

// itemCoversAddr compares with a CIDR block, an address, or an address and port.
func itemCoversAddr(item string, addr netip.Addr, port string) bool {
	if prefix, err := netip.ParsePrefix(item); err == nil {
		return prefix.Contains(addr)
	}
	name, itemPort := cutPort(item)
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && a.Unmap() == addr && (itemPort == "" || itemPort == port)
}

// itemCoversName compares with a domain (itself and what is below it), `.domain` or `*.domain` (what is below it only).
func itemCoversName(item, host, port string) bool {
	name, itemPort := cutPort(item)
	if itemPort != "" && itemPort != port {
		return false
	}
	name = strings.TrimPrefix(name, "*")
	if strings.HasPrefix(name, ".") {
		return strings.HasSuffix(host, name)
	}
	return host == name || strings.HasSuffix(host, "."+name)
}

// cutPort splits host:port and [v6]:port; an address like ::1 has no port.
func cutPort(item string) (name, port string) {
	i := strings.LastIndexByte(item, ':')
	if i < 0 || strings.Count(item, ":") > 1 && !strings.Contains(item, "]:") {
		return item, ""
	}
	return item[:i], item[i+1:]
}

// WebsocketNoProxy returns the value that NO_PROXY must be set to before a websocket is opened: the metadata and
// credentials services and the Docker daemon are never behind a proxy. ok is false when NO_PROXY is set already.
func WebsocketNoProxy(lookup func(string) (string, bool), dockerEndpoint string) (value string, ok bool) {
	if v, _ := lookup("NO_PROXY"); v != "" {
		return "", false
	}
	_, docker, found := strings.Cut(dockerEndpoint, "://")
	if !found {
		docker = dockerEndpoint
	}
	return "169.254.169.254,169.254.170.2," + docker, true
}
