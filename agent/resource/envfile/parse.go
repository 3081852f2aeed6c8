package envfile

import (
	"bufio"
	"io"
	"strings"
)

// parse reads lines NAME=VALUE. Name and value are taken as they are: no quotes, no escapes, no trimming. Lines that begin
// with "#" and lines without "=" are skipped, as are those without a name, which noName is told about (lines count from 1).
// Of several lines for one name the last counts. A line of 64 KiB and more is an error.
func parse(file io.Reader, noName func(line int)) (map[string]string, error) {
	variables := map[string]string{}
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		text := lines.Text()
		if strings.HasPrefix(text, "#") {
			continue
		}
		name, value, found := strings.Cut(text, "=")
		switch {
		case !found:
		case name == "":
			noName(number)
		default:
			variables[name] = value
		}
	}
	return variables, lines.Err()
}
