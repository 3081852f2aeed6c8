package image

import (
	"encoding/json"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
)

type authCases struct {
	Type  string
	Data  json.RawMessage
	Cases []struct{ Image, Username, Password string }
}

func TestEngineAuth(t *testing.T) {
	var data struct {
		Configurations []authCases
		Cases          []struct{ Image, Username, Password string }
		OnlyAPathKey   authCases
		Unusable       []struct{ Type, Data string }
	}
	goldenfile.Read(t, "testdata/engine-auth.json", &data)
	for _, c := range data.Configurations {
		c.Cases = data.Cases
		checkAuth(t, c)
		c.Data = json.RawMessage(`{"auths":` + string(c.Data) + `}`)
		checkAuth(t, c)
	}
	checkAuth(t, data.OnlyAPathKey)
	for _, c := range data.Unusable {
		if got := readEngineAuth(c.Type, config.NewSecret([]byte(c.Data))); len(got) > 0 {
			t.Errorf("%s %s gives credentials for %d registries", c.Type, c.Data, len(got))
		}
	}
	if len(data.Configurations) == 0 || len(data.Cases) == 0 || len(data.Unusable) == 0 {
		t.Error("test data is missing")
	}
}

func checkAuth(t *testing.T, c authCases) {
	t.Helper()
	auths := readEngineAuth(c.Type, config.NewSecret(c.Data))
	for _, want := range c.Cases {
		got := auths.forImage(want.Image)
		if got.Username != want.Username || got.Password != want.Password {
			t.Errorf("%s, %s: user %q, want %q (password right: %v)", c.Type, want.Image, got.Username, want.Username, got.Password == want.Password)
		}
	}
}

func TestOneBadEntryLeavesTheOthers(t *testing.T) {
	auths := readEngineAuth("dockercfg", config.NewSecret([]byte(`{"bad.tld":{"auth":"%"},"good.tld":{"auth":"dTpwOnE="}}`)))
	if got := auths.forImage("good.tld/a:1"); got.Username != "u" || got.Password != "p:q" || len(auths) != 1 {
		t.Errorf("user %q of %d", got.Username, len(auths))
	}
}

func TestDockerEntriesArePassedOnAsTheyAre(t *testing.T) {
	auths := readEngineAuth("docker", config.NewSecret([]byte(
		`{"r.tld":{"username":"u","password":"p","email":"e","auth":"a","serveraddress":"s","identitytoken":"i","registrytoken":"t"}}`)))
	want := docker.Auth{Username: "u", Password: "p", Email: "e", Auth: "a", ServerAddress: "s", IdentityToken: "i", RegistryToken: "t"}
	if got := auths.forImage("r.tld/x"); got != want {
		t.Error("the entry was changed")
	}
}

func TestWholePathElementsMatch(t *testing.T) {
	auths := engineAuth{"r.tld": {Username: "host"}, "r.tld/user2": {Username: "user2"}, "r.tld/user2/deep/": {Username: "deep"}}
	for image, want := range map[string]string{
		"r.tld/user2/a": "user2", "r.tld/user22/a": "host", "r.tld/user2/deep/a:1": "deep", "r.tld/user2/deeper": "user2", "r.tld/user2": "user2",
		"r.tld/x": "host", "r.tld:5000/x": "", "r.tld/user2@" + digestA: "user2", "r.tld/user2/deep:1@" + digestA: "deep",
	} {
		if got := auths.forImage(image).Username; got != want {
			t.Errorf("%s: %q, want %q", image, got, want)
		}
	}
	// Without a key for the host, some path's key is used, always the same.
	auths = engineAuth{"r.tld/b": {Username: "b"}, "r.tld/a": {Username: "a"}, "r.tld/c": {Username: "c"}}
	for range 20 {
		if got := auths.forImage("r.tld/x").Username; got != "a" {
			t.Fatalf("user %q", got)
		}
	}
}

func FuzzEngineAuth(f *testing.F) {
	f.Add("dockercfg", []byte(`{"a.tld/b":{"auth":"dTpw"}}`), "a.tld/b/c:1")
	f.Add("docker", []byte(`{"auths":{"a.tld":{"username":"u"}}}`), "a.tld/x")
	f.Fuzz(func(t *testing.T, kind string, data []byte, image string) {
		auths := readEngineAuth(kind, config.NewSecret(data))
		if a, b := auths.forImage(image), auths.forImage(image); a != b {
			t.Error("two answers to one question")
		}
	})
}
