package awsclient

import "strings"

// iniFile is a shared configuration file: section name → property → value. Property names are lower case. A property
// whose value is given on indented lines below it (`services` sections) is stored as "outer.inner".
type iniFile map[string]map[string]string

// parseINI reads the INI dialect of the AWS shared configuration files. It takes what it can: lines that are neither a
// section, a property nor a comment are skipped, so a file that the AWS CLI accepts never stops the agent.
func parseINI(text []byte) iniFile {
	file := iniFile{}
	var section map[string]string
	outer := ""
	for line := range strings.Lines(string(text)) {
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
			continue
		case line[0] == '[':
			name, _, closed := strings.Cut(line[1:], "]")
			if !closed {
				section = nil
				continue
			}
			name = sectionName(name)
			if file[name] == nil {
				file[name] = map[string]string{}
			}
			section, outer = file[name], ""
			continue
		}
		key, value, found := strings.Cut(line, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		if section == nil || !found || key == "" {
			continue
		}
		value = stripComment(strings.TrimSpace(value))
		if indented && outer != "" {
			section[outer+"."+key] = value
			continue
		}
		outer = ""
		if value == "" {
			outer = key
		}
		section[key] = value
	}
	return file
}

// sectionName trims a section header and squeezes the blank between "profile" and the name.
func sectionName(s string) string {
	return strings.Join(strings.Fields(strings.Trim(strings.TrimSpace(s), `"'`)), " ")
}

// stripComment cuts a trailing comment, which needs a blank before its mark: keys and secrets may contain # and ;.
func stripComment(v string) string {
	for i := 1; i < len(v); i++ {
		if (v[i] == '#' || v[i] == ';') && (v[i-1] == ' ' || v[i-1] == '\t') {
			return strings.TrimSpace(v[:i])
		}
	}
	return v
}
