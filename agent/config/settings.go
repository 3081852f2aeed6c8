package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// setting is one row of the table of settings: everything there is to know about it, for the loader and for the reader of
// doc/configuration.md, whose tables are written from these rows.
type setting struct {
	// env is the environment variable; empty for settings of the JSON file only.
	env string
	// key is the JSON key; empty for settings of the environment only.
	key string
	// field is the field of Config when it is not named like key.
	field string
	kind  kind

	// def is the built-in default of the field's type; nil is the zero value.
	def any
	// defText describes a default that is computed at start, for the documentation.
	defText string

	// envMin raises a smaller non-zero value of the environment (negative ones included).
	envMin time.Duration
	// min applies to the merged value, in the field's unit. A smaller value is replaced by the default, or is fatal when
	// fatalName is set. No number or duration may be negative.
	min int64
	// fatalName is how the error names a value below min.
	fatalName string
	// fatalFormat makes a malformed variable fatal; it is the error's text with %v for the cause.
	fatalFormat string

	// trim removes white space around the merged value.
	trim bool
	// envOnly settings have a JSON key whose value is checked for its type and then not used.
	envOnly bool

	// doc is a sentence for operators. notes on allowed values that the kind does not tell go to allowed.
	doc     string
	allowed string
}

// group is a chapter of the table.
type group struct {
	title    string
	settings []setting
}

// fieldName returns the Config field the setting ends up in, empty when the loader computes it from several variables.
func (s setting) fieldName() string { return cmp.Or(s.field, s.key) }

// name returns what an operator knows the setting by.
func (s setting) name() string { return cmp.Or(s.env, s.key) }

// allowedText describes the values for the documentation and for warnings.
func (s setting) allowedText() string {
	if s.allowed != "" {
		return s.allowed
	}
	text := s.kind.allowed
	switch {
	case s.kind.allowed == durationKind.allowed && (s.min > 0 || s.envMin > 0):
		return fmt.Sprintf("%s, at least %s", text, shortDuration(max(time.Duration(s.min), s.envMin)))
	case s.min > 0:
		return fmt.Sprintf("%s, at least %d", text, s.min)
	}
	return text
}

// defaultText describes the default for the documentation.
func (s setting) defaultText() string {
	if s.defText != "" {
		return s.defText
	}
	switch v := s.def.(type) {
	case nil:
	case string:
		return "`" + v + "`"
	case time.Duration:
		return "`" + shortDuration(v) + "`"
	case Toggle:
		return fmt.Sprintf("`%t`", v.Enabled)
	case []string:
		if len(v) == 0 {
			return "`[]`"
		}
		return "`[\"" + strings.Join(v, "\",\"") + "\"]`"
	case []uint16:
		return "`" + strings.ReplaceAll(fmt.Sprint(v), " ", ",") + "`"
	default:
		return fmt.Sprintf("`%v`", v)
	}
	switch s.kind.allowed {
	case triKind.allowed:
		return "`false`"
	case durationKind.allowed, intKind.allowed, uint16Kind.allowed:
		return "`0`"
	case pullBehaviorKind.allowed, propagateTagsKind.allowed, statsSourceKind.allowed:
		return "`" + strings.Trim(strings.SplitN(s.kind.allowed, ",", 2)[0], "`") + "`"
	}
	return "none"
}

// shortDuration is d without trailing zero units: `3h`, not `3h0m0s`.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// all returns the rows of every group.
func all(groups []group) []setting {
	var rows []setting
	for _, g := range groups {
		rows = append(rows, g.settings...)
	}
	return rows
}

// setField stores v, which has the field's type, in the named field.
func setField(c *Config, name string, v any) {
	reflect.ValueOf(c).Elem().FieldByName(name).Set(reflect.ValueOf(v))
}

// number returns the value of a field that holds a number or duration.
func number(c *Config, name string) (n int64, ok bool) {
	switch f := reflect.ValueOf(c).Elem().FieldByName(name); f.Kind() {
	case reflect.Int, reflect.Int64:
		return f.Int(), true
	case reflect.Uint16:
		return int64(f.Uint()), true
	}
	return 0, false
}

// byName finds the row of a variable, or of a JSON key that has no variable.
func byName(rows []setting, name string) (setting, bool) {
	i := slices.IndexFunc(rows, func(s setting) bool { return s.name() == name })
	if i < 0 {
		return setting{}, false
	}
	return rows[i], true
}
