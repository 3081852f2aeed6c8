package awsclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"io/fs"
	"log"
	"net/http"
	"slices"
)

// roundTripFunc is a transport that needs no network, so that it works with virtual time.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(status int, header map[string]string, body string) *http.Response {
	h := http.Header{}
	for k, v := range header {
		h.Set(k, v)
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(bytes.NewBufferString(body))}
}

// env builds an Environment from variables and files.
func env(vars, files map[string]string) Environment {
	return Environment{
		Getenv: func(k string) string { return vars[k] },
		ReadFile: func(path string) ([]byte, error) {
			text, found := files[path]
			if !found {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(text), nil
		},
		HomeDir: "/home/ecs",
	}
}

// fakeMetadata answers metadata paths from a map; a missing one is an error.
type fakeMetadata map[string]string

func (m fakeMetadata) Get(_ context.Context, path string) (string, error) {
	v, found := m[path]
	if !found {
		return "", fs.ErrNotExist
	}
	return v, nil
}

var discardLog = log.New(io.Discard, "", 0)

// recordHello keeps what the client offers.
func recordHello(suites, versions *[]uint16) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	return func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		*suites, *versions = slices.Clone(h.CipherSuites), slices.Clone(h.SupportedVersions)
		return nil, nil
	}
}
