package download

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
)

const (
	tar   = "ecs-agent-v1.2.3.tar"
	image = "this is the image of the agent"
)

func md5Of(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func sha256Of(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// mirror serves files by name, and answers 404 for others.
type mirror struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string]http.HandlerFunc
	asked []string
}

func newMirror(t *testing.T, files map[string]http.HandlerFunc) *mirror {
	t.Helper()
	m := &mirror{files: files}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	m.mu.Lock()
	m.asked = append(m.asked, name)
	f := m.files[name]
	m.mu.Unlock()
	if f == nil {
		http.NotFound(w, r)
		return
	}
	f(w, r)
}

func text(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, content) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func good() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{tar: text(image), tar + ".sha256": text(sha256Of(image) + "\n")}
}

// target is a cache with an old image.
func target(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ecs", "ecs-agent.tar")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func downloaderFrom(env map[string]string, urls ...string) Downloader {
	if env == nil {
		env = map[string]string{}
	}
	env[urlVariable] = strings.Join(urls, " ")
	return Downloader{
		Version: "1.2.3", Arch: "amd64", HTTP: NewHTTP(), Run: command.Exec,
		Getenv: func(name string) string { return env[name] },
	}
}

// check asserts what is in the cache, and that nothing else is.
func check(t *testing.T, path, want string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil || string(content) != want {
		t.Errorf("image %q, %v; want %q", content, err, want)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("files left: %v, %v", entries, err)
	}
}

func TestFetch(t *testing.T) {
	path := target(t)
	// A link to the package's image, and the rest of a download that was interrupted.
	if err := errors.Join(os.Rename(path, path+".v1"), os.Symlink("ecs-agent.tar.v1", path),
		os.WriteFile(filepath.Join(filepath.Dir(path), tar+".123.part"), []byte("rest"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := downloaderFrom(nil, newMirror(t, good()).URL).Fetch(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(path + ".v1"); err != nil || string(content) != "old" {
		t.Errorf("the package's image is %q, %v", content, err)
	}
	_ = os.Remove(path + ".v1")
	check(t, path, image)
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestFetchMakesTheDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache", "ecs-agent.tar")
	if err := downloaderFrom(nil, newMirror(t, good()).URL).Fetch(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestTheNextLocationHelpsOut(t *testing.T) {
	for name, files := range map[string]map[string]http.HandlerFunc{
		"nothing there":         {},
		"only the checksum":     {tar + ".sha256": text(sha256Of(image))},
		"only the image":        {tar: text(image)},
		"forbidden":             {tar: status(403), tar + ".sha256": status(403), tar + ".md5": status(403)},
		"broken":                {tar: status(500), tar + ".sha256": status(503), tar + ".md5": status(503)},
		"checksum is no number": {tar: text(image), tar + ".sha256": text("<html>"), tar + ".md5": text("<html>")},
	} {
		t.Run(name, func(t *testing.T) {
			path := target(t)
			first, second := newMirror(t, files), newMirror(t, good())
			if err := downloaderFrom(nil, first.URL, second.URL+"/").Fetch(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			check(t, path, image)
		})
	}
}

func TestMD5CountsWhereNothingBetterIsPublished(t *testing.T) {
	path := target(t)
	m := newMirror(t, map[string]http.HandlerFunc{tar: text(image), tar + ".md5": text(strings.ToUpper(md5Of(image)) + "  " + tar + "\n")})
	if err := downloaderFrom(nil, m.URL).Fetch(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	check(t, path, image)
}

func TestFetchFails(t *testing.T) {
	refused := httptest.NewServer(nil)
	refused.Close()
	cases := []struct {
		name  string
		files map[string]http.HandlerFunc
		want  string
	}{
		{"wrong SHA-256", map[string]http.HandlerFunc{tar: text(image), tar + ".sha256": text(sha256Of("other"))},
			`downloaded agent "ecs-agent-v1.2.3.tar" does not match expected checksum`},
		{"a good MD5 does not make up for it", map[string]http.HandlerFunc{tar: text(image), tar + ".sha256": text(sha256Of("other")), tar + ".md5": text(md5Of(image))},
			`downloaded agent "ecs-agent-v1.2.3.tar" does not match expected checksum`},
		{"wrong MD5", map[string]http.HandlerFunc{tar: text(image), tar + ".md5": text(md5Of("other"))},
			`downloaded agent "ecs-agent-v1.2.3.tar" does not match expected checksum`},
		{"no checksum", map[string]http.HandlerFunc{tar: text(image)},
			"failed to download md5 file for published tarball: failed to download file from s3"},
		{"no image", map[string]http.HandlerFunc{tar + ".md5": text(md5Of(image))},
			"failed to download published tarball: failed to download file from s3"},
		{"no network", nil, "failed to download md5 file for published tarball: failed to download file from s3"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path, url := target(t), refused.URL
			if c.files != nil {
				url = newMirror(t, c.files).URL
			}
			if err := downloaderFrom(nil, url).Fetch(t.Context(), path); err == nil || err.Error() != c.want {
				t.Errorf("%v", err)
			}
			check(t, path, "old")
		})
	}
}

func TestTransfersGoOnWhereTheyEnded(t *testing.T) {
	t.Parallel()
	var ranges []string
	files := good()
	files[tar] = func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range")+" "+r.Header.Get("If-Range"))
		w.Header().Set("ETag", `"v1"`)
		begin := 0
		if from := r.Header.Get("Range"); from != "" {
			_, _ = fmt.Sscanf(from, "bytes=%d-", &begin)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", begin, len(image)-1, len(image)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(image)-begin))
		if begin > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = io.WriteString(w, image[begin:min(begin+12, len(image))]) // 12 bytes, then the connection ends
	}
	path := target(t)
	if err := downloaderFrom(nil, newMirror(t, files).URL).Fetch(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	check(t, path, image)
	if diff := cmp.Diff([]string{" ", `bytes=12- "v1"`, `bytes=24- "v1"`}, ranges); diff != "" {
		t.Error(diff)
	}
}

func TestATransferThatCannotGoOnBeginsAnew(t *testing.T) {
	t.Parallel()
	tries := 0
	files := good()
	files[tar] = func(w http.ResponseWriter, r *http.Request) {
		tries++
		w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, tries)) // the file changed
		w.Header().Set("Content-Length", fmt.Sprint(len(image)))
		end := 7
		if tries == 2 {
			end = len(image)
		}
		_, _ = io.WriteString(w, image[:end])
	}
	path := target(t)
	if err := downloaderFrom(nil, newMirror(t, files).URL).Fetch(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	check(t, path, image)
}

func TestATruncatedImageIsNotUsed(t *testing.T) {
	t.Parallel()
	files := good()
	files[tar] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(image)))
		_, _ = io.WriteString(w, image[:7])
	}
	path := target(t)
	err := downloaderFrom(nil, newMirror(t, files).URL).Fetch(t.Context(), path)
	if !errors.Is(err, errNotFetched) {
		t.Errorf("%v", err)
	}
	check(t, path, "old")
}

// pipeTransport connects a client to a handler in memory, so that the fake clock of a bubble can run.
func pipeTransport(t *testing.T, handler http.Handler) *http.Transport {
	t.Helper()
	conns := make(chan net.Conn)
	listener := &pipeListener{conns: conns, closed: make(chan struct{})}
	server := &http.Server{Handler: handler}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case conns <- theirs:
			return ours, nil
		case <-listener.closed:
			return nil, net.ErrClosed
		}
	}}
}

type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{} }

func TestATransferThatStallsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "some")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		path := target(t)
		d := downloaderFrom(nil, "http://mirror")
		transport := pipeTransport(t, hang)
		defer transport.CloseIdleConnections()
		d.HTTP = &http.Client{Transport: transport}
		begin := time.Now()
		err := d.Fetch(t.Context(), path)
		if !errors.Is(err, errNotFetched) || time.Since(begin) > 4*time.Minute || time.Since(begin) < 3*time.Minute {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		check(t, path, "old")
	})
}

func TestRedirects(t *testing.T) {
	other := newMirror(t, good())
	path := target(t)
	m := newMirror(t, map[string]http.HandlerFunc{
		tar: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
		},
		tar + ".sha256": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
		},
	})
	if err := downloaderFrom(nil, m.URL).Fetch(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	check(t, path, image)
	from, _ := http.NewRequest(http.MethodGet, "https://a", nil)
	to, _ := http.NewRequest(http.MethodGet, "http://b", nil)
	if err := NewHTTP().CheckRedirect(to, []*http.Request{from}); err == nil {
		t.Error("a redirect away from https")
	}
}

func TestPublishedLocations(t *testing.T) {
	content, err := os.ReadFile("testdata/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Region, Arch, Key string
		Buckets           []struct{ Bucket, Region string }
	}
	if err := json.Unmarshal(content, &cases); err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	for _, c := range cases {
		got, err := published(none, c.Region, false)
		if err != nil || len(got) != len(c.Buckets) {
			t.Errorf("%s: %v, %v", c.Region, got, err)
			continue
		}
		for i, b := range c.Buckets {
			if want := "bucket " + b.Bucket + " in region " + b.Region; got[i].text != want {
				t.Errorf("%s: %s, want %s", c.Region, got[i].text, want)
			}
			if prefix := "https://" + b.Bucket + ".s3." + b.Region + ".amazonaws."; b.Region == "us-east-1" && !strings.HasPrefix(got[i].base, prefix) {
				t.Errorf("%s: %s", c.Region, got[i].base)
			}
		}
		if key, err := key("1.2.3", c.Arch); key != c.Key || err != nil {
			t.Errorf("%s: %s, %v", c.Arch, key, err)
		}
	}
}

