package log

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

func TestLinesAndLevels(t *testing.T) {
	cases := []struct {
		level string
		words string
	}{
		{"", "info warn error critical"}, {"info", "info warn error critical"}, {"DEBUG", "info warn error critical"},
		{"warn", "warn error critical"}, {"error", "error critical"}, {"Crit", "critical"}, {"none", ""},
		{"verbose", "mapping info warn error critical"},
	}
	for _, c := range cases {
		t.Run(c.level, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ecs", "ecs-init.log")
			closeFile := Setup(file, c.level)
			defer func() { logger.Setup(logger.Options{DriverLevel: logger.LevelInfo}) }()
			Infof("an \"%s\"", "info")
			Warnf("a %s", "warn")
			Errorf("an %s", "error")
			Criticalf("a %s", "critical")
			closeFile()
			content, _ := os.ReadFile(file)
			line := regexp.MustCompile(`^level=\w+ time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ msg="(?:an? \\?"?(\w+)\\?"?|log level (mapping) not found)"$`)
			var words []string
			for text := range strings.Lines(string(content)) {
				match := line.FindStringSubmatch(strings.TrimSuffix(text, "\n"))
				if match == nil {
					t.Errorf("line %q", text)
					continue
				}
				words = append(words, match[1]+match[2])
			}
			if got := strings.Join(words, " "); got != c.words {
				t.Errorf("%q, want %q", got, c.words)
			}
		})
	}
}
