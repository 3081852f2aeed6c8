package awsclient

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"
)

const (
	dialTimeout  = 30 * time.Second
	keepAlive    = 30 * time.Second
	tlsTimeout   = 10 * time.Second
	idleConnTime = 90 * time.Second
	// idlePerHost keeps as many connections to ECS as state changes are submitted side by side.
	idlePerHost = 10
)

// cipherSuites are the TLS 1.2 suites offered, in the order of the contract. TLS 1.3 has its own.
var cipherSuites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
	tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_RSA_WITH_AES_256_CBC_SHA,
}

// TLSConfig returns the TLS settings of calls to AWS and of the websockets. Roots are those of the system; SSL_CERT_FILE and
// SSL_CERT_DIR are honoured by crypto/x509. insecure turns the certificate check off (flag -k).
func TLSConfig(insecure bool) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		CipherSuites:       cipherSuites,
		InsecureSkipVerify: insecure,
	}
}

// NewHTTPClient returns the HTTP client of all calls to AWS. It sets no timeout for whole requests: callers bound each
// attempt with a context, see [AttemptTimeout]. Redirects are not followed: a signature is good for one URL.
func NewHTTPClient(insecure bool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext,
			TLSClientConfig:     TLSConfig(insecure),
			TLSHandshakeTimeout: tlsTimeout,
			IdleConnTimeout:     idleConnTime,
			MaxIdleConnsPerHost: idlePerHost,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// untrusted reports whether err is a certificate that was refused.
func untrusted(err error) bool {
	var refused *tls.CertificateVerificationError
	return errors.As(err, &refused)
}
