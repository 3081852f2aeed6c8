package main

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"strings"
)

// section of a configuration: [NAME] and what follows. Keys are in lower case; of "record" there may be several.
type section struct {
	name    string
	values  map[string]string
	records [][2]string
}

// readConfig reads a configuration in Fluent Bit's classic form, with variables put in.
func readConfig(file string, getenv func(string) string) ([]section, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []section
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		key, value, _ := strings.Cut(line, " ")
		value = os.Expand(strings.TrimSpace(value), getenv)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.EqualFold(key, "@include"):
			more, err := readConfig(value, getenv)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			all = append(all, section{name: strings.ToUpper(line[1 : len(line)-1]), values: map[string]string{}})
		case len(all) == 0:
			return nil, fmt.Errorf("%s:%d: %q is in no section", file, n, key)
		default:
			all[len(all)-1].set(strings.ToLower(key), value)
		}
	}
	return all, lines.Err()
}

func (s *section) set(key, value string) {
	if key == "record" {
		name, content, _ := strings.Cut(value, " ")
		s.records = append(s.records, [2]string{name, content})
		return
	}
	s.values[key] = value
}

// matches reports whether the section is for records with the tag.
func (s *section) matches(tag string) bool {
	ok, err := path.Match(s.values["match"], tag)
	return err == nil && ok
}
