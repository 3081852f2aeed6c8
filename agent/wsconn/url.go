package wsconn

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// URL is the address to connect to: the endpoint with scheme ws for http and wss for https, the path ws, and the query with
// its keys in alphabetical order.
func URL(endpoint string, query url.Values) (string, error) {
	if endpoint == "" {
		return "", errors.New("wsclient: the service gave an empty endpoint")
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("wsclient: endpoint: %w", err)
	}
	scheme, known := map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	if !known {
		return "", fmt.Errorf("wsclient: unknown scheme %s", u.Scheme)
	}
	if u.Host == "" {
		return "", fmt.Errorf("wsclient: endpoint %q has no host", endpoint)
	}
	u.Scheme = scheme
	address := u.String()
	if !strings.HasSuffix(address, "/") {
		address += "/"
	}
	return address + "ws?" + query.Encode(), nil
}
