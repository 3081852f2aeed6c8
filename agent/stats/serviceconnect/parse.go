package serviceconnect

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// family is one metric of the Prometheus text format with all its samples.
type family struct {
	name    string
	kind    string // counter, gauge, histogram, …; untyped without a TYPE line
	samples []sample
}

// sample is one line. Buckets of histograms keep their label le; sums and counts of histograms are left out.
type sample struct {
	labels []label
	value  float64
}

type label struct{ name, value string }

func (s *sample) label(name string) (string, bool) {
	for _, l := range s.labels {
		if l.name == name {
			return l.value, true
		}
	}
	return "", false
}

// parse reads the Prometheus text format (version 0.0.4, with names in quotes as of 1.0), families in the order of their
// first line.
func parse(text string) ([]*family, error) {
	var p parser
	number := 0
	for line := range strings.Lines(text) {
		number++
		if err := p.line(strings.TrimSpace(line)); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return p.families, nil
}

type parser struct {
	families []*family
	byName   map[string]*family
}

func (p *parser) line(line string) error {
	if line == "" {
		return nil
	}
	if comment, ok := strings.CutPrefix(line, "#"); ok {
		return p.comment(strings.TrimSpace(comment))
	}
	return p.sample(line)
}

// comment reads a TYPE line; all others have no meaning.
func (p *parser) comment(text string) error {
	rest, ok := cutWord(text, "TYPE")
	if !ok {
		return nil
	}
	name, rest, err := cutName(rest)
	if err != nil {
		return err
	}
	kind := strings.TrimSpace(rest)
	switch kind {
	case "counter", "gauge", "histogram", "gaugehistogram", "summary", "untyped":
	default:
		return fmt.Errorf("unknown metric type %q", kind)
	}
	f := p.family(name)
	if len(f.samples) > 0 || f.kind != "untyped" {
		return fmt.Errorf("the type of %q comes twice or after its samples", name)
	}
	f.kind = kind
	return nil
}

func cutWord(text, word string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(text, word)
	if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
		return "", false
	}
	return strings.TrimLeft(rest, " \t"), true
}

// family finds or adds a family.
func (p *parser) family(name string) *family {
	if f := p.byName[name]; f != nil {
		return f
	}
	f := &family{name: name, kind: "untyped"}
	if p.byName == nil {
		p.byName = map[string]*family{}
	}
	p.byName[name] = f
	p.families = append(p.families, f)
	return f
}

// sample reads a line like name{label="value"} 1 1395066363000.
func (p *parser) sample(line string) error {
	name, rest := "", line
	var err error
	if line[0] != '{' {
		if name, rest, err = cutName(line); err != nil {
			return err
		}
	}
	rest = strings.TrimLeft(rest, " \t")
	var s sample
	if strings.HasPrefix(rest, "{") {
		if name, s.labels, rest, err = cutLabels(name, rest[1:]); err != nil {
			return err
		}
	}
	if name == "" {
		return errors.New("a sample without a name")
	}
	fields := strings.Fields(rest)
	if len(fields) != 1 && len(fields) != 2 {
		return fmt.Errorf("%q has no value", name)
	}
	if s.value, err = strconv.ParseFloat(fields[0], 64); err != nil && !errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("value of %q: %w", name, err)
	}
	if len(fields) == 2 {
		if _, err := strconv.ParseInt(fields[1], 10, 64); err != nil {
			return fmt.Errorf("time of %q: %w", name, err)
		}
	}
	p.add(name, s)
	return nil
}

// add puts a sample into its family: those of histograms and summaries have names with an ending. Buckets without the
// ending are known by their label.
func (p *parser) add(name string, s sample) {
	for _, ending := range []string{"_bucket", "_sum", "_count"} {
		base, ok := strings.CutSuffix(name, ending)
		f := p.byName[base]
		if !ok || f == nil || f.kind != "histogram" && f.kind != "gaugehistogram" && f.kind != "summary" {
			continue
		}
		if ending == "_bucket" {
			f.samples = append(f.samples, s)
		}
		return
	}
	f := p.family(name)
	f.samples = append(f.samples, s)
}

// cutName cuts a name off the text: a word, or any text in quotes.
func cutName(text string) (name, rest string, err error) {
	if strings.HasPrefix(text, `"`) {
		return cutQuoted(text[1:])
	}
	end := strings.IndexFunc(text, func(r rune) bool {
		return r != '_' && r != ':' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if end < 0 {
		end = len(text)
	}
	if end == 0 || text[0] >= '0' && text[0] <= '9' {
		return "", "", fmt.Errorf("%q does not begin with a name", shortened(text))
	}
	return text[:end], text[end:], nil
}

// cutQuoted cuts off a text that ends with a quote; \\, \" and \n stand for themselves and a new line.
func cutQuoted(text string) (value, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			if !utf8.ValidString(b.String()) {
				return "", "", errors.New("a text in quotes is not UTF-8")
			}
			return b.String(), text[i+1:], nil
		case c == '\\' && i+1 < len(text):
			i++
			switch text[i] {
			case '\\', '"':
				b.WriteByte(text[i])
			case 'n':
				b.WriteByte('\n')
			default:
				return "", "", fmt.Errorf(`unknown escape \%c`, text[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("a text in quotes does not end")
}

// cutLabels cuts off labels up to the closing brace. The name of the metric may be among them, in quotes and without a
// value.
func cutLabels(name, text string) (metric string, labels []label, rest string, err error) {
	for {
		text = strings.TrimLeft(text, " \t")
		if after, ok := strings.CutPrefix(text, "}"); ok {
			return name, labels, after, nil
		}
		quoted := strings.HasPrefix(text, `"`)
		var l label
		if l.name, text, err = cutName(text); err != nil {
			return "", nil, "", err
		}
		text = strings.TrimLeft(text, " \t")
		if after, ok := strings.CutPrefix(text, "="); ok {
			after = strings.TrimLeft(after, " \t")
			if !strings.HasPrefix(after, `"`) {
				return "", nil, "", fmt.Errorf("the value of label %q is not in quotes", l.name)
			}
			if l.value, text, err = cutQuoted(after[1:]); err != nil {
				return "", nil, "", err
			}
			if slices.ContainsFunc(labels, func(have label) bool { return have.name == l.name }) {
				return "", nil, "", fmt.Errorf("label %q comes twice", l.name)
			}
			labels = append(labels, l)
		} else if quoted && name == "" {
			name = l.name
		} else {
			return "", nil, "", fmt.Errorf("label %q has no value", l.name)
		}
		text = strings.TrimLeft(text, " \t")
		if after, ok := strings.CutPrefix(text, ","); ok {
			text = after
		} else if !strings.HasPrefix(text, "}") {
			return "", nil, "", errors.New("labels do not end")
		}
	}
}

func shortened(text string) string {
	if len(text) > 40 {
		return text[:40] + "…"
	}
	return text
}
