package acs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
)

const updateBody = "update-tar-data"

// files answers downloads.
type files func(*http.Request) (*http.Response, error)

func (f files) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func response(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}
}

// updating is a session that takes updates, on a bench.
type updating struct {
	*bench
	dir       string
	downloads atomic.Int32
	performed atomic.Int32
}

func newUpdating(t *testing.T, download files) *updating {
	t.Helper()
	u := &updating{bench: newBench(0), dir: t.TempDir()}
	if download == nil {
		download = func(*http.Request) (*http.Response, error) { return response(200, updateBody), nil }
	}
	counted := files(func(r *http.Request) (*http.Response, error) { u.downloads.Add(1); return download(r) })
	u.restart(counted)
	return u
}

// restart makes a session that knows nothing but what is in the directory.
func (u *updating) restart(download files) {
	u.Session = New(Config{
		Engine: u.engine, Credentials: u.store, Manifest: u.manifest,
		Updates: Updates{
			Enabled: true,
			Staging: &Staging{Dir: u.dir, HTTP: &http.Client{Transport: download}, UserAgent: "1.23.4 (linux) (+http://aws.amazon.com/ecs/)"},
			Perform: func() { u.performed.Add(1) },
		},
	})
	u.updates.deliver = func(_ context.Context, kind string, message any) error { u.answer(kind, message); return nil }
}

// step handles an update message to its end, its download included, and returns the answers.
func (u *updating) step(t *testing.T, raw []byte) []string {
	t.Helper()
	r, err := decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	switch m := r.body.(type) {
	case *stageUpdateMessage:
		u.updates.stage(t.Context(), m.updateMessage)
		if c := u.updates.current; c != nil && !c.downloaded {
			u.updates.finish(<-u.updates.done)
		}
	case *performUpdateMessage:
		u.updates.perform(t.Context(), m.updateMessage)
	}
	return u.answers(t)
}

func (u *updating) files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(u.dir)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

var stagedPattern = regexp.MustCompile(`^[0-9a-f]{20}\.ecs-update\.tar$`)

func TestUpdates(t *testing.T) {
	var golden struct {
		Cases []struct {
			UpdatesEnabled *bool
			Steps          []struct {
				Receive   json.RawMessage
				Send      []envelope
				Files     *[]string
				Downloads *int32
				Exit      int
			}
		}
	}
	goldenfile.Read(t, "testdata/update.json", &golden)
	for _, c := range golden.Cases {
		u := newUpdating(t, nil)
		u.updates.config.Enabled = c.UpdatesEnabled == nil
		for i, s := range c.Steps {
			before := u.downloads.Load()
			same(t, "answers", u.step(t, s.Receive), expected(t, s.Send))
			if s.Downloads != nil && u.downloads.Load()-before != *s.Downloads {
				t.Errorf("step %d: %d downloads", i, u.downloads.Load()-before)
			}
			if s.Files != nil {
				u.checkFiles(t, len(*s.Files))
			}
			if exit := s.Exit == 42; exit != (u.performed.Load() == 1) {
				t.Errorf("step %d: performed %d times", i, u.performed.Load())
			}
		}
	}
}

// checkFiles expects no file, or the image and the name of the image.
func (u *updating) checkFiles(t *testing.T, n int) {
	t.Helper()
	names := u.files(t)
	if len(names) != n {
		t.Fatalf("files %v, want %d", names, n)
	}
	if n == 0 {
		return
	}
	if names[0] == "desired-image" { // sorted: the other is random
		names[0], names[1] = names[1], names[0]
	}
	if !stagedPattern.MatchString(names[0]) || names[1] != "desired-image" {
		t.Fatalf("files %v", names)
	}
	image, _ := os.ReadFile(filepath.Join(u.dir, names[0]))
	desired, _ := os.ReadFile(filepath.Join(u.dir, "desired-image"))
	info, _ := os.Stat(filepath.Join(u.dir, "desired-image"))
	if string(image) != updateBody || string(desired) != names[0]+"\n" || info.Mode() != 0o644 {
		t.Errorf("image %q, desired image %q of mode %v", image, desired, info.Mode())
	}
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func order(kind, id, location, signature string) []byte {
	return frame(kind, `{"messageId":"`+id+`","clusterArn":"c","containerInstanceArn":"i","updateInfo":{"location":"`+location+`","signature":"`+signature+`"}}`)
}

func nacked(id, reason string) []string {
	return []string{`{"message":{"cluster":"c","containerInstance":"i","messageId":"` + id + `","reason":"` + reason + `"},"type":"NackRequest"}`}
}

func acked(id string) []string {
	return []string{`{"message":{"cluster":"c","containerInstance":"i","messageId":"` + id + `"},"type":"AckRequest"}`}
}

func TestUpdatesThatCannotBeStaged(t *testing.T) {
	cases := []struct {
		name, location, signature, want string
		download                        files
	}{
		{"no location", "", hash(updateBody), "Invalid update: no location given", nil},
		{"no signature", "https://x.test/a", "", "Invalid update: no signature given", nil},
		{"no URL", "%", hash(updateBody), "Unable to download: the location is not a URL", nil},
		{"HTTP error", "https://x.test/a", hash("gone"), "Unable to download: HTTP status Not Found",
			func(*http.Request) (*http.Response, error) { return response(404, "gone"), nil }},
		{"no connection", "https://x.test/a?X-Amz-Signature=hush", hash(updateBody), "Unable to download: EOF",
			func(*http.Request) (*http.Response, error) { return nil, io.EOF }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			u := newUpdating(t, c.download)
			same(t, "answers", u.step(t, order("StageUpdateMessage", "m", c.location, c.signature)), nacked("m", c.want))
			if got := u.files(t); len(got) > 0 {
				t.Errorf("left %v", got)
			}
		})
	}
	u := newUpdating(t, nil)
	u.updates.config.Staging.Dir = ""
	same(t, "answers", u.step(t, order("StageUpdateMessage", "m", "https://x.test", hash(updateBody))),
		nacked("m", "Unable to download: no directory for updates is configured (ECS_UPDATE_DOWNLOAD_DIR)"))
	if got := newUpdating(t, nil).step(t, frame("StageUpdateMessage", "{}")); len(got) > 0 {
		t.Errorf("without a message id: %v", got)
	}
}

