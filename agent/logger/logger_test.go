package logger

import (
	"bytes"
	"context"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(context.Background(), d)
}

// capture sends what the test logs to the returned buffer.
func capture(t *testing.T, opts Options) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	opts.Driver = &b
	before := current.Load()
	closeFile := Setup(opts)
	t.Cleanup(func() {
		closeFile()
		current.Store(before)
		log.SetOutput(os.Stderr)
	})
	return &b
}

var timePattern = regexp.MustCompile(`time=\S+ `)

func lines(b *bytes.Buffer) string { return timePattern.ReplaceAllString(b.String(), "") }

func TestEachOutputHasItsLevel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log", "agent.log")
	driver := capture(t, Options{DriverLevel: LevelError, FileLevel: LevelInfo, File: path, Rotation: Rotation{Type: RolloverNone}})
	Debug("d", F("n", 1))
	Info("i", F("n", 1))
	Error("e", F("n", 1))
	if got := lines(driver); got != "level=error msg=\"e\" n=1\n" {
		t.Errorf("driver:\n%s", got)
	}
	file := timePattern.ReplaceAllString(content(t, path), "")
	if file != "level=info msg=\"i\" n=1\nlevel=error msg=\"e\" n=1\n" {
		t.Errorf("file:\n%s", file)
	}
}

func TestOffWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	driver := capture(t, Options{DriverLevel: LevelOff, FileLevel: LevelOff, File: path})
	Critical("c", F("n", 1))
	Log(LevelOff, "x", F("n", 1))
	if driver.Len() > 0 || Enabled(LevelCritical) {
		t.Errorf("wrote %q", driver)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file exists although its level is off")
	}
}

func TestAPlainMessageNamesItsFile(t *testing.T) {
	driver := capture(t, Options{})
	Info("plain")
	if got := lines(driver); got != "level=info msg=\"plain\" module=logger_test.go\n" {
		t.Errorf("got %s", got)
	}
}

func TestTheFileIsCompleteWhenTheCallReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	capture(t, Options{File: path, Rotation: Rotation{Type: RolloverSize, MaxBytes: 1 << 20}})
	for range 100 {
		Info("line", F("n", 1))
	}
	if n := strings.Count(content(t, path), "\n"); n != 100 {
		t.Errorf("%d lines", n)
	}
}

func TestAnUnusableFileIsReportedAndDoesNotSilenceTheDriver(t *testing.T) {
	blocker := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	driver := capture(t, Options{File: filepath.Join(blocker, "agent.log")})
	Info("one", F("n", 1))
	Info("two", F("n", 2))
	got := lines(driver)
	for _, want := range []string{"named by ECS_LOGFILE", "msg=\"one\" n=1\n", "msg=\"two\" n=2\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if n := strings.Count(got, "not a directory"); n != 1 {
		t.Errorf("the failure is told %d times:\n%s", n, got)
	}
	if err := os.Remove(blocker); err != nil {
		t.Fatal(err)
	}
	Info("three", F("n", 3))
	if got := content(t, filepath.Join(blocker, "agent.log")); !strings.Contains(got, "three") {
		t.Errorf("the file did not recover: %q", got)
	}
}

func TestProblemsAreLoggedBySetup(t *testing.T) {
	driver := capture(t, FromEnvironment(mapLookup(map[string]string{"ECS_LOGLEVEL": "loud"}), LevelFlags{}))
	want := "level=error msg=\"Driver log level mapping not found\" name=\"ECS_LOGLEVEL\" value=\"loud\" allowed=\"debug, info, warn, error, crit, none\"\n"
	if got := lines(driver); got != want {
		t.Errorf("got %s", got)
	}
}

func TestTheStandardLoggerIsTakenOver(t *testing.T) {
	driver := capture(t, Options{})
	log.Printf("http: TLS handshake error")
	if got := lines(driver); got != "level=warn msg=\"http: TLS handshake error\" module=log\n" {
		t.Errorf("got %s", got)
	}
}

func TestConcurrentRecordsStayWhole(t *testing.T) {
	driver := capture(t, Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				Info("some message", F("key", "value"))
			}
		})
	}
	wg.Wait()
	for line := range strings.Lines(lines(driver)) {
		if line != "level=info msg=\"some message\" key=\"value\"\n" {
			t.Fatalf("got %q", line)
		}
	}
}

// The zero-allocation path is the one hot loops take: literal keys and values that need no boxing, level off.
func TestARecordBelowTheLevelCostsNothing(t *testing.T) {
	capture(t, Options{DriverLevel: LevelInfo, FileLevel: LevelOff})
	id := "some-id"
	if n := testing.AllocsPerRun(100, func() { Debug("msg", F("task", "constant")) }); n > 0 {
		t.Errorf("%v allocations with a constant field", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if Enabled(LevelDebug) {
			Debug("msg", F("task", id), F("n", 12345))
		}
	}); n > 0 {
		t.Errorf("%v allocations behind Enabled", n)
	}
}

func TestStackDumpIsOneFramedCriticalRecord(t *testing.T) {
	driver := capture(t, Options{})
	dumpStacks()
	got := driver.String()
	if !regexp.MustCompile(`^level=critical time=\S+ msg="====== STACKTRACE ======\\n\d{4}-\S+?\\ngoroutine .*TestStackDumpIsOneFramedCriticalRecord.*\\n====== /STACKTRACE ======" module=stacks.go\n$`).MatchString(got) {
		t.Errorf("got %.300s … %s", got, got[max(0, len(got)-100):])
	}
}

func BenchmarkRecordBelowTheLevel(b *testing.B) {
	id := b.Name()
	for b.Loop() {
		Debug("msg", F("task", id), F("n", b.N))
	}
}

func BenchmarkRecord(b *testing.B) {
	id := b.Name()
	o := &output{driver: discard{}, fileLevel: LevelOff}
	before := current.Swap(o)
	defer current.Store(before)
	for b.Loop() {
		Info("msg", F("task", id), F("n", b.N))
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
