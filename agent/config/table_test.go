package config

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
)

func TestEveryRowFitsItsField(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range all(settings(linux())) {
		for _, name := range []string{s.env, s.key, s.fieldName()} {
			if name != "" && name != s.key && seen[name] {
				t.Errorf("%s is in two rows", name)
			}
			seen[name] = true
		}
		if s.doc == "" || !strings.HasSuffix(s.doc, ".") && !strings.HasSuffix(s.doc, ".)") {
			t.Errorf("%s: doc %q is no sentence", s.name(), s.doc)
		}
		if s.kind.decode == nil {
			if s.allowed == "" || s.defText == "" {
				t.Errorf("%s: a computed setting needs texts for its values and default", s.name())
			}
			continue
		}
		field, ok := reflect.TypeFor[Config]().FieldByName(s.fieldName())
		if !ok {
			t.Errorf("%s: no field %s", s.name(), s.fieldName())
			continue
		}
		v, err := s.kind.decode(json.RawMessage("null"))
		if s.kind.allowed == prefixKind.allowed || s.kind.allowed == secretKind.allowed {
			err = nil
		}
		if err != nil || reflect.TypeOf(v) != field.Type {
			t.Errorf("%s: kind gives %T (%v), field %s is %v", s.name(), v, err, field.Name, field.Type)
		}
		if s.def != nil && reflect.TypeOf(s.def) != field.Type {
			t.Errorf("%s: default is %T, field %s is %v", s.name(), s.def, field.Name, field.Type)
		}
	}
}

func TestEveryFieldHasARow(t *testing.T) {
	detected := []string{"FIPSEnabled"}
	rows := all(settings(linux()))
	for field := range reflect.TypeFor[Config]().Fields() {
		has := slices.ContainsFunc(rows, func(s setting) bool { return s.fieldName() == field.Name })
		if has == slices.Contains(detected, field.Name) {
			t.Errorf("field %s: row %t", field.Name, has)
		}
	}
}

func TestFeaturesToComeNameSettings(t *testing.T) {
	rows := all(settings(linux()))
	seen := map[string]bool{}
	for _, p := range notSupportedYet {
		if _, ok := byName(rows, p.name); !ok || seen[p.name] {
			t.Errorf("%s: in the table %t, listed before %t", p.name, ok, seen[p.name])
		}
		seen[p.name] = true
	}
}

// The tables of the documentation are written from the table of settings, so that they cannot drift.
func TestDocumentationIsCurrent(t *testing.T) {
	sections := map[string]string{}
	for _, g := range settings(linux()) {
		sections[g.title] = settingsTable(g.settings)
	}
	sections["Logging"] = variablesTable(logVariables)
	sections["gMSA on the host"] = variablesTable(gmsaVariables)
	sections["ecs-init"] = variablesTable(initVariables)
	sections["CNI plug-ins"] = variablesTable(pluginVariables)
	checkTables(t, "../../doc/configuration.md", sections, true)
	checkTables(t, "../../README.md", map[string]string{"Settings": readmeTable()}, false)
}

// checkTables compares what stands between `<!-- table: NAME -->` and `<!-- end -->` with the sections. With all, the file
// must exist and have every section.
func checkTables(t *testing.T, path string, sections map[string]string, every bool) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		if every {
			t.Fatal(err)
		}
		return
	}
	text := string(b)
	for name, want := range sections {
		start, end := fmt.Sprintf("<!-- table: %s -->\n", name), "<!-- end -->"
		before, rest, ok := strings.Cut(text, start)
		if !ok {
			if every {
				t.Errorf("%s has no %s", path, strings.TrimSpace(start))
			}
			continue
		}
		got, after, ok := strings.Cut(rest, end)
		if !ok {
			t.Fatalf("%s: no %s after %s", path, end, start)
		}
		if got != want && !goldenfile.Updating() {
			t.Errorf("%s: table %q is not current; run go test ./agent/config -run Documentation -update", path, name)
		}
		text = before + start + want + end + after
	}
	if goldenfile.Updating() && text != string(b) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func settingsTable(rows []setting) string {
	var b strings.Builder
	b.WriteString("| Variable | JSON key | Values | Default | Effect |\n|---|---|---|---|---|\n")
	for _, s := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", code(s.env), code(s.key), s.allowedText(), s.defaultText(), pendingMark(s)+s.doc)
	}
	return b.String()
}

func variablesTable(variables []variable) string {
	var b strings.Builder
	b.WriteString("| Variable | Values | Default | Effect |\n|---|---|---|---|\n")
	for _, v := range variables {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code(v.name), v.allowed, v.def, v.doc)
	}
	return b.String()
}

// readmeTable has the variables with the first sentence about each.
func readmeTable() string {
	var b strings.Builder
	b.WriteString("| Variable | Default | Effect |\n|---|---|---|\n")
	for _, s := range all(settings(linux())) {
		if s.env != "" {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", code(s.env), s.defaultText(), pendingMark(s)+firstSentence(s.doc))
		}
	}
	for _, v := range logVariables {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", code(v.name), v.def, firstSentence(v.doc))
	}
	return b.String()
}

func firstSentence(doc string) string {
	first, _, found := strings.Cut(doc, ". ")
	if found && !strings.HasSuffix(first, ".") {
		first += "."
	}
	return first
}

func pendingMark(s setting) string {
	if slices.ContainsFunc(notSupportedYet, func(p pending) bool { return p.name == s.name() }) {
		return "**Not supported yet.** "
	}
	return ""
}

func code(name string) string {
	if name == "" {
		return "–"
	}
	return "`" + name + "`"
}
