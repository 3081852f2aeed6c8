package logger

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
)

var testTime = time.Date(2018, 10, 1, 3, 2, 3, 999, time.FixedZone("east", 2*3600))

func TestLines(t *testing.T) {
	var cases []struct {
		Name, Format, Level, Msg, Module, Line string
		Fields                                 [][2]any
	}
	goldenfile.Read(t, "testdata/lines.json", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			r := record{time: testTime, msg: c.Msg, module: c.Module}
			for l := LevelDebug; l < LevelOff; l++ {
				if l.String() == c.Level {
					r.level = l
				}
			}
			var fields []Field
			for _, f := range c.Fields {
				value := f[1]
				if n, ok := value.(float64); ok {
					value = int(n)
				}
				fields = append(fields, F(f[0].(string), value))
			}
			format := FormatLogfmt
			if c.Format == "json" {
				format = FormatJSON
			}
			if got := string(format.appendLine(nil, r, fields)); got != c.Line {
				t.Errorf("got  %swant %s", got, c.Line)
			}
		})
	}
}

type stringer struct{}

func (stringer) String() string { return "plain form" }

func TestFieldValues(t *testing.T) {
	var nilError *os.PathError
	for _, c := range []struct {
		name         string
		value        any
		logfmt, json string
	}{
		{"error", errors.New("no \"x\""), `"no \"x\""`, `"no \"x\""`},
		{"no error", nil, `<nil>`, `null`},
		{"typed nil error", nilError, `"<nil>"`, `"<nil>"`},
		{"duration", 90 * time.Second, `1m30s`, `90000000000`},
		{"list", []string{"a", "b"}, `[a b]`, `["a","b"]`},
		{"stringer", stringer{}, `plain form`, `{}`},
		{"negative", -3, `-3`, `-3`},
		{"large", uint64(1) << 63, `9223372036854775808`, `9223372036854775808`},
		{"plain form with a line break", []string{"a\nlevel=error"}, `"[a\nlevel=error]"`, `["a\nlevel=error"]`},
		{"not expressible in JSON", complex(1, 2), `(1+2i)`, `"(1+2i)"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(appendLogfmtValue(nil, c.value)); got != c.logfmt {
				t.Errorf("logfmt %s, want %s", got, c.logfmt)
			}
			if got := string(appendJSONValue(nil, c.value)); got != c.json {
				t.Errorf("json %s, want %s", got, c.json)
			}
		})
	}
}

// FuzzLines: whatever is logged, a record is one line, and a JSON record is valid JSON.
func FuzzLines(f *testing.F) {
	f.Add("msg", "key", "value")
	f.Add("a\nb", "k", "\x00\xff\"\\ ")
	f.Fuzz(func(t *testing.T, msg, key, value string) {
		r := record{time: testTime, msg: msg}
		fields := []Field{F("k", value), F("e", errors.New(value)), F("l", []string{value})}
		for _, format := range []Format{FormatLogfmt, FormatJSON} {
			line := string(format.appendLine(nil, r, fields))
			if strings.IndexByte(line, '\n') != len(line)-1 {
				t.Errorf("not one line: %q", line)
			}
		}
		fields = append(fields, F(key, value))
		if line := FormatJSON.appendLine(nil, r, fields); !json.Valid(line) {
			t.Errorf("not JSON: %q", line)
		}
	})
}

func TestCredentialsIDIsCut(t *testing.T) {
	if got := CredentialsID("0123456789abcdef"); got != F("credentialsID", "01234567-REDACTED") {
		t.Errorf("got %v", got)
	}
	if got := CredentialsID("short"); got != F("credentialsID", "short-REDACTED") {
		t.Errorf("got %v", got)
	}
}
