package logger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Format is the shape of a line.
type Format int

const (
	FormatLogfmt Format = iota
	FormatJSON
)

// record is one event to be written. Its fields travel beside it, never in it: in a struct they would share the fate of
// msg, which escapes to the heap, and every call below the level would then pay for a slice.
type record struct {
	level  Level
	time   time.Time
	msg    string
	module string // of a plain message
}

// appendLine appends r and its fields as one line with its newline.
func (f Format) appendLine(b []byte, r record, fields []Field) []byte {
	if f == FormatJSON {
		return appendJSONLine(b, r, fields)
	}
	return appendLogfmtLine(b, r, fields)
}

func appendLogfmtLine(b []byte, r record, fields []Field) []byte {
	b = append(b, "level="...)
	b = append(b, r.level.String()...)
	b = append(b, " time="...)
	b = r.time.UTC().AppendFormat(b, time.RFC3339)
	b = append(b, " msg="...)
	b = strconv.AppendQuote(b, r.msg)
	if r.module != "" {
		b = append(b, " module="...)
		b = append(b, r.module...)
	}
	for _, f := range fields {
		b = append(b, ' ')
		b = append(b, f.Key...)
		b = append(b, '=')
		b = appendLogfmtValue(b, f.Value)
	}
	return append(b, '\n')
}

// appendLogfmtValue quotes strings and errors and writes everything else in its plain form, unless that form would break the line.
func appendLogfmtValue(b []byte, value any) []byte {
	switch v := value.(type) {
	case string:
		return strconv.AppendQuote(b, v)
	case error:
		return strconv.AppendQuote(b, errorText(v))
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	}
	plain := fmt.Sprint(value)
	if strings.ContainsFunc(plain, func(c rune) bool { return c == '"' || !unicode.IsPrint(c) }) {
		return strconv.AppendQuote(b, plain)
	}
	return append(b, plain...)
}

// errorText is err.Error() for an error that may be a nil pointer in an interface, as fmt does it.
func errorText(err error) string { return fmt.Sprint(err) }

func appendJSONLine(b []byte, r record, fields []Field) []byte {
	b = append(b, `{"level":"`...)
	b = append(b, r.level.String()...)
	b = append(b, `","time":"`...)
	b = r.time.UTC().AppendFormat(b, time.RFC3339)
	b = append(b, `","msg":`...)
	b = appendJSONValue(b, r.msg)
	if r.module != "" {
		b = append(b, `,"module":`...)
		b = appendJSONValue(b, r.module)
	}
	// Copied by hand, because slices.Clone would make fields escape, see record.
	sorted := make([]Field, len(fields))
	copy(sorted, fields)
	slices.SortStableFunc(sorted, func(x, y Field) int { return strings.Compare(x.Key, y.Key) })
	for _, f := range sorted {
		b = append(b, ',')
		b = appendJSONValue(b, f.Key)
		b = append(b, ':')
		b = appendJSONValue(b, f.Value)
	}
	return append(b, '}', '\n')
}

// appendJSONValue writes errors as strings and what JSON cannot express in its plain form, as a string.
func appendJSONValue(b []byte, value any) []byte {
	if err, ok := value.(error); ok {
		value = errorText(err)
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		text.Reset()
		_ = enc.Encode(fmt.Sprint(value))
	}
	return append(b, bytes.TrimSuffix(text.Bytes(), []byte{'\n'})...)
}
