package command

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestExecGivesStandardOutput(t *testing.T) {
	out, err := Exec(t.Context(), "sh", "-c", "echo hello; echo quiet >&2")
	if out != "hello\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

func TestExecTellsEverythingAboutAFailure(t *testing.T) {
	_, err := Exec(t.Context(), "sh", "-c", "echo boom >&2; exit 3")
	var failed *Error
	if !errors.As(err, &failed) || failed.Said() != "boom" || Status(err) != 3 {
		t.Fatalf("%v", err)
	}
	if want := "sh -c echo boom >&2; exit 3: exit status 3: boom"; err.Error() != want {
		t.Errorf("%q", err)
	}
	_, err = Exec(t.Context(), "sh", "-c", "echo only out; exit 1")
	if !errors.As(err, &failed) || failed.Said() != "only out" {
		t.Errorf("%v", err)
	}
}

func TestExecWithoutTheProgram(t *testing.T) {
	_, err := Exec(t.Context(), "no-such-program-here")
	if !errors.Is(err, exec.ErrNotFound) || Status(err) != -1 || !strings.Contains(err.Error(), "no-such-program-here") {
		t.Errorf("%v", err)
	}
}

func TestExecKillsTheWholeGroupWhenTheTimeIsOver(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := Exec(ctx, "sh", "-c", "echo working >&2; sleep 60 & sleep 60")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "working") {
		t.Errorf("%v", err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestExecDoesNotWaitForADaemonThatKeepsTheOutputOpen(t *testing.T) {
	begin := time.Now()
	out, err := Exec(t.Context(), "sh", "-c", "sleep 20 & echo done")
	if err != nil || out != "done\n" {
		t.Errorf("%q, %v", out, err)
	}
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestExecKeepsOnlyTheHeadOfLongOutput(t *testing.T) {
	out, err := Exec(t.Context(), "head", "-c", "1000000", "/dev/zero")
	if err != nil || len(out) != maxOutput {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}
