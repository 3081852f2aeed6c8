package volumes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var efs = map[string]string{"type": "efs", "device": "fs-1"}

func mustCreate(t *testing.T, plugin *Plugin, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := plugin.Create(name, efs); err != nil {
			t.Fatal(err)
		}
	}
}

func mustMount(t *testing.T, plugin *Plugin, name, id string) {
	t.Helper()
	if _, err := plugin.Mount(t.Context(), name, id); err != nil {
		t.Fatal(err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSharedVolumesAreUnmountedAfterTheLastUse(t *testing.T) {
	p := newPlace(t)
	f := &fakeMounts{}
	plugin := p.start(f)
	mustCreate(t, plugin, "v")
	ids := []string{"a", "a", "b", "c", "c", "c"}
	for _, id := range ids {
		mustMount(t, plugin, "v", id)
	}
	for i, id := range ids {
		if !slices.Equal(f.mounted, []string{p.path("v")}) {
			t.Fatalf("after %d unmounts: mounted %v", i, f.mounted)
		}
		if err := plugin.Unmount(t.Context(), "v", id); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.mounted) > 0 {
		t.Errorf("mounted %v", f.mounted)
	}
}

func TestMountErrors(t *testing.T) {
	p := newPlace(t)
	f := &fakeMounts{}
	plugin := p.start(f)
	for name, options := range map[string]map[string]string{
		"no-device": {"type": "efs"}, "dash": {"device": "-a"}, "quiet": {"device": "quiet"}, "broken": {"device": "broken"}, "slow": {"device": "slow"},
	} {
		if err := plugin.Create(name, options); err != nil {
			t.Fatal(err)
		}
	}
	f.before = func(_ context.Context, line []string) error {
		switch line[len(line)-2] {
		case "quiet":
			return errors.New(`exec: "mount": executable file not found in $PATH`)
		case "broken":
			return failing("mount.efs: no such file system\n")
		case "slow":
			return &commandTimeout{}
		}
		return nil
	}
	for name, want := range map[string]string{
		"no-device": "failed to mount volume no-device: missing required fields: [device]",
		"dash":      `failed to mount volume dash: mounting volume failed: "-a" is neither a device nor a path`,
		"quiet":     `failed to mount volume quiet: mounting volume failed: exec: "mount": executable file not found in $PATH`,
		"broken":    "failed to mount volume broken: mounting volume failed: mount.efs: no such file system",
		"slow":      "failed to mount volume slow: mounting volume failed: it took too long",
	} {
		for range 2 { // the error stays the same: nothing was counted
			_, err := plugin.Mount(t.Context(), name, "a")
			if errText(err) != want {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if len(f.mounted) > 0 {
		t.Errorf("mounted %v", f.mounted)
	}
}

// commandTimeout is an error without what a program said.
type commandTimeout struct{}

func (*commandTimeout) Error() string { return "it took too long" }

func TestAnUnmountThatFailsCanBeTriedAgain(t *testing.T) {
	p := newPlace(t)
	f := &fakeMounts{}
	plugin := p.start(f)
	mustCreate(t, plugin, "v")
	mustMount(t, plugin, "v", "a")
	f.before = func(context.Context, []string) error { return failing("umount: busy") }
	for range 2 {
		if err := plugin.Unmount(t.Context(), "v", "a"); errText(err) != "failed to unmount volume v: unmounting volume failed: umount: busy" {
			t.Errorf("%v", err)
		}
	}
	if err := plugin.Remove(t.Context(), "v"); errText(err) != "unmounting volume failed: umount: busy" {
		t.Errorf("%v", err)
	}
	f.before = nil
	if err := plugin.Unmount(t.Context(), "v", "a"); err != nil || len(f.mounted) > 0 {
		t.Errorf("%v, mounted %v", err, f.mounted)
	}
}

func TestWhatIsNotMountedIsUnmountedWithoutComplaint(t *testing.T) {
	for _, text := range []string{"umount: /x: not mounted.", "umount: /x: no mount point specified."} {
		p := newPlace(t)
		f := &fakeMounts{}
		plugin := p.start(f)
		mustCreate(t, plugin, "v")
		mustMount(t, plugin, "v", "a")
		f.before = func(context.Context, []string) error { return failing(text) }
		if err := plugin.Unmount(t.Context(), "v", "a"); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAMountThatCannotBeRecordedIsUndone(t *testing.T) {
	p := newPlace(t)
	f := &fakeMounts{}
	plugin := p.start(f)
	mustCreate(t, plugin, "v", "w")
	mustMount(t, plugin, "w", "a")
	repair := p.breakSaving()
	if _, err := plugin.Mount(t.Context(), "v", "a"); !strings.HasPrefix(errText(err), "mount failed due to an error while saving state: ") {
		t.Errorf("%v", err)
	}
	if _, err := plugin.Mount(t.Context(), "w", "b"); err == nil {
		t.Error("no error")
	}
	if diff := cmp.Diff([]string{p.path("w")}, f.mounted); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"a": 1}, plugin.volumes["w"].uses); diff != "" {
		t.Error(diff)
	}
	// Everything else only logs the trouble.
	if err := errors.Join(plugin.Create("x", efs), plugin.Unmount(t.Context(), "w", "a"), plugin.Remove(t.Context(), "w")); err != nil {
		t.Error(err)
	}
	repair()
	mustMount(t, plugin, "v", "a")
}

func TestRemove(t *testing.T) {
	p := newPlace(t)
	f := &fakeMounts{}
	plugin := p.start(f)
	mustCreate(t, plugin, "v", "full")
	foreign := filepath.Join(p.root, "disk")
	if err := os.Mkdir(foreign, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := plugin.Create("target", map[string]string{"device": "fs-1", "target": foreign}); err != nil {
		t.Fatal(err)
	}
	f.mounted = []string{foreign} // by somebody else
	if err := os.WriteFile(filepath.Join(p.path("full"), "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"v", "full", "target"} {
		if err := plugin.Remove(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := plugin.Get(name); errText(err) != "volume "+name+" not found" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if ran := f.take(); len(ran) > 0 {
		t.Errorf("ran %v", ran)
	}
	for path, left := range map[string]bool{p.path("v"): false, p.path("full"): true, foreign: false} {
		if _, err := os.Stat(path); (err == nil) != left {
			t.Errorf("%s: %v", path, err)
		}
	}
	if got := p.state(); got != `{}` {
		t.Errorf("state %s", got)
	}
}

func TestARestartKeepsMountedVolumes(t *testing.T) {
	p := newPlace(t)
	f := &fakeMounts{}
	plugin := p.start(f)
	mustCreate(t, plugin, "v", "gone", "old")
	for _, id := range []string{"a", "a", "b"} {
		mustMount(t, plugin, "v", id)
	}
	mustMount(t, plugin, "gone", "c")
	mustMount(t, plugin, "old", "d")
	before, _ := plugin.Get("v")

	f.mounted = slices.DeleteFunc(f.mounted, func(path string) bool { return path == p.path("gone") })
	f.take()
	plugin = p.start(f)
	if after, err := plugin.Get("v"); err != nil || after != before {
		t.Errorf("%+v, %v; before %+v", after, err, before)
	}
	mustMount(t, plugin, "v", "e")
	if ran := f.take(); len(ran) > 0 {
		t.Errorf("ran %v", ran)
	}
	mustMount(t, plugin, "gone", "f")
	if ran := f.take(); len(ran) != 1 || ran[0][0] != "mount" {
		t.Errorf("ran %v", ran)
	}
	for _, id := range []string{"a", "b", "a", "e"} {
		if err := plugin.Unmount(t.Context(), "v", id); err != nil {
			t.Error(err)
		}
	}
	if slices.Contains(f.mounted, p.path("v")) {
		t.Error("still mounted")
	}
	// Removed without an unmount, as when Docker lost count.
	if err := plugin.Remove(t.Context(), "old"); err != nil || slices.Contains(f.mounted, p.path("old")) {
		t.Errorf("%v, mounted %v", err, f.mounted)
	}
}

func TestAPluginKilledWhileItMountedAdoptsTheMount(t *testing.T) {
	p := newPlace(t)
	f := &fakeMounts{}
	plugin := p.start(f)
	mustCreate(t, plugin, "v")
	f.mounted = []string{p.path("v")}
	plugin = p.start(f)
	mustMount(t, plugin, "v", "a")
	if err := plugin.Unmount(t.Context(), "v", "a"); err != nil || len(f.mounted) > 0 {
		t.Errorf("%v, mounted %v", err, f.mounted)
	}
}

func TestWithoutAMountTableTheCountsDecide(t *testing.T) {
	p := newPlace(t)
	f := &fakeMounts{broken: true}
	plugin := p.start(f)
	mustCreate(t, plugin, "v")
	mustMount(t, plugin, "v", "a")
	mustMount(t, plugin, "v", "b")
	plugin = p.start(f)
	if err := plugin.Remove(t.Context(), "v"); err != nil {
		t.Error(err)
	}
	if ran := f.take(); len(ran) != 2 || ran[1][0] != "umount" {
		t.Errorf("ran %v", ran)
	}
}

func TestSomebodyElseUnmounted(t *testing.T) {
	p := newPlace(t)
	f := &fakeMounts{}
	plugin := p.start(f)
	mustCreate(t, plugin, "v")
	mustMount(t, plugin, "v", "a")
	f.mounted = nil
	mustMount(t, plugin, "v", "b")
	if len(f.mounted) != 1 {
		t.Errorf("mounted %v", f.mounted)
	}
}

func TestAMountThatHangsKeepsOnlyItsOwnVolumeWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		f := &fakeMounts{}
		plugin := p.start(f)
		mustCreate(t, plugin, "hangs", "works")
		f.before = func(ctx context.Context, line []string) error {
			if line[len(line)-1] != p.path("hangs") || line[0] != "mount" {
				return nil
			}
			<-ctx.Done()
			f.mu.Lock()
			f.mounted = append(f.mounted, p.path("hangs")) // it had nearly worked
			f.mu.Unlock()
			return failing("mount.nfs4: still trying")
		}
		begin := time.Now()
		var wait sync.WaitGroup
		wait.Go(func() {
			_, err := plugin.Mount(t.Context(), "hangs", "a")
			if took := time.Since(begin); errText(err) != "failed to mount volume hangs: mounting volume failed: mount.nfs4: still trying" || took != mountLimit {
				t.Errorf("%v after %s", err, took)
			}
		})
		time.Sleep(time.Second) // of the bubble: the mount hangs now
		wait.Go(func() {
			if err := plugin.Unmount(t.Context(), "hangs", "a"); errText(err) != "volume hangs is busy: an earlier request for it has not ended" {
				t.Errorf("%v", err)
			}
		})
		mustMount(t, plugin, "works", "b")
		if len(plugin.List()) != 2 {
			t.Error("list")
		}
		if _, err := plugin.Get("hangs"); err != nil {
			t.Error(err)
		}
		if time.Since(begin) != time.Second {
			t.Errorf("the others waited %s", time.Since(begin))
		}
		wait.Wait()
		if diff := cmp.Diff([]string{p.path("works")}, f.mounted); diff != "" {
			t.Error(diff)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	p := newPlace(t)
	f := &fakeMounts{}
	plugin := p.start(f)
	names := []string{"a", "b", "c"}
	mustCreate(t, plugin, names...)
	var wait sync.WaitGroup
	for i := range 60 {
		wait.Go(func() {
			name, id := names[i%3], fmt.Sprint(i)
			if _, err := plugin.Mount(t.Context(), name, id); err != nil {
				t.Error(err)
			}
			plugin.List()
			if err := plugin.Unmount(t.Context(), name, id); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if len(f.mounted) > 0 {
		t.Errorf("mounted %v", f.mounted)
	}
	for _, name := range names {
		wait.Go(func() {
			if err := plugin.Remove(t.Context(), name); err != nil {
				t.Error(err)
			}
		})
		wait.Go(func() { _, _ = plugin.Mount(t.Context(), name, "x") })
		wait.Go(func() { _ = plugin.Create(name, efs) })
	}
	wait.Wait()
}

func TestState(t *testing.T) {
	content, err := os.ReadFile("testdata/state.json")
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		Current       json.RawMessage
		Legacy        json.RawMessage `json:"legacy_without_reference_counts"`
		LegacyMounts  map[string]int  `json:"legacy_loaded_mounts"`
		Empty         json.RawMessage
		MustFail      []string `json:"must_fail"`
		MountsMissing int
	}
	if err := json.Unmarshal(content, &data); err != nil {
		t.Fatal(err)
	}
	mounted := &fakeMounts{mounted: []string{"/var/lib/ecs/volumes/task-vol", "/var/lib/ecs/volumes/s3", "/var/lib/ecs/volumes/efsVolume"}}

	p := newPlace(t)
	p.putState(string(data.Current))
	plugin := p.start(mounted)
	if err := plugin.state.save(plugin.volumes); err != nil {
		t.Fatal(err)
	}
	var before, after any
	if err := errors.Join(json.Unmarshal(data.Current, &before), json.Unmarshal([]byte(p.state()), &after)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(p.state(), "{\n\t\"volumes\": {\n\t\t\"s3\": {\n\t\t\t\"type\": \"s3files\",\n\t\t\t\"path\"") {
		t.Error(p.state())
	}

	p.putState(string(data.Legacy))
	if diff := cmp.Diff(data.LegacyMounts, p.start(mounted).volumes["efsVolume"].uses); diff != "" {
		t.Error(diff)
	}
	p.putState(string(data.Empty))
	if list := p.start(mounted).List(); len(list) > 0 {
		t.Errorf("%v", list)
	}
	if list := newPlace(t).start(mounted).List(); len(list) > 0 {
		t.Errorf("%v", list)
	}
	for _, broken := range data.MustFail {
		p.putState(broken)
		_, err := p.tryStart(mounted)
		var corrupt *CorruptError
		switch {
		case strings.Contains(broken, "nfs"):
			if errText(err) != "could not load plugin state: volume nfs type not supported" {
				t.Errorf("%v", err)
			}
		case !errors.As(err, &corrupt) || !strings.HasSuffix(err.Error(), ". Please remove statefile at "+stateAt(p.root).path):
			t.Errorf("%q: %v", broken, err)
		}
		if content, _ := os.ReadFile(stateAt(p.root).path); string(content) != broken {
			t.Errorf("the file was changed: %s", content)
		}
	}
}

func TestSavesLeaveNoFilesBehind(t *testing.T) {
	p := newPlace(t)
	plugin := p.start(&fakeMounts{})
	mustCreate(t, plugin, "a", "b")
	entries, err := os.ReadDir(filepath.Join(p.root, stateDirectory))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if info, err := os.Stat(stateAt(p.root).path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"volumes":{"a":{"type":"efs","path":"/x","mounts":{"i":null,"j":-5}}}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := stateFile{filepath.Join(t.TempDir(), stateName)}
		if err := os.WriteFile(file.path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		volumes, err := file.load()
		if err != nil {
			return
		}
		for _, v := range volumes {
			for id, count := range v.uses {
				if count < 1 {
					t.Errorf("%s: %d", id, count)
				}
			}
		}
		if err := file.save(volumes); err != nil {
			t.Error(err)
		}
		if _, err := file.load(); err != nil {
			t.Error(err)
		}
	})
}
