package docker

import "testing"

func TestOperation(t *testing.T) {
	for _, test := range []struct{ method, path, want string }{
		{"GET", "/_ping", "ping"},
		{"HEAD", "/_ping", "ping"},
		{"GET", "/v1.41/version", "version"},
		{"GET", "/v1.41/events", "events"},
		{"POST", "/v1.41/containers/create", "container_create"},
		{"POST", "/v1.41/containers/0123abc/start", "container_start"},
		{"POST", "/containers/0123abc/stop", "container_stop"},
		{"GET", "/v1.41/containers/json", "container_list"},
		{"GET", "/v1.41/containers/0123abc/json", "container_inspect"},
		{"GET", "/v1.41/containers/0123abc/stats", "container_stats"},
		{"DELETE", "/v1.41/containers/create", "container_remove"},
		{"POST", "/v1.41/images/create", "image_pull"},
		{"GET", "/v1.41/images/example.com/start/json", "image_inspect"},
		{"POST", "/v1.41/images/example.com/a/tag", "image_tag"},
		{"DELETE", "/v1.41/images/sha256:00", "image_remove"},
		{"GET", "/v1.41/distribution/example.com/a/json", "distribution_inspect"},
		{"POST", "/v1.41/volumes/create", "volume_create"},
		{"GET", "/v1.41/volumes", "volume_list"},
		{"GET", "/v1.41/plugins", "plugin_list"},
		{"POST", "/v1.41/containers/0123abc/anything", "container_other"},
		{"GET", "/v1.41/anything/else", "other"},
		{"GET", "/", "other"},
	} {
		if got := operation(test.method, test.path); got != test.want {
			t.Errorf("%s %s: %q, want %q", test.method, test.path, got, test.want)
		}
	}
}
