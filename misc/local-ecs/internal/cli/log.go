package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// lineHandler writes one readable line for each record:
//
//	15:04:05.000 INFO  task created  task=5f2c0a… instance=81b1…
type lineHandler struct {
	out    *lockedWriter
	level  slog.Leveler
	prefix string // attributes of With
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func newLog(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(&lineHandler{out: &lockedWriter{w: w}, level: level})
}

func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %-5s %s", r.Time.Format("15:04:05.000"), r.Level, r.Message)
	sep := "  "
	if h.prefix != "" {
		b.WriteString(sep + h.prefix)
		sep = " "
	}
	r.Attrs(func(a slog.Attr) bool {
		if text := attr(a); text != "" {
			b.WriteString(sep + text)
			sep = " "
		}
		return true
	})
	b.WriteByte('\n')
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(b.Bytes())
	return err
}

// attr is key=value; empty values are left out, values with blanks quoted.
func attr(a slog.Attr) string {
	v := a.Value.String()
	switch {
	case v == "":
		return ""
	case strings.ContainsAny(v, " \t\n\""):
		v = fmt.Sprintf("%q", v)
	}
	return a.Key + "=" + v
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	for _, a := range attrs {
		n.prefix = strings.TrimSpace(n.prefix + " " + attr(a))
	}
	return &n
}

// WithGroup is not used by local-ecs; groups are ignored.
func (h *lineHandler) WithGroup(string) slog.Handler { return h }