func TestBucketURL(t *testing.T) {
	cases := []struct {
		env    map[string]string
		region string
		dual   bool
		want   string
	}{
		{nil, "us-east-1", false, "https://b.s3.us-east-1.amazonaws.com"},
		{nil, "us-east-1", true, "https://b.s3.dualstack.us-east-1.amazonaws.com"},
		{nil, "cn-north-1", false, "https://b.s3.cn-north-1.amazonaws.com.cn"},
		{nil, "eusc-de-east-1", false, "https://b.s3.eusc-de-east-1.amazonaws.eu"},
		{map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, "us-gov-west-1", true, "https://b.s3-fips.dualstack.us-gov-west-1.amazonaws.com"},
		{map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "us-west-2", false, "https://b.s3.dualstack.us-west-2.amazonaws.com"},
		{map[string]string{"AWS_ENDPOINT_URL": "http://a/", "AWS_ENDPOINT_URL_S3": "http://c/"}, "us-west-2", false, "http://c/b"},
		{map[string]string{"AWS_ENDPOINT_URL": "http://a/"}, "us-west-2", false, "http://a/b"},
		{map[string]string{"AWS_ENDPOINT_URL": "http://a/", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "us-west-2", false, "https://b.s3.us-west-2.amazonaws.com"},
	}
	for _, c := range cases {
		got, err := bucketURL(func(name string) string { return c.env[name] }, "b", c.region, c.dual)
		if got != c.want || err != nil {
			t.Errorf("%v %s: %s, %v; want %s", c.env, c.region, got, err, c.want)
		}
	}
}

func TestKeyErrors(t *testing.T) {
	if _, err := key("1.2.3", "riscv64"); err == nil || err.Error() != `unknown architecture "riscv64"` {
		t.Errorf("%v", err)
	}
	if _, err := key("", "amd64"); err == nil {
		t.Error("no error without a version")
	}
}

func TestTheRegionIsNotAskedForWithoutNeed(t *testing.T) {
	d := downloaderFrom(nil, "http://first.example/a, http://second.example/b")
	d.Region = func(context.Context) string { t.Error("asked"); return "" }
	list, err := d.locations(t.Context())
	if err != nil || len(list) != 2 || list[1].base != "http://second.example/b" {
		t.Errorf("%v, %v", list, err)
	}
	d.Getenv = func(string) string { return "" }
	d.Region = func(context.Context) string { return "eu-west-1" }
	if list, err = d.locations(t.Context()); err != nil || len(list) != 2 || !strings.Contains(list[1].base, "amazon-ecs-agent-eu-west-1") {
		t.Errorf("%v, %v", list, err)
	}
}

// gpgHome makes a key and returns its binary and text forms, and a function that signs.
func gpgHome(t *testing.T) (binary, armored string, sign func(text string) string) {
	t.Helper()
	for _, program := range []string{"gpg", "gpgv"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	home, err := os.MkdirTemp("", "gpg") // the socket of its agent needs a short path
	if err != nil {
		t.Fatal(err)
	}
	gpg := func(input string, args ...string) string {
		t.Helper()
		cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
		cmd.Stdin = strings.NewReader(input)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg %v: %v", args, err)
		}
		return string(out)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	gpg("", "--quick-generate-key", "test@example.com", "ed25519", "sign", "never")
	return gpg("", "--export"), gpg("", "--armor", "--export"), func(text string) string { return gpg(text, "--armor", "--detach-sign") }
}

func TestSignature(t *testing.T) {
	binary, armored, sign := gpgHome(t)
	keyring := filepath.Join(t.TempDir(), "keys")
	env := map[string]string{keyringVariable: keyring}
	cases := []struct {
		name, keys, signature string
		ok                    bool
	}{
		{"good, binary keys", binary, sign(image), true},
		{"good, keys as text", armored, sign(image), true},
		{"of something else", binary, sign("something else"), false},
		{"none", binary, "", false},
		{"nonsense", binary, "nonsense", false},
		{"no keys", "", sign(image), false},
		{"half a key", armored[:len(armored)/2], sign(image), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(keyring, []byte(c.keys), 0o600); err != nil {
				t.Fatal(err)
			}
			files := good()
			if c.signature != "" {
				files[tar+".asc"] = text(c.signature)
			}
			path := target(t)
			err := downloaderFrom(env, newMirror(t, files).URL).Fetch(t.Context(), path)
			if c.ok != (err == nil) {
				t.Errorf("%v", err)
			}
			if c.ok {
				check(t, path, image)
			} else {
				check(t, path, "old")
			}
		})
	}
	t.Run("without gpgv", func(t *testing.T) {
		files := good()
		files[tar+".asc"] = text(sign(image))
		if err := os.WriteFile(keyring, []byte(binary), 0o600); err != nil {
			t.Fatal(err)
		}
		path := target(t)
		d := downloaderFrom(env, newMirror(t, files).URL)
		d.Run = func(context.Context, string, ...string) (string, error) {
			return "", &command.Error{Cause: exec.ErrNotFound}
		}
		if err := d.Fetch(t.Context(), path); err == nil || !strings.Contains(err.Error(), "gpgv") {
			t.Errorf("%v", err)
		}
		check(t, path, "old")
	})
}

func FuzzDearmor(f *testing.F) {
	f.Add([]byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n=xxxx\n-----END PGP PUBLIC KEY BLOCK-----\n"))
	f.Fuzz(func(_ *testing.T, content []byte) { _, _ = dearmor(content) })
}
