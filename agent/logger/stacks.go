package logger

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"time"
)

// maxStackDump bounds a dump of all stacks, in bytes.
const maxStackDump = 640 << 10

// dumpStacks writes the stacks of all goroutines as one critical record, framed by STACKTRACE lines.
func dumpStacks() {
	stacks := make([]byte, maxStackDump)
	stacks = stacks[:runtime.Stack(stacks, true)]
	Critical("====== STACKTRACE ======\n" + now().Format(time.RFC3339) + "\n" + string(stacks) + "\n====== /STACKTRACE ======")
}

// RunStackDumps calls dumpStacks whenever the process gets the signal for it (SIGUSR1; none on Windows) until ctx ends.
// Without it the signal's default action applies: it ends the process.
func RunStackDumps(ctx context.Context) error {
	if len(dumpSignals) == 0 {
		<-ctx.Done()
		return nil
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, dumpSignals...)
	defer signal.Stop(signals)
	for {
		select {
		case <-signals:
			dumpStacks()
		case <-ctx.Done():
			return nil
		}
	}
}