func TestDownloadRequest(t *testing.T) {
	var asked *http.Request
	u := newUpdating(t, func(r *http.Request) (*http.Response, error) { asked = r; return response(200, updateBody), nil })
	u.updates.config.Staging.DualStack = true
	same(t, "answers", u.step(t, order("StageUpdateMessage", "m", "https://s3.us-west-2.amazonaws.com/s3.tar", " "+hash(updateBody)+" ")), acked("m"))
	if asked.URL.String() != "https://s3.dualstack.us-west-2.amazonaws.com/s3.tar" || asked.UserAgent() != "1.23.4 (linux) (+http://aws.amazon.com/ecs/)" {
		t.Errorf("asked for %s as %q", asked.URL, asked.UserAgent())
	}
}

func TestStagedUpdateIsFoundAfterARestart(t *testing.T) {
	u := newUpdating(t, nil)
	signature := hash(updateBody)
	same(t, "answers", u.step(t, order("StageUpdateMessage", "m1", "https://x.test", signature)), acked("m1"))
	u.restart(func(*http.Request) (*http.Response, error) { t.Error("downloaded again"); return nil, io.EOF })
	same(t, "answers", u.step(t, order("StageUpdateMessage", "m2", "https://x.test", signature)), acked("m2"))
	u.restart(nil)
	same(t, "answers", u.step(t, order("PerformUpdateMessage", "m3", "https://x.test", hash("other"))), nacked("m3", "Cannot perform update; update not downloaded"))
	same(t, "answers", u.step(t, order("PerformUpdateMessage", "m4", "https://x.test", signature)), acked("m4"))
	if u.performed.Load() != 1 {
		t.Error("not performed")
	}
}

func TestSupersededImagesAreRemoved(t *testing.T) {
	body := updateBody
	u := newUpdating(t, func(*http.Request) (*http.Response, error) { return response(200, body), nil })
	u.step(t, order("StageUpdateMessage", "m1", "https://x.test", hash(body)))
	body = "a newer one"
	u.step(t, order("StageUpdateMessage", "m2", "https://x.test", hash(body)))
	if got := u.files(t); len(got) != 2 {
		t.Errorf("files %v", got)
	}
}

// A download takes up to a quarter of an hour; meanwhile everything else goes on, also other orders.
func TestUpdateWhileAnotherIsDownloading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		performed := make(chan struct{}, 1)
		r := start(t, func(c *Config, _ *service) {
			c.Updates = Updates{
				Enabled: true, Perform: func() { performed <- struct{}{} },
				Staging: &Staging{Dir: dir, HTTP: &http.Client{Transport: files(func(r *http.Request) (*http.Response, error) {
					if r.URL.Host == "slow.test" {
						<-r.Context().Done()
						return nil, r.Context().Err()
					}
					return response(200, updateBody), nil
				})}},
			}
		})
		p := r.service.Peer()
		p.Send(order("StageUpdateMessage", "m1", "https://slow.test", "x"))
		p.Send(order("StageUpdateMessage", "m2", "https://slow.test", "x"))
		expect(t, p, "AckRequest", "m2") // the same update
		p.Send(message(`[{"arn":"a","desiredStatus":"RUNNING"}]`))
		expect(t, p, "AckRequest", "m")
		p.Send(order("PerformUpdateMessage", "m3", "https://slow.test", "x"))
		expect(t, p, "NackRequest", "m3")
		p.Send(order("StageUpdateMessage", "m4", "https://fast.test", hash(updateBody)))
		expect(t, p, "NackRequest", "m1") // a new update arrived
		expect(t, p, "AckRequest", "m4")
		synctest.Wait()
		p.Send(frame("PerformUpdateMessage", `{"messageId":"m5"}`))
		expect(t, p, "AckRequest", "m5")
		<-performed
	})
}

func TestDownloadTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Staging{Dir: t.TempDir(), HTTP: &http.Client{Transport: files(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}}
		begun := time.Now()
		if err := s.Fetch(t.Context(), "https://x.test", "x"); err == nil {
			t.Error("no error")
		}
		if took := time.Since(begun); took != 15*time.Minute {
			t.Errorf("gave up after %v", took)
		}
	})
}

func TestShutdownWhileAnUpdateIsDownloading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, func(c *Config, _ *service) {
			c.Updates = Updates{Enabled: true, Staging: &Staging{Dir: t.TempDir(), HTTP: &http.Client{Transport: files(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})}}}
		})
		r.service.Peer().Send(order("StageUpdateMessage", "m1", "https://slow.test", "x"))
		synctest.Wait()
		begun := time.Now()
		r.stop()
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}
